/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Connections found among many, drawn at random: by the table alone, which gets the flows of a
 * burst as the stack's input does (all hashed and their buckets prefetched, then all looked up),
 * and whole, by segments that change nothing. With 100,000 and more of them neither the table nor
 * the connections fit the caches; frames are in the cache.
 */
#include <rte_prefetch.h>

#include "sim_rng.h"
#include "stack_pvt.h"
#include "tcp_rig.h"

struct lookup {
	struct sim_rng rng;
	uint32_t conns;
	struct micro_figure *table, *segment;
};

static void
round_of_table(struct lookup *l)
{
	struct pw_flow flow[MICRO_BURST];
	uint64_t print[MICRO_BURST], start;
	uint32_t found = 0;

	/* Made of the peer's address: its connection stays untouched. */
	for (uint32_t i = 0; i < MICRO_BURST; i++) {
		const struct rig_end *e = &rig.end[sim_rng_below(&l->rng, l->conns)];

		pw_tcp_flow(rig.end[0].conn, &flow[i]);
		flow[i].remote = e->addr;
	}
	start = micro_time();
	for (uint32_t i = 0; i < MICRO_BURST; i++) {
		print[i] = pw_tcp_flow_print(rig.tcp, &flow[i]);
		rte_prefetch0(&rig.tcp->table.bucket[pw_tcp_table_at(&rig.tcp->table,
								     (uint32_t)print[i])]);
	}
	for (uint32_t i = 0; i < MICRO_BURST; i++)
		pw_tcp_table_fetch(rig.tcp, (uint32_t)print[i]);
	for (uint32_t i = 0; i < MICRO_BURST; i++)
		found += pw_tcp_table_find(rig.tcp, &flow[i], (uint32_t)print[i]) != NULL;
	micro_round(l->table, start, micro_time());
	if (found != MICRO_BURST)
		micro_die("a connection was not found");
}

static void
round_of(void *ctx)
{
	struct lookup *l = ctx;
	struct rte_mbuf *m[MICRO_BURST];
	uint64_t start;

	round_of_table(l);
	for (uint32_t i = 0; i < MICRO_BURST; i++)
		m[i] = rig_segment(&rig.end[sim_rng_below(&l->rng, l->conns)], 0);
	start = micro_time();
	rig_turn(m, MICRO_BURST);
	micro_round(l->segment, start, micro_time());
}

static void
lookup(uint32_t conns, const char *name)
{
	const char *cache = conns > 10000 ? "random" : "warm";
	struct lookup l = {.rng = {.s = conns}, .conns = conns};
	struct micro_case c = {round_of, &l, {NULL}, 2};

	rig_open(conns);
	l.table = micro_figure("table-lookup", "flow", cache, 0, MICRO_BURST, "%s", name);
	l.segment = micro_figure("tcp-lookup", "segment", cache, 0, MICRO_BURST, "%s", name);
	c.figure[0] = l.table;
	c.figure[1] = l.segment;
	micro_repeat(&c, 1);
}

void
micro_lookup(void)
{
	rig_start(micro_options.brief ? 1000 : 1000000, 1023);
	lookup(1, "1");
	lookup(1000, "1k");
	if (!micro_options.brief) {
		lookup(100000, "100k");
		lookup(1000000, "1M");
	}
	rig_stop();
}
