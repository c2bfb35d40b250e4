/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The main loop: it waits for signals, which every thread has blocked; between them it writes the
 * workers' log lines, verifies the passwords of devices and serves the status page.
 */

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include <pubwire/base/log.h>

#include "app.h"
#include "notify.h"

#define WAIT_NS (20 * 1000 * 1000)
/* Where devices wait for their passwords to be verified. */
#define WAIT_AUTH_NS (1000 * 1000)
/* Beyond the drain's own deadline: time for what it decides to get out. */
#define GRACE_NS    (2000ull * 1000 * 1000)
#define LISTENER_NS (1000ull * 1000 * 1000)

static void
waited_for(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGHUP);
	sigaddset(set, SIGUSR1);
}

void
app_signals_block(void)
{
	sigset_t set;

	waited_for(&set);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	/* A reader of our output that has gone is no reason to drop devices. */
	signal(SIGPIPE, SIG_IGN);
}

/* The service manager hears of a reload's begin and end, however it went. */
static void
serve_reload(struct app *a)
{
	struct pw_reload *r = &a->reload;

	if (pw_reload_wanted(r) && !r->stopping)
		app_notify_reloading();
	if (pw_reload_serve(r) && r->result.state != PW_RELOAD_RUNNING && !r->stopping)
		app_notify_ready(a);
}

/* How a drain goes. */
struct drain {
	bool on;
	uint64_t deadline; /* ns */
	struct app_lost before;
};

static void
begin_drain(struct app *a, struct drain *d, const char *by)
{
	uint32_t ms = pw_reload_config(&a->reload)->forward.limits.drain_deadline;
	uint64_t most = GRACE_NS + ms * 1000000ull;

	d->on = true;
	a->reload.stopping = true;
	d->deadline = pw_clock_now() + most;
	PW_LOG(app, NOTICE, "%s: draining for at most %u ms (a signal: stop at once)", by, ms);
	app_notify_stopping(most);
	app_lost_take(a, &d->before);
	pw_control_set_state(&a->control, PW_RUN_DRAINING);
	pw_fleet_drain(a->fleet);
}

/* Whoever asked for the drain through telemetry has a moment to read how it went. */
static void
wait_for_listener(const struct app *a)
{
	const uint64_t end = pw_clock_now() + LISTENER_NS;
	const struct timespec moment = {.tv_nsec = 5 * 1000 * 1000};

	while (pw_control_unheard(&a->control) && pw_clock_now() < end)
		nanosleep(&moment, NULL);
}

/* Whether everything came through, or the deadline cut it. */
static void
end_drain(struct app *a, const struct app_lost *before, bool in_time)
{
	struct app_lost l;

	app_lost_take(a, &l);
	l.wills -= before->wills; /* those of before have nothing to do with the drain */
	a->control.given_up = l.given_up;
	a->control.cut = l.cut;
	a->control.wills = l.wills;
	if (in_time && l.given_up + l.cut + l.wills == 0) {
		pw_control_set_state(&a->control, PW_RUN_DRAINED);
		PW_LOG(app, NOTICE, "drained");
		return;
	}
	pw_control_set_state(&a->control, PW_RUN_CUT);
	PW_LOG(app, WARNING,
	       "the drain_deadline of %u ms cut the drain: %lu messages are given up, %lu that "
	       "were acknowledged are not at every broker, %lu wills are dropped",
	       pw_reload_config(&a->reload)->forward.limits.drain_deadline, l.given_up, l.cut,
	       l.wills);
}

/* A signal; -1 where there is none, after the wait or when the status page is asked for. */
static int
next_signal(const struct app *a, int signals, const sigset_t *set, const struct timespec *wait)
{
	static const struct timespec none;
	struct pollfd fd[] = {
		{.fd = signals, .events = POLLIN},
		{.fd = a->http != NULL ? pw_http_fd(a->http) : -1, .events = POLLIN},
	};

	/* Without either descriptor there is still the wait for signals. */
	if (fd[0].fd >= 0 && fd[1].fd >= 0) {
		(void)ppoll(fd, RTE_DIM(fd), wait, NULL);
		wait = &none;
	}
	return sigtimedwait(set, NULL, wait);
}

static void
serve(struct app *a, int signals, const sigset_t *set)
{
	const bool auth = a->access.access.passwords;
	const struct timespec wait = {.tv_nsec = auth ? WAIT_AUTH_NS : WAIT_NS}, none = {0};
	bool more = false;
	struct drain drain = {0};
	bool drained;

	for (;;) {
		int sig = next_signal(a, signals, set, more ? &none : &wait);

		pw_log_drain();
		app_kernel_watch(a);
		app_notify_watch(a, pw_clock_now());
		more = auth && pw_auth_serve(&a->auth, a->fleet);
		if (a->http != NULL)
			more |= pw_http_serve(a->http);
		if (sig == SIGHUP)
			(void)pw_reload_ask(&a->reload);
		serve_reload(a);
		if (sig == SIGUSR1)
			PW_LOG(app, NOTICE,
			       "USR1: logs go to stderr, there is no file to open again");
		if (sig == SIGTERM || sig == SIGINT) {
			if (drain.on) {
				PW_LOG(app, NOTICE, "second signal: stopping at once");
				return;
			}
			begin_drain(a, &drain, sig == SIGTERM ? "TERM" : "INT");
		}
		if (pw_control_serve(&a->control) && !drain.on)
			begin_drain(a, &drain, "telemetry");
		if (!drain.on)
			continue;
		drained = pw_fleet_drained(a->fleet);
		if (!drained && pw_clock_now() <= drain.deadline)
			continue;
		if (!drained)
			PW_LOG(app, WARNING, "the drain did not end in time: stopping");
		end_drain(a, &drain.before, drained);
		wait_for_listener(a);
		return;
	}
}

void
app_serve(struct app *a)
{
	sigset_t set;
	int signals;

	waited_for(&set);
	signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	serve(a, signals, &set);
	if (signals >= 0)
		close(signals);
}
