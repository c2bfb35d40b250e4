/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_mbuf.h>

#include "eal.h"
#include "world.h"

#define QUEUE 16384

struct world w;

static struct {
	struct rte_mbuf *m;
	struct pw_tcp *to;
} queue[QUEUE];
static uint32_t q_head, q_tail, q_count;

static struct {
	uint32_t worker;
	struct pw_forward_msg msg;
} posted[1024];
static uint32_t p_head, p_tail;

static struct pw_addr
address(uint32_t net, uint32_t host)
{
	return pw_addr_v4(rte_cpu_to_be_32(10u << 24 | net << 16 | host));
}

static struct pw_tcp *
stack_at(const struct pw_addr *a)
{
	switch (a->b[13]) {
	case 0:
		return w.device_tcp;
	case 1:
		return a->b[15] <= w.nb_workers ? w.worker_tcp[a->b[15] - 1] : NULL;
	default:
		return w.broker_tcp;
	}
}

/* One end of it is a broker whose cable is cut. */
static bool
is_dark(const struct pw_flow *flow)
{
	const struct pw_addr *a = flow->remote.b[13] == 2 ? &flow->remote : &flow->local;

	return a->b[13] == 2 && w.broker[a->b[15] - 1].dark;
}

static int
output(void *ctx, const struct pw_flow *flow, struct rte_mbuf *m, uint64_t now)
{
	struct rte_mbuf *copy = rte_pktmbuf_alloc(w.mem.pkt);
	uint8_t *p;

	(void)ctx;
	(void)now;
	if (copy == NULL || (w.lost != 0 && ++q_count % w.lost == 0) || is_dark(flow)) {
		rte_pktmbuf_free(copy);
		rte_pktmbuf_free(m);
		return 0;
	}
	assert_non_null(rte_pktmbuf_append(copy, (uint16_t)(20 + m->pkt_len)));
	p = rte_pktmbuf_mtod(copy, uint8_t *);
	memset(p, 0, 20);
	p[0] = 0x45;
	memcpy(p + 12, &flow->local.b[12], 4);
	memcpy(p + 16, &flow->remote.b[12], 4);
	p += 20;
	for (struct rte_mbuf *s = m; s != NULL; s = s->next) {
		memcpy(p, rte_pktmbuf_mtod(s, void *), s->data_len);
		p += s->data_len;
	}
	rte_pktmbuf_free(m);
	copy->l2_len = 0;
	copy->l3_len = 20;
	assert_true(q_tail - q_head < QUEUE);
	queue[q_tail % QUEUE].m = copy;
	queue[q_tail++ % QUEUE].to = stack_at(&flow->remote);
	return 0;
}

static int
path(void *ctx, const struct pw_addr *dst, uint16_t *mtu, uint16_t *segs)
{
	(void)ctx;
	(void)dst;
	*mtu = 1500;
	*segs = 40;
	return 0;
}

static int
post(void *ctx, uint32_t worker, const struct pw_forward_msg *msg)
{
	(void)ctx;
	if (w.post_full || p_tail - p_head == RTE_DIM(posted))
		return -ENOBUFS;
	posted[p_tail % RTE_DIM(posted)].worker = worker;
	posted[p_tail++ % RTE_DIM(posted)].msg = *msg;
	if (w.post_left > 0 && --w.post_left == 0)
		w.post_full = true;
	return 0;
}

static int
source(void *ctx, const struct pw_addr *dst, struct pw_addr *src)
{
	(void)dst;
	*src = address(1, 1 + (uint32_t)(uintptr_t)ctx);
	return 0;
}

static int
authenticate(void *ctx, const struct pw_auth_request *r)
{
	(void)ctx;
	if (w.auth_full || w.nb_asked == RTE_DIM(w.asked))
		return -ENOBUFS;
	w.asked[w.nb_asked++] = *r;
	return 0;
}

void
world_answer(const struct pw_auth_request *r, enum pw_auth_verdict verdict)
{
	struct pw_auth_answer a = {.session = r->session, .verdict = verdict};

	pw_forward_authenticated(w.forward[r->worker], &a, world_clock(r->worker));
}

/* Devices. */

static struct device *
device_of(const struct pw_tcp_conn *c)
{
	return &w.device[pw_tcp_user(c)];
}

static void
device_connected(void *ctx, struct pw_tcp_conn *c, uint64_t now)
{
	(void)ctx;
	(void)now;
	device_of(c)->up = true;
}

static void
device_readable(void *ctx, struct pw_tcp_conn *c, uint64_t now)
{
	struct device *d = device_of(c);
	uint32_t n = pw_tcp_rx_len(c);

	(void)ctx;
	if (d->deaf)
		return;
	for (struct rte_mbuf *m = pw_tcp_rx_chain(c); m != NULL; m = m->next) {
		assert_true(d->len + m->data_len <= WORLD_RX);
		memcpy(d->rx + d->len, rte_pktmbuf_mtod(m, void *), m->data_len);
		d->len += m->data_len;
	}
	pw_tcp_consume(w.device_tcp, c, n);
	if (pw_tcp_eof(c) && !d->closed) {
		d->closed = true;
		pw_tcp_close(w.device_tcp, c, now);
	}
}

static void
device_gone(void *ctx, struct pw_tcp_conn *c, enum pw_tcp_end why, uint64_t now)
{
	(void)ctx;
	(void)why;
	(void)now;
	device_of(c)->closed = true;
	device_of(c)->conn = NULL;
}

static const struct pw_tcp_ops device_ops = {
	.connected = device_connected, .readable = device_readable, .gone = device_gone};

void
device_open(uint32_t i, uint32_t k)
{
	struct pw_flow flow = {
		.local = address(0, 1 + i), .remote = address(1, 1 + k), .rport = w.device_port};
	struct device *d = &w.device[i];

	memset(d, 0, sizeof(*d));
	assert_int_equal(pw_tcp_connect(w.device_tcp, &flow, &device_ops, NULL, i, &d->conn, w.now),
			 0);
	world_run(2);
	for (uint32_t tries = 0; !d->up && tries < 20; tries++)
		world_run(1000); /* a lost SYN */
	assert_true(d->up);
}

void
device_send(uint32_t i, const void *data, uint32_t len)
{
	const uint8_t *p = data;

	for (uint32_t at = 0, n; at < len && w.device[i].conn != NULL; at += n) {
		n = RTE_MIN(len - at, 1000u);
		for (uint32_t tries = 0;
		     pw_tcp_send_copy(w.device_tcp, w.device[i].conn, p + at, n) < 0; tries++) {
			if (tries > 200 || w.device[i].conn == NULL || w.device[i].closed)
				return;
			world_run(1);
		}
	}
}

void
device_reset(uint32_t i)
{
	pw_tcp_abort(w.device_tcp, w.device[i].conn, w.now);
	w.device[i].conn = NULL;
	w.device[i].closed = true;
}

void
device_close(uint32_t i)
{
	pw_tcp_close(w.device_tcp, w.device[i].conn, w.now);
}

void
device_clear(uint32_t i)
{
	w.device[i].len = 0;
}

void
device_connect(uint32_t i, uint32_t k, uint8_t version, const char *id)
{
	struct pw_mqtt_connect_out c = {.version = version,
					.clean = true,
					.keepalive = 60,
					.client_id = {id, (uint32_t)strlen(id)}};
	uint8_t out[512];
	int n = pw_mqtt_encode_connect(out, sizeof(out), &c);

	assert_true(n > 0);
	device_open(i, k);
	device_send(i, out, (uint32_t)n);
	world_run(5);
	assert_true(w.device[i].len >= 4);
	assert_int_equal(w.device[i].rx[0], 0x20);
	assert_int_equal(w.device[i].rx[3], 0);
	device_clear(i);
}

uint32_t
publish_bytes(uint8_t *out, uint32_t room, uint8_t version, uint8_t qos, bool retain, uint16_t id,
	      const char *topic, const void *payload, uint32_t len)
{
	int n = pw_mqtt_encode_publish(out, room, version, false, qos, retain,
				       (struct pw_mqtt_str){topic, (uint32_t)strlen(topic)}, id,
				       NULL, len);

	assert_true(n > 0 && len <= room - (uint32_t)n);
	memcpy(out + n, payload, len);
	return (uint32_t)n + len;
}

void
device_publish(uint32_t i, uint8_t version, uint8_t qos, uint16_t id, const char *topic,
	       const char *text)
{
	uint8_t out[2048];

	device_send(i, out,
		    publish_bytes(out, sizeof(out), version, qos, false, id, topic, text,
				  (uint32_t)strlen(text)));
}

void
device_publish_next(uint32_t i, uint8_t version, uint8_t qos, const char *topic)
{
	static uint32_t number, id;
	char text[16];

	snprintf(text, sizeof(text), "%u", ++number);
	device_publish(i, version, qos, (uint16_t)(id++ % 60000 + 1), topic, text);
}

void
device_goes_on(uint32_t i, uint8_t version, uint8_t qos, uint32_t n)
{
	uint8_t type = qos == 2 ? PW_MQTT_PUBREC << 4 : PW_MQTT_PUBACK << 4, reasons[8];
	uint16_t ids[8];

	for (uint32_t k = 0; k < n; k += 8) {
		device_clear(i);
		for (uint32_t j = 0; j < 8; j++)
			device_publish_next(i, version, qos, "t");
		world_run(3);
		assert_int_equal(device_answers(i, type, version, ids, reasons, 8), 8);
		for (uint32_t j = 0; j < 8; j++) {
			assert_true(reasons[j] < 0x80);
			if (qos == 2)
				device_ack(i, PW_MQTT_PUBREL, ids[j]);
		}
	}
	world_run(3);
}

void
device_ack(uint32_t i, uint8_t type, uint16_t id)
{
	uint8_t out[8];
	int n = pw_mqtt_encode_ack(out, sizeof(out), type, 4, id, 0, NULL);

	device_send(i, out, (uint32_t)n);
}

uint32_t
device_acks(uint32_t i, uint8_t version, uint16_t *ids, uint8_t *reasons, uint32_t max)
{
	return device_answers(i, 0x40, version, ids, reasons, max);
}

uint32_t
device_answers(uint32_t i, uint8_t first, uint8_t version, uint16_t *ids, uint8_t *reasons,
	       uint32_t max)
{
	const struct device *d = &w.device[i];
	enum pw_mqtt_error err;
	uint32_t n = 0, total;

	for (uint32_t at = 0; at < d->len; at += total) {
		if (pw_mqtt_frame(d->rx + at, d->len - at, 0, &total, &err) < 0)
			break;
		if ((first != 0 ? d->rx[at] != first : d->rx[at] != 0x40 && d->rx[at] != 0x50) ||
		    n == max)
			continue;
		if (ids != NULL)
			ids[n] = (uint16_t)(d->rx[at + 2] << 8 | d->rx[at + 3]);
		if (reasons != NULL)
			reasons[n] = version == 5 && total > 4 ? d->rx[at + 4] : 0;
		n++;
	}
	return n;
}

bool
device_got(uint32_t i, const void *data, uint32_t len)
{
	const struct device *d = &w.device[i];

	return d->len >= len && memcmp(d->rx + d->len - len, data, len) == 0;
}

/* Brokers. */

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

static const struct pw_tcp_ops broker_ops = {
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

/* Time. */

uint64_t
world_clock(uint32_t worker)
{
	return w.now - w.behind[worker];
}

static uint64_t
clock_of(const struct pw_tcp *t)
{
	for (uint32_t i = 0; i < w.nb_workers; i++) {
		if (w.worker_tcp[i] == t)
			return world_clock(i);
	}
	return w.now;
}

static void
deliver(void)
{
	while (q_head != q_tail) {
		struct rte_mbuf *m = queue[q_head % QUEUE].m;
		struct pw_tcp *to = queue[q_head++ % QUEUE].to;

		if (to == NULL)
			rte_pktmbuf_free(m);
		else
			pw_tcp_input(to, &m, 1, clock_of(to));
	}
}

/* Those that have had as many packets as their broker bears; its last answer has left. */
static void
reset_legs(void)
{
	for (uint32_t b = 0; b < WORLD_BROKERS; b++) {
		for (uint32_t i = 0; i < RTE_DIM(w.broker[b].leg); i++) {
			struct leg *l = &w.broker[b].leg[i];

			if (l->conn == NULL || w.broker[b].resets < 2 ||
			    l->packets + 1 < w.broker[b].resets)
				continue;
			pw_tcp_abort(w.broker_tcp, l->conn, w.now);
			l->conn = NULL;
		}
	}
}

static void
turn(void)
{
	deliver();
	pw_tcp_dispatch(w.device_tcp, w.now);
	pw_tcp_dispatch(w.broker_tcp, w.now);
	for (uint32_t i = 0; i < w.nb_workers; i++) {
		uint32_t n = p_tail - p_head;

		pw_tcp_dispatch(w.worker_tcp[i], world_clock(i));
		while (n-- > 0) {
			uint32_t at = p_head++ % RTE_DIM(posted);

			if (posted[at].worker == i) {
				pw_forward_receive(w.forward[i], &posted[at].msg, world_clock(i));
			} else {
				posted[p_tail % RTE_DIM(posted)] = posted[at];
				p_tail++;
			}
		}
		pw_forward_poll(w.forward[i], world_clock(i));
		pw_tcp_flush(w.worker_tcp[i], world_clock(i));
	}
	pw_tcp_flush(w.device_tcp, w.now);
	pw_tcp_flush(w.broker_tcp, w.now);
	reset_legs();
}

static uint64_t
next_event(void)
{
	uint64_t at = RTE_MIN(pw_tcp_next(w.device_tcp), pw_tcp_next(w.broker_tcp));

	for (uint32_t i = 0; i < w.nb_workers; i++) {
		uint64_t next =
			RTE_MIN(pw_tcp_next(w.worker_tcp[i]), pw_forward_next(w.forward[i]));

		if (next != UINT64_MAX)
			at = RTE_MIN(at, next + w.behind[i]);
	}
	return at;
}

int
world_renew(const struct pw_edition_conf *conf)
{
	int rc = pw_forward_renew(w.shared, conf);

	if (rc < 0)
		return rc;
	for (uint32_t i = 0; i < w.nb_workers; i++)
		pw_forward_adopt(w.forward[i], world_clock(i));
	pw_forward_renewed(w.shared);
	return 0;
}

void
world_run(uint32_t ms)
{
	uint64_t end = w.now + ms * MS;

	for (;;) {
		uint32_t turns = 0;

		do
			turn();
		while ((q_head != q_tail || p_head != p_tail) && turns++ < 200 && !w.post_full);
		turn();
		if (w.now >= end)
			break;
		w.now = RTE_MIN(end, RTE_MAX(next_event(), w.now + MS / 5));
		pw_tcp_advance(w.device_tcp, w.now);
		pw_tcp_advance(w.broker_tcp, w.now);
		for (uint32_t i = 0; i < w.nb_workers; i++) {
			pw_tcp_advance(w.worker_tcp[i], world_clock(i));
			pw_forward_advance(w.forward[i], world_clock(i));
		}
	}
}

/* Beginning and end. */

int
world_init(void **state)
{
	struct pw_mem_conf conf = {
		.name = "world", .pkt = 16383, .hdr = 4095, .ind = 8191, .socket = SOCKET_ID_ANY};

	(void)state;
	test_eal_init();
	w.now = 1000 * MS;
	return pw_mem_create(&w.mem, &conf);
}

int
world_fini(void **state)
{
	(void)state;
	pw_mem_destroy(&w.mem);
	return 0;
}

int
world_setup(void **state)
{
	struct pw_mem mem = w.mem;
	uint64_t now = w.now + 1000000 * MS;

	(void)state;
	memset(&w, 0, sizeof(w));
	w.mem = mem;
	w.now = now;
	w.rx_window = 131072;
	w.device_port = 1883;
	w.behind[1] = 3000; /* the clocks of lcores are read at different moments */
	pw_forward_defaults(&w.set);
	snprintf(w.set.instance, sizeof(w.set.instance), "test");
	w.set.limits.max_connections = 32;
	w.set.limits.max_queued_messages = 256;
	w.set.nb_listeners = 1;
	w.set.listener[0] = (struct pw_listener_conf){.name = "main", .port = 1883};
	w.set.nb_brokers = 2;
	for (uint32_t b = 0; b < WORLD_BROKERS; b++) {
		snprintf(w.set.broker[b].name, sizeof(w.set.broker[b].name), "b%u", b);
		w.set.broker[b].address = address(2, 1 + b);
		w.set.broker[b].port = 1883;
	}
	w.set.nb_routes = 1;
	snprintf(w.set.route[0].name, sizeof(w.set.route[0].name), "all");
	snprintf(w.set.route[0].filter, sizeof(w.set.route[0].filter), "#");
	w.set.route[0].brokers = 3;
	return 0;
}

static struct pw_tcp *
stack(const char *name, uint64_t seed, uint64_t now)
{
	struct pw_tcp_conf conf = {
		.name = name,
		.max_conns = 128,
		.max_tx_slices = 8192,
		.rx_window = seed >= 10 ? w.rx_window : 131072,
		.rx_copy_break = w.rx_copy_break,
		.seed = seed,
		.mem = &w.mem,
		.hooks = {.output = output, .path = path},
		.socket = SOCKET_ID_ANY,
	};
	struct pw_tcp *t = pw_tcp_create(&conf, now);

	assert_non_null(t);
	return t;
}

void
world_start(uint32_t nb_workers, uint8_t role0, uint8_t role1)
{
	struct pw_forward_shared_conf conf = {
		.settings = &w.set, .nb_workers = nb_workers, .role = {role0, role1}, .seed = 7};

	conf.socket[0] = conf.socket[1] = SOCKET_ID_ANY;
	conf.access = w.access;
	conf.buffers = w.buffers;
	w.nb_workers = nb_workers;
	w.device_tcp = stack("devices", 1, w.now);
	w.broker_tcp = stack("brokers", 2, w.now);
	for (uint32_t b = 0; b < WORLD_BROKERS; b++) {
		struct pw_addr a = address(2, 1 + b);

		if (!w.broker[b].refuse)
			assert_int_equal(
				pw_tcp_listen(w.broker_tcp, &a, 1883, &broker_ops, &w.broker[b]),
				0);
	}
	w.set.listener[0].address = address(1, 1);
	w.shared = pw_forward_shared_create(&conf);
	assert_non_null(w.shared);
	for (uint32_t i = 0; i < nb_workers; i++) {
		struct pw_forward_conf f = {
			.shared = w.shared,
			.worker = i,
			.mem = &w.mem,
			.seed = 100 + i,
			.ctx = (void *)(uintptr_t)i,
			.post = post,
			.authenticate = authenticate,
			.source = source,
			.socket = SOCKET_ID_ANY,
		};

		w.worker_tcp[i] = stack(i == 0 ? "worker0" : "worker1", 10 + i, world_clock(i));
		f.tcp = w.worker_tcp[i];
		w.forward[i] = pw_forward_create(&f, world_clock(i));
		assert_non_null(w.forward[i]);
		/* each worker has an address of its own here; it takes it when it begins to listen
		 */
		w.set.listener[0].address = address(1, 1 + i);
		pw_forward_poll(w.forward[i], world_clock(i));
	}
	world_run(20);
}

int
world_teardown(void **state)
{
	(void)state;
	if (w.device_tcp == NULL)
		return 0;
	for (uint32_t i = 0; i < w.nb_workers; i++)
		pw_forward_destroy(w.forward[i], world_clock(i));
	for (uint32_t i = 0; i < w.nb_workers; i++)
		pw_tcp_destroy(w.worker_tcp[i]);
	pw_forward_shared_destroy(w.shared);
	pw_tcp_destroy(w.device_tcp);
	pw_tcp_destroy(w.broker_tcp);
	for (; q_head != q_tail; q_head++)
		rte_pktmbuf_free(queue[q_head % QUEUE].m);
	p_head = p_tail = 0;
	for (uint32_t b = 0; b < WORLD_BROKERS; b++) {
		for (uint32_t i = 0; i < RTE_DIM(w.broker[b].leg); i++)
			free(w.broker[b].leg[i].buf);
	}
	assert_true(pw_mem_full(&w.mem));
	return 0;
}

const struct pw_device_counters *
counters(void)
{
	return pw_forward_counters(w.forward[0]);
}

struct pw_upstream_info
upstream(uint32_t b, enum pw_lane lane)
{
	struct pw_upstream_info u[16];

	for (uint32_t k = 0; k < w.nb_workers; k++) {
		uint32_t n = pw_forward_upstreams(w.forward[k], 0, u, 16);

		for (uint32_t i = 0; i < n; i++) {
			if (u[i].broker == b && u[i].lane == lane && u[i].log_worker == 0)
				return u[i];
		}
	}
	fail_msg("no such upstream");
	return u[0];
}

static void
broker_and_route_ledgers(void)
{
	struct pw_broker_ledger sum[PW_FORWARD_MAX_BROKERS] = {0};
	uint64_t left = 0, there = 0;

	for (uint32_t k = 0; k < w.nb_workers; k++) {
		const struct pw_route_counters *c;

		pw_forward_broker_ledger(w.forward[k], sum);
		for (uint32_t r = 0; r < w.set.nb_routes; r++) {
			c = pw_forward_route_counters(w.forward[k], r);
			left += c != NULL ? pw_route_outstanding(c) : 0;
		}
		there += pw_forward_outstanding(w.forward[k]) + pw_forward_owed(w.forward[k]) +
			 pw_forward_counters(w.forward[k])->dropped_on_shutdown;
	}
	for (uint32_t b = 0; b < w.set.nb_brokers; b++)
		assert_int_equal(pw_broker_unexplained(&sum[b]), 0);
	assert_int_equal(left, there);
}

void
ledger(void)
{
	broker_and_route_ledgers();
	for (uint32_t k = 0; k < w.nb_workers; k++) {
		const struct pw_device_counters *c = pw_forward_counters(w.forward[k]);
		struct pw_log_info l[64];
		uint64_t outstanding = 0;

		for (uint32_t i = 0, n = pw_forward_logs(w.forward[k], 0, l, 64); i < n; i++)
			outstanding += l[i].outstanding + l[i].owed;
		assert_int_equal(c->accepted, c->acknowledged + c->completed_qos0 +
						      c->given_up_qos0 + c->orphaned +
						      c->dropped_on_shutdown + outstanding);
	}
}
