/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages that leave by reference: slices given to the send queue, segments built out of it and
 * handed on, and the acknowledgement that lets the buffers go. On one connection, as to a broker,
 * where messages share segments, or each on another. 4096 bytes are three slices.
 */
#include "stack_pvt.h"
#include "tcp_rig.h"

#define SLICES 3

struct outgoing {
	uint32_t size;
	uint32_t conns;
	struct micro_figure *queue, *output, *acked;
};

static struct rte_mbuf *payload[MICRO_BURST][SLICES];

static void
queue(struct rig_end *e, uint32_t message, uint32_t size)
{
	struct pw_slice s[SLICES];
	uint32_t n = 0;

	for (uint32_t at = 0; at < size; at += RIG_MSS, n++) {
		struct rte_mbuf *m = payload[message][n];

		s[n] = (struct pw_slice){
			.mbuf = m,
			.off = m->data_off,
			.len = (uint16_t)RTE_MIN(size - at, (uint32_t)RIG_MSS),
		};
		pw_slice_hold(&s[n]);
	}
	if (pw_tcp_send(rig.tcp, e->conn, s, n) < 0)
		micro_die("the send queue is full");
}

static void
round_of(void *ctx)
{
	const struct outgoing *out = ctx;
	uint32_t each = MICRO_BURST / out->conns * out->size;
	struct rte_mbuf *m[MICRO_BURST];
	uint64_t start;

	/* The congestion window has long been as open as a burst needs. */
	for (uint32_t i = 0; i < out->conns; i++)
		rig.end[i].conn->cwnd = 2 * MICRO_BURST * 4096;
	rig.now += RIG_MS;
	start = micro_time();
	for (uint32_t i = 0; i < MICRO_BURST; i++)
		queue(&rig.end[i % out->conns], i, out->size);
	micro_round(out->queue, start, micro_time());
	start = micro_time();
	pw_tcp_flush(rig.tcp, rig.now);
	micro_round(out->output, start, micro_time());
	rig.now += RIG_MS;
	for (uint32_t i = 0; i < out->conns; i++) {
		rig.end[i].ack += each;
		m[i] = rig_segment(&rig.end[i], 0);
	}
	start = micro_time();
	rig_turn(m, out->conns);
	micro_round(out->acked, start, micro_time());
	for (uint32_t i = 0; i < out->conns; i++) {
		if (pw_tcp_unacked(rig.end[i].conn) != 0)
			micro_die("not everything was sent at once");
	}
}

static struct micro_figure *
figure(const char *name, const struct outgoing *out)
{
	return micro_figure(name, "message", "warm", out->size, MICRO_BURST, "%u conn%s",
			    out->conns, out->conns > 1 ? "s" : "");
}

void
micro_tcp_output(void)
{
	static const uint32_t conns[] = {1, MICRO_BURST};
	struct outgoing out[RTE_DIM(conns) * RTE_DIM(micro_sizes)];
	struct micro_case c[RTE_DIM(out)];

	rig_start(MICRO_BURST, 1023);
	rig_open(MICRO_BURST);
	if (rte_pktmbuf_alloc_bulk(rig.mem.pkt, &payload[0][0], MICRO_BURST * SLICES) < 0)
		micro_die("no buffer");
	for (uint32_t i = 0; i < RTE_DIM(out); i++) {
		struct outgoing *o = &out[i];

		o->size = micro_sizes[i % RTE_DIM(micro_sizes)];
		o->conns = conns[i / RTE_DIM(micro_sizes)];
		o->queue = figure("tcp-send", o);
		o->output = figure("tcp-output", o);
		o->acked = figure("tcp-acked", o);
		c[i] = (struct micro_case){round_of, o, {o->queue, o->output, o->acked}, 3};
	}
	micro_repeat(c, RTE_DIM(c));
	rte_pktmbuf_free_bulk(&payload[0][0], MICRO_BURST * SLICES);
	rig_stop();
}
