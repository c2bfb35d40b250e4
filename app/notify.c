/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <pubwire/base/log.h>

#include "notify.h"

#define NS_PER_US	UINT64_C(1000)
#define STATUS_INTERVAL UINT64_C(2000000000) /* ns */
/* For what comes behind a drain: its summary, and giving back of memory. */
#define END_NS (5 * UINT64_C(1000000000))
/* Of a fresh look and of an answer to the service manager in its own time. */
#define LOOKS_A_WATCHDOG 4

static struct {
	int fd;
	struct sockaddr_un to;
	socklen_t to_len;
	uint64_t watchdog; /* ns after which the service manager acts; 0: it does not */
	uint64_t fed;	   /* ns: the last look at the workers */
	uint64_t told;	   /* ns: the last look for a status */
	bool stands;	   /* a worker stood still at that look */
	bool stopping;
	bool owed;	/* "ready" has not got through yet */
	bool hungry;	/* nor has the last word to the watchdog */
	bool stop_owed; /* nor what `stop` says */
	char stop[96];
	uint64_t accepted; /* messages at the last look */
	char status[320];
	struct pw_fleet_pulse pulse;
} notify = {.fd = -1};

/* A number of the environment; 0 where there is none. */
static uint64_t
number_of(const char *name)
{
	const char *text = getenv(name);
	char *end;
	uint64_t n;

	if (text == NULL)
		return 0;
	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0') {
		PW_LOG(app, WARNING, "%s='%s' is no number: ignored", name, text);
		return 0;
	}
	return n;
}

void
app_notify_open(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	uint64_t pid = number_of("WATCHDOG_PID");
	size_t len = path != NULL ? strlen(path) : 0;

	if (path == NULL)
		return;
	if ((path[0] != '/' && path[0] != '@') || len < 2 || len >= sizeof(notify.to.sun_path)) {
		PW_LOG(app, WARNING,
		       "NOTIFY_SOCKET='%s' is neither a path nor @ and a name: the service manager "
		       "is told nothing",
		       path);
		return;
	}
	notify.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (notify.fd < 0) {
		PW_LOG(app, WARNING, "NOTIFY_SOCKET: %s: the service manager is told nothing",
		       strerror(errno));
		return;
	}
	notify.to.sun_family = AF_UNIX;
	memcpy(notify.to.sun_path, path, len);
	if (path[0] == '@') /* unix(7): the abstract namespace */
		notify.to.sun_path[0] = '\0';
	notify.to_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	if (pid == 0 || pid == (uint64_t)getpid())
		notify.watchdog = number_of("WATCHDOG_USEC") * NS_PER_US;
}

void
app_notify_close(void)
{
	if (notify.fd >= 0)
		close(notify.fd);
	notify.fd = -1;
}

/* Not waited for: a service manager that does not read must not stop the main lcore. */
static bool
tell(const char *text)
{
	return sendto(notify.fd, text, strlen(text), MSG_NOSIGNAL,
		      (const struct sockaddr *)&notify.to, notify.to_len) >= 0;
}

/* What brokers, devices and messages come to. */
struct standing {
	uint32_t connections[PW_FORWARD_MAX_BROKERS], up[PW_FORWARD_MAX_BROKERS];
	char why[sizeof(((struct pw_upstream_info *)0)->last_error)]; /* not up; the first's */
	uint32_t away;						      /* whose */
	uint32_t devices;
	uint64_t accepted;
};

static void
add_upstreams(struct standing *s, const struct pw_forward *f)
{
	struct pw_upstream_info up[8];
	uint32_t from = 0, n;

	do {
		n = pw_forward_upstreams(f, from, up, RTE_DIM(up));
		for (uint32_t i = 0; from + i < n && i < RTE_DIM(up); i++) {
			uint32_t b = up[i].broker;

			s->connections[b]++;
			if (up[i].state == PW_UPSTREAM_UP) {
				s->up[b]++;
			} else if (b <= s->away && up[i].last_error[0] != '\0') {
				s->away = b;
				memcpy(s->why, up[i].last_error, sizeof(s->why));
			}
		}
		from += RTE_DIM(up);
	} while (from < n);
}

static void
look(const struct app *a, struct standing *s)
{
	memset(s, 0, sizeof(*s));
	s->away = UINT32_MAX;
	for (uint32_t w = 0; w < pw_fleet_workers(a->fleet); w++) {
		const struct pw_forward *f = pw_fleet_forward(a->fleet, w);

		add_upstreams(s, f);
		s->devices += pw_forward_sessions(f);
		s->accepted += __atomic_load_n(&pw_forward_counters(f)->accepted, __ATOMIC_RELAXED);
	}
}

static void
say_brokers(const struct app *a, const struct standing *s, char *text, size_t len)
{
	const struct pw_forward_settings *settings = a->sources.settings;
	uint32_t used = 0, up = 0, first = UINT32_MAX;

	for (uint32_t b = 0; b < settings->nb_brokers; b++) {
		used += s->connections[b] > 0;
		if (s->up[b] == s->connections[b])
			up += s->connections[b] > 0;
		else if (first == UINT32_MAX)
			first = b;
	}
	if (first == UINT32_MAX)
		snprintf(text, len, "%u of %u brokers connected", up, used);
	else
		snprintf(text, len, "%u of %u brokers connected (%s: %u of %u connections%s%s)", up,
			 used, settings->broker[first].name, s->up[first], s->connections[first],
			 s->away == first ? ", " : "", s->away == first ? s->why : "");
}

/* One line of what runs; true where it says something else than the last one. */
static bool
compose(const struct app *a, uint64_t ns)
{
	static struct standing s; /* too large for a stack */
	char brokers[256], text[sizeof(notify.status)];
	uint64_t messages;

	look(a, &s);
	say_brokers(a, &s, brokers, sizeof(brokers));
	messages = ns == 0 ? 0 : (s.accepted - notify.accepted) * UINT64_C(1000000000) / ns;
	notify.accepted = s.accepted;
	snprintf(text, sizeof(text), "%s; %u devices, %" PRIu64 " messages/s", brokers, s.devices,
		 messages);
	if (strcmp(text, notify.status) == 0)
		return false;
	memcpy(notify.status, text, sizeof(text));
	return true;
}

void
app_notify_status(const char *fmt, ...)
{
	char text[sizeof(notify.status) + 16] = "STATUS=";
	size_t at = strlen(text);
	va_list args;

	if (notify.fd < 0)
		return;
	va_start(args, fmt);
	(void)vsnprintf(text + at, sizeof(text) - at, fmt, args);
	va_end(args);
	(void)tell(text);
	notify.status[0] = '\0';
}

void
app_notify_ready(const struct app *a)
{
	char text[sizeof(notify.status) + 32];

	if (notify.fd < 0)
		return;
	(void)compose(a, 0);
	snprintf(text, sizeof(text), "READY=1\nSTATUS=%s", notify.status);
	if (tell(text)) {
		notify.owed = false;
		return;
	}
	/* It would wait for this word for ever, or until it gives pubwire up. */
	if (!notify.owed)
		PW_LOG(app, WARNING,
		       "the service manager cannot be told yet that pubwire runs: %s; it will be "
		       "tried again",
		       strerror(errno));
	notify.owed = true;
}

void
app_notify_reloading(void)
{
	struct timespec ts;
	char text[96];

	if (notify.fd < 0)
		return;
	/* MONOTONIC_USEC is what Type=notify-reload of systemd 253 wants; others pass over it. */
	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%" PRIu64 "\nSTATUS=reloading",
		 (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / NS_PER_US);
	(void)tell(text);
	notify.owed = false; /* its end will say it */
}

void
app_notify_stopping(uint64_t ns)
{
	notify.stopping = true;
	if (notify.fd < 0)
		return;
	snprintf(notify.stop, sizeof(notify.stop),
		 "STOPPING=1\nSTATUS=draining\nEXTEND_TIMEOUT_USEC=%" PRIu64,
		 (ns + END_NS) / NS_PER_US);
	notify.stop_owed = !tell(notify.stop);
}

/* Fed while the slowest worker has stood for less than half of what the service manager allows: so
 * it acts no sooner than that after the last turn, and no later than one and a half times; a
 * quarter more where its queue was full. */
static void
feed(const struct app *a, uint64_t now)
{
	uint64_t stood;
	uint32_t worker;

	if (notify.watchdog == 0)
		return;
	if (now - notify.fed < notify.watchdog / LOOKS_A_WATCHDOG) {
		if (notify.hungry)
			notify.hungry = !tell("WATCHDOG=1");
		return;
	}
	notify.fed = now;
	notify.hungry = false;
	stood = pw_fleet_stands(a->fleet, &notify.pulse, now, &worker);
	if (stood >= notify.watchdog / 2) {
		if (!notify.stands)
			PW_LOG(app, CRIT,
			       "worker %u on lcore %u has made no turn for %.1f s: the watchdog is "
			       "not fed, the service manager will end pubwire",
			       worker, pw_fleet_lcore(a->fleet, worker), (double)stood / 1e9);
		notify.stands = true;
		app_notify_status("worker %u on lcore %u has made no turn for %.1f s", worker,
				  pw_fleet_lcore(a->fleet, worker), (double)stood / 1e9);
		return;
	}
	if (notify.stands)
		PW_LOG(app, NOTICE, "every worker turns again: the watchdog is fed");
	notify.stands = false;
	notify.hungry = !tell("WATCHDOG=1");
}

void
app_notify_watch(const struct app *a, uint64_t now)
{
	uint64_t ns = now - notify.told;

	if (notify.fd < 0)
		return;
	feed(a, now);
	/* It acts upon what it does not hear: a full queue of its is tried again. */
	if (notify.stop_owed)
		notify.stop_owed = !tell(notify.stop);
	if (notify.owed && !notify.stopping)
		app_notify_ready(a);
	if (ns < STATUS_INTERVAL || notify.stands || notify.stopping)
		return;
	if (compose(a, notify.told == 0 ? 0 : ns)) {
		char text[sizeof(notify.status) + 16];

		snprintf(text, sizeof(text), "STATUS=%s", notify.status);
		if (!tell(text))
			notify.status[0] = '\0'; /* so that it is said the next time */
	}
	notify.told = now;
}
