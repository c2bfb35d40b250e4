/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include <rte_common.h>

#include "args.h"
#include "gen.h"
#include "payload.h"
#include "report.h"
#include "shape.h"
#include "stop.h"

/* A device and, behind a proxy, a broker's connection each. */
static int
allow_sockets(uint32_t connections)
{
	const rlim_t need = 2 * (rlim_t)connections + 128;
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) == 0 && l.rlim_cur >= need)
		return 0;
	l.rlim_cur = need;
	l.rlim_max = RTE_MAX(l.rlim_max, need);
	if (setrlimit(RLIMIT_NOFILE, &l) == 0)
		return 0;
	fprintf(stderr, "sockgen: %u sockets are more than a process may have here (ulimit -n)\n",
		(unsigned int)need);
	return -1;
}

static int
measure(const struct args *a, const bool *stop)
{
	struct gen *g = calloc(1, sizeof(*g));
	int rc = EXIT_FAILURE;

	if (g != NULL && gen_create(g, a) == 0) {
		gen_run(g, stop);
		rc = g->failure != NULL ? EXIT_FAILURE : gen_clean(g) ? EXIT_SUCCESS : EXIT_DIRTY;
		if (report_gen(g) < 0)
			rc = EXIT_FAILURE;
	}
	if (g != NULL)
		gen_destroy(g);
	free(g);
	return rc;
}

int
main(int argc, char **argv)
{
	struct args a;
	int rc = args_read(&a, argc, argv);

	if (rc != 0)
		return rc > 0 ? EXIT_SUCCESS : EXIT_USAGE;
	if (allow_sockets(a.o.connections) < 0)
		return EXIT_FAILURE;
	payload_init();
	shapes_init(a.o.version, a.o.qos, a.o.topic, a.o.size, a.o.nb_sizes);
	return measure(&a, stop_on_signals());
}
