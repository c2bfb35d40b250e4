/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_malloc.h>

#include <pubwire/base/log.h>

#include "clock.h"
#include "flood.h"
#include "options.h"
#include "payload.h"
#include "report.h"
#include "run.h"
#include "shape.h"
#include "stop.h"

/* The descriptors of EAL follow its own name. */
static int
start_eal(int argc, char **argv, int rest)
{
	argv[rest - 1] = argv[0];
	return rte_eal_init(argc - rest + 1, argv + rest - 1);
}

/*
 * DPDK 22.11's memif unmaps its rings from another thread when the other end goes, under the feet
 * of who polls them: let the other end go first, while nothing is polled here.
 */
static void
hold(const struct options *o)
{
	char c;

	if (!o->hold)
		return;
	fflush(stdout);
	fprintf(stderr, "pktgen: holds the ports\n");
	while (read(STDIN_FILENO, &c, 1) > 0)
		;
}

static int
measure(const struct options *o, const bool *stop)
{
	struct run *r = rte_zmalloc("run", sizeof(*r), 64);
	int rc = EXIT_FAILURE;

	if (r == NULL) {
		fprintf(stderr, "pktgen: no memory; give EAL more\n");
		return rc;
	}
	if (run_create(r, o) == 0) {
		bool done = run_measure(r, stop) == 0;

		rc = !done ? EXIT_FAILURE : report_clean(r) ? EXIT_SUCCESS : EXIT_DIRTY;
		if (report_result(r) < 0)
			rc = EXIT_FAILURE;
		hold(o);
		if (run_destroy(r) < 0)
			rc = EXIT_FAILURE;
	}
	rte_free(r);
	return rc;
}

static int
flood(const struct options *o, const bool *stop)
{
	struct flood *f = rte_zmalloc("flood", sizeof(*f), 64);
	int rc = EXIT_FAILURE;

	if (f == NULL) {
		fprintf(stderr, "pktgen: no memory; give EAL more\n");
		return rc;
	}
	if (flood_create(f, o) == 0) {
		flood_run(f, stop);
		rc = flood_clean(f) ? EXIT_SUCCESS : EXIT_DIRTY;
		if (flood_report(f) < 0)
			rc = EXIT_FAILURE;
		hold(o);
		if (flood_destroy(f) < 0)
			rc = EXIT_FAILURE;
	}
	rte_free(f);
	return rc;
}

int
main(int argc, char **argv)
{
	const bool *stop;
	struct options o;
	int rest, rc = options_read(&o, argc, argv, &rest);

	if (rc != 0)
		return rc > 0 ? EXIT_SUCCESS : EXIT_USAGE;
	if (start_eal(argc, argv, rest) < 0) {
		fprintf(stderr, "pktgen: EAL does not start: %s\n", rte_strerror(rte_errno));
		return EXIT_FAILURE;
	}
	pw_log_init();
	clock_init();
	payload_init();
	shapes_init(o.version, o.qos, o.topic, o.size, o.nb_sizes);
	stop = stop_on_signals();
	rc = o.mode == MODE_MQTT ? measure(&o, stop) : flood(&o, stop);
	rte_eal_cleanup();
	return rc;
}
