/* SPDX-License-Identifier: BSD-3-Clause */
/* What a device sends: messages, new ones and those of a connection before, PUBREL, PINGREQ. */
#include <stdio.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_common.h>

#include "world.h"

#define OUT   (4 * FRAME_MAX)
#define CRUMB 300 /* bytes */
/* Messages in flight of a device that has time. One that sends again all that has no answer may be
 * over a hold, and closed for it, each time. */
#define PATIENT 1
#define MAGIC	0x31564c44u /* "DLV1" */

/* Bytes that only this message has. */
void
message_payload(const struct message *m, uint32_t index, uint8_t *out)
{
	uint32_t head[2] = {MAGIC, index}, x = index * 2654435761u + 1;

	for (uint32_t i = 0; i < m->len; i++) {
		x = x * 1664525u + 1013904223u;
		out[i] = (uint8_t)(x >> 24);
	}
	memcpy(out, head, RTE_MIN(m->len, 8u));
}

uint32_t
message_topic(const struct world *w, const struct message *m, bool at_broker, char *out,
	      uint32_t room)
{
	const struct pw_route_conf *r = &w->set.route[m->route];

	if (m->route >= w->plan.nb_routes)
		return (uint32_t)snprintf(out, room, "none/%u", m->device);
	if (at_broker && r->prefix_remove[0] != '\0')
		return (uint32_t)snprintf(out, room, "%s%u/t", r->prefix_add, m->device);
	return (uint32_t)snprintf(out, room, "r%u/%u/t", m->route, m->device);
}

uint32_t
message_new(struct world *w, struct device *d, uint32_t route)
{
	struct message *m;

	if (w->nb_messages == MESSAGES)
		return NOBODY;
	m = &w->message[w->nb_messages];
	memset(m, 0, sizeof(*m));
	m->device = d->id;
	m->route = route;
	m->version = d->plan.version;
	m->n = d->nb_messages++;
	return w->nb_messages++;
}

bool
device_write(struct device *d, const void *p, uint32_t n)
{
	if (n > OUT - d->out_len)
		return false;
	memcpy(d->out + d->out_len, p, n);
	d->out_len += n;
	return true;
}

static bool
unsent(const struct device *d)
{
	return d->out_at < d->out_len;
}

static void
wake(struct device *d, uint64_t at)
{
	d->next = RTE_MIN(d->next, at);
}

void
device_pump(struct device *d)
{
	struct world *w = d->w;
	bool crumbs = false;

	if (!unsent(d))
		return;
	while (unsent(d) && !crumbs) {
		uint32_t n = RTE_MIN(d->out_len - d->out_at, 1400u);

		crumbs = d->out_crumb != 0;
		if (crumbs)
			n = RTE_MIN(n, 1 + dice(w, CRUMB));
		if (pw_tcp_send_room(w->device_tcp, d->link->conn) < n ||
		    pw_tcp_send_copy(w->device_tcp, d->link->conn, d->out + d->out_at, n) < 0) {
			wake(d, w->now + 5 * MS);
			return;
		}
		d->out_at += n;
	}
	if (unsent(d)) {
		wake(d, w->now + MS);
		return;
	}
	d->out_at = d->out_len = d->out_crumb = 0;
	if (d->plan.keepalive != 0)
		d->ping_at = w->now + d->plan.keepalive * SEC / 2;
}

/* The properties of a message; the topic goes where an alias stands for it. */
static uint32_t
properties(struct device *d, const struct message *m, struct pw_mqtt_prop_out *p, char *text,
	   struct pw_mqtt_str *topic)
{
	struct link *l = d->link;
	uint32_t n = 0;

	if (l->version != 5)
		return 0;
	if (m->expiry != 0)
		p[n++] = (struct pw_mqtt_prop_out){.which = PW_MQTT_PROP_MESSAGE_EXPIRY,
						   .num = m->expiry};
	if (m->property) {
		snprintf(text, 16, "%u", m->n);
		p[n++] = (struct pw_mqtt_prop_out){.which = PW_MQTT_PROP_USER_PROPERTY,
						   .str = {"n", 1},
						   .value = {text, (uint32_t)strlen(text)}};
	}
	if (d->plan.aliases && l->aliases > m->route) {
		p[n++] = (struct pw_mqtt_prop_out){.which = PW_MQTT_PROP_TOPIC_ALIAS,
						   .num = m->route + 1};
		if (l->alias_set & 1u << m->route)
			topic->len = 0;
		l->alias_set |= (uint8_t)(1u << m->route);
	}
	return n;
}

/* What only this connection forbids. */
static bool
allowed(const struct link *l, const struct message *m)
{
	return m->qos <= l->max_qos && !(m->retain && l->no_retain) &&
	       m->len + 200 <= l->max_packet;
}

/* A PUBLISH of a message; x: where it is in flight, NULL for QoS 0. False where there is no room.
 */
static bool
send_publish(struct device *d, uint32_t index, struct inflight *x)
{
	static uint8_t out[FRAME_MAX + 256];
	struct world *w = d->w;
	struct message *m = &w->message[index];
	struct link *l = d->link;
	struct pw_mqtt_prop_out p[4];
	struct pw_mqtt_props_out props = {.p = p};
	char topic[64], text[16];
	struct pw_mqtt_str t = {topic, message_topic(w, m, false, topic, sizeof(topic))};
	int n;

	if (d->nb_submissions[m->route] == SUBMITTED || m->len + 300 > OUT - d->out_len)
		return false;
	props.n = properties(d, m, p, text, &t);
	n = pw_mqtt_encode_publish(out, sizeof(out), l->version, x != NULL && x->dup, m->qos,
				   m->retain, t, x != NULL ? x->id : 0, &props, m->len);
	if (n < 0) {
		world_fault(w, "d%u: no PUBLISH: %d", d->id, n);
		return false;
	}
	message_payload(m, index, out + n);
	(void)device_write(d, out, (uint32_t)n + m->len);
	if (m->at == 0)
		m->at = w->now;
	m->submitted++;
	m->gen = l->gen;
	d->submission[m->route][d->nb_submissions[m->route]++] = (uint16_t)index;
	w->tally->submissions++;
	if (x != NULL) {
		x->state = FLIGHT_SENT;
		x->order = ++l->sent;
		x->counted = true;
		l->quota++;
	}
	SAY(w, "d%u.%u: PUBLISH m%u, QoS %u, id %u, route %u, %u bytes%s%s ->", d->id, l->gen,
	    index, m->qos, x != NULL ? x->id : 0, m->route, m->len, m->retain ? ", retain" : "",
	    x != NULL && x->dup ? ", DUP" : "");
	return true;
}

static bool
id_in_use(const struct device *d, uint16_t id)
{
	for (uint32_t i = 0; i < d->nb_flight; i++) {
		if (d->flight[i].id == id)
			return true;
	}
	return false;
}

static uint32_t
draw_size(struct device *d)
{
	static const uint32_t sizes[] = {8, 8, 40, 100, 100, 250, 300, 1000, 1500, 4000};

	if (chance(d->w, d->plan.large))
		return 20000 + dice(d->w, 35000);
	return sizes[dice(d->w, RTE_DIM(sizes))];
}

static uint8_t
draw_qos(struct device *d)
{
	const uint32_t *v = d->plan.qos;
	uint32_t n = dice(d->w, v[0] + v[1] + v[2]);

	return n < v[0] ? 0 : n < v[0] + v[1] ? 1 : 2;
}

/* A new message. False where it can't be now. */
static bool
publish_new(struct device *d)
{
	static const uint32_t expiry[] = {1, 2, 5, 3600};
	struct world *w = d->w;
	struct link *l = d->link;
	uint32_t route = chance(w, 15) ? w->plan.nb_routes : dice(w, w->plan.nb_routes);
	struct inflight x = {.state = FLIGHT_QUEUED};
	struct message *m;
	uint32_t i;

	if (d->nb_flight == WINDOW || l->quota >= l->receive || d->out_len > OUT / 2 ||
	    w->nb_messages >= w->plan.nb_messages)
		return false;
	i = message_new(w, d, route);
	if (i == NOBODY)
		return false;
	m = &w->message[i];
	m->qos = RTE_MIN(draw_qos(d), l->max_qos);
	m->len = draw_size(d);
	m->retain = !l->no_retain && chance(w, 100);
	if (m->len + 200 > l->max_packet)
		m->len = 8;
	if (l->version == 5) {
		m->expiry = chance(w, 200) ? expiry[dice(w, RTE_DIM(expiry))] : 0;
		m->property = chance(w, 200);
	}
	m->lives = 1;
	m->denied = access_denies(w, d, route);
	w->tally->messages++;
	w->tally->messages_qos2 += m->qos == 2;
	if (m->qos == 0)
		return send_publish(d, i, NULL);
	do
		x.id = d->next_id++;
	while (x.id == 0 || id_in_use(d, x.id));
	x.message = i;
	d->flight[d->nb_flight] = x;
	return send_publish(d, i, &d->flight[d->nb_flight++]);
}

/* Small messages of one topic behind each other, of which pubwire makes groups. False where not all
 * of them can be sent. */
static bool
publish_run(struct device *d)
{
	struct world *w = d->w;
	uint32_t route = dice(w, w->plan.nb_routes), i;

	for (uint32_t n = 2 + dice(w, 20); n > 0; n--) {
		if (d->out_len > OUT / 2 || w->nb_messages >= w->plan.nb_messages)
			return false;
		i = message_new(w, d, route);
		if (i == NOBODY)
			return false;
		w->message[i].len = chance(w, 500) ? 8 : 40;
		w->message[i].lives = 1;
		w->message[i].denied = access_denies(w, d, route);
		w->tally->messages++;
		if (!send_publish(d, i, NULL))
			return false;
	}
	return true;
}

/* What was begun on a connection before, in its order; false where not all of it could go. */
static bool
go_on(struct device *d)
{
	struct world *w = d->w;
	struct link *l = d->link;
	uint8_t out[8];

	for (uint32_t i = 0; i < d->nb_flight; i++) {
		struct inflight *x = &d->flight[i];

		if (x->state == FLIGHT_RECEIVED) {
			int n = pw_mqtt_encode_ack(out, sizeof(out), PW_MQTT_PUBREL, l->version,
						   x->id, 0, NULL);

			if (!w->calm && chance(w, 100))
				continue; /* in a while */
			if (n < 0 || !device_write(d, out, (uint32_t)n))
				return false;
			x->state = FLIGHT_RELEASED;
			x->released++;
			SAY(w, "d%u.%u: PUBREL %u, m%u ->", d->id, l->gen, x->id, x->message);
		} else if (x->state == FLIGHT_QUEUED) {
			if (!allowed(l, &w->message[x->message])) {
				/* It gives it up: this connection has other limits. */
				memmove(x, x + 1, (--d->nb_flight - i--) * sizeof(*x));
				continue;
			}
			if (l->quota >= (w->calm ? PATIENT : l->receive) ||
			    !send_publish(d, x->message, x))
				return false;
		}
	}
	return true;
}

void
device_again(struct device *d, bool present)
{
	struct world *w = d->w;
	uint32_t kept = 0;

	for (uint32_t i = 0; i < d->nb_flight; i++) {
		struct inflight x = d->flight[i];
		struct message *m = &w->message[x.message];

		x.counted = false;
		if (!present && (x.state == FLIGHT_RECEIVED || x.state == FLIGHT_RELEASED))
			continue; /* it is on its way, and there is nothing left to release */
		if (x.state == FLIGHT_RELEASED)
			x.state = FLIGHT_RECEIVED;
		if (x.state == FLIGHT_SENT) {
			x.state = FLIGHT_QUEUED;
			x.dup = m->qos == 1 || present;
			m->lives += m->qos == 2 && !present;
		}
		d->flight[kept++] = x;
	}
	d->nb_flight = kept;
}

static void
ping(struct device *d)
{
	uint8_t out[2];
	int n = pw_mqtt_encode_ping(out, sizeof(out), PW_MQTT_PINGREQ);

	if (d->plan.keepalive == 0)
		return;
	if (d->ping_at <= d->w->now && n > 0 && device_write(d, out, (uint32_t)n))
		d->ping_at = d->w->now + d->plan.keepalive * SEC / 2;
}

void
device_work(struct device *d)
{
	struct world *w = d->w;
	struct link *l = d->link;

	if (d->parted || l->garbage) {
		/* It says no more; pubwire ends it, or it gives up itself. */
		d->next = d->connect_by;
		if (d->connect_by <= w->now)
			device_reset(d);
		else
			device_pump(d);
		return;
	}
	if (!unsent(d)) {
		if (go_on(d) && !w->calm && !w->drained) {
			for (uint32_t n = 1 + dice(w, d->plan.burst); n > 0; n--) {
				if (!(chance(w, d->plan.runs) ? publish_run(d) : publish_new(d)))
					break;
			}
		}
		d->out_crumb = !w->calm && chance(w, d->plan.crumbs);
		ping(d);
	}
	device_pump(d);
	if (d->plan.keepalive != 0)
		wake(d, RTE_MAX(d->ping_at, w->now + MS));
	if (!w->calm)
		wake(d, w->now + 1 + sim_rng_next(&w->rng) % (2 * d->plan.pause));
	else if (d->nb_flight > 0)
		wake(d, w->now + 20 * MS);
}
