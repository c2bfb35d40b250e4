/* SPDX-License-Identifier: BSD-3-Clause */
/* What is due: acknowledgements that wait, and segments to send again. */
#include "lite_pvt.h"

#define TRIES 8
#define SWEEP 16 /* connections looked at in a turn, at most */

static void
timed_out(struct lite *l, struct conn *c, uint64_t now)
{
	if (++c->tries > TRIES) {
		l->n.timeouts++;
		lite_gone(l, c, now);
		return;
	}
	if (c->state == LITE_SYN_SENT) {
		l->n.retransmits++;
		lite_send_syn(l, c);
		return;
	}
	c->retry = l->ms + (LITE_RTO_MS << c->tries);
	c->dups = 0;
	if (c->una != c->nxt)
		lite_retransmit(l, c);
	else
		lite_send_bare(l, c, c->una - 1, 0); /* is the window still closed? */
}

void
lite_advance(struct lite *l, uint64_t now)
{
	uint32_t look = RTE_MIN(l->conf.n / 64 + 1, (uint32_t)SWEEP);

	l->ms = (uint32_t)(now / CLOCK_MS);
	while (l->due_head != l->due_tail) {
		struct due *d = &l->due[l->due_head & l->due_mask];
		struct conn *c = &l->conn[d->i];

		if ((int32_t)(l->ms - d->ms) < 0)
			break;
		l->due_head++;
		c->flags &= (uint8_t)~F_LISTED;
		if (c->state == LITE_UP && (c->flags & F_ACK)) {
			l->n.acks_delayed++;
			lite_send_bare(l, c, c->nxt, 0);
		}
	}
	while (look-- > 0) {
		struct conn *c = &l->conn[l->sweep];

		l->sweep = l->sweep + 1 < l->conf.n ? l->sweep + 1 : 0;
		rte_prefetch0(&l->conn[l->sweep]);
		if (c->state != LITE_CLOSED && c->una != c->end && (int32_t)(l->ms - c->retry) >= 0)
			timed_out(l, c, now);
	}
}
