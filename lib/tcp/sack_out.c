/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Selective acknowledgement of what we have received (RFC 2018 3 and 4): the block of the bytes
 * that came last first, then the others, the latest first. Bytes that came twice are reported once,
 * in front of all (RFC 2883 4); until a segment takes that report along it stands in a small table
 * of the stack, where another connection of the same burst may displace it: it is a hint, and gets
 * lost on the wire too.
 */
#include <rte_common.h>

#include "header_pvt.h"
#include "stack_pvt.h"

#define OPTIONS_MAX 40 /* RFC 9293 3.1: a header has 60 bytes at most */
#define KIND_LEN    4  /* two NOPs, kind and length */
#define BLOCK_LEN   8

static struct dsack *
slot_of(struct pw_tcp *t, const struct pw_tcp_conn *c)
{
	return &t->dsack[pw_pool_index(t->conns, c) % DSACK_SLOTS];
}

static bool
mine(struct pw_tcp *t, const struct pw_tcp_conn *c)
{
	return slot_of(t, c)->conn == pw_pool_index(t->conns, c) + 1;
}

void
pw_tcp_sack_duplicate(struct pw_tcp *t, const struct pw_tcp_conn *c, uint32_t left, uint32_t right)
{
	if (!(c->flags & CONN_SACK) || left == right)
		return;
	*slot_of(t, c) =
		(struct dsack){.conn = pw_pool_index(t->conns, c) + 1, .block = {left, right}};
}

void
pw_tcp_sack_forget(struct pw_tcp *t, const struct pw_tcp_conn *c)
{
	if (mine(t, c))
		slot_of(t, c)->conn = 0;
}

bool
pw_tcp_sack_wanted(struct pw_tcp *t, const struct pw_tcp_conn *c)
{
	return (c->flags & CONN_SACK) && (c->ooo != NULL || mine(t, c));
}

/* Put a block among the latest ones; what is displaced falls out at the end. */
static void
rank(struct sack_out *out, uint32_t *when, uint32_t room, struct sack_block b, uint32_t stamp)
{
	uint32_t at = out->n;

	while (at > 0 && seq_gt(stamp, when[at - 1]))
		at--;
	if (at == room)
		return;
	out->n = (uint8_t)RTE_MIN(out->n + 1u, room);
	for (uint32_t i = out->n - 1u; i > at; i--) {
		out->block[i] = out->block[i - 1];
		when[i] = when[i - 1];
	}
	out->block[at] = b;
	when[at] = stamp;
}

/* Runs of buffers without a gap between them, the latest room of them. */
static void
rank_runs(const struct pw_tcp_conn *c, struct sack_out *out, uint32_t room)
{
	uint32_t when[SEG_SACK_MAX] = {0};
	const struct rte_mbuf *m = c->ooo;

	while (m != NULL) {
		struct sack_block b = {m->hash.usr, m->hash.usr};
		uint32_t stamp = m->hash.fdir.hi;

		for (; m != NULL && m->hash.usr == b.right; m = m->next) {
			b.right += m->data_len;
			stamp = seq_max(stamp, m->hash.fdir.hi);
		}
		rank(out, when, room, b, stamp);
	}
}

void
pw_tcp_sack_gather(struct pw_tcp *t, struct pw_tcp_conn *c, uint32_t space, struct sack_out *out)
{
	uint32_t room = OPTIONS_MAX - (c->flags & CONN_TS ? TCP_OPT_TS_LEN : 0);
	struct dsack *d = slot_of(t, c);

	out->n = 0;
	out->twice = false;
	room = RTE_MIN(room, space);
	if (room < KIND_LEN + BLOCK_LEN || !pw_tcp_sack_wanted(t, c))
		return;
	room = RTE_MIN((room - KIND_LEN) / BLOCK_LEN, (uint32_t)SEG_SACK_MAX);
	if (!mine(t, c)) {
		rank_runs(c, out, room);
		return;
	}
	rank_runs(c, out, room - 1);
	for (uint32_t i = out->n; i > 0; i--)
		out->block[i] = out->block[i - 1];
	out->block[0] = d->block;
	out->n++;
	out->twice = true;
}

uint32_t
pw_tcp_sack_len(const struct sack_out *s)
{
	return s->n != 0 ? KIND_LEN + BLOCK_LEN * s->n : 0;
}

void
pw_tcp_put_sack(struct pw_tcp *t, const struct pw_tcp_conn *c, uint8_t *p, const struct sack_out *s)
{
	if (s->n == 0)
		return;
	p = pw_tcp_put32(p, 0x01010500u | (2u + BLOCK_LEN * s->n));
	for (uint32_t i = 0; i < s->n; i++) {
		p = pw_tcp_put32(p, s->block[i].left);
		p = pw_tcp_put32(p, s->block[i].right);
	}
	if (s->twice)
		slot_of(t, c)->conn = 0;
}
