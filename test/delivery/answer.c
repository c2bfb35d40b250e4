/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a broker answers, and when: after a while that grows with its mood, some out of their turn,
 * some cut in two by the end of the connection.
 */
#include <string.h>

#include <rte_common.h>

#include "world.h"

void
answer_queue(struct leg *l, uint8_t type, uint16_t id, uint32_t message, uint8_t reason)
{
	struct broker *b = l->broker;
	struct world *w = b->w;
	struct answer a = {
		.message = message, .id = id, .type = type, .reason = reason, .at = w->now};
	uint64_t before = l->nb_answers > 0 ? l->answer[l->nb_answers - 1].at : 0;

	if (l->nb_answers == ANSWERS) {
		world_fault(w, "b%u.%u: %u packets without an answer", b->id, l->number, ANSWERS);
		return;
	}
	if (!w->calm)
		a.at += sim_rng_below(&w->rng, (uint32_t)b->plan.delay);
	/* In their order, but some. */
	if (w->calm || !chance(w, b->plan.reorder))
		a.at = RTE_MAX(a.at, before);
	l->answer[l->nb_answers++] = a;
	b->next = RTE_MIN(b->next, a.at);
}

uint64_t
answer_next(const struct leg *l)
{
	uint64_t at = NEVER;

	for (uint32_t i = 0; i < l->nb_answers; i++)
		at = RTE_MIN(at, l->answer[i].at);
	return at;
}

/* What an answer means for the messages. */
static void
account(struct leg *l, const struct answer *a)
{
	struct broker *b = l->broker;
	struct world *w = b->w;
	struct message *m = a->message != NOBODY ? &w->message[a->message] : NULL;
	bool last = a->type == PW_MQTT_PUBACK || a->type == PW_MQTT_PUBCOMP || a->reason >= 0x80;

	SAY(w, "b%u.%u: %s %u, m%d, 0x%02X ->", b->id, l->number, pw_mqtt_type_str(a->type), a->id,
	    (int)a->message, a->reason);
	world_mark(w, 'a', (uint64_t)b->id << 32 | a->message, (uint64_t)a->type << 8 | a->reason);
	if (m != NULL && a->type != PW_MQTT_PUBCOMP && a->reason < 0x80)
		m->copy[b->id].had = true;
	if (last && a->type != PW_MQTT_PINGRESP && l->open[a->id] != 0) {
		l->open[a->id] = 0;
		l->inflight--;
	}
}

static bool
send_one(struct leg *l, const struct answer *a)
{
	struct broker *b = l->broker;
	struct world *w = b->w;
	uint8_t out[8];
	int n = a->type == PW_MQTT_PINGRESP
			? pw_mqtt_encode_ping(out, sizeof(out), PW_MQTT_PINGRESP)
			: pw_mqtt_encode_ack(out, sizeof(out), (enum pw_mqtt_type)a->type,
					     l->version, a->id, a->reason, NULL);
	bool half = !w->calm && chance(w, b->plan.halves);

	if (n <= 0 || pw_tcp_send_room(w->broker_tcp, l->conn) < (uint32_t)n) {
		leg_drop(l, END_RESET);
		return false;
	}
	if (half) {
		w->tally->broker_cuts++;
		(void)!pw_tcp_send_copy(w->broker_tcp, l->conn, out, 1 + dice(w, (uint32_t)n - 1));
		leg_drop(l, END_CLOSE);
		return false;
	}
	account(l, a);
	if (pw_tcp_send_copy(w->broker_tcp, l->conn, out, (uint32_t)n) < 0) {
		leg_drop(l, END_RESET);
		return false;
	}
	return true;
}

bool
answer_send(struct leg *l)
{
	uint64_t now = l->broker->w->now;
	uint32_t kept = 0;

	for (uint32_t i = 0; i < l->nb_answers; i++) {
		struct answer a = l->answer[i];

		if (a.at > now)
			l->answer[kept++] = a;
		else if (!send_one(l, &a))
			return false;
	}
	l->nb_answers = kept;
	return true;
}
