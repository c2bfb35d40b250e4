/* SPDX-License-Identifier: BSD-3-Clause */
/* The brokers of the world: what they know of their clients, what they answer, and when. */
#include <stdlib.h>

#include "world_pvt.h"

static struct leg *
leg_of(const struct pw_tcp_conn *c, struct broker **b)
{
	*b = &w.broker[pw_tcp_user(c) >> 8];
	return &(*b)->leg[pw_tcp_user(c) & 0xff];
}

static int
broker_accepted(void *ctx, struct pw_tcp_conn *c, uint64_t now)
{
	struct broker *b = ctx;

	(void)now;
	for (uint32_t i = 0; i < RTE_DIM(b->leg); i++) {
		struct leg *l = &b->leg[i];
		uint8_t *buf = l->buf;

		if (l->conn != NULL)
			continue;
		memset(l, 0, sizeof(*l));
		l->buf = buf != NULL ? buf : malloc(4 << 20);
		l->number = ++b->connects;
		if (b->resets == 1)
			return -1;
		l->conn = c;
		pw_tcp_set_user(c, (uint64_t)(b - w.broker) << 8 | i);
		return 0;
	}
	return -1;
}

static bool
knows(const struct leg *l, uint16_t id)
{
	return l->kept->known[id / 8] >> (id % 8) & 1;
}

static void
know(const struct leg *l, uint16_t id, bool known)
{
	l->kept->known[id / 8] &= (uint8_t) ~(1u << id % 8);
	l->kept->known[id / 8] |= (uint8_t)(known << id % 8);
}

static void
answer(struct broker *b, struct leg *l, uint8_t type, uint16_t id, uint8_t reason)
{
	uint8_t out[8];
	int n;

	if (type != PW_MQTT_PUBCOMP)
		reason = b->reason;
	if (l->version != 5)
		reason = 0;
	if (type == PW_MQTT_PUBREC && reason >= 0x80)
		know(l, id, false);
	n = pw_mqtt_encode_ack(out, sizeof(out), type, l->version, id, reason, NULL);
	assert_int_equal(pw_tcp_send_copy(w.broker_tcp, l->conn, out, (uint32_t)n), 0);
}

/* At once, or when the test says so. */
static void
answer_or_hold(struct broker *b, struct leg *l, bool hold, uint8_t type, uint16_t id,
	       uint8_t reason)
{
	if (!hold) {
		answer(b, l, type, id, reason);
		return;
	}
	l->held_type[l->nb_held] = type;
	l->held[l->nb_held++] = id;
	b->max_inflight = RTE_MAX(b->max_inflight, l->nb_held - l->held_from);
}

/* What the broker knows of the client, new where it knows nothing. */
static bool
recall(struct broker *b, struct leg *l, const struct pw_mqtt_connect *c)
{
	struct kept *k = b->kept;
	bool present;

	while (k->client_id[0] != '\0' && strcmp(k->client_id, l->client_id) != 0)
		assert_true(++k < b->kept + RTE_DIM(b->kept));
	present = k->client_id[0] != '\0' && k->stays && !c->clean && !b->forgets;
	if (!present) {
		memset(k, 0, sizeof(*k));
		k->clean = c->clean;
	}
	memcpy(k->client_id, l->client_id, sizeof(k->client_id));
	k->stays = c->version == 5
			   ? pw_mqtt_has(&c->props, PW_MQTT_PROP_SESSION_EXPIRY) && !b->expiry_0
			   : !c->clean || b->stubborn;
	l->kept = k;
	b->clean_starts += c->clean;
	b->resumed += present;
	return present;
}

void
broker_restart(uint32_t b)
{
	broker_reset(b);
	memset(w.broker[b].kept, 0, sizeof(w.broker[b].kept));
}

void
broker_reload(uint32_t b)
{
	struct kept *k = w.broker[b].kept;

	broker_reset(b);
	for (uint32_t i = 0; i < RTE_DIM(w.broker[b].kept); i++)
		k[i].stays = k[i].stays && !k[i].clean;
}

static void
broker_connect(struct broker *b, struct leg *l, const struct pw_mqtt_buf *f)
{
	struct pw_mqtt_prop_out p[6];
	struct pw_mqtt_props_out props = {.p = p};
	struct pw_mqtt_connect c;
	enum pw_mqtt_error err;
	uint8_t out[64];
	bool present;
	int n;

	assert_true(pw_mqtt_decode_connect(f, 0, &c, &err) > 0);
	l->version = c.version;
	pw_slices_copy(f->s, f->n, c.client_id.off, l->client_id, RTE_MIN(c.client_id.len, 63u));
	if (b->mute)
		return;
	if (b->only != 0 && c.version != b->only) {
		l->version = b->same_form ? c.version : b->only;
		n = pw_mqtt_encode_connack(out, sizeof(out), l->version, false,
					   l->version == 5 ? 0x84 : 1, NULL);
		if (!b->closes)
			assert_int_equal(pw_tcp_send_copy(w.broker_tcp, l->conn, out, (uint32_t)n),
					 0);
		pw_tcp_close(w.broker_tcp, l->conn, w.now);
		return;
	}
	if (b->receive != 0)
		p[props.n++] = (struct pw_mqtt_prop_out){.which = PW_MQTT_PROP_RECEIVE_MAXIMUM,
							 .num = b->receive};
	if (b->max != 0)
		p[props.n++] = (struct pw_mqtt_prop_out){.which = PW_MQTT_PROP_MAXIMUM_PACKET_SIZE,
							 .num = b->max};
	if (b->no_retain)
		p[props.n++] = (struct pw_mqtt_prop_out){.which = PW_MQTT_PROP_RETAIN_AVAILABLE};
	if (b->max_qos0)
		p[props.n++] = (struct pw_mqtt_prop_out){.which = PW_MQTT_PROP_MAXIMUM_QOS};
	if (b->max_qos1)
		p[props.n++] =
			(struct pw_mqtt_prop_out){.which = PW_MQTT_PROP_MAXIMUM_QOS, .num = 1};
	if (b->expiry_0)
		p[props.n++] = (struct pw_mqtt_prop_out){.which = PW_MQTT_PROP_SESSION_EXPIRY};
	present = b->code == 0 && recall(b, l, &c);
	n = pw_mqtt_encode_connack(out, sizeof(out), l->version, present, b->code, &props);
	assert_int_equal(pw_tcp_send_copy(w.broker_tcp, l->conn, out, (uint32_t)n), 0);
}

uint32_t
payload_sum(const uint8_t *p, uint32_t len)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < len; i++)
		sum = sum * 31 + p[i];
	return sum;
}

static void
broker_publish(struct broker *b, struct leg *l, const struct pw_mqtt_buf *f)
{
	struct record *r = &b->record[b->nb++];
	struct pw_mqtt_publish p;
	enum pw_mqtt_error err = PW_MQTT_E_NONE;
	const uint8_t *payload;

	assert_true(b->nb <= WORLD_RECORDS);
	memset(r, 0, sizeof(*r));
	assert_true(pw_mqtt_decode_publish(f, l->version, &p, &err) > 0);
	r->conn = l->number;
	r->lane = l->version == 5 ? 5 : 3;
	r->first = *pw_mqtt_byte(f, 0);
	r->id = p.packet_id;
	r->len = p.payload.len;
	if (pw_mqtt_has(&p.props, PW_MQTT_PROP_MESSAGE_EXPIRY))
		r->expiry = p.props.value[PW_MQTT_PROP_MESSAGE_EXPIRY].num;
	r->props = p.props.present;
	r->props_len = p.props.all.len;
	r->props_sum = payload_sum(l->buf + p.props.all.off, p.props.all.len);
	payload = l->buf + p.payload.off;
	r->sum = payload_sum(payload, p.payload.len);
	r->at = w.now;
	memcpy(r->topic, l->buf + p.topic.off, RTE_MIN(p.topic.len, 63u));
	memcpy(r->text, payload, RTE_MIN(p.payload.len, 63u));
	if (p.qos == 0)
		return;
	/* An identifier that waits for its answer is no other message's [MQTT-2.2.1-3]. */
	for (uint32_t i = l->held_from; i < l->nb_held; i++)
		assert_int_not_equal(l->held[i], p.packet_id);
	if (p.qos == 2) {
		r->again = knows(l, p.packet_id);
		know(l, p.packet_id, true);
	}
	if (b->stray)
		answer(b, l, PW_MQTT_PUBREC, 200, 0);
	else
		answer_or_hold(b, l, b->hold, p.qos == 2 ? PW_MQTT_PUBREC : PW_MQTT_PUBACK,
			       p.packet_id, 0);
}

static void
broker_pubrel(struct broker *b, struct leg *l, const struct pw_mqtt_buf *f)
{
	struct pw_mqtt_ack a;
	enum pw_mqtt_error err;

	assert_true(pw_mqtt_decode_ack(f, l->version, &a, &err) > 0);
	b->releases++;
	b->strange_releases += a.reason != 0;
	answer_or_hold(b, l, b->hold_comp, PW_MQTT_PUBCOMP, a.packet_id,
		       knows(l, a.packet_id) ? 0 : 0x92);
	know(l, a.packet_id, false);
}

/* One frame that lies flat in the buffer of a leg, shown as slices of a pretended packet buffer. */
static void
broker_frame(struct broker *b, struct leg *l, uint32_t total)
{
	static struct rte_mbuf fake[512];
	static struct pw_slice s[512];
	struct pw_mqtt_buf f = {.s = s, .len = total};
	uint8_t out[2] = {0xD0, 0};

	for (uint32_t at = 0; at < total; at += s[f.n].len, f.n++) {
		fake[f.n].buf_addr = l->buf + at;
		s[f.n] = (struct pw_slice){.mbuf = &fake[f.n],
					   .len = (uint16_t)RTE_MIN(total - at, 60000u)};
		if (f.n == 511)
			fail();
	}
	switch (l->buf[0] >> 4) {
	case PW_MQTT_CONNECT:
		broker_connect(b, l, &f);
		break;
	case PW_MQTT_PUBLISH:
		broker_publish(b, l, &f);
		break;
	case PW_MQTT_PUBREL:
		broker_pubrel(b, l, &f);
		break;
	case PW_MQTT_PINGREQ:
		b->pings++;
		assert_int_equal(pw_tcp_send_copy(w.broker_tcp, l->conn, out, 2), 0);
		break;
	case PW_MQTT_DISCONNECT:
		b->disconnects++;
		break;
	default:
		fail_msg("a broker received packet type %u", l->buf[0] >> 4);
	}
}

static void
broker_take(struct broker *b, struct leg *l, uint32_t max)
{
	struct pw_tcp_conn *c = l->conn;
	enum pw_mqtt_error err;
	uint32_t total, n = 0;
	bool cut;

	for (struct rte_mbuf *m = pw_tcp_rx_chain(c); m != NULL && n < max; m = m->next) {
		uint32_t len = RTE_MIN((uint32_t)m->data_len, max - n);

		assert_true(l->len + len <= 4u << 20);
		memcpy(l->buf + l->len, rte_pktmbuf_mtod(m, void *), len);
		l->len += len;
		n += len;
	}
	pw_tcp_consume(w.broker_tcp, c, n);
	for (;;) {
		int rc = pw_mqtt_frame(l->buf, l->len, 0, &total, &err);

		assert_true(rc > 0 || rc == -EAGAIN);
		if (rc < 0 || total > l->len)
			break;
		cut = l->buf[0] >> 4 != PW_MQTT_CONNECT && ++b->frames == b->cut_at;
		if (!cut || b->cut_after)
			broker_frame(b, l, total);
		if (cut) {
			pw_tcp_abort(w.broker_tcp, c, w.now);
			l->conn = NULL;
			if (b->cut_forgets)
				memset(b->kept, 0, sizeof(b->kept));
			return;
		}
		memmove(l->buf, l->buf + total, l->len - total);
		l->len -= total;
		l->packets++;
		if (b->resets > 1 && l->packets >= b->resets - 1)
			return; /* turn() ends it */
	}
	if (pw_tcp_eof(c))
		pw_tcp_close(w.broker_tcp, c, w.now);
}

static void
broker_readable(void *ctx, struct pw_tcp_conn *c, uint64_t now)
{
	struct broker *b;
	struct leg *l = leg_of(c, &b);

	(void)ctx;
	(void)now;
	if (!b->deaf)
		broker_take(b, l, UINT32_MAX);
}

void
broker_read(uint32_t b, uint32_t max)
{
	for (uint32_t i = 0; i < RTE_DIM(w.broker[b].leg); i++) {
		struct leg *l = &w.broker[b].leg[i];

		if (l->conn != NULL)
			broker_take(&w.broker[b], l, max);
	}
}

static void
broker_gone(void *ctx, struct pw_tcp_conn *c, enum pw_tcp_end why, uint64_t now)
{
	struct broker *b;

	(void)ctx;
	(void)why;
	(void)now;
	leg_of(c, &b)->conn = NULL;
}

const struct pw_tcp_ops world_broker_ops = {
	.accepted = broker_accepted, .readable = broker_readable, .gone = broker_gone};

uint32_t
world_ack(uint32_t b, uint32_t n)
{
	struct broker *br = &w.broker[b];
	uint32_t done = 0;

	for (uint32_t i = 0; i < RTE_DIM(br->leg); i++) {
		struct leg *l = &br->leg[i];

		for (; l->conn != NULL && l->held_from < l->nb_held && done < n; done++) {
			uint32_t k = l->held_from++;

			answer(br, l, l->held_type[k], l->held[k], 0);
		}
	}
	return done;
}

void
broker_reset(uint32_t b)
{
	for (uint32_t i = 0; i < RTE_DIM(w.broker[b].leg); i++) {
		struct leg *l = &w.broker[b].leg[i];

		if (l->conn != NULL)
			pw_tcp_abort(w.broker_tcp, l->conn, w.now);
		l->conn = NULL;
	}
}

void
broker_send(uint32_t b, const void *data, uint32_t len)
{
	for (uint32_t i = 0; i < RTE_DIM(w.broker[b].leg); i++) {
		struct leg *l = &w.broker[b].leg[i];

		if (l->conn != NULL)
			assert_int_equal(pw_tcp_send_copy(w.broker_tcp, l->conn, data, len), 0);
	}
}
