/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The first of so many segments is missing, and the peer's acknowledgements say that the rest is
 * there: the first of them changes everything, those that follow nothing.
 */
#include "stack_pvt.h"
#include "tcp_rig.h"

#define PAYLOAD 64

struct sack {
	struct rig_end *end;
	uint32_t segments;
	struct micro_figure *figure;
};

static void
lose_the_first(struct sack *k, struct rte_mbuf *payload)
{
	struct pw_slice s = {.mbuf = payload, .off = payload->data_off, .len = PAYLOAD};

	k->end->conn->cwnd = k->segments * RIG_MSS;
	for (uint32_t i = 0; i < k->segments; i++) {
		pw_slice_hold(&s);
		if (pw_tcp_send(rig.tcp, k->end->conn, &s, 1) < 0)
			micro_die("the send queue is full");
		pw_tcp_flush(rig.tcp, rig.now);
	}
}

static void
round_of(void *ctx)
{
	const struct sack *k = ctx;
	struct rte_mbuf *m[MICRO_BURST];
	uint64_t start;

	for (uint32_t i = 0; i < MICRO_BURST; i++)
		m[i] = rig_sack(k->end, k->end->ack + PAYLOAD, k->end->ack + k->segments * PAYLOAD);
	start = micro_time();
	rig_turn(m, MICRO_BURST);
	micro_round(k->figure, start, micro_time());
}

void
micro_tcp_sack(void)
{
	static const uint32_t segments[] = {10, 100, 1000};
	struct sack k[RTE_DIM(segments)];
	struct micro_case c[RTE_DIM(k)];
	struct rte_mbuf *payload;

	rig_start(RTE_DIM(k), 1023);
	rig_open(RTE_DIM(k));
	payload = rte_pktmbuf_alloc(rig.mem.pkt);
	for (uint32_t i = 0; i < RTE_DIM(k); i++) {
		k[i] = (struct sack){.end = &rig.end[i], .segments = segments[i]};
		lose_the_first(&k[i], payload);
		k[i].figure = micro_figure("tcp-sacked", "segment", "warm", 0, MICRO_BURST,
					   "%u in flight", segments[i]);
		c[i] = (struct micro_case){round_of, &k[i], {k[i].figure}, 1};
	}
	micro_repeat(c, RTE_DIM(c));
	for (uint32_t i = 0; i < RTE_DIM(k); i++) {
		struct rte_mbuf *m;

		k[i].end->ack += segments[i] * PAYLOAD;
		m = rig_segment(k[i].end, 0);
		rig_turn(&m, 1);
	}
	rte_pktmbuf_free(payload);
	rig_stop();
}
