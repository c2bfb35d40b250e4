/* SPDX-License-Identifier: BSD-3-Clause */
/* What a device sends besides CONNECT and PUBLISH. */
#include <errno.h>

#include "session_pvt.h"

#define MAX_FILTERS 8192 /* in one SUBSCRIBE; the answer has a byte for each */

static enum pw_taken
sent(int rc)
{
	return rc == 0 ? PW_TAKEN : rc == -ENOBUFS ? PW_LATER : PW_GONE;
}

static enum pw_taken
ping(struct pw_forward *f, struct pw_session *s, const struct pw_mqtt_buf *b, uint64_t now)
{
	enum pw_mqtt_error err = PW_MQTT_E_NONE;
	uint8_t out[2];
	int n, rc;

	if (pw_mqtt_decode_ping(b, &err) < 0) {
		pw_session_bad(f, s, PW_MQTT_PINGREQ, err, now);
		return PW_GONE;
	}
	n = pw_mqtt_encode_ping(out, sizeof(out), PW_MQTT_PINGRESP);
	rc = n < 0 ? n : pw_session_send(f, s, out, (uint32_t)n, now);
	if (rc == 0)
		f->counters.pings++;
	return sent(rc);
}

/* Why a filter is refused: what CONNACK said is not available comes first (5.0 3.9.3). */
static uint8_t
refusal(const struct pw_session *s, const struct pw_mqtt_subscribe *sub, const uint8_t *filter,
	uint32_t len)
{
	if (s->version != PW_MQTT_5)
		return 0x80;
	if (pw_mqtt_has(&sub->props, PW_MQTT_PROP_SUBSCRIPTION_ID))
		return 0xA1;
	if (len > 7 && memcmp(filter, "$share/", 7) == 0)
		return 0x9E;
	if (memchr(filter, '+', len) != NULL || memchr(filter, '#', len) != NULL)
		return 0xA2;
	return 0x83;
}

static enum pw_taken
subscribe(struct pw_forward *f, struct pw_session *s, uint8_t type, const struct pw_mqtt_buf *b,
	  uint64_t now)
{
	enum pw_mqtt_error err = PW_MQTT_E_NONE;
	char name[PW_ADDR_STRLEN + 16];
	struct pw_mqtt_subscribe sub;
	struct pw_mqtt_span filter;
	uint8_t *codes = f->topic + PW_SCRATCH_BYTES, *out = codes + MAX_FILTERS, options;
	uint32_t at = 0, n = 0;
	int len, rc;

	if (pw_mqtt_decode_subscribe(b, s->version, &sub, &err) < 0) {
		pw_session_bad(f, s, type, err, now);
		return PW_GONE;
	}
	if (sub.nb_filters > MAX_FILTERS) {
		pw_session_refuse(f, s, 0x97, now); /* Quota exceeded */
		return PW_GONE;
	}
	while (n < MAX_FILTERS && pw_mqtt_next_filter(b, &sub, &at, &filter, &options)) {
		const uint8_t *bytes = pw_mqtt_bytes(b, filter, f->topic);

		codes[n++] =
			type == PW_MQTT_UNSUBSCRIBE ? 0x11 : refusal(s, &sub, bytes, filter.len);
	}
	len = pw_mqtt_encode_suback(out, PW_SCRATCH_BYTES - MAX_FILTERS,
				    type == PW_MQTT_SUBSCRIBE ? PW_MQTT_SUBACK : PW_MQTT_UNSUBACK,
				    s->version, sub.packet_id, codes, n, NULL);
	rc = len < 0 ? len : pw_session_send(f, s, out, (uint32_t)len, now);
	if (rc == 0 && type == PW_MQTT_SUBSCRIBE) {
		f->counters.subscribes_refused++;
		PW_LOG_EVERY(&f->limit_subscribe, now, forward, NOTICE,
			     "device %s: SUBSCRIBE refused: subscriptions are not supported yet",
			     pw_session_name(s, name, sizeof(name)));
	}
	return sent(rc);
}

/* QoS 2: the device lets go of an identifier, and so do we. */
static enum pw_taken
pubrel(struct pw_forward *f, struct pw_session *s, const struct pw_mqtt_buf *b, uint64_t now)
{
	enum pw_mqtt_error err = PW_MQTT_E_NONE;
	struct pw_exchange *x;
	struct pw_mqtt_ack a;
	uint8_t out[8];
	int n, rc;

	if (pw_mqtt_decode_ack(b, s->version, &a, &err) < 0) {
		pw_session_bad(f, s, PW_MQTT_PUBREL, err, now);
		return PW_GONE;
	}
	x = pw_exchange_find(s, a.packet_id);
	if (x != NULL && x->state != PW_EXCHANGE_RELEASE) {
		/* It has had no PUBREC that it could answer. */
		pw_session_bad(f, s, PW_MQTT_PUBREL, PW_MQTT_E_UNEXPECTED, now);
		return PW_GONE;
	}
	n = pw_mqtt_encode_ack(out, sizeof(out), PW_MQTT_PUBCOMP, s->version, a.packet_id,
			       x != NULL ? 0 : 0x92, NULL); /* Packet Identifier not found */
	rc = n < 0 ? n : pw_session_send(f, s, out, (uint32_t)n, now);
	if (rc == 0 && x != NULL)
		pw_exchange_end(f, s, x);
	else if (rc == 0)
		f->counters.unknown_releases++;
	return sent(rc);
}

static enum pw_taken
disconnect(struct pw_forward *f, struct pw_session *s, const struct pw_mqtt_buf *b, uint64_t now)
{
	enum pw_mqtt_error err = PW_MQTT_E_NONE;
	struct pw_mqtt_disconnect d;

	if (pw_mqtt_decode_disconnect(b, s->version, &d, &err) < 0) {
		pw_session_bad(f, s, PW_MQTT_DISCONNECT, err, now);
		return PW_GONE;
	}
	if (pw_mqtt_has(&d.props, PW_MQTT_PROP_SESSION_EXPIRY)) {
		uint32_t expiry = d.props.value[PW_MQTT_PROP_SESSION_EXPIRY].num;
		uint32_t max = f->set->limits.max_session_expiry;

		/* A session that was to end with its connection cannot be made to stay (5.0
		 * 3.14.2.2.2). */
		if (s->expiry == 0 && expiry != 0 && max != 0) {
			pw_session_bad(f, s, PW_MQTT_DISCONNECT, PW_MQTT_E_UNEXPECTED, now);
			return PW_GONE;
		}
		s->expiry = RTE_MIN(expiry, max);
	}
	f->counters.disconnects++;
	/* 0x00 discards the will [MQTT-3.14.4-3]; every other reason leaves it to be published. */
	pw_session_end(f, s, s->version == PW_MQTT_5 && d.reason != 0, false, now);
	return PW_GONE;
}

enum pw_taken
pw_session_packet(struct pw_forward *f, struct pw_session *s, uint8_t type,
		  const struct pw_mqtt_buf *b, uint64_t now)
{
	switch (type) {
	case PW_MQTT_PINGREQ:
		return ping(f, s, b, now);
	case PW_MQTT_PUBREL:
		return pubrel(f, s, b, now);
	case PW_MQTT_SUBSCRIBE:
	case PW_MQTT_UNSUBSCRIBE:
		return subscribe(f, s, type, b, now);
	case PW_MQTT_DISCONNECT:
		return disconnect(f, s, b, now);
	default:
		/* A second CONNECT [MQTT-3.1.0-2], an answer to nothing, what only servers send. */
		pw_session_bad(f, s, type, PW_MQTT_E_UNEXPECTED, now);
		return PW_GONE;
	}
}

/* A place in a receive queue. */
struct place {
	const struct rte_mbuf *m;
	uint32_t off;
};

static bool
skip(struct place *p, uint32_t n)
{
	while (p->m != NULL && n >= p->m->data_len - p->off) {
		n -= p->m->data_len - p->off;
		p->m = p->m->next;
		p->off = 0;
	}
	p->off += p->m != NULL ? n : 0;
	return p->m != NULL;
}

static uint32_t
peek(struct place p, uint8_t *head, uint32_t max)
{
	uint32_t n = 0;

	while (n < max && p.m != NULL) {
		uint32_t len = RTE_MIN(p.m->data_len - p.off, max - n);

		memcpy(head + n, rte_pktmbuf_mtod_offset(p.m, uint8_t *, p.off), len);
		n += len;
		p.m = p.m->next;
		p.off = 0;
	}
	return n;
}

static void
unread(struct pw_forward *f, uint8_t first)
{
	if (first >> 4 == PW_MQTT_PUBLISH && (first & 0x06) == 0)
		f->counters.dropped_unread++;
}

/* A DISCONNECT with reason 0x00, which may be left out. */
static bool
goodbye(const uint8_t *head, uint32_t total)
{
	uint32_t at = 1;

	if (head[0] != PW_MQTT_DISCONNECT << 4)
		return false;
	while (head[at++] & 0x80)
		;
	return at >= total || head[at] == 0;
}

bool
pw_session_left(struct pw_forward *f, const struct pw_session *s)
{
	uint32_t left = pw_tcp_rx_len(s->conn), total;
	struct place p = {.m = pw_tcp_rx_chain(s->conn)};
	enum pw_mqtt_error err;
	uint8_t head[6] = {0};

	if (s->part != NULL) {
		total = s->part->total - s->part->taken;
		if (total > left)
			return false;
		if (s->part->run.first != NULL)
			unread(f, *pw_slice_data(&s->part->run.first->s[0]));
		left -= total;
		(void)skip(&p, total);
	}
	while (left > 0) {
		if (pw_mqtt_frame(head, peek(p, head, 5), s->max_packet, &total, &err) < 0 ||
		    total > left)
			return false;
		(void)peek(p, head, 6);
		if (goodbye(head, total))
			return true;
		unread(f, head[0]);
		left -= total;
		(void)skip(&p, total);
	}
	return false;
}
