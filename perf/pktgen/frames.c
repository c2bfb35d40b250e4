/* SPDX-License-Identifier: BSD-3-Clause */
/* A packet that lies in one buffer is read in place, one that spans several is put together. */
#include <errno.h>
#include <string.h>

#include <pubwire/mqtt/frame.h>

#include "payload.h"
#include "frames.h"

static uint8_t joined[FRAMES_MAX];

/* A place in a chain. */
struct place {
	struct rte_mbuf *m;
	uint32_t off;
};

static void
settle(struct place *p)
{
	while (p->m != NULL && p->off == p->m->data_len)
		*p = (struct place){p->m->next, 0};
}

/* Up to len bytes from a place on, which moves behind them; returns how many there were. */
static uint32_t
copy(struct place *p, uint8_t *dst, uint32_t len)
{
	uint32_t done = 0;

	for (settle(p); p->m != NULL && done < len; settle(p)) {
		uint32_t k = RTE_MIN(len - done, p->m->data_len - p->off);

		memcpy(dst + done, rte_pktmbuf_mtod_offset(p->m, uint8_t *, p->off), k);
		done += k;
		p->off += k;
	}
	return done;
}

int
frames_walk(struct rte_mbuf *chain, frames_fn *fn, void *ctx)
{
	struct place at = {chain, 0};
	enum pw_mqtt_error err;
	uint32_t done = 0;

	for (settle(&at); at.m != NULL; settle(&at)) {
		const uint8_t *p = rte_pktmbuf_mtod_offset(at.m, const uint8_t *, at.off);
		uint32_t here = at.m->data_len - at.off, total, n = here;
		struct place next = at;
		int head, rc;

		if (here < 5) { /* the longest fixed header */
			struct place ahead = at;

			n = copy(&ahead, joined, 5);
			p = joined;
		}
		head = pw_mqtt_frame(p, n, FRAMES_MAX, &total, &err);
		if (head == -EAGAIN)
			break;
		if (head < 0)
			return head;
		if (total <= here) {
			p = rte_pktmbuf_mtod_offset(at.m, const uint8_t *, at.off);
			next.off += total;
		} else {
			if (copy(&next, joined, total) < total)
				break;
			p = joined;
		}
		rc = fn(ctx, p, total, (uint32_t)head);
		if (rc < 0)
			return rc;
		done += total;
		at = next;
	}
	return (int)done;
}
