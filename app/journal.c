/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_log.h>

#include "journal.h"

/* A stream of lines; its FILE's lock guards it. */
struct lines {
	int (*priority)(void);
	bool midway; /* the last write did not end its line */
};

/* True where stderr is what the journal reads. */
static bool
is_journal(void)
{
	const char *text = getenv("JOURNAL_STREAM");
	uintmax_t dev, ino;
	struct stat st;

	return text != NULL && sscanf(text, "%ju:%ju", &dev, &ino) == 2 &&
	       fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev && st.st_ino == ino;
}

/* EAL's levels are those of syslog(3), from 1. */
static int
priority_of_log(void)
{
	return RTE_MIN(RTE_MAX(rte_log_cur_msg_loglevel() - 1, LOG_EMERG), LOG_DEBUG);
}

/* What is said on stderr and is no log line is why pubwire ends. */
static int
priority_of_complaint(void)
{
	return LOG_ERR;
}

static void
put(const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = write(STDERR_FILENO, text, len);

		if (n < 0 && errno != EINTR)
			return; /* nobody is left to be told */
		if (n > 0) {
			text += n;
			len -= (size_t)n;
		}
	}
}

static ssize_t
write_lines(void *cookie, const char *text, size_t len)
{
	struct lines *l = cookie;
	const char *end = text + len;
	char out[1024];
	size_t n = 0;

	for (const char *p = text; p < end; p++) {
		if (n + sizeof("<7>") > sizeof(out)) {
			put(out, n);
			n = 0;
		}
		if (!l->midway) {
			n += (size_t)snprintf(out + n, sizeof(out) - n, "<%d>", l->priority());
			l->midway = true;
		}
		out[n++] = *p;
		l->midway = *p != '\n';
	}
	put(out, n);
	return (ssize_t)len;
}

/* NULL where there is no memory for it: lines go without priorities then. */
static FILE *
open_lines(struct lines *l)
{
	FILE *f = fopencookie(l, "w", (cookie_io_functions_t){.write = write_lines});

	if (f != NULL)
		(void)setvbuf(f, NULL, _IOLBF, BUFSIZ);
	return f;
}

void
app_journal_open(void)
{
	static struct lines logs = {.priority = priority_of_log};
	static struct lines complaints = {.priority = priority_of_complaint};
	FILE *log = NULL, *complaint = NULL;

	if (is_journal()) {
		log = open_lines(&logs);
		complaint = open_lines(&complaints);
	}
	/* glibc lets a program set it; DPDK, libraries and the parts here write to it by name. */
	if (complaint != NULL)
		stderr = complaint;
	/* EAL's own stream would tell syslog(3) as well, and the journal would have each line
	 * twice.
	 */
	(void)rte_openlog_stream(log != NULL ? log : stderr);
}
