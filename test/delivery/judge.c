/* SPDX-License-Identifier: BSD-3-Clause */
/* What must be true of every packet that a broker or a device is given. */
#include <stdio.h>
#include <string.h>

#include <rte_common.h>

#include "world.h"

#define MAGIC	  0x31564c44u
#define CLOCKS	  (5 * MS) /* of two workers differ by less */
#define MAX_BYTES FRAME_MAX

/* The message of a payload; NOBODY where it is nobody's. */
static uint32_t
identify(struct leg *l, const uint8_t *p, uint32_t len)
{
	static uint8_t want[MAX_BYTES];
	struct world *w = l->broker->w;
	uint32_t head[2];

	if (len < sizeof(head))
		return NOBODY;
	memcpy(head, p, sizeof(head));
	if (head[0] != MAGIC || head[1] >= w->nb_messages || w->message[head[1]].len != len)
		return NOBODY;
	message_payload(&w->message[head[1]], head[1], want);
	return memcmp(p, want, len) == 0 ? head[1] : NOBODY;
}

/* What every copy has in common with what the device sent. */
static void
same(struct leg *l, const struct message *m, uint32_t index, const uint8_t *bytes,
     const struct pw_mqtt_publish *p)
{
	struct broker *b = l->broker;
	struct world *w = b->w;
	bool both5 = m->version == 5 && l->version == 5;
	char topic[64];
	uint32_t n = message_topic(w, m, true, topic, sizeof(topic));

#define NOT(what, ...) world_fault(w, "b%u.%u: m%u " what, b->id, l->number, index, ##__VA_ARGS__)
	if (m->denied)
		NOT("may not be published");
	if (m->route >= w->plan.nb_routes || !(w->set.route[m->route].brokers & 1u << b->id))
		NOT("is not for this broker");
	if (p->topic.len != n || memcmp(bytes + p->topic.off, topic, n) != 0)
		NOT("has another topic: %.*s", (int)p->topic.len, bytes + p->topic.off);
	if (p->qos != m->qos)
		NOT("has QoS %u, it was sent with %u", p->qos, m->qos);
	if (p->retain != (m->retain && !(b->plan.no_retain && l->version == 5)))
		NOT("has retain %d", p->retain);
	if (p->qos == 0 && p->dup)
		NOT("has DUP at QoS 0");
	if (pw_mqtt_has(&p->props, PW_MQTT_PROP_TOPIC_ALIAS))
		NOT("has a topic alias");
	if (pw_mqtt_has(&p->props, PW_MQTT_PROP_USER_PROPERTY) != (both5 && m->property))
		NOT("has lost, or won, a property");
	if (pw_mqtt_has(&p->props, PW_MQTT_PROP_MESSAGE_EXPIRY) != (both5 && m->expiry != 0))
		NOT("has lost, or won, an expiry interval");
}

/* When pubwire had it for sure: a broker had it by then. */
static uint64_t
taken_by(const struct world *w, const struct message *m)
{
	uint64_t at = NEVER;

	for (uint32_t i = 0; i < w->plan.nb_brokers; i++) {
		if (m->copy[i].first != 0)
			at = RTE_MIN(at, m->copy[i].first);
	}
	return at;
}

/* The interval has shrunk by what it waited, and nothing is begun when it is over. */
static void
expires(struct leg *l, const struct message *m, uint32_t index, const struct pw_mqtt_publish *p)
{
	struct broker *b = l->broker;
	struct world *w = b->w;
	uint64_t age = w->now - m->at, known = taken_by(w, m), waited = 0;
	uint32_t left = pw_mqtt_has(&p->props, PW_MQTT_PROP_MESSAGE_EXPIRY)
				? p->props.value[PW_MQTT_PROP_MESSAGE_EXPIRY].num
				: 0;

	if (m->expiry == 0)
		return;
	if (left > m->expiry)
		NOT("expires in %u s, more than the %u it was sent with", left, m->expiry);
	if (left > 1 && left + age / SEC + 1 < m->expiry)
		NOT("expires in %u s, %u less %u ms", left, m->expiry, (unsigned)(age / MS));
	/* It waited for this connection at least, if it came but once. */
	if (m->submitted > 1 || known >= l->since - CLOCKS)
		return;
	waited = (l->since - known - CLOCKS) / SEC;
	if (left > 1 && left + waited > m->expiry)
		NOT("expires in %u s of %u, and waited for %u", left, m->expiry, (unsigned)waited);
	if (!p->dup && waited >= m->expiry)
		NOT("is begun %u s after it came, it was to expire in %u", (unsigned)waited,
		    m->expiry);
}

/* Its identifier, and how many are in flight. */
static void
numbered(struct leg *l, uint32_t index, const struct pw_mqtt_publish *p)
{
	struct broker *b = l->broker;
	struct world *w = b->w;
	uint32_t open = l->open[p->packet_id], known = l->kept->known[p->packet_id];

	if (p->qos == 0)
		return;
	if (open != 0)
		NOT("has identifier %u, which m%u has", p->packet_id, open - 1);
	if (p->qos == 2 && known != 0 && known - 1 != index)
		NOT("has identifier %u, by which the session knows m%u", p->packet_id, known - 1);
	if (l->inflight >= l->window)
		NOT("is beyond the window of %u", l->window);
}

/* On one connection messages come in the order in which their device sent them [MQTT-4.6.0-1]. */
static void
ordered(struct leg *l, const struct message *m, uint32_t index, const struct pw_mqtt_publish *p)
{
	struct broker *b = l->broker;
	struct world *w = b->w;
	const struct device *d = &w->device[m->device];
	uint16_t *at = &l->at[m->device][m->route];
	uint32_t i = *at, n = d->nb_submissions[m->route];

	/* What had no room comes again, behind others. */
	if (m->will || b->plan.quota != 0)
		return;
	while (i < n && d->submission[m->route][i] != index)
		i++;
	if (i == n)
		NOT("is out of order%s", p->dup ? " (DUP)" : "");
	*at = (uint16_t)(i + 1);
}

/* Across connections too: what comes for the first time comes behind what came before. */
static void
first(struct leg *l, const struct message *m, uint32_t index)
{
	struct broker *b = l->broker;
	struct world *w = b->w;

	if (m->will || m->qos == 0 || m->copy[b->id].refused > 0 || m->expiry != 0)
		return;
	/* What is sent again may go to another broker than before. */
	if (m->submitted > 1 && w->set.route[m->route].fanout != PW_FANOUT_ALL)
		return;
	for (uint32_t i = w->nb_messages; i-- > index + 1;) {
		const struct message *o = &w->message[i];

		if (o->device != m->device || o->route != m->route || o->qos == 0 || o->will ||
		    o->copy[b->id].first == 0)
			continue;
		if (inside_overtakes(w, b->id))
			return;
		NOT("comes for the first time after m%u", i);
		return;
	}
}

/* Times that brokers have refused a message. */
static uint32_t
refusals(const struct world *w, const struct message *m)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < w->plan.nb_brokers; i++)
		n += m->copy[i].refused;
	return n;
}

/* Its PUBREC may have said an error, which ends its exchange: a device that does not learn of that
 * sends what is another message then [MQTT-4.3.3-9]. */
static bool
may_be_another(const struct world *w, const struct message *m)
{
	return w->device[m->device].plan.version == 5 && refusals(w, m) > 0;
}

/* How often, and with which DUP. */
static void
counted(struct leg *l, const struct message *m, uint32_t index, const struct pw_mqtt_publish *p)
{
	struct broker *b = l->broker;
	struct world *w = b->w;
	const struct copy *c = &m->copy[b->id];

	if (c->fresh > m->submitted)
		NOT("came %u times as new, and was sent %u times", c->fresh, m->submitted);
	if (p->dup && l->kept->connects < 2 && c->refused == 0)
		NOT("has DUP on the first connection");
	if (m->qos < 2 || c->new <= m->lives || b->plan.as_qos1)
		return;
	/* Exactly once, but where a session was lost, and what was given up was sent again. */
	if (b->lost_at >= c->first)
		return;
	if (inside_upstream(w, b->id).sessions_lost > 0 && b->losses > 0)
		return;
	if (inside_counters(w).unmet > 0 || may_be_another(w, m))
		return;
	NOT("of QoS 2 was delivered %u times, and sent %u times", c->new, m->lives);
}

uint32_t
judge_publish(struct leg *l, const struct pw_mqtt_buf *f, const struct pw_mqtt_publish *p,
	      bool known)
{
	struct broker *b = l->broker;
	struct world *w = b->w;
	const uint8_t *bytes = pw_mqtt_byte(f, 0);
	uint32_t index = identify(l, bytes + p->payload.off, p->payload.len);
	struct message *m;
	struct copy *c;

	if (index == NOBODY) {
		world_fault(w, "b%u.%u: a PUBLISH that nobody has sent, %u bytes", b->id, l->number,
			    p->payload.len);
		return NOBODY;
	}
	SAY(w, "b%u.%u: <- PUBLISH m%u, QoS %u, id %u%s%s", b->id, l->number, index, p->qos,
	    p->packet_id, p->dup ? ", DUP" : "", known ? ", not taken" : "");
	world_mark(w, 'P', (uint64_t)b->id << 32 | index, (uint64_t)p->packet_id << 1 | p->dup);
	m = &w->message[index];
	c = &m->copy[b->id];
	same(l, m, index, bytes, p);
	if (w->fault[0] != '\0')
		return NOBODY;
	expires(l, m, index, p);
	numbered(l, index, p);
	ordered(l, m, index, p);
	if (c->first == 0)
		first(l, m, index);
	w->tally->copies++;
	w->tally->copies_again += c->first != 0;
	c->fresh += !p->dup;
	c->new += !known;
	c->first = c->first != 0 ? c->first : w->now;
	counted(l, m, index, p);
	if (m->will && m->cancelled)
		NOT("is a will that its device took back");
	return index;
}

void
judge_broker_connect(struct leg *l, bool clean, bool present)
{
	struct broker *b = l->broker;
	struct world *w = b->w;
	struct kept *k = l->kept;
	bool gives_up = false;

	for (uint32_t r = 0; r < w->plan.nb_routes; r++)
		gives_up |= w->set.route[r].when_full_qos1 != PW_WHEN_FULL_BLOCK ||
			    w->set.route[r].fanout != PW_FANOUT_ALL;
	SAY(w, "b%u.%u: CONNACK%s ->", b->id, l->number, present ? ", session present" : "");
	k->connects++;
	k->cleans += clean;
	w->tally->broker_sessions_lost += !clean && !present && k->connects > 1;
	/* Sessions are begun anew until CONNACK has come through, and where something was given up
	 * in the midst. */
	if (k->proven && clean && !gives_up)
		world_fault(w, "b%u.%u: a clean start, connection %u of %s", b->id, l->number,
			    k->connects, k->client_id);
}

/* Brokers that have a message, that have refused it, and that never take such a one. */
static void
survey(const struct world *w, const struct message *m, uint32_t *had, uint32_t *no)
{
	*had = *no = 0;
	for (uint32_t i = 0; i < w->plan.nb_brokers; i++) {
		const struct broker_plan *p = &w->broker[i].plan;
		const struct copy *c = &m->copy[i];

		if (!(w->set.route[m->route].brokers & 1u << i))
			continue;
		*had += c->had;
		*no += !c->had && (c->refused > 0 || m->qos > p->max_qos ||
				   (m->retain && p->no_retain && w->set.broker[i].strict) ||
				   (p->max_packet != 0 && m->len + 200 > p->max_packet));
	}
}

/* Brokers that have to have a message before its device may be told. */
static uint32_t
needed(const struct world *w, const struct message *m)
{
	const struct pw_route_conf *r = &w->set.route[m->route];
	uint32_t n = (uint32_t)__builtin_popcount(r->brokers), need = n;

	if (r->ack == PW_ACK_ANY)
		need = 1;
	else if (r->ack == PW_ACK_QUORUM)
		need = r->quorum;
	else if (r->ack == PW_ACK_LOCAL)
		need = 0;
	/* All means those that are not detached, though one at least. */
	else if (r->when_full_qos1 == PW_WHEN_FULL_DETACH)
		need = 1;
	return r->fanout == PW_FANOUT_ALL ? need : RTE_MIN(need, 1u);
}

void
judge_answer(struct link *l, const struct inflight *x, uint8_t reason)
{
	struct device *d = l->device;
	struct world *w = d->w;
	struct message *m = &w->message[x->message];
	uint32_t had, no, need;

	m->answered = true;
	m->reason = reason;
	/* [MQTT-4.6.0-2], [MQTT-4.6.0-3]. */
	if (x->order < l->answered[m->qos])
		world_fault(w, "d%u.%u: m%u is answered behind a later one", d->id, l->gen,
			    x->message);
	l->answered[m->qos] = x->order;
	if (m->denied) {
		if (reason != (l->version == 5 ? 0x87 : 0))
			world_fault(w, "d%u.%u: m%u, which is not allowed, is answered 0x%02X",
				    d->id, l->gen, x->message, reason);
		return;
	}
	if (reason >= 0x80) {
		w->tally->refused++;
		if (l->version != 5)
			world_fault(w, "d%u.%u: a reason code in 3.1.1", d->id, l->gen);
		return;
	}
	w->tally->acknowledged++;
	if (m->route >= w->plan.nb_routes)
		return;
	survey(w, m, &had, &no);
	need = needed(w, m);
	/* What has expired for a broker is done there; what a broker refuses is no fault that a
	 * 3.1.1 device could be told of. */
	if (had >= need || (m->expiry != 0 && w->now + SEC >= m->at + m->expiry * SEC) ||
	    (l->version != 5 && no + refusals(w, m) > 0))
		return;
	world_fault(w, "d%u.%u: m%u is acknowledged, of %u brokers that must have it %u have",
		    d->id, l->gen, x->message, need, had);
}

void
judge_connack(struct device *d, bool present)
{
	struct link *l = d->link;
	struct world *w = d->w;
	struct pw_device_counters c = inside_counters(w);
	bool owes = false;

	for (uint32_t i = 0; i < d->nb_flight; i++)
		owes |= d->flight[i].state == FLIGHT_RECEIVED && d->flight[i].released == 0;
	if (present && (d->plan.clean || !d->session))
		world_fault(w, "d%u.%u: Session Present, and there is none", d->id, l->gen);
	/* PUBREC has come, no PUBREL has gone: pubwire remembers, wherever the device comes back.
	 */
	if (!present && owes && d->session && !d->plan.clean && l->version >= 4 &&
	    (l->version == 4 || d->plan.expiry > 0) &&
	    c.sessions_not_kept + c.sessions_expired == 0)
		world_fault(w, "d%u.%u: the session is lost", d->id, l->gen);
}
