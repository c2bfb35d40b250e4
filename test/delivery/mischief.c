/* SPDX-License-Identifier: BSD-3-Clause */
/* What happens to brokers and devices. */
#include <string.h>

#include <rte_common.h>
#include <rte_mbuf.h>

#include "world.h"

const char *
fault_text(enum fault f)
{
#define TEXT(name, text) text,
	static const char *const texts[] = {FAULTS(TEXT)};
#undef TEXT

	return texts[f];
}

static void
later(struct world *w, uint64_t *until, uint32_t most_ms)
{
	*until = w->now + sim_rng_range(&w->rng, 10, most_ms) * MS;
}

/* Bytes to every connection that stands; the connection goes on, or not. */
static void
say_nonsense(struct world *w, struct broker *b, bool garbage)
{
	for (uint32_t i = 0; i < LEGS; i++) {
		struct leg *l = &b->leg[i];
		uint8_t out[8] = {0xf0, 0x02, 0x00, 0x00};
		/* None that may be on its way, unread: that answer would be believed. */
		uint16_t id = (uint16_t)(IDS + dice(w, 60000));
		int n = 4;

		if (!l->up || l->conn == NULL)
			continue;
		if (!garbage)
			n = pw_mqtt_encode_ack(out, sizeof(out),
					       (enum pw_mqtt_type[]){PW_MQTT_PUBACK, PW_MQTT_PUBREC,
								     PW_MQTT_PUBCOMP}[dice(w, 3)],
					       l->version, id, 0, NULL);
		if (n > 0)
			(void)!pw_tcp_send_copy(w->broker_tcp, l->conn, out, (uint32_t)n);
	}
}

static void
harm_broker(struct world *w, struct broker *b, enum fault f)
{
	switch (f) {
	case FAULT_CRASH:
	case FAULT_AMNESIA:
		later(w, &b->down_until, 3000);
		if (f == FAULT_AMNESIA)
			broker_forget(b);
		broker_cut(b, END_RESET);
		break;
	case FAULT_RESET:
		broker_cut(b, END_RESET);
		break;
	case FAULT_CLOSE:
		broker_cut(b, END_CLOSE);
		break;
	case FAULT_POWER:
		later(w, &b->hole_until, 3000);
		broker_cut(b, END_SILENT);
		break;
	case FAULT_MUTE:
		later(w, &b->mute_until, 4000);
		break;
	case FAULT_DEAF:
		later(w, &b->deaf_until, 4000);
		break;
	case FAULT_SLOW:
		later(w, &b->slow_until, 4000);
		break;
	case FAULT_STRAY:
	case FAULT_BROKER_GARBAGE:
		say_nonsense(w, b, f == FAULT_BROKER_GARBAGE);
		break;
	case FAULT_FORGET:
		later(w, &b->hole_until, 1000);
		broker_cut(b, END_SILENT);
		broker_forget(b);
		break;
	default:
		later(w, &b->hole_until, 3000);
	}
	b->next = w->now;
}

static void
send_garbage(struct device *d)
{
	static const uint8_t nonsense[][6] = {
		{0x00, 0x00},			      /* reserved type */
		{0x36, 0x03, 0x00, 0x01, 'x'},	      /* QoS 3 */
		{0x32, 0x02, 0x00, 0x09},	      /* a topic beyond the end */
		{0x32, 0xff, 0xff, 0xff, 0xff, 0x7f}, /* a length of five bytes */
		{0x10, 0x02, 0x00, 0x00},	      /* a second CONNECT */
		{0x82, 0x00},			      /* an empty SUBSCRIBE */
		{0x62, 0x02, 0x00, 0x00},	      /* PUBREL of identifier 0 */
		{0x90, 0x03, 0x00, 0x01, 0x00},	      /* what only servers send */
		{0x30, 0xff, 0xff, 0xff, 0x7f},	      /* larger than CONNACK said */
	};
	struct world *w = d->w;

	if (!device_write(d, nonsense[dice(w, RTE_DIM(nonsense))], 6))
		return;
	d->link->garbage = true;
	d->connect_by = w->now + 5 * SEC;
	device_pump(d);
}

static void
send_half(struct device *d)
{
	static const uint8_t head[] = {0x30, 0x7f, 0x00, 0x04, 'r', '0', '/', '9', 1, 2, 3};
	struct world *w = d->w;

	if (!device_write(d, head, 1 + dice(w, sizeof(head))))
		return;
	d->parted = true;
	d->connect_by = w->now + sim_rng_range(&w->rng, 100, 8000) * MS;
	device_pump(d);
}

static void
leave(struct device *d)
{
	struct world *w = d->w;
	struct link *l = d->link;
	uint8_t out[16];
	int n = pw_mqtt_encode_disconnect(out, sizeof(out), PW_MQTT_DISCONNECT, l->version, 0,
					  NULL);
	bool idle = d->nb_flight == 0 && d->out_at == d->out_len && !w->drained &&
		    w->pressure_until <= w->now;

	if (n < 0 || !device_write(d, out, (uint32_t)n))
		return;
	device_pump(d);
	l->left = true;
	if (d->out_at < d->out_len) {
		/* It goes out later. */
		d->parted = true;
		d->connect_by = w->now + 5 * SEC;
		return;
	}
	l->disconnected = idle;
	device_close(d);
}

static void
harm_device(struct device *d, enum fault f)
{
	struct link *l = d->link;

	if (l == NULL)
		return;
	if (f == FAULT_VANISH) {
		d->hole[l->gen] = true;
		device_reset(d);
	} else if (f == FAULT_DEVICE_RESET) {
		device_reset(d);
	} else if (f == FAULT_CLOSES) {
		device_close(d);
	} else if (!l->up || l->garbage || d->parted) {
		return;
	} else if (f == FAULT_LEAVE) {
		leave(d);
	} else if (f == FAULT_TAKE_OVER) {
		device_lost(d);
		d->w->tally->takeovers++;
		d->next = d->w->now;
	} else if (f == FAULT_GARBAGE) {
		send_garbage(d);
	} else if (f == FAULT_HALF) {
		send_half(d);
	}
}

/* Somebody connects, sends bytes, and is gone. */
static void
stranger_gone(void *ctx, struct pw_tcp_conn *c, enum pw_tcp_end why, uint64_t now)
{
	struct world *w = ctx;

	RTE_SET_USED(c);
	RTE_SET_USED(why);
	RTE_SET_USED(now);
	w->stranger = NULL;
}

static void
stranger_connected(void *ctx, struct pw_tcp_conn *c, uint64_t now)
{
	struct world *w = ctx;
	uint8_t bytes[64];

	RTE_SET_USED(now);
	for (uint32_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)dice(w, 256);
	(void)!pw_tcp_send_copy(w->device_tcp, c, bytes, 1 + dice(w, sizeof(bytes) - 1));
}

static const struct pw_tcp_ops stranger_ops = {.connected = stranger_connected,
					       .gone = stranger_gone};

static void
stranger(struct world *w)
{
	struct pw_flow flow = {.rport = 1883};
	uint32_t k = 0;

	if (w->stranger != NULL) {
		pw_tcp_abort(w->device_tcp, w->stranger, w->now);
		w->stranger = NULL;
		return;
	}
	while (!(w->plan.role[k] & PW_ROLE_DEVICES))
		k++;
	flow.local = wire_device(&w->device[0], 0);
	flow.remote = wire_worker(k);
	if (pw_tcp_connect(w->device_tcp, &flow, &stranger_ops, w, 0, &w->stranger, w->now) < 0)
		w->stranger = NULL;
}

static void
set_pressure(struct world *w, uint32_t level)
{
	for (uint32_t k = 0; k < w->plan.nb_workers; k++) {
		pw_forward_set_pressure(w->forward[k], level);
		pw_tcp_set_pressure(w->worker_tcp[k], level);
	}
}

/* Take what a pool has, but for a few; and give it back. */
static void
eat(struct world *w)
{
	struct rte_mempool *pools[] = {w->mem.hdr, w->mem.ind, w->mem.pkt};
	uint32_t left = dice(w, 30);
	struct rte_mbuf *m;

	if (w->eaten != NULL)
		return;
	w->famine = pools[dice(w, RTE_DIM(pools))];
	while (rte_mempool_avail_count(w->famine) > left &&
	       (m = rte_mbuf_raw_alloc(w->famine)) != NULL) {
		m->next = w->eaten;
		w->eaten = m;
	}
	later(w, &w->famine_until, 300);
}

void
mischief_feed(struct world *w)
{
	while (w->eaten != NULL) {
		struct rte_mbuf *m = w->eaten;

		w->eaten = m->next;
		m->next = NULL;
		rte_mbuf_raw_free(m);
	}
	w->famine_until = 0;
}

static void
happens(struct world *w)
{
	enum fault f = (enum fault)dice(w, FAULT_MAX);
	uint32_t i;

	if (!(w->plan.faults & 1u << f))
		return;
	w->tally->fault[f]++;
	if (f <= FAULT_FORGET) {
		i = dice(w, w->plan.nb_brokers);
		SAY(w, "b%u: %s", i, fault_text(f));
		harm_broker(w, &w->broker[i], f);
	} else if (f < FAULT_STRANGER) {
		i = dice(w, w->plan.nb_devices);
		SAY(w, "d%u: %s", i, fault_text(f));
		harm_device(&w->device[i], f);
	} else {
		SAY(w, "%s", fault_text(f));
		if (f == FAULT_STRANGER) {
			stranger(w);
		} else if (f == FAULT_FAMINE) {
			eat(w);
		} else {
			set_pressure(w, 1);
			later(w, &w->pressure_until, 300);
		}
	}
}

/* Its connections end, and what it had not acknowledged is with the devices. */
void
mischief_restart(struct world *w)
{
	SAY(w, "pubwire dies, and begins anew");
	w->tally->restarts++;
	w->plan.restart_at = NEVER;
	for (uint32_t b = 0; b < w->plan.nb_brokers; b++)
		w->before_upstream[b] = inside_upstream(w, b);
	w->before = inside_counters(w);
	wire_forget_workers(w);
	workers_down(w);
	wire_forget_workers(w);
	w->nb_questions = 0;
	w->pressure_until = 0;
	w->restarted_at = w->now;
	for (uint32_t b = 0; b < w->plan.nb_brokers; b++) {
		broker_cut(&w->broker[b], END_RESET);
		for (uint32_t i = 0; i < LEGS; i++)
			w->broker[b].kept[i].proven = false;
	}
	for (uint32_t i = 0; i < w->plan.nb_devices; i++)
		w->device[i].session = false;
	mischief_feed(w);
	if (workers_up(w) < 0)
		world_fault(w, "pubwire does not start again");
}

void
mischief(struct world *w)
{
	if (w->pressure_until != 0 && w->pressure_until <= w->now) {
		w->pressure_until = 0;
		set_pressure(w, 0);
	}
	if (w->famine_until != 0 && w->famine_until <= w->now)
		mischief_feed(w);
	if (w->fault_at > w->now)
		return;
	w->fault_at = w->now + 1 + sim_rng_next(&w->rng) % (2 * w->plan.fault_every);
	happens(w);
}

void
mischief_ends(struct world *w)
{
	SAY(w, "calm");
	w->calm = true;
	w->fault_at = NEVER;
	if (w->stranger != NULL)
		stranger(w);
	w->pressure_until = 0;
	set_pressure(w, 0);
	mischief_feed(w);
	for (uint32_t i = 0; i < w->plan.nb_brokers; i++) {
		struct broker *b = &w->broker[i];

		b->mute_until = b->deaf_until = b->slow_until = b->hole_until = b->down_until =
			w->now;
		b->next = w->now;
	}
	for (uint32_t i = 0; i < w->plan.nb_devices; i++) {
		struct device *d = &w->device[i];

		if (d->link != NULL && (d->parted || d->link->garbage))
			device_reset(d);
		d->next = RTE_MIN(d->next, w->now + MS);
	}
}
