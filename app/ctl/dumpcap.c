/* SPDX-License-Identifier: BSD-3-Clause */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "capture.h"
#include "view.h"

#define PROGRAM	 "dpdk-dumpcap"
#define MAX_ARGS 64

/* It counts its seconds from when it has started, and is to be asked first. */
#define LATE_S 10

struct command {
	char *argv[MAX_ARGS];
	int argc;
	char text[4096];
	size_t at;
};

static void __attribute__((format(printf, 2, 3))) arg(struct command *m, const char *fmt, ...)
{
	char *to = m->text + m->at;
	size_t room = sizeof(m->text) - m->at;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(to, room, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= room || m->argc == MAX_ARGS - 1)
		return;
	m->at += (size_t)n + 1;
	m->argv[m->argc++] = to;
}

static void
compose(struct command *m, const struct capture *how)
{
	arg(m, PROGRAM);
	arg(m, "--file-prefix=%s", how->prefix);
	arg(m, "-i");
	arg(m, "%s", how->port);
	arg(m, "-f");
	arg(m, "%s", how->filter);
	arg(m, "-p"); /* the ports stay as pubwire has set them */
	if (how->snaplen != 0) {
		arg(m, "-s");
		arg(m, "%u", how->snaplen);
	}
	if (how->packets != 0) {
		arg(m, "-c");
		arg(m, "%u", how->packets);
	}
	if (how->kilobytes != 0) {
		arg(m, "-a");
		arg(m, "filesize:%u", how->kilobytes);
	}
	arg(m, "-a");
	arg(m, "duration:%u", (uint32_t)how->seconds + LATE_S);
	arg(m, "-w");
	arg(m, "%s", how->file);
}

/* A poll-mode worker does not share its CPU; EAL would take the first one that it may use. */
static void
keep_off_workers(long pid)
{
	cpu_set_t ours, theirs;
	char path[64];
	struct dirent *e;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%ld/task", pid);
	d = opendir(path);
	if (d == NULL || sched_getaffinity(0, sizeof(ours), &ours) != 0)
		goto out;
	while ((e = readdir(d)) != NULL) {
		char name[96], comm[32] = "";
		pid_t tid = (pid_t)atoi(e->d_name);
		FILE *f;

		snprintf(name, sizeof(name), "%s/%d/comm", path, tid);
		f = tid > 0 ? fopen(name, "r") : NULL;
		if (f == NULL)
			continue;
		if (fgets(comm, sizeof(comm), f) != NULL && strstr(comm, "-worker-") != NULL &&
		    sched_getaffinity(tid, sizeof(theirs), &theirs) == 0) {
			CPU_AND(&theirs, &theirs, &ours);
			CPU_XOR(&ours, &ours, &theirs);
		}
		fclose(f);
	}
	if (CPU_COUNT(&ours) > 0)
		(void)sched_setaffinity(0, sizeof(ours), &ours);
out:
	if (d != NULL)
		closedir(d);
}

/* In the child. */
static void
become_dumpcap(const struct capture *how, char *const *argv, int out)
{
	char dir[256];
	char *end;

	/* Nobody would end it, where this program is killed. */
	prctl(PR_SET_PDEATHSIG, SIGINT);
	keep_off_workers(how->pid);
	/* EAL looks for its primary process where this one's socket is. */
	snprintf(dir, sizeof(dir), "%s", how->socket);
	end = strstr(dir, "/dpdk/");
	if (end != NULL) {
		*end = '\0';
		setenv("RUNTIME_DIRECTORY", dir, 1);
	}
	dup2(out, STDOUT_FILENO);
	dup2(out, STDERR_FILENO);
	execvp(argv[0], argv);
	_exit(errno == ENOENT ? 127 : 126);
}

static volatile sig_atomic_t ended;

static void
on_end(int sig)
{
	(void)sig;
	ended = 1;
}

/* Until it ends; it is asked to when its time is over. What it says last is kept. */
static int
wait_for(pid_t child, int in, double limit, char *said, size_t len)
{
	const double began = ctl_now();
	size_t at = 0;
	bool asked = false;
	int status;

	for (;;) {
		char text[1024];
		ssize_t n = read(in, text, sizeof(text));
		pid_t done;

		for (ssize_t i = 0; i < n; i++) {
			/* The beginning says what is wrong. */
			if (at + 1 < len)
				said[at++] = isprint((unsigned char)text[i]) ? text[i] : ' ';
		}
		said[at] = '\0';
		if (n > 0)
			continue;
		done = waitpid(child, &status, WNOHANG);
		if (done == child)
			return status;
		if (done < 0 && errno != EINTR)
			return -1;
		if (!asked && (ended || ctl_now() - began > limit)) {
			kill(child, SIGINT);
			asked = true;
		}
		if (ctl_now() - began > limit + LATE_S)
			kill(child, SIGKILL);
		ctl_sleep(0.02);
	}
}

static uint32_t
word(const unsigned char *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* Blocks of pcapng: a type and a length, both of this host. 6: a packet. */
static int
count_packets(struct ctl *c, const char *file, struct capture_result *r)
{
	unsigned char head[8];
	FILE *f = fopen(file, "r");

	if (f == NULL)
		return ctl_fail(c, CTL_FAILED, "%s: %s", file, strerror(errno));
	while (fread(head, sizeof(head), 1, f) == 1) {
		uint32_t len = word(head + 4);

		if (len < 12 || fseek(f, (long)len - 8, SEEK_CUR) != 0)
			break;
		r->packets += word(head) == 6;
		r->bytes += len;
	}
	fclose(f);
	return CTL_OK;
}

int
capture_run(struct ctl *c, const struct capture *how, struct capture_result *result)
{
	static struct command m;
	char said[1024] = "";
	int pipes[2], status;
	pid_t child;

	compose(&m, how);
	if (pipe2(pipes, O_CLOEXEC) != 0)
		return ctl_fail(c, CTL_FAILED, "pipe: %s", strerror(errno));
	/* Passed on: dumpcap closes its file, and tells pubwire to stop copying. */
	signal(SIGINT, on_end);
	signal(SIGTERM, on_end);
	child = fork();
	if (child == 0)
		become_dumpcap(how, m.argv, pipes[1]);
	close(pipes[1]);
	fcntl(pipes[0], F_SETFL, O_NONBLOCK);
	status = child > 0 ? wait_for(child, pipes[0], how->seconds, said, sizeof(said)) : -1;
	close(pipes[0]);
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	if (status == -1)
		return ctl_fail(c, CTL_FAILED, "fork: %s", strerror(errno));
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return count_packets(c, how->file, result);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return ctl_fail(c, CTL_FAILED, PROGRAM " is not installed: apt install dpdk");
	if (strstr(said, "Packet dump enable failed") != NULL)
		return ctl_fail(
			c, CTL_FAILED,
			"another capture of this port is going on, or was killed; after that "
			"one the port can be captured again when pubwire was started anew");
	return ctl_fail(c, CTL_FAILED, PROGRAM " failed (%s %d): %s",
			WIFEXITED(status) ? "exit status" : "signal",
			WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status), said);
}
