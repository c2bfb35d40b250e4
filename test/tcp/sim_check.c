/* SPDX-License-Identifier: BSD-3-Clause */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <rte_common.h>

#include "sim_check.h"

#define PATTERN	    (1 << 16)
#define DEFAULT_MSS 536 /* RFC 9293 3.7.1 */

static uint8_t pattern[PATTERN + SEG_MAX];

static bool
seq_lt(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

static uint32_t
seq_max(uint32_t a, uint32_t b)
{
	return seq_lt(a, b) ? b : a;
}

/** Streams differ by where they begin in one pattern; 40503 is odd, so that all places occur. */
static const uint8_t *
place(uint32_t stream, uint32_t off)
{
	return &pattern[(stream * 40503u + off) % PATTERN];
}

void
check_fill(uint32_t stream, uint32_t off, uint8_t *p, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		p[i] = *place(stream, off + i);
}

bool
check_same(uint32_t stream, uint32_t off, const uint8_t *p, uint32_t n)
{
	while (n != 0) {
		uint32_t part = RTE_MIN(n, (uint32_t)SEG_MAX);

		if (memcmp(place(stream, off), p, part) != 0)
			return false;
		off += part;
		p += part;
		n -= part;
	}
	return true;
}

void
check_init(struct check *k, uint16_t mtu, bool verbose)
{
	struct sim_rng rng = {.s = 11};

	memset(k, 0, sizeof(*k));
	k->mtu = mtu;
	k->verbose = verbose;
	for (uint32_t i = 0; i < sizeof(pattern); i++)
		pattern[i] = i < PATTERN ? (uint8_t)sim_rng_next(&rng) : pattern[i - PATTERN];
}

static struct check_conn *
find(struct check *k, uint16_t port)
{
	for (uint32_t i = 0; i < k->nb_conns; i++) {
		if (k->conn[i].port == port)
			return &k->conn[i];
	}
	if (k->nb_conns == CHECK_CONNS)
		return NULL;
	k->conn[k->nb_conns].port = port;
	return &k->conn[k->nb_conns++];
}

static void
print_seg(const struct check *k, const struct check_conn *c, const char *what, uint32_t stack,
	  const struct tcp_seg *seg, uint64_t now)
{
	char line[360];

	if (!k->verbose)
		return;
	printf("%12.6f %u %s %s\n", (double)now / 1e9, stack, what,
	       tcp_seg_str(seg, c->side[what[0] == '>' ? stack : !stack].iss,
			   c->side[what[0] == '>' ? !stack : stack].iss, line, sizeof(line)));
}

/** Keep the first rule that was broken. */
static void __attribute__((format(printf, 2, 3))) broken(struct check *k, const char *format, ...)
{
	va_list ap;

	if (k->fault[0] != '\0')
		return;
	va_start(ap, format);
	vsnprintf(k->fault, sizeof(k->fault), format, ap);
	va_end(ap);
}

static uint32_t
right_edge(const struct check_conn *c, uint32_t from, const struct tcp_seg *seg)
{
	bool scaled = c->side[0].has_ws && c->side[1].has_ws && !(seg->flags & SEG_SYN);

	return seg->ack + ((uint32_t)seg->win << (scaled ? c->side[from].ws : 0));
}

static void
check_syn(struct check *k, struct check_side *me, const struct tcp_seg *seg)
{
	if (me->syn_sent && me->iss != seg->seq) {
		/* Nothing remembers a SYN|ACK: its number changes with the secret of the cookies.
		 */
		if (!(seg->flags & SEG_ACK) || me->end != me->iss + 1)
			broken(k, "a SYN repeated with another number");
		me->other_iss = me->iss;
		me->end = seg->seq;
	} else if (!me->syn_sent) {
		me->other_iss = seg->seq;
	}
	me->syn_sent = true;
	me->iss = seg->seq;
	me->has_ws = seg->has_ws;
	me->ws = seg->ws;
	me->mss = seg->mss != 0 ? seg->mss : DEFAULT_MSS;
	if (me->end == 0)
		me->end = seg->seq;
}

/** Sequence numbers, length and bytes. */
static void
check_payload(struct check *k, const struct check_conn *c, uint32_t from, const struct tcp_seg *seg,
	      uint64_t now)
{
	const struct check_side *me = &c->side[from], *peer = &c->side[!from];
	uint32_t mss = peer->syn_sent ? RTE_MIN(peer->mss, k->mtu - 40) : k->mtu - 40;
	uint32_t last = seg->seq + seg->len;
	uint32_t una = me->una_at < now ? me->una : me->una_before;

	if (seq_lt(me->end, seg->seq))
		broken(k, "a gap: %u sent so far, then %u", me->end - me->iss, seg->seq - me->iss);
	if (me->heard && seq_lt(seg->seq, una - 1))
		broken(k, "sent again what was acknowledged: %u of %u", seg->seq - me->iss,
		       una - me->iss);
	if (seg->len + seg->opt_len > mss && !(seg->flags & SEG_SYN))
		broken(k, "%u bytes and %u of options with an MSS of %u", seg->len, seg->opt_len,
		       mss);
	if (seg->len > 1 && seq_lt(me->heard_edge, last)) /* one byte may be a window probe */
		broken(k, "%u bytes beyond the window", last - me->heard_edge);
	if (me->heard && tcp_seg_space(seg) == 0 && seq_lt(me->heard_edge, seg->seq))
		broken(k, "a bare ACK %u beyond the window", seg->seq - me->heard_edge);
	if (me->fin_sent &&
	    ((seg->len != 0 && seq_lt(me->fin, last)) || (seg->flags & SEG_FIN && last != me->fin)))
		broken(k, "bytes after the FIN");
	/* A keepalive probe may carry one byte before the first. */
	if (seg->len != 0 && seq_lt(me->iss, seg->seq) &&
	    !check_same(check_stream(c->port, from), seg->seq - me->iss - 1, seg->data, seg->len))
		broken(k, "other bytes than the application gave, at %u", seg->seq - me->iss - 1);
}

/** The opener's acknowledgement says which of two SYN|ACK it has taken. */
static void
choose_iss(struct check_side *me, uint32_t ack)
{
	if (ack != me->iss + 1 && ack == me->other_iss + 1 && me->end == me->iss + 1) {
		uint32_t iss = me->iss;

		me->iss = me->other_iss;
		me->other_iss = iss;
		me->end = ack;
	}
}

static void
check_ack(struct check *k, const struct check_conn *c, uint32_t from, const struct tcp_seg *seg)
{
	const struct check_side *me = &c->side[from], *peer = &c->side[!from];
	uint32_t edge = right_edge(c, from, seg);

	if (me->acked && seq_lt(seg->ack, me->ack))
		broken(k, "an ACK that goes back by %u", me->ack - seg->ack);
	if (seq_lt(peer->end, seg->ack))
		broken(k, "an ACK of %u bytes that were never sent", seg->ack - peer->end);
	if (me->acked && seq_lt(edge, me->edge))
		broken(k, "the right edge shrinks by %u", me->edge - edge);
}

void
check_sent(struct check *k, uint32_t stack, const struct pw_flow *flow, const struct tcp_seg *seg,
	   uint64_t now)
{
	struct check_conn *c = find(k, stack == 0 ? flow->lport : flow->rport);
	struct check_side *me;
	bool clean = k->fault[0] == '\0';

	k->segments++;
	if (c == NULL) {
		broken(k, "more connections than were opened");
		return;
	}
	me = &c->side[stack];
	if (seg->flags & SEG_SYN)
		check_syn(k, me, seg);
	print_seg(k, c, ">", stack, seg, now);
	if (seg->flags & SEG_RST)
		return;
	check_payload(k, c, stack, seg, now);
	if (seg->flags & SEG_ACK) {
		choose_iss(&c->side[!stack], seg->ack);
		check_ack(k, c, stack, seg);
		me->ack = seg->ack;
		me->edge = me->acked ? seq_max(me->edge, right_edge(c, stack, seg))
				     : right_edge(c, stack, seg);
		me->acked = true;
	}
	if (seg->flags & SEG_FIN) {
		me->fin_sent = true;
		me->fin = seg->seq + seg->len;
	}
	me->end = seq_max(me->end, seg->seq + tcp_seg_space(seg));
	if (clean && k->fault[0] != '\0') {
		size_t n = strlen(k->fault);

		snprintf(k->fault + n, sizeof(k->fault) - n, " (stack %u, port %u, %" PRIu64 " us)",
			 stack, c->port, now / 1000);
	}
}

void
check_arrives(struct check *k, uint32_t stack, const struct pw_flow *flow,
	      const struct tcp_seg *seg, uint64_t now)
{
	struct check_conn *c = find(k, stack == 0 ? flow->lport : flow->rport);
	struct check_side *me;

	if (c == NULL)
		return;
	print_seg(k, c, "<", stack, seg, now);
	if (seg->flags & SEG_RST || !(seg->flags & SEG_ACK))
		return;
	me = &c->side[stack];
	/* A bare one from before what has been acknowledged is not heard (RFC 9293 table 6). */
	if (me->acked && tcp_seg_space(seg) == 0 && seq_lt(seg->seq, me->ack))
		return;
	if (me->heard) {
		if (me->una_at != now)
			me->una_before = me->una;
		me->una = seq_max(me->una, seg->ack);
		me->heard_edge = seq_max(me->heard_edge, right_edge(c, !stack, seg));
	} else {
		me->una = me->una_before = seg->ack;
		me->heard_edge = right_edge(c, !stack, seg);
		me->heard = true;
	}
	me->una_at = now;
}
