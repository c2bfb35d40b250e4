/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages that arrive: segments into the stack, the upcall that consumes them, and the
 * acknowledgements that leave. All of one connection, or each of another; one message a segment,
 * 4096 bytes in three. Connections and frames are in the cache.
 */
#include "tcp_rig.h"

#define SEGMENTS (MICRO_BURST * ((4096 + RIG_MSS - 1) / RIG_MSS))

struct input {
	uint32_t size;
	uint32_t conns;
	struct micro_figure *figure;
};

static uint32_t
message(struct rig_end *e, uint32_t size, struct rte_mbuf **m)
{
	uint32_t n = 0;

	for (uint32_t at = 0; at < size; at += RIG_MSS)
		m[n++] = rig_segment(e, (uint16_t)RTE_MIN(size - at, (uint32_t)RIG_MSS));
	return n;
}

static void
round_of(void *ctx)
{
	const struct input *in = ctx;
	struct rte_mbuf *m[SEGMENTS];
	uint32_t n = 0;
	uint64_t start;

	rig.now += RIG_MS;
	for (uint32_t i = 0; i < MICRO_BURST; i++)
		n += message(&rig.end[i % in->conns], in->size, &m[n]);
	start = micro_time();
	for (uint32_t i = 0; i < n; i += MICRO_BURST)
		rig_turn(&m[i], RTE_MIN(n - i, (uint32_t)MICRO_BURST));
	micro_round(in->figure, start, micro_time());
}

void
micro_tcp_input(void)
{
	static const uint32_t conns[] = {1, MICRO_BURST};
	struct input in[RTE_DIM(conns) * RTE_DIM(micro_sizes)];
	struct micro_case c[RTE_DIM(in)];

	rig_start(MICRO_BURST, 1023);
	rig_open(MICRO_BURST);
	for (uint32_t i = 0; i < RTE_DIM(in); i++) {
		in[i].size = micro_sizes[i % RTE_DIM(micro_sizes)];
		in[i].conns = conns[i / RTE_DIM(micro_sizes)];
		in[i].figure = micro_figure("tcp-input", "message", "warm", in[i].size, MICRO_BURST,
					    "%u conn%s", in[i].conns, in[i].conns > 1 ? "s" : "");
		c[i] = (struct micro_case){round_of, &in[i], {in[i].figure}, 1};
	}
	micro_repeat(c, RTE_DIM(c));
	rig_stop();
}
