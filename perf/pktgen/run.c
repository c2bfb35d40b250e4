/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The phases, and the turn that all of them share: receive, TCP, what is due, send. Sending stops
 * while frames wait for the port, and, without a rate, while the window of messages is full; so
 * what is found is what pubwire takes without loss.
 */
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_ethdev.h>

#include "clock.h"
#include "report.h"
#include "run.h"
#include "shape.h"

#define RAMP_STEEPEST  50 /* a rate begins with so small a part of it */
#define BATCH	       64 /* messages of a turn */
#define LINK_DEADLINE  (20 * CLOCK_S)
#define SILENCE	       (3 * CLOCK_S) /* nothing came for so long: nothing will */
#define CLOSE_DEADLINE (2 * CLOCK_S)
#define PROGRESS_TURNS 64
/*
 * A kernel acknowledges the first segments of a connection at once. With a delay of 40 ms the first
 * segment would hold up a sender that may have no more than one on its way, once its SYN was lost.
 */
#define BROKERS_DELACK_MS 1
#define RECEIVE_BURSTS	  8 /* of a port in a turn */

static const char *const phase_text[] = {
#define RUN_PHASE_TEXT(name, text) text,
	RUN_PHASES(RUN_PHASE_TEXT)
#undef RUN_PHASE_TEXT
};

const char *
run_phase_str(enum run_phase phase)
{
	return phase_text[phase];
}

static void
enter(struct run *r, enum run_phase phase, uint64_t deadline)
{
	r->phase = phase;
	r->since = r->progress = r->now;
	r->deadline = r->now + deadline;
	r->came = 0;
	report_phase(r);
}

static void
fail(struct run *r, const char *why)
{
	snprintf(r->failure, sizeof(r->failure), "%s", why);
	devices_leave(&r->devices);
	enter(r, RUN_LEAVE, 0);
}

/* Sending. */

static uint32_t
publish(struct run *r, uint32_t n, uint64_t first, double step)
{
	const struct publish_due due = {first, step, r->now};

	return devices_publish(&r->devices, n, &due, r->o->per_segment);
}

/* As many as the window has room for. */
static uint32_t
send_most(struct run *r)
{
	uint64_t out = r->devices.count.messages - sink_delivered(&r->sink);
	uint32_t room = out < r->o->window ? r->o->window - (uint32_t)out : 0;
	uint32_t n = RTE_MIN(room, (uint32_t)BATCH), sent;

	if (r->o->per_segment != 1 && room >= BATCH)
		n = RTE_MIN(room, 8u * BATCH);
	sent = n > 0 && !net_busy(&r->devices_net) ? publish(r, n, r->now, 0) : 0;
	r->turns++;
	r->full_turns += sent < BATCH / 2;
	return sent;
}

/* A rate rises over the first half of the warm-up, as the far end's congestion window has to. */
static double
step_now(const struct run *r)
{
	double step = (double)CLOCK_S / (double)r->o->rate, half = r->o->warmup * CLOCK_S / 2;
	double gone = (double)(r->now - r->since);

	if (r->phase != RUN_WARMUP || gone >= half)
		return step;
	return step * half / RTE_MAX(gone, half / RAMP_STEEPEST);
}

/* What is due by the clock, stamped with when it was, so that a wait counts as latency. */
static uint32_t
send_due(struct run *r)
{
	double step = step_now(r);
	uint32_t n, sent;

	if (r->now < r->pace || net_busy(&r->devices_net))
		return 0;
	n = (uint32_t)RTE_MIN((double)(r->now - r->pace) / step + 1, 4.0 * BATCH);
	if (r->phase == RUN_MEASURE)
		r->behind = RTE_MAX(r->behind, r->now - r->pace);
	sent = publish(r, n, r->pace, step);
	r->pace += (uint64_t)(sent * step);
	r->turns++;
	r->full_turns += sent < n;
	return sent;
}

static uint32_t
send_messages(struct run *r)
{
	if (r->phase != RUN_WARMUP && r->phase != RUN_MEASURE)
		return 0;
	return r->o->rate == 0 ? send_most(r) : send_due(r);
}

/* Phases. */

static void
measure_from_now(struct run *r)
{
	enter(r, RUN_MEASURE, (uint64_t)(r->o->seconds * CLOCK_S));
	r->sink.from = r->devices.from = r->since;
	r->sink.to = r->devices.to = r->deadline;
	if (r->sink.slots != NULL)
		slots_begin(r->sink.slots);
	r->sent_before = r->devices.count.messages;
	r->turns = r->full_turns = 0;
	r->busy_cycles = r->total_cycles = 0;
}

static bool
silent(struct run *r, uint64_t came)
{
	if (came != r->came) {
		r->came = came;
		r->progress = r->now;
	}
	return r->now - r->progress > SILENCE;
}

static void
connecting(struct run *r)
{
	const struct devices *d = &r->devices;

	if (d->nb_up == d->n) {
		r->connect_s = (double)(r->now - r->since) / CLOCK_S;
		enter(r, RUN_WARMUP, (uint64_t)(r->o->warmup * CLOCK_S));
		r->pace = r->now;
	} else if (silent(r, d->count.accepted)) {
		fail(r, d->count.refused > 0 ? "connections are refused"
					     : "connections are not answered");
	}
}

static void
settling(struct run *r)
{
	const struct devices *d = &r->devices;
	bool all = sink_delivered(&r->sink) >= d->count.messages &&
		   (r->o->qos == 0 || d->count.settled + d->count.unsettled >= d->count.messages);

	if (all || silent(r, r->sink.count.messages + d->count.settled)) {
		devices_leave(&r->devices);
		enter(r, RUN_LEAVE, 0);
	}
}

static void
advance(struct run *r)
{
	bool late = r->now >= r->deadline;

	switch (r->phase) {
	case RUN_LINK:
		if (net_ready(&r->devices_net, r->now))
			enter(r, RUN_BROKERS, LINK_DEADLINE);
		else if (late)
			fail(r, "nobody answers ARP for --target");
		break;
	case RUN_BROKERS:
		if (sink_ready(&r->sink)) {
			enter(r, RUN_CONNECT, 0);
			r->devices.connect_due = r->now;
		} else if (late) {
			fail(r, "pubwire does not connect to every broker");
		}
		break;
	case RUN_CONNECT:
		connecting(r);
		break;
	case RUN_WARMUP:
		if (late)
			measure_from_now(r);
		break;
	case RUN_MEASURE:
		if (late) {
			if (r->sink.slots != NULL)
				slots_end(r->sink.slots, r->now - r->since);
			r->measured_ns = r->now - r->since;
			r->sent = r->devices.count.messages - r->sent_before;
			enter(r, RUN_SETTLE, 0);
		}
		break;
	case RUN_SETTLE:
		settling(r);
		break;
	case RUN_LEAVE:
		if (devices_conns(&r->devices) == 0 || silent(r, devices_conns(&r->devices))) {
			sink_leave(&r->sink, r->now);
			enter(r, RUN_CLOSE, CLOSE_DEADLINE);
		}
		break;
	case RUN_CLOSE:
		if (late || pw_tcp_conns(r->brokers_tcp) == 0)
			enter(r, RUN_DONE, 0);
		break;
	default:
		break;
	}
	r->peak_up = RTE_MAX(r->peak_up, r->devices.nb_up);
}

/*
 * All that has come, within bounds: where more is left in the rings than comes out of them in a
 * turn, pubwire finds them full and drops what is the generator's to take.
 */
static uint32_t
receive(struct run *r)
{
	struct rte_mbuf *m[NET_BURST];
	uint32_t frames, all = 0, n;

	for (uint32_t k = 0; k == 0 || (k < RECEIVE_BURSTS && frames == NET_BURST); k++) {
		n = net_receive(&r->brokers_net, m, &frames);
		if (n > 0)
			pw_tcp_input(r->brokers_tcp, m, n, r->now);
		all += frames;
	}
	pw_tcp_dispatch(r->brokers_tcp, r->now);
	pw_tcp_advance(r->brokers_tcp, r->now);
	for (uint32_t k = 0; k == 0 || (k < RECEIVE_BURSTS && frames == NET_BURST); k++) {
		n = net_receive(&r->devices_net, m, &frames);
		devices_input(&r->devices, m, n, r->now);
		all += frames;
	}
	return all;
}

static uint32_t
turn(struct run *r)
{
	uint32_t work;

	r->now = clock_now();
	work = receive(r);
	if (r->phase >= RUN_CONNECT && r->phase <= RUN_LEAVE && !net_busy(&r->devices_net))
		work += devices_turn(&r->devices, r->now);
	work += send_messages(r);
	pw_tcp_flush(r->brokers_tcp, r->now);
	devices_flush(&r->devices, r->now);
	net_flush(&r->brokers_net);
	net_flush(&r->devices_net);
	advance(r);
	return work;
}

int
run_measure(struct run *r, const bool *stop)
{
	uint64_t before = rte_rdtsc(), after;

	r->now = clock_now();
	enter(r, RUN_LINK, LINK_DEADLINE);
	for (uint64_t i = 0; r->phase != RUN_DONE; i++) {
		uint32_t work = turn(r);

		after = rte_rdtsc();
		if (work == 0 && r->sink.slots != NULL && r->phase == RUN_MEASURE)
			slots_pause(r->sink.slots, r->now - r->since, clock_now() - r->since);
		r->total_cycles += after - before;
		r->busy_cycles += work > 0 ? after - before : 0;
		before = after;
		if (work == 0 && r->o->yield)
			sched_yield();
		if (i % PROGRESS_TURNS == 0)
			report_progress(r);
		if (__atomic_load_n(stop, __ATOMIC_RELAXED) && r->phase < RUN_LEAVE)
			fail(r, "interrupted");
	}
	/* Who does not go is reset, so that pubwire knows. */
	while (devices_abort(&r->devices, r->now))
		net_flush(&r->devices_net);
	net_flush(&r->devices_net);
	return r->failure[0] == '\0' ? 0 : -1;
}

uint64_t
run_lost(const struct run *r)
{
	uint64_t lost = sink_counts(&r->sink).missing;

	for (uint32_t i = 0; i < r->devices.n; i++)
		lost += sink_lost(&r->sink, i, r->devices.dev[i].seq);
	return lost;
}

/* Beginning and end. */

static struct pw_tcp *
stack(struct run *r, const char *name, struct net *net, uint32_t conns, uint32_t window,
      uint32_t delack_ms)
{
	const struct pw_tcp_conf conf = {
		.name = name,
		.max_conns = conns,
		/* Nobody waits for room that others hold: queues are short. */
		.max_tx_slices = RTE_MAX(65536u, 4 * conns),
		.max_time_wait = RTE_MIN(conns, 65536u),
		.rx_window = window,
		.delack_ms = delack_ms,
		.tx_queue_bytes = 1u << 18,
		.seed = clock_now(),
		.mem = &r->mem,
		.hooks = {net, net_output, net_path, NULL},
		.socket = SOCKET_ID_ANY,
	};
	struct pw_tcp *t = pw_tcp_create(&conf, clock_now());

	if (t == NULL)
		fprintf(stderr, "pktgen: TCP for %u connections: %s; give EAL more memory\n", conns,
			rte_strerror(rte_errno));
	return t;
}

static int
open_ports(struct run *r)
{
	const struct options *o = r->o;
	char err[256] = "";

	r->devices_net.queues = r->brokers_net.queues = o->queues;
	r->devices_net.send_queue = o->devices_queue;
	r->brokers_net.send_queue = o->brokers_queue;
	r->devices_net.range = o->clients;
	r->devices_net.link = o->link;
	r->devices_net.peer = o->target;
	r->brokers_net.range = (struct net_range){o->broker, o->broker + o->brokers - 1};
	r->brokers_net.link = o->broker;
	if (net_open(&r->devices_net, o->devices_port, &r->mem, err, sizeof(err)) < 0)
		goto fail;
	if (net_open(&r->brokers_net, o->brokers_port, &r->mem, err, sizeof(err)) < 0) {
		net_close(&r->devices_net);
		goto fail;
	}
	return 0;
fail:
	fprintf(stderr, "pktgen: %s\n", err);
	return -1;
}

static int
devices_tcp(struct run *r, const struct options *o)
{
	if (o->light)
		return devices_use_lite(&r->devices, &r->devices_net, clock_now());
	r->devices_tcp = stack(r, "devices", &r->devices_net, o->connections + 64, 65536, 0);
	if (r->devices_tcp == NULL)
		return -1;
	devices_use_tcp(&r->devices, r->devices_tcp);
	return 0;
}

int
run_create(struct run *r, const struct options *o)
{
	const struct pw_mem_conf mem = {
		.name = "pktgen",
		.pkt = o->buffers,
		.hdr = o->buffers,
		.ind = o->buffers,
		.cache = 256,
		.socket = SOCKET_ID_ANY,
	};
	int rc;

	r->o = o;
	if (pw_mem_create(&r->mem, &mem) < 0) {
		fprintf(stderr, "pktgen: no memory for %u --buffers; give EAL more\n", o->buffers);
		return -1;
	}
	if (open_ports(r) < 0)
		goto fail_mem;
	r->brokers_tcp =
		stack(r, "brokers", &r->brokers_net, SINK_CONNECTIONS, 1u << 20, BROKERS_DELACK_MS);
	rc = r->brokers_tcp == NULL ? -1 : devices_create(&r->devices, o, clock_now());
	if (rc == 0)
		rc = devices_tcp(r, o);
	if (rc == 0)
		rc = sink_create(&r->sink, o, r->brokers_tcp);
	if (rc == 0 && o->slots != NULL) {
		r->sink.slots = slots_create((uint64_t)(o->seconds * CLOCK_S));
		rc = r->sink.slots == NULL ? -1 : 0;
	}
	if (rc == 0)
		return 0;
	fprintf(stderr, "pktgen: no room for %u devices\n", o->connections);
	(void)run_destroy(r);
	return -1;

fail_mem:
	pw_mem_destroy(&r->mem);
	return -1;
}

int
run_destroy(struct run *r)
{
	uint32_t out;

	/* They tell whom they end. */
	if (r->devices_tcp != NULL)
		pw_tcp_destroy(r->devices_tcp);
	if (r->brokers_tcp != NULL)
		pw_tcp_destroy(r->brokers_tcp);
	slots_destroy(r->sink.slots);
	sink_destroy(&r->sink);
	devices_destroy(&r->devices);
	net_close(&r->devices_net);
	net_close(&r->brokers_net);
	out = rte_mempool_in_use_count(r->mem.pkt) + rte_mempool_in_use_count(r->mem.hdr) +
	      rte_mempool_in_use_count(r->mem.ind);
	if (out > 0)
		fprintf(stderr, "pktgen: %u buffers are missing at the end\n", out);
	pw_mem_destroy(&r->mem);
	return out == 0 ? 0 : -1;
}
