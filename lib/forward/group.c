/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages that one device sent behind each other enter a log as a group: one entry, one copy or
 * one reference, one step of each reader, whatever their number.
 *
 * Grouped is what needs nothing done to it and goes the same way. That is, behind a message that
 * was decoded, allowed, and routed:
 *
 * - PUBLISH packets whose first byte is 0x30: QoS 0, neither retained nor with DUP;
 * - of the very same topic, so that rules and routes give the same answer;
 * - without properties: no alias, no expiry, nothing to lose by translation;
 * - whole, and in the packet buffer in which the one before ends: their bytes adjoin;
 * - by a route that leaves topics as they are and does not deal messages out in turn;
 * - from a device without rates, which are looked at between two messages;
 * - as many as the log has places for and, by a route that blocks, as holds have room for; as may
 *   be read of the device in its turn; and no more than a sixteenth of what a log, or the hold of
 *   a broker of the route, takes: what is given up is given up by groups.
 *
 * Everything counts messages, not groups: positions of the log, counters, latencies, holds. A
 * broker's leg sends a group as it lies; one that speaks another version, or does not take messages
 * of every size, takes it apart (apart.c). A group goes into a send queue whole or not at all: it
 * is one slice of PW_GROUP_BYTES at most. So a connection that ends leaves none half sent, of which
 * some messages would go to the broker twice.
 */
#include "group_pvt.h"
#include "session_pvt.h"

/* What the messages of a group have in common. */
struct model {
	const uint8_t *topic; /* as it stands in a frame: with its length before it */
	uint32_t topic_len;
	uint32_t v5;
	uint32_t max_packet;
};

/* Bytes of a frame that may follow in a group; 0: it may not. */
static uint32_t
follower(const uint8_t *p, uint32_t left, const struct model *o)
{
	uint32_t len, head;

	if (left < 2 + o->topic_len || p[0] != PW_GROUP_FIRST)
		return 0;
	len = pw_group_frame(p, &head);
	if (len > left || len > o->max_packet || len - head < o->topic_len + o->v5 ||
	    (head == 3 && (p[2] == 0 || (p[2] & 0x80))) ||
	    memcmp(p + head, o->topic, o->topic_len) != 0)
		return 0;
	return o->v5 && p[head + o->topic_len] != 0 ? 0 : len;
}

/* The message at hand may have others behind it. */
static bool
leads(const struct pw_forward *f, const struct pw_session *s, const struct pw_append *a,
      const struct pw_mqtt_publish *m)
{
	const uint8_t *p = pw_slice_data(a->b->s);
	uint32_t head;

	return *p == PW_GROUP_FIRST && m->props.all.len == 0 &&
	       pw_group_frame(p, &head) == a->b->len && m->topic.off == head + 2 &&
	       RTE_MBUF_DIRECT(a->b->s->mbuf) && !pw_limits_paced(f, s);
}

static uint32_t
most(const struct pw_forward *f, const struct pw_flog *l, const struct pw_append *a)
{
	uint64_t n = (uint64_t)l->mask + 1 - (l->tail - l->head), limit;

	if (pw_route_when_full(a->route, 0) == PW_WHEN_FULL_BLOCK) {
		/* Readers on another lcore may have put it back since the first had its place. */
		limit = pw_flog_limit(l);
		n = RTE_MIN(n, limit > l->tail ? limit - l->tail : 1);
	}
	return (uint32_t)RTE_MIN(n, (uint64_t)RTE_MIN(a->route->group, f->quantum));
}

void
pw_group_gather(struct pw_forward *f, const struct pw_session *s, const struct pw_flog *l,
		struct pw_append *a, const struct pw_mqtt_publish *m)
{
	const struct rte_mbuf *in = a->b->s->mbuf;
	const uint8_t *first = pw_slice_data(a->b->s);
	uint32_t len = a->b->len, there, n, max, frame;
	struct model o;

	if (a->b->n != 1)
		return;
	there = (uint32_t)(rte_pktmbuf_mtod(in, const uint8_t *) + in->data_len - first);
	there = RTE_MIN(there, a->route->group_bytes);
	if (there <= len || !leads(f, s, a, m))
		return;
	o = (struct model){
		.topic = first + m->topic.off - 2,
		.topic_len = m->topic.len + 2,
		.v5 = s->version == PW_MQTT_5,
		.max_packet = s->max_packet,
	};
	max = most(f, l, a);
	for (n = 1; n < max; n++) {
		frame = follower(first + len, there - len, &o);
		if (frame == 0)
			break;
		len += frame;
		a->payload += frame - (frame > 129 ? 3 : 2) - o.topic_len - o.v5;
	}
	a->further = (uint8_t)(n - 1);
	a->b->len = len;
	f->scratch[0].len = (uint16_t)len;
}
