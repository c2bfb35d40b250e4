/* SPDX-License-Identifier: BSD-3-Clause */
/* A broker: its connections, what it keeps beyond them, what it takes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_mbuf.h>

#include "flat.h"
#include "world.h"

#define PORT	   1883
#define SLOW_READ  150 /* bytes */
#define SLOW_EVERY (40 * MS)

static struct leg *
leg_of(const struct pw_tcp_conn *c)
{
	return (struct leg *)(uintptr_t)pw_tcp_user(c);
}

static int
accepted(void *ctx, struct pw_tcp_conn *c, uint64_t now)
{
	struct broker *b = ctx;

	for (uint32_t i = 0; i < LEGS; i++) {
		struct leg *l = &b->leg[i];
		uint8_t *buf = l->buf;

		if (l->conn != NULL)
			continue;
		if (buf == NULL)
			buf = malloc(2 * FRAME_MAX);
		if (buf == NULL)
			return -ENOMEM;
		memset(l, 0, sizeof(*l));
		l->buf = buf;
		l->conn = c;
		l->broker = b;
		l->since = now;
		l->number = ++b->nb_legs;
		pw_tcp_set_user(c, (uint64_t)(uintptr_t)l);
		b->w->tally->broker_connections++;
		return 0;
	}
	return -ENOMEM;
}

void
leg_drop(struct leg *l, enum broker_end how)
{
	struct broker *b = l->broker;
	struct pw_tcp_conn *c = l->conn;

	if (c == NULL)
		return;
	SAY(b->w, "b%u.%u: connection ends (%s)", b->id, l->number,
	    how == END_CLOSE   ? "FIN"
	    : how == END_RESET ? "RST"
			       : "no word");
	world_mark(b->w, 'b', b->id, l->number);
	l->up = false;
	l->nb_answers = 0;
	if (how == END_CLOSE) {
		l->refusing = true;
		pw_tcp_close(b->w->broker_tcp, c, b->w->now);
		return;
	}
	l->conn = NULL;
	pw_tcp_abort(b->w->broker_tcp, c, b->w->now);
}

void
broker_cut(struct broker *b, enum broker_end how)
{
	for (uint32_t i = 0; i < LEGS; i++) {
		if (!b->leg[i].refusing)
			leg_drop(&b->leg[i], how);
	}
}

static void
forget(struct broker *b, struct kept *k)
{
	memset(k->known, 0, sizeof(k->known));
	k->stays = false;
	if (k->connects > 0)
		b->lost_at = b->w->now;
}

void
broker_forget(struct broker *b)
{
	SAY(b->w, "b%u: forgets all sessions", b->id);
	for (uint32_t i = 0; i < LEGS && b->kept[i].client_id[0] != '\0'; i++)
		forget(b, &b->kept[i]);
	b->losses++;
}

/* The session that a CONNECT goes on with, or a new one. */
static bool
recall(struct leg *l, const struct pw_mqtt_connect *c, const char *client_id)
{
	struct broker *b = l->broker;
	struct kept *k = b->kept;
	bool present;

	while (k->client_id[0] != '\0' && strcmp(k->client_id, client_id) != 0)
		k++;
	memcpy(k->client_id, client_id, sizeof(k->client_id));
	present = k->stays && !c->clean;
	if (!present)
		forget(b, k);
	k->stays =
		c->version == 5 ? pw_mqtt_has(&c->props, PW_MQTT_PROP_SESSION_EXPIRY) : !c->clean;
	l->kept = k;
	return present;
}

static void
refuse(struct leg *l, uint8_t version, uint8_t code)
{
	uint8_t out[16];
	int n = pw_mqtt_encode_connack(out, sizeof(out), version, false, code, NULL);

	if (n > 0)
		(void)!pw_tcp_send_copy(l->broker->w->broker_tcp, l->conn, out, (uint32_t)n);
	leg_drop(l, END_CLOSE);
}

static void
send_connack(struct leg *l, bool present)
{
	struct world *w = l->broker->w;
	const struct broker_plan *p = &l->broker->plan;
	struct pw_mqtt_prop_out prop[4];
	struct pw_mqtt_props_out props = {.p = prop};
	uint8_t out[64];
	int n;

	if (p->receive != 0)
		prop[props.n++] = (struct pw_mqtt_prop_out){.which = PW_MQTT_PROP_RECEIVE_MAXIMUM,
							    .num = p->receive};
	if (p->max_packet != 0)
		prop[props.n++] = (struct pw_mqtt_prop_out){
			.which = PW_MQTT_PROP_MAXIMUM_PACKET_SIZE, .num = p->max_packet};
	if (p->no_retain)
		prop[props.n++] = (struct pw_mqtt_prop_out){.which = PW_MQTT_PROP_RETAIN_AVAILABLE};
	if (p->max_qos < 2)
		prop[props.n++] = (struct pw_mqtt_prop_out){.which = PW_MQTT_PROP_MAXIMUM_QOS,
							    .num = p->max_qos};
	n = pw_mqtt_encode_connack(out, sizeof(out), l->version, present, 0, &props);
	if (n < 0 || pw_tcp_send_copy(w->broker_tcp, l->conn, out, (uint32_t)n) < 0)
		leg_drop(l, END_RESET);
	else
		l->up = true;
}

static void
take_connect(struct leg *l, const struct pw_mqtt_buf *f)
{
	struct broker *b = l->broker;
	struct world *w = b->w;
	enum pw_mqtt_error err;
	struct pw_mqtt_connect c;
	char id[64] = "";
	bool present;

	if (l->kept != NULL || pw_mqtt_decode_connect(f, 0, &c, &err) < 0) {
		world_fault(w, "b%u.%u: a CONNECT that makes no sense", b->id, l->number);
		return;
	}
	pw_slices_copy(f->s, f->n, c.client_id.off, id, RTE_MIN(c.client_id.len, 63u));
	l->version = c.version;
	SAY(w, "b%u.%u: CONNECT %s, version %u%s", b->id, l->number, id, c.version,
	    c.clean ? ", clean" : "");
	if (b->mute_until > w->now) {
		l->refusing = true;
		return; /* nothing is ever answered here */
	}
	if (b->plan.only != 0 && c.version != b->plan.only) {
		refuse(l, b->plan.only, b->plan.only == 5 ? 0x84 : 1);
		return;
	}
	if (!w->calm && chance(w, b->plan.errors)) {
		refuse(l, l->version, l->version == 5 ? 0x88 : 3);
		return;
	}
	/* [MQTT-3.1.4-3] The client's other connection goes. */
	for (uint32_t i = 0; i < LEGS; i++) {
		if (b->leg[i].kept != NULL && &b->leg[i] != l &&
		    strcmp(b->leg[i].kept->client_id, id) == 0)
			leg_drop(&b->leg[i], END_RESET);
	}
	present = recall(l, &c, id);
	l->window = w->set.broker[b->id].max_inflight_messages;
	if (l->version == 5 && b->plan.receive != 0)
		l->window = RTE_MIN(l->window, b->plan.receive);
	w->tally->broker_sessions_resumed += present;
	judge_broker_connect(l, c.clean, present);
	send_connack(l, present);
}

/* Whether, and how, a broker refuses a message. */
static uint8_t
opinion(struct broker *b, const struct leg *l)
{
	static const uint8_t errors[] = {0x80, 0x83, 0x87, 0x90, 0x99};
	struct world *w = b->w;

	if (w->calm || l->version != 5)
		return 0;
	if (chance(w, b->plan.quota)) {
		w->tally->broker_quota++;
		return 0x97;
	}
	if (chance(w, b->plan.errors)) {
		w->tally->broker_errors++;
		return errors[dice(w, RTE_DIM(errors))];
	}
	return chance(w, 30) ? 0x10 : 0;
}

static void
take_publish(struct leg *l, const struct pw_mqtt_buf *f)
{
	struct broker *b = l->broker;
	struct world *w = b->w;
	struct pw_mqtt_publish p;
	enum pw_mqtt_error err = PW_MQTT_E_NONE;
	uint8_t reason;
	uint32_t m;
	bool known;

	if (pw_mqtt_decode_publish(f, l->version, &p, &err) < 0 || p.packet_id >= IDS) {
		world_fault(w, "b%u.%u: a PUBLISH that makes no sense: %s, identifier %u", b->id,
			    l->number, pw_mqtt_error_str(err), p.packet_id);
		return;
	}
	known = p.qos == 2 && l->kept->known[p.packet_id] != 0;
	reason = p.qos == 0 || known ? 0 : opinion(b, l);
	m = judge_publish(l, f, &p, known || reason >= 0x80);
	if (m == NOBODY || p.qos == 0)
		return;
	l->open[p.packet_id] = m + 1;
	l->inflight++;
	w->message[m].copy[b->id].refused += reason >= 0x80;
	if (p.qos == 1 || b->plan.as_qos1) {
		answer_queue(l, PW_MQTT_PUBACK, p.packet_id, m, reason);
		return;
	}
	if (reason < 0x80)
		l->kept->known[p.packet_id] = m + 1;
	answer_queue(l, PW_MQTT_PUBREC, p.packet_id, m, reason);
}

static void
take_pubrel(struct leg *l, const struct pw_mqtt_buf *f)
{
	struct broker *b = l->broker;
	struct pw_mqtt_ack a;
	enum pw_mqtt_error err;
	uint32_t m;

	if (pw_mqtt_decode_ack(f, l->version, &a, &err) < 0) {
		world_fault(b->w, "b%u.%u: a PUBREL that makes no sense", b->id, l->number);
		return;
	}
	if (a.packet_id >= IDS)
		return; /* of a PUBREC that nobody asked for */
	m = l->kept->known[a.packet_id];
	SAY(b->w, "b%u.%u: PUBREL %u, m%d", b->id, l->number, a.packet_id, (int)m - 1);
	l->kept->known[a.packet_id] = 0;
	answer_queue(l, PW_MQTT_PUBCOMP, a.packet_id, m != 0 ? m - 1 : NOBODY,
		     m != 0 || l->version != 5 ? 0 : 0x92);
}

static void
take(struct leg *l, uint32_t total)
{
	struct flat f;
	struct world *w = l->broker->w;
	uint8_t type = l->buf[0] >> 4;

	flat_frame(&f, l->buf, total);
	if (l->refusing)
		return;
	if (l->kept != NULL)
		l->kept->proven = true;
	if (type == PW_MQTT_CONNECT)
		take_connect(l, &f.buf);
	else if (!l->up)
		world_fault(w, "b%u.%u: %s before CONNACK", l->broker->id, l->number,
			    pw_mqtt_type_str(type));
	else if (type == PW_MQTT_PUBLISH)
		take_publish(l, &f.buf);
	else if (type == PW_MQTT_PUBREL)
		take_pubrel(l, &f.buf);
	else if (type == PW_MQTT_PINGREQ)
		answer_queue(l, PW_MQTT_PINGRESP, 0, NOBODY, 0);
	else if (type != PW_MQTT_DISCONNECT)
		world_fault(w, "b%u.%u: an unexpected %s", l->broker->id, l->number,
			    pw_mqtt_type_str(type));
}

/* Bytes into the flat buffer, as many as it reads now. */
static void
fetch(struct leg *l)
{
	struct broker *b = l->broker;
	uint32_t most = b->slow_until > b->w->now ? SLOW_READ : FRAME_MAX, got = 0;

	most = RTE_MIN(most, 2 * FRAME_MAX - l->len);
	for (struct rte_mbuf *m = pw_tcp_rx_chain(l->conn); m != NULL && got < most; m = m->next) {
		uint32_t n = RTE_MIN((uint32_t)m->data_len, most - got);

		memcpy(l->buf + l->len, rte_pktmbuf_mtod(m, void *), n);
		l->len += n;
		got += n;
	}
	pw_tcp_consume(b->w->broker_tcp, l->conn, got);
}

/* The frame at the head of the buffer; false where there is no whole one, or no connection. */
static bool
next_frame(struct leg *l)
{
	struct broker *b = l->broker;
	enum pw_mqtt_error err;
	uint32_t total;
	int rc = pw_mqtt_frame(l->buf, l->len, 0, &total, &err);

	if (rc < 0 && rc != -EAGAIN) {
		world_fault(b->w, "b%u.%u: malformed: %s", b->id, l->number,
			    pw_mqtt_error_str(err));
		return false;
	}
	/* The end comes before, behind or in the midst of a packet. */
	if (l->up && !b->w->calm && l->len > 0 && chance(b->w, b->plan.cuts)) {
		b->w->tally->broker_cuts++;
		if (rc > 0 && total <= l->len && chance(b->w, 500))
			take(l, total);
		leg_drop(l, chance(b->w, 500) ? END_RESET : END_CLOSE);
		return false;
	}
	if (rc < 0 || total > l->len)
		return false;
	take(l, total);
	if (l->conn == NULL)
		return false;
	memmove(l->buf, l->buf + total, l->len - total);
	l->len -= total;
	return true;
}

void
broker_read(struct leg *l)
{
	struct broker *b = l->broker;

	if (l->conn == NULL || b->deaf_until > b->w->now)
		return;
	fetch(l);
	while (l->conn != NULL && !l->refusing && next_frame(l))
		;
	if (l->conn == NULL)
		return;
	if (l->refusing)
		l->len = 0;
	if (pw_tcp_eof(l->conn) && pw_tcp_rx_len(l->conn) == 0 && !l->refusing)
		leg_drop(l, END_CLOSE);
	else if (pw_tcp_eof(l->conn) && l->refusing)
		leg_drop(l, END_CLOSE);
}

static void
readable(void *ctx, struct pw_tcp_conn *c, uint64_t now)
{
	struct broker *b = ctx;

	RTE_SET_USED(now);
	if (b->slow_until <= b->w->now)
		broker_read(leg_of(c));
}

static void
gone(void *ctx, struct pw_tcp_conn *c, enum pw_tcp_end why, uint64_t now)
{
	struct leg *l = leg_of(c);

	RTE_SET_USED(ctx);
	RTE_SET_USED(now);
	if (l->conn != c)
		return;
	SAY(l->broker->w, "b%u.%u: connection is gone: %s", l->broker->id, l->number,
	    pw_tcp_end_str(why));
	l->conn = NULL;
	l->up = false;
	l->nb_answers = 0;
}

const struct pw_tcp_ops broker_ops = {.accepted = accepted, .readable = readable, .gone = gone};

static void
listen_or_not(struct broker *b)
{
	struct world *w = b->w;
	struct pw_addr a = wire_broker(b->id);
	bool want = b->down_until <= w->now;

	if (want == b->listening)
		return;
	if (!want)
		(void)pw_tcp_unlisten(w->broker_tcp, &a, PORT);
	else if (pw_tcp_listen(w->broker_tcp, &a, PORT, &broker_ops, b) < 0)
		world_fault(w, "b%u cannot listen", b->id);
	b->listening = want;
}

static void
sooner(uint64_t *at, uint64_t when, uint64_t now)
{
	if (when > now)
		*at = RTE_MIN(*at, when);
}

void
broker_act(struct broker *b)
{
	uint64_t now = b->w->now;
	bool slow = b->slow_until > now;

	listen_or_not(b);
	b->next = slow ? now + SLOW_EVERY : NEVER;
	sooner(&b->next, b->down_until, now);
	sooner(&b->next, b->mute_until, now);
	sooner(&b->next, b->deaf_until, now);
	sooner(&b->next, b->slow_until, now);
	for (uint32_t i = 0; i < LEGS; i++) {
		struct leg *l = &b->leg[i];

		if (l->conn == NULL)
			continue;
		if (pw_tcp_rx_len(l->conn) > 0 || pw_tcp_eof(l->conn))
			broker_read(l);
		if (l->conn == NULL || b->mute_until > now || !answer_send(l))
			continue;
		sooner(&b->next, answer_next(l), now);
	}
}

void
broker_begin(struct world *w, uint32_t i)
{
	struct broker *b = &w->broker[i];

	b->w = w;
	b->id = i;
	b->next = w->now;
	listen_or_not(b);
}

void
broker_end(struct world *w)
{
	for (uint32_t i = 0; i < BROKERS; i++) {
		for (uint32_t k = 0; k < LEGS; k++)
			w->broker[i].leg[k].conn = NULL;
	}
}
