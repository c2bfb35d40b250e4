/* SPDX-License-Identifier: BSD-3-Clause */
/* A device: its connections, and what comes to it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_mbuf.h>

#include "flat.h"
#include "world.h"

#define OUT	     (4 * FRAME_MAX)
#define PORT	     1883
#define CONNECT_TIME (20 * SEC) /* for CONNACK: what CONNECT waits for takes time */

static struct link *
link_of(const struct pw_tcp_conn *c)
{
	return (struct link *)(uintptr_t)pw_tcp_user(c);
}

/* The present connection is not the present one any more. */
void
device_lost(struct device *d)
{
	struct link *l = d->link;

	if (l == NULL)
		return;
	world_mark(d->w, 'd', d->id, l->gen);
	if (l->will != NOBODY && l->up && !l->left && d->plan.will_delay == 0 && !d->w->drained)
		d->w->message[l->will].due = true;
	if (l->up && l->since > d->w->restarted_at) {
		d->session = true;
		d->session_worker = l->worker;
	}
	d->session_at = d->w->now;
	d->link = NULL;
	d->out_len = d->out_at = 0;
	d->parted = false;
	d->next = d->w->now + sim_rng_range(&d->w->rng, 1, d->w->calm ? 3000 : 1500) * MS;
}

void
device_reset(struct device *d)
{
	struct link *l = d->link;

	if (l == NULL)
		return;
	device_lost(d);
	if (l->conn != NULL)
		pw_tcp_abort(d->w->device_tcp, l->conn, d->w->now);
	l->conn = NULL;
}

void
device_close(struct device *d)
{
	struct link *l = d->link;

	if (l == NULL)
		return;
	device_lost(d);
	if (l->conn != NULL)
		pw_tcp_close(d->w->device_tcp, l->conn, d->w->now);
}

/* A connection that nobody uses; the oldest of those that stand is given up where there is none. */
static struct link *
free_link(struct device *d)
{
	struct link *oldest = NULL;

	for (uint32_t i = 0; i <= OLD; i++) {
		struct link *l = &d->links[i];

		if (l->conn == NULL)
			return l;
		if (oldest == NULL || (uint8_t)(d->gen - l->gen) > (uint8_t)(d->gen - oldest->gen))
			oldest = l;
	}
	pw_tcp_abort(d->w->device_tcp, oldest->conn, d->w->now);
	oldest->conn = NULL;
	return oldest;
}

static uint32_t
choose_worker(struct device *d)
{
	struct world *w = d->w;
	uint32_t k = d->id % w->plan.nb_workers;

	if (d->plan.moves)
		k = dice(w, w->plan.nb_workers);
	while (!(w->plan.role[k] & PW_ROLE_DEVICES))
		k = (k + 1) % w->plan.nb_workers;
	return k;
}

void
device_connect(struct device *d)
{
	struct world *w = d->w;
	struct pw_flow flow = {.rport = PORT};
	struct link *l = free_link(d);

	memset(l, 0, sizeof(*l));
	l->device = d;
	l->since = w->now;
	l->gen = ++d->gen;
	l->version = d->plan.version;
	l->worker = (uint16_t)choose_worker(d);
	l->will = NOBODY;
	d->hole[l->gen] = false;
	flow.local = wire_device(d, l->gen);
	flow.remote = wire_worker(l->worker);
	d->connect_by = w->now + CONNECT_TIME;
	d->next = d->connect_by;
	if (pw_tcp_connect(w->device_tcp, &flow, &device_ops, d, (uint64_t)(uintptr_t)l, &l->conn,
			   w->now) < 0) {
		l->conn = NULL;
		d->next = w->now + 100 * MS;
		return;
	}
	SAY(w, "d%u.%u: connects to worker %u", d->id, l->gen, l->worker);
	w->tally->moves += d->session && l->worker != d->session_worker;
	d->link = l;
}

static uint32_t
add_will(struct device *d, struct pw_mqtt_connect_out *c, uint8_t *payload, char *topic,
	 struct pw_mqtt_prop_out *delay)
{
	struct world *w = d->w;
	uint32_t route = dice(w, w->plan.nb_routes), i = NOBODY;
	struct message *m;

	if (!access_denies(w, d, route))
		i = message_new(w, d, route);
	if (i == NOBODY)
		return i;
	m = &w->message[i];
	m->will = true;
	m->qos = (uint8_t)dice(w, 3);
	m->len = 8 + dice(w, 300);
	m->expiry = 0;
	m->property = false;
	m->retain = chance(w, 100);
	m->at = w->now;
	m->submitted = m->lives = 1;
	message_payload(m, i, payload);
	c->has_will = true;
	c->will_qos = m->qos;
	c->will_retain = m->retain;
	c->will_topic = (struct pw_mqtt_str){topic, message_topic(w, m, false, topic, 64)};
	c->will_payload = (struct pw_mqtt_str){payload, m->len};
	if (d->plan.will_delay != 0 && c->version == 5) {
		*delay = (struct pw_mqtt_prop_out){.which = PW_MQTT_PROP_WILL_DELAY,
						   .num = d->plan.will_delay};
		c->will_props = (struct pw_mqtt_props_out){.p = delay, .n = 1};
	}
	w->tally->wills++;
	return i;
}

static void
connected(void *ctx, struct pw_tcp_conn *conn, uint64_t now)
{
	struct link *l = link_of(conn);
	struct device *d = ctx;
	struct pw_mqtt_prop_out p[1], delay;
	static uint8_t payload[512], out[1024];
	char topic[64];
	struct pw_mqtt_str user, password = {access_password, (uint32_t)strlen(access_password)};
	struct pw_mqtt_connect_out c = {
		.version = l->version,
		.clean = d->plan.clean,
		.keepalive = d->plan.keepalive,
		.client_id = {d->client_id, (uint32_t)strlen(d->client_id)},
		.props = {.p = p},
	};
	int n;

	RTE_SET_USED(now);
	if (l != d->link)
		return;
	l->tcp = true;
	if (l->version == 5 && d->plan.expiry != 0)
		p[c.props.n++] = (struct pw_mqtt_prop_out){.which = PW_MQTT_PROP_SESSION_EXPIRY,
							   .num = d->plan.expiry};
	if (d->plan.user != 0) {
		user = access_user(d);
		l->wrong = !d->w->calm && chance(d->w, d->plan.wrong);
		password.len -= l->wrong;
		c.username = &user;
		c.password = &password;
	}
	if (d->plan.wills)
		l->will = add_will(d, &c, payload, topic, &delay);
	n = pw_mqtt_encode_connect(out, sizeof(out), &c);
	if (n < 0 || !device_write(d, out, (uint32_t)n))
		world_fault(d->w, "d%u: no CONNECT: %d", d->id, n);
	SAY(d->w, "d%u.%u: CONNECT version %u%s, will m%d ->", d->id, l->gen, l->version,
	    c.clean ? ", clean" : "", (int)l->will);
	device_pump(d);
}

static uint32_t
number(const struct pw_mqtt_props *p, enum pw_mqtt_prop which, uint32_t absent)
{
	return pw_mqtt_has(p, which) ? p->value[which].num : absent;
}

static void
take_connack(struct device *d, const struct pw_mqtt_buf *f)
{
	struct link *l = d->link;
	struct pw_mqtt_connack c;
	enum pw_mqtt_error err;

	if (l->up || pw_mqtt_decode_connack(f, l->version, &c, &err) < 0) {
		world_fault(d->w, "d%u.%u: a CONNACK that makes no sense", d->id, l->gen);
		return;
	}
	SAY(d->w, "d%u.%u: <- CONNACK 0x%02X%s", d->id, l->gen, c.code,
	    c.session_present ? ", session present" : "");
	if (c.code != 0)
		return; /* the connection ends */
	l->receive = UINT16_MAX;
	l->max_packet = FRAME_MAX;
	l->max_qos = 2;
	if (l->version == 5) {
		l->receive = (uint16_t)number(&c.props, PW_MQTT_PROP_RECEIVE_MAXIMUM, UINT16_MAX);
		l->aliases = (uint16_t)number(&c.props, PW_MQTT_PROP_TOPIC_ALIAS_MAXIMUM, 0);
		l->max_packet = number(&c.props, PW_MQTT_PROP_MAXIMUM_PACKET_SIZE, FRAME_MAX);
		l->max_qos = (uint8_t)number(&c.props, PW_MQTT_PROP_MAXIMUM_QOS, 2);
		l->no_retain = number(&c.props, PW_MQTT_PROP_RETAIN_AVAILABLE, 1) == 0;
	}
	l->up = true;
	if (l->wrong)
		world_fault(d->w, "d%u.%u: a wrong password is taken", d->id, l->gen);
	judge_connack(d, c.session_present);
	d->w->tally->device_connections++;
	d->w->tally->device_sessions_resumed += c.session_present;
	d->ping_at = d->w->now + d->plan.keepalive * SEC / 2;
	d->next = d->w->now;
	device_again(d, c.session_present);
}

static void
remove_flight(struct device *d, struct inflight *x)
{
	uint32_t i = (uint32_t)(x - d->flight);

	if (x->counted && d->link != NULL)
		d->link->quota--;
	memmove(x, x + 1, (--d->nb_flight - i) * sizeof(*x));
}

static struct inflight *
find_flight(struct device *d, uint16_t id)
{
	for (uint32_t i = 0; i < d->nb_flight; i++) {
		if (d->flight[i].id == id && d->flight[i].state != FLIGHT_QUEUED)
			return &d->flight[i];
	}
	return NULL;
}

static void
take_answer(struct device *d, uint8_t type, const struct pw_mqtt_buf *f)
{
	struct link *l = d->link;
	struct world *w = d->w;
	struct pw_mqtt_ack a;
	enum pw_mqtt_error err;
	struct inflight *x;
	uint8_t qos;

	if (pw_mqtt_decode_ack(f, l->version, &a, &err) < 0) {
		world_fault(w, "d%u.%u: malformed %s", d->id, l->gen, pw_mqtt_type_str(type));
		return;
	}
	x = find_flight(d, a.packet_id);
	SAY(w, "d%u.%u: <- %s %u, m%d, 0x%02X", d->id, l->gen, pw_mqtt_type_str(type), a.packet_id,
	    x != NULL ? (int)x->message : -1, a.reason);
	world_mark(w, 'p', (uint64_t)d->id << 32 | a.packet_id, (uint64_t)type << 8 | a.reason);
	qos = x != NULL ? w->message[x->message].qos : 0;
	if (type == PW_MQTT_PUBCOMP && qos == 2 && x->state == FLIGHT_RELEASED) {
		if (a.reason != 0 && x->released < 2)
			world_fault(w, "d%u.%u: PUBCOMP %u says 0x%02X", d->id, l->gen, a.packet_id,
				    a.reason);
		remove_flight(d, x);
		return;
	}
	if (x == NULL || x->state != FLIGHT_SENT || qos != (type == PW_MQTT_PUBACK ? 1 : 2) ||
	    type == PW_MQTT_PUBCOMP) {
		world_fault(w, "d%u.%u: %s %u answers nothing", d->id, l->gen,
			    pw_mqtt_type_str(type), a.packet_id);
		return;
	}
	judge_answer(l, x, a.reason);
	if (qos == 1 || a.reason >= 0x80) {
		remove_flight(d, x);
	} else {
		x->state = FLIGHT_RECEIVED;
		x->released = 0;
	}
	d->next = RTE_MIN(d->next, w->now + dice(w, 2000) * US);
}

static void
take(struct link *l, uint32_t total)
{
	struct device *d = l->device;
	uint8_t type = l->rx[0] >> 4;
	struct flat f;

	flat_frame(&f, l->rx, total);
	if (l != d->link)
		return;
	if (type == PW_MQTT_CONNACK)
		take_connack(d, &f.buf);
	else if (!l->up)
		world_fault(d->w, "d%u.%u: %s before CONNACK", d->id, l->gen,
			    pw_mqtt_type_str(type));
	else if (type == PW_MQTT_PUBACK || type == PW_MQTT_PUBREC || type == PW_MQTT_PUBCOMP)
		take_answer(d, type, &f.buf);
	else if (type == PW_MQTT_DISCONNECT && l->version == 5)
		SAY(d->w, "d%u.%u: <- DISCONNECT 0x%02X", d->id, l->gen,
		    l->rx[1] > 0 ? l->rx[2] : 0);
	else if (type != PW_MQTT_PINGRESP)
		world_fault(d->w, "d%u.%u: an unexpected %s", d->id, l->gen,
			    pw_mqtt_type_str(type));
}

static void
frames(struct link *l)
{
	enum pw_mqtt_error err;
	uint32_t total;

	while (l->rx_len > 0) {
		int rc = pw_mqtt_frame(l->rx, l->rx_len, 0, &total, &err);

		if (rc < 0 && err != PW_MQTT_E_NONE && total == 0 && l->rx_len >= 5)
			world_fault(l->device->w, "d%u.%u: malformed", l->device->id, l->gen);
		if (rc < 0 || total > l->rx_len)
			return;
		take(l, total);
		memmove(l->rx, l->rx + total, l->rx_len - total);
		l->rx_len -= total;
	}
}

static void
readable(void *ctx, struct pw_tcp_conn *c, uint64_t now)
{
	struct link *l = link_of(c);
	struct device *d = ctx;

	while (pw_tcp_rx_len(c) > 0) {
		uint32_t got = 0;

		for (struct rte_mbuf *m = pw_tcp_rx_chain(c); m != NULL; m = m->next) {
			uint32_t n =
				RTE_MIN((uint32_t)m->data_len, (uint32_t)sizeof(l->rx) - l->rx_len);

			memcpy(l->rx + l->rx_len, rte_pktmbuf_mtod(m, void *), n);
			l->rx_len += n;
			got += n;
		}
		pw_tcp_consume(d->w->device_tcp, c, got);
		frames(l);
		if (l->conn == NULL)
			return;
	}
	if (pw_tcp_eof(c) && !l->eof) {
		l->eof = true;
		SAY(d->w, "d%u.%u: closed by pubwire", d->id, l->gen);
		if (l == d->link)
			device_lost(d);
		pw_tcp_close(d->w->device_tcp, c, now);
	}
}

static void
gone(void *ctx, struct pw_tcp_conn *c, enum pw_tcp_end why, uint64_t now)
{
	struct link *l = link_of(c);
	struct device *d = ctx;

	RTE_SET_USED(now);
	if (l->conn != c)
		return;
	l->conn = NULL;
	SAY(d->w, "d%u.%u: connection is gone: %s", d->id, l->gen, pw_tcp_end_str(why));
	if (l->disconnected && why == PW_TCP_END_CLOSED && l->will != NOBODY)
		d->w->message[l->will].cancelled = true;
	if (l == d->link)
		device_lost(d);
}

const struct pw_tcp_ops device_ops = {.connected = connected, .readable = readable, .gone = gone};

void
device_act(struct device *d)
{
	struct world *w = d->w;

	d->next = NEVER;
	if (d->link == NULL) {
		if (!w->drained)
			device_connect(d);
		return;
	}
	if (!d->link->up) {
		d->next = d->connect_by;
		if (d->connect_by <= w->now)
			device_reset(d);
		else if (d->link->tcp)
			device_pump(d);
		return;
	}
	device_work(d);
}

void
device_begin(struct world *w, uint32_t i)
{
	struct device *d = &w->device[i];

	d->w = w;
	d->id = i;
	snprintf(d->client_id, sizeof(d->client_id), "device-%u", i);
	if (d->out == NULL)
		d->out = malloc(OUT);
	if (d->out == NULL)
		abort();
	d->next = w->now + dice(w, 500) * MS;
	d->next_id = (uint16_t)dice(w, 65536);
}

void
device_end(struct world *w)
{
	for (uint32_t i = 0; i < DEVICES; i++) {
		for (uint32_t k = 0; k <= OLD; k++)
			w->device[i].links[k].conn = NULL;
		w->device[i].link = NULL;
	}
}
