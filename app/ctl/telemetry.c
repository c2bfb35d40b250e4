/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DPDK's telemetry socket, protocol v2: SEQPACKET; a greeting, then one JSON object a question,
 * whose only key is the command.
 */

#include <errno.h>
#include <glob.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "ctl.h"

#define PATIENCE_MS 5000
/* max_output_len of the greeting is 16384; the command's name may come on top. */
#define REPLY_BYTES 65536

int
ctl_fail(struct ctl *c, int status, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(c->err, sizeof(c->err), fmt, ap);
	va_end(ap);
	return status;
}

/*
 * A terminal obeys control characters, and nobody knows who is behind a socket in /tmp: before a
 * reply is read they become '?', escaped as JSON wants them or as they are, and so does the second
 * set of them (U+0080 to U+009F). The length stays.
 */
static void
tame(char *p, size_t n)
{
	for (size_t i = 0; i < n;) {
		unsigned char c = (unsigned char)p[i],
			      next = i + 1 < n ? (unsigned char)p[i + 1] : 0;
		bool bad = c < ' ' || c == 0x7f;
		size_t len = 1;

		if (c == 0xc2) {
			bad = next >= 0x80 && next <= 0x9f;
			len = bad ? 2 : 1;
		} else if (c == '\\' && n - i >= 6 && next == 'u') {
			char hex[5] = {p[i + 2], p[i + 3], p[i + 4], p[i + 5]};
			unsigned long code = strtoul(hex, NULL, 16);

			bad = code < ' ' || (code >= 0x7f && code <= 0x9f);
			len = 6;
		} else if (c == '\\' && next != '\0') {
			bad = strchr("bfnrt", next) != NULL;
			len = 2;
		}
		/* Space between what JSON consists of is no character of a string. */
		if (bad)
			memset(p + i, len == 1 && c < ' ' ? ' ' : '?', len);
		i += len;
	}
}

/* One packet as JSON; NULL with err. what: the question, for messages. */
static json_t *
receive(struct ctl *c, const char *what)
{
	static char buf[REPLY_BYTES];
	struct iovec iov = {.iov_base = buf, .iov_len = sizeof(buf)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	struct pollfd p = {.fd = c->fd, .events = POLLIN};
	json_error_t e;
	json_t *reply;
	ssize_t n;
	int rc;

	do {
		rc = poll(&p, 1, PATIENCE_MS);
	} while (rc < 0 && errno == EINTR);
	if (rc == 0) {
		ctl_fail(c, CTL_FAILED, "%s: no answer within %d s to %s", c->path,
			 PATIENCE_MS / 1000, what);
		return NULL;
	}
	n = rc < 0 ? -1 : recvmsg(c->fd, &msg, 0);
	if (n <= 0) {
		if (n == 0 || errno == ECONNRESET)
			ctl_fail(c, CTL_FAILED, "pubwire has ended: no answer to %s came from %s",
				 what, c->path);
		else
			ctl_fail(c, CTL_FAILED, "%s: %s: %s", c->path, what, strerror(errno));
		return NULL;
	}
	if (msg.msg_flags & MSG_TRUNC) {
		ctl_fail(c, CTL_FAILED, "%s: the answer to %s is longer than %d bytes", c->path,
			 what, REPLY_BYTES);
		return NULL;
	}
	tame(buf, (size_t)n);
	reply = json_loadb(buf, (size_t)n, 0, &e);
	if (!json_is_object(reply)) {
		ctl_fail(c, CTL_FAILED, "%s: the answer to %s is cut or no JSON object: %s",
			 c->path, what, reply == NULL ? e.text : "something else");
		json_decref(reply);
		return NULL;
	}
	return reply;
}

json_t *
ctl_ask(struct ctl *c, const char *fmt, ...)
{
	json_t *reply, *value;
	char command[1024];
	const char *key;
	size_t len;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(command)) {
		ctl_fail(c, CTL_FAILED, "the question is longer than telemetry's %zu bytes",
			 sizeof(command) - 1);
		return NULL;
	}
	if (send(c->fd, command, (size_t)n, MSG_NOSIGNAL) != n) {
		ctl_fail(c, CTL_FAILED, "%s: pubwire has ended (%s)", c->path, strerror(errno));
		return NULL;
	}
	reply = receive(c, command);
	if (reply == NULL)
		return NULL;
	key = json_object_iter_key(json_object_iter(reply));
	len = strcspn(command, ",");
	value = key != NULL && strlen(key) == len && strncmp(key, command, len) == 0
			? json_incref(json_object_get(reply, key))
			: NULL;
	json_decref(reply);
	if (json_is_null(value))
		ctl_fail(c, CTL_FAILED,
			 "pubwire refuses %s: it does not know it, or not with these "
			 "parameters",
			 command);
	else if (value == NULL)
		ctl_fail(c, CTL_FAILED, "%s: the answer to %s is one to something else", c->path,
			 command);
	else if (json_object_size(value) == 1 && strcmp(ctl_str(value, "state"), "stopping") == 0)
		ctl_fail(c, CTL_FAILED, "pubwire is stopping");
	else
		return value;
	json_decref(value);
	return NULL;
}

uint64_t
ctl_u64(const json_t *o, const char *key)
{
	json_int_t v = json_integer_value(json_object_get(o, key));

	return v > 0 ? (uint64_t)v : 0;
}

double
ctl_real(const json_t *o, const char *key)
{
	return json_number_value(json_object_get(o, key));
}

const char *
ctl_str(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s != NULL ? s : "";
}

int64_t
ctl_next(const json_t *page)
{
	const json_t *next = json_object_get(page, "next");

	return json_is_integer(next) ? (int64_t)json_integer_value(next) : -1;
}

void
ctl_add_rows(json_t *rows, const json_t *page)
{
	const char *key;
	json_t *row;

	/* Objects keep the order in which they were read. */
	json_object_foreach ((json_t *)(uintptr_t)page, key, row)
		if (json_is_object(row) && key[0] >= '0' && key[0] <= '9')
			json_array_append(rows, row);
}

json_t *
ctl_ask_rows(struct ctl *c, const char *command)
{
	json_t *rows = json_array();
	int64_t start = 0, next;

	for (;;) {
		json_t *page = ctl_ask(c, "%s,%lld", command, (long long)start);

		if (page == NULL)
			break;
		ctl_add_rows(rows, page);
		next = ctl_next(page);
		json_decref(page);
		if (next < 0)
			return rows;
		if (next <= start) {
			ctl_fail(c, CTL_FAILED, "%s: the pages of %s do not go on", c->path,
				 command);
			break;
		}
		start = next;
	}
	json_decref(rows);
	return NULL;
}

/* One candidate; 0 with the greeting read, else -errno. */
static int
try(struct ctl *c, const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int err = 0;

	if (strlen(path) >= sizeof(a.sun_path))
		return -ENAMETOOLONG;
	strcpy(a.sun_path, path);
	c->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return -errno;
	if (connect(c->fd, (const struct sockaddr *)&a, sizeof(a)) == 0) {
		snprintf(c->path, sizeof(c->path), "%s", path);
		return 0;
	}
	err = errno;
	ctl_disconnect(c);
	return -err;
}

void
ctl_disconnect(struct ctl *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

/* Where EAL 22.11 makes its directory, by the order in which it looks; and what systemd gives a
 * service of this name, which pubwirectl is not told. */
static uint32_t
directories(const struct ctl *c, char dir[][192], uint32_t max)
{
	const char *own = getenv("RUNTIME_DIRECTORY"), *xdg = getenv("XDG_RUNTIME_DIR");
	char service[128];
	const char *list[5];
	uint32_t n = 0;

	snprintf(service, sizeof(service), "/run/%s", c->prefix);
	list[0] = own;
	list[1] = "/var/run";
	list[2] = service;
	list[3] = xdg;
	list[4] = "/tmp";
	for (uint32_t i = 0; i < 5 && n < max; i++)
		if (list[i] != NULL && list[i][0] != '\0')
			snprintf(dir[n++], sizeof(dir[0]), "%s/dpdk", list[i]);
	return n;
}

/* Other DPDK programs, for who has forgotten the prefix. */
static void
say_others(struct ctl *c, char dir[][192], uint32_t n)
{
	const char *before = "\nThere are: --file-prefix ";
	size_t at = strlen(c->err);

	for (uint32_t i = 0; i < n; i++) {
		char pattern[1280];
		glob_t g;

		snprintf(pattern, sizeof(pattern), "%s/*/dpdk_telemetry.v2", dir[i]);
		if (glob(pattern, 0, NULL, &g) != 0)
			continue;
		for (size_t k = 0; k < g.gl_pathc && at < sizeof(c->err); k++) {
			char *name = g.gl_pathv[k] + strlen(dir[i]) + 1;

			*strrchr(name, '/') = '\0';
			at += (size_t)snprintf(c->err + at, sizeof(c->err) - at, "%s%s", before,
					       name);
			before = ", ";
		}
		globfree(&g);
	}
}

static int
find(struct ctl *c)
{
	char dir[5][192], path[1280];
	uint32_t n = directories(c, dir, 5);
	size_t at;

	at = (size_t)snprintf(c->err, sizeof(c->err),
			      "no pubwire with --file-prefix %s is there; looked at:", c->prefix);
	for (uint32_t i = 0; i < n; i++) {
		int rc;

		snprintf(path, sizeof(path), "%s/%s/dpdk_telemetry.v2", dir[i], c->prefix);
		rc = try(c, path);
		if (rc == 0)
			return CTL_OK;
		if (at < sizeof(c->err))
			at += (size_t)snprintf(c->err + at, sizeof(c->err) - at, "\n  %s: %s", path,
					       rc == -ECONNREFUSED ? "whoever made it has ended"
								   : strerror(-rc));
	}
	say_others(c, dir, n);
	return CTL_ABSENT;
}

int
ctl_connect(struct ctl *c)
{
	json_t *hello, *info;
	bool ours;
	int rc;

	if (c->socket != NULL) {
		rc = try(c, c->socket);
		if (rc != 0)
			return ctl_fail(c, CTL_ABSENT, "no pubwire is there; looked at:\n  %s: %s",
					c->socket,
					rc == -ECONNREFUSED ? "whoever made it has ended"
							    : strerror(-rc));
	} else {
		rc = find(c);
		if (rc != CTL_OK)
			return rc;
	}
	hello = receive(c, "the greeting");
	if (hello == NULL) {
		ctl_disconnect(c);
		/* DPDK closes at once where ten connections are there. */
		return ctl_fail(c, CTL_FAILED,
				"%s: no greeting: pubwire is ending, or all 10 connections of "
				"telemetry are taken",
				c->path);
	}
	c->pid = (long)ctl_u64(hello, "pid");
	json_decref(hello);
	info = ctl_ask(c, "/pubwire/info");
	ours = strcmp(ctl_str(info, "program"), "pubwire") == 0;
	json_decref(info);
	if (ours)
		return CTL_OK;
	if (info == NULL && strstr(c->err, "refuses") == NULL)
		return CTL_FAILED;
	return ctl_fail(c, CTL_ABSENT,
			"no pubwire is there: behind %s is another DPDK program, PID %ld", c->path,
			c->pid);
}
