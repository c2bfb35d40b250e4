/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How long connections have held bytes beyond a gap, and who gives up what he holds (RFC 2018 8
 * allows it: the peer sends what is not acknowledged again). A silent peer, or one that moves its
 * gap by a byte in a while, would otherwise keep reassembly from all others of the stack.
 *
 * Who begins a list is written to the end of a ring, where it stays whatever the gap does. An entry
 * is out of date when that list has ended: the connection then holds nothing, or its gap_id is
 * another one. Such entries leave at the front, or all at once where the ring is full; it has two
 * entries for each buffer that can be held, so at least half of them go then.
 */
#include <errno.h>

#include <rte_common.h>
#include <rte_malloc.h>

#include "rx_pvt.h"
#include "stack_pvt.h"

#define GAP_UNIT_SHIFT 12     /* gap_at counts 4.096 s: it wraps after 17 minutes */
#define GAP_LIFE_MS    60000u /* the longest retransmission timeout of RFC 6298 2.4, 2.5 */
#define GAP_YIELD      64     /* buffers of a flush under pressure */

size_t
pw_tcp_gaps_bytes(uint32_t max_ooo_total)
{
	return (size_t)max_ooo_total * 2 * sizeof(struct gap_entry);
}

int
pw_tcp_gaps_init(struct gap_ring *g, uint32_t max_ooo_total, int socket)
{
	g->size = max_ooo_total * 2;
	g->entry = rte_zmalloc_socket("pw_tcp_gaps", pw_tcp_gaps_bytes(max_ooo_total), 0, socket);
	return g->entry != NULL ? 0 : -ENOMEM;
}

void
pw_tcp_gaps_fini(struct gap_ring *g)
{
	rte_free(g->entry);
}

static struct gap_entry *
entry(struct gap_ring *g, uint32_t i)
{
	uint64_t at = (uint64_t)g->first + i;

	return &g->entry[at < g->size ? at : at - g->size];
}

/* The connection whose list an entry stands for, or NULL where that has ended. */
static struct pw_tcp_conn *
holder(struct pw_tcp *t, const struct gap_entry *e)
{
	struct pw_tcp_conn *c = pw_pool_peek(t->conns, e->conn);

	return c != NULL && c->ooo != NULL && c->gap_id == (uint8_t)e->id ? c : NULL;
}

static void
pop(struct gap_ring *g)
{
	g->first = g->first + 1 < g->size ? g->first + 1 : 0;
	g->n--;
}

static void
compact(struct pw_tcp *t, struct gap_ring *g)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < g->n; i++)
		if (holder(t, entry(g, i)) != NULL)
			*entry(g, kept++) = *entry(g, i);
	g->n = kept;
}

void
pw_tcp_gap_began(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	struct gap_ring *g = &t->gaps;

	pw_tcp_gap_moved(t, c);
	c->gap_id = (uint8_t)++g->id;
	if (g->n == g->size)
		compact(t, g);
	/* Full of those whose gap_id came round: the oldest stays until its time is over. */
	if (g->n == g->size)
		pop(g);
	*entry(g, g->n++) = (struct gap_entry){.conn = pw_pool_index(t->conns, c), .id = c->gap_id};
}

void
pw_tcp_gap_moved(const struct pw_tcp *t, struct pw_tcp_conn *c)
{
	c->gap_at = (uint8_t)(tcp_ms(t) >> GAP_UNIT_SHIFT);
}

uint32_t
pw_tcp_gap_deadline(const struct pw_tcp *t, const struct pw_tcp_conn *c)
{
	uint32_t units = tcp_ms(t) >> GAP_UNIT_SHIFT, d;

	if (c->ooo == NULL)
		return 0;
	d = ((units - (uint8_t)(units - c->gap_at) + 1) << GAP_UNIT_SHIFT) + GAP_LIFE_MS;
	return d != 0 ? d : 1;
}

void
pw_tcp_gap_expired(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	t->count.drop_ooo_old += c->ooo_count;
	pw_tcp_ooo_release(t, c);
}

bool
pw_tcp_gap_yield(struct pw_tcp *t, const struct pw_tcp_conn *but)
{
	struct gap_ring *g = &t->gaps;

	for (; g->n != 0; pop(g)) {
		struct pw_tcp_conn *c = holder(t, entry(g, 0));

		if (c == NULL)
			continue;
		if (c == but)
			return false;
		pw_tcp_ooo_drop_last(t, c);
		return true;
	}
	return false;
}

void
pw_tcp_gaps_pressed(struct pw_tcp *t)
{
	for (uint32_t i = 0; i < GAP_YIELD && pw_tcp_gap_yield(t, NULL); i++)
		t->count.drop_pressure++;
}
