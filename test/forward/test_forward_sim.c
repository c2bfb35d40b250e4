/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Seeded histories of everything at once: devices that publish in one piece or in crumbs, vanish
 * and come back, brokers that hold their acknowledgements, reset and return, messages that expire,
 * a path that loses segments; under every acknowledgement rule and every answer to a full hold.
 * Whatever happened: a message whose successful PUBACK a device has received was by then on as many
 * brokers as the rule says, and is on every one in the end, whole, or has expired there or was
 * given up as its route says; each device's messages came first in their order, and again in their
 * order on each connection; the ledger balances, and every buffer is back.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_common.h>

#include "hash_pvt.h"
#include "world.h"

#define DEVICES	 6
#define MESSAGES 120 /* of one device */
#define STEPS	 400
#define TRANSIT	 (100 * MS) /* from one end to the other, and clocks that differ */

/* A message as its device sent it. */
struct sent {
	uint8_t qos;
	bool acked;
	uint32_t expiry; /* seconds, 0: none */
	uint32_t len, sum;
	uint64_t at;
	uint64_t known; /* when the first broker had it, which pubwire had before; 0: none has */
};

static struct {
	uint32_t sent;
	uint8_t version;
	bool on;
	uint32_t answered; /* on this connection: PUBREL has gone where it was PUBREC */
	struct sent m[MESSAGES];
} dev[DEVICES];

static uint64_t rng;
static bool quota;	       /* brokers say 0x97 at times: those come again, behind others */
static bool gives_up;	       /* messages, where a broker's hold is full */
static uint32_t brokers, need; /* of them, before a device is told; 0: not even that */
static uint32_t looked[WORLD_BROKERS]; /* records that were seen to */
static uint8_t had[DEVICES][MESSAGES]; /* by which brokers, a bit each */

static uint32_t
dice(uint32_t n)
{
	return (uint32_t)(pw_random(&rng) % n);
}

/* Which broker has which message by now. */
static void
look(void)
{
	for (uint32_t b = 0; b < brokers; b++) {
		for (; looked[b] < w.broker[b].nb; looked[b]++) {
			unsigned int i, n;

			assert_int_equal(
				sscanf(w.broker[b].record[looked[b]].text, "%u %u", &i, &n), 2);
			had[i][n] |= (uint8_t)(1u << b);
		}
	}
}

/* Note the acknowledgements that have come: as many brokers as the rule says had the message, or it
 * had expired. */
static void
harvest(uint32_t i)
{
	uint16_t ids[MESSAGES];
	uint8_t reasons[MESSAGES] = {0};
	uint32_t n = device_answers(i, 0, dev[i].version, ids, reasons, MESSAGES);

	look();
	for (uint32_t k = 0; k < n; k++) {
		const struct sent *m = &dev[i].m[ids[k] - 1];

		assert_true(reasons[k] >= 0x80 ||
			    (uint32_t)__builtin_popcount(had[i][ids[k] - 1]) >= need ||
			    (m->expiry > 0 && m->expiry < 3600));
	}

	for (uint32_t k = 0; k < n; k++) {
		assert_in_range(ids[k], 1, dev[i].sent);
		assert_true(dev[i].m[ids[k] - 1].qos > 0);
		assert_true(k == 0 || ids[k] > ids[k - 1]); /* in the order of its messages */
		dev[i].m[ids[k] - 1].acked = reasons[k] < 0x80;
	}
}

static void
come(uint32_t i, uint32_t workers)
{
	struct pw_mqtt_connect_out c = {.version = dev[i].version, .clean = true};
	char id[8];
	uint8_t out[64];
	int n;

	snprintf(id, sizeof(id), "d%u", i);
	c.client_id = (struct pw_mqtt_str){id, (uint32_t)strlen(id)};
	n = pw_mqtt_encode_connect(out, sizeof(out), &c);
	device_open(i, workers == 1 ? 0 : i % workers);
	device_send(i, out, (uint32_t)n);
	dev[i].on = true;
	dev[i].answered = 0;
}

/* Some of it, then some time, so that it travels in segments that small. */
static void
send_crumbs(uint32_t i, const uint8_t *p, uint32_t len)
{
	for (uint32_t at = 0, n; at < len && w.device[i].conn != NULL; at += n) {
		n = RTE_MIN(len - at, 1 + dice(200));
		device_send(i, p + at, n);
		world_run(1);
	}
}

static void
publish(uint32_t i)
{
	static const uint32_t sizes[] = {8, 100, 300, 1500, 5000}, expiries[] = {1, 2, 3600};
	static uint8_t out[8192];
	struct pw_mqtt_prop_out expiry = {.which = PW_MQTT_PROP_MESSAGE_EXPIRY};
	struct pw_mqtt_props_out props = {.p = &expiry};
	uint32_t n = dev[i].sent;
	struct sent *m = &dev[i].m[n];
	uint8_t *payload;
	int head;

	if (n == MESSAGES || w.device[i].conn == NULL || w.device[i].closed)
		return;
	m->qos = (uint8_t)dice(3);
	m->len = sizes[dice(RTE_DIM(sizes))];
	m->at = w.now;
	if (dev[i].version == 5 && dice(2)) {
		m->expiry = expiry.num = expiries[dice(RTE_DIM(expiries))];
		props.n = 1;
	}
	dev[i].sent++;
	head = pw_mqtt_encode_publish(out, sizeof(out), dev[i].version, false, m->qos, false,
				      (struct pw_mqtt_str){"t", 1},
				      m->qos > 0 ? (uint16_t)(n + 1) : 0, &props, m->len);
	assert_true(head > 0);
	payload = out + head;
	for (uint32_t k = 0; k < m->len; k++)
		payload[k] = (uint8_t)dice(256);
	snprintf((char *)payload, m->len, "%u %u", i, n);
	m->sum = payload_sum(payload, m->len);
	if (dice(3) == 0)
		send_crumbs(i, out, (uint32_t)head + m->len);
	else
		device_send(i, out, (uint32_t)head + m->len);
}

/* A broker goes for longer, or is back: connections are taken, and not answered. */
static void
away(uint32_t b)
{
	w.broker[b].mute = !w.broker[b].mute;
	if (w.broker[b].mute)
		broker_reset(b);
}

/* The next step of what is half done. */
static void
release(uint32_t i)
{
	uint16_t ids[MESSAGES];
	uint32_t n = device_answers(i, 0, dev[i].version, ids, NULL, MESSAGES);

	for (; dev[i].answered < n && w.device[i].conn != NULL; dev[i].answered++) {
		if (dev[i].m[ids[dev[i].answered] - 1].qos == 2)
			device_ack(i, PW_MQTT_PUBREL, ids[dev[i].answered]);
	}
}

static void
step(uint32_t workers)
{
	uint32_t i = dice(DEVICES), b = dice(brokers), what = dice(100);

	if (!dev[i].on) {
		if (what < 40)
			come(i, workers);
	} else if (w.device[i].conn == NULL || w.device[i].closed || what < 2) {
		harvest(i);
		if (w.device[i].conn != NULL)
			device_reset(i);
		dev[i].on = false;
	} else if (what < 60) {
		release(i);
		publish(i);
	}
	if (what >= 60 && what < 64)
		w.broker[b].hold = !w.broker[b].hold;
	else if (what < 85 && what >= 64)
		world_ack(b, dice(20));
	else if (what == 85)
		broker_reset(b);
	else if (what == 86)
		away(b);
	else if (what == 87 && quota)
		w.broker[b].reason = w.broker[b].reason != 0 ? 0 : 0x97;
	world_run(dice(4) == 0 ? dice(300) : dice(3));
}

/* When the first broker had each message. */
static void
find_known(void)
{
	for (uint32_t b = 0; b < brokers; b++) {
		for (uint32_t k = 0; k < w.broker[b].nb; k++) {
			const struct record *r = &w.broker[b].record[k];
			unsigned int i, n;

			assert_int_equal(sscanf(r->text, "%u %u", &i, &n), 2);
			assert_true(i < DEVICES && n < dev[i].sent);
			if (dev[i].m[n].known == 0 || r->at < dev[i].m[n].known)
				dev[i].m[n].known = r->at;
		}
	}
}

/*
 * The interval that is left has shrunk by the time that the message waited in pubwire: no more than
 * since it was sent, and, where no segment was lost, no less than since another broker had it.
 */
static void
check_expiry(const struct record *r, const struct sent *m, bool lossless)
{
	uint64_t most = (r->at - m->at) / (1000 * MS) + 1, least = 0;

	/* 3.1.1, which some brokers speak only, has no word for it. */
	assert_int_equal(r->expiry != 0, m->expiry != 0 && r->lane == 5);
	if (r->expiry == 0)
		return;
	assert_in_range(r->expiry, 1, m->expiry);
	assert_true(r->expiry == 1 || r->expiry + most >= m->expiry);
	if (lossless && r->at - m->known > TRANSIT)
		least = (r->at - m->known - TRANSIT) / (1000 * MS);
	assert_true(r->expiry == 1 || r->expiry + least <= m->expiry);
	/* Only what was begun in time goes on. */
	assert_true((r->first & 0x08) || least < m->expiry);
}

/* Messages that a broker was not to have: expired, or by the route's when_full. */
static uint64_t
missed_by(uint32_t b)
{
	struct pw_upstream_info u[16];
	uint64_t sum = 0;

	for (uint32_t k = 0; k < w.nb_workers; k++) {
		uint32_t n = pw_forward_upstreams(w.forward[k], 0, u, RTE_DIM(u));

		for (uint32_t i = 0; i < n; i++)
			sum += u[i].broker != b ? 0
						: u[i].counters.dropped_expired +
							  u[i].counters.dropped_hold +
							  u[i].counters.dropped_unanswered +
							  u[i].counters.dropped_detached;
	}
	return sum;
}

/* What a device sends has one order, whichever brokers it goes to; of QoS 0 nobody can tell when a
 * broker has read it. */
static void
check_order(void)
{
	enum pw_fanout how = w.set.route[0].fanout;

	for (uint32_t i = 0; i < DEVICES; i++) {
		uint64_t last = 0;

		for (uint32_t n = 0; n < dev[i].sent; n++) {
			const struct sent *m = &dev[i].m[n];

			if (m->known == 0 || m->qos == 0 || how == PW_FANOUT_ALL ||
			    how == PW_FANOUT_ROUND_ROBIN)
				continue;
			assert_true(m->known >= last);
			last = m->known;
		}
	}
}

static void
check_broker(uint32_t b, bool lossless)
{
	static bool seen[DEVICES][MESSAGES];
	static uint32_t taken[DEVICES][MESSAGES]; /* for a new one, at QoS 2 */
	uint32_t next[DEVICES] = {0}, conn[DEVICES] = {0}, last[DEVICES] = {0};
	uint64_t missing = 0;

	memset(seen, 0, sizeof(seen));
	memset(taken, 0, sizeof(taken));
	for (uint32_t k = 0; k < w.broker[b].nb; k++) {
		const struct record *r = &w.broker[b].record[k];
		const struct sent *m;
		unsigned int i, n;

		assert_int_equal(sscanf(r->text, "%u %u", &i, &n), 2);
		m = &dev[i].m[n];
		assert_int_equal(r->len, m->len);
		assert_int_equal(r->sum, m->sum);
		check_expiry(r, m, lossless);
		/* In their order on each connection, those that come again too [MQTT-4.6.0-1]. */
		assert_true(quota || r->conn != conn[i] || n > last[i]);
		conn[i] = r->conn;
		last[i] = n;
		if (!seen[i][n]) {
			assert_true(n >= next[i]);
			next[i] = n + 1;
		} else {
			assert_true(m->qos > 0);      /* QoS 0 at most once */
			assert_true(r->first & 0x08); /* DUP */
		}
		seen[i][n] = true;
		if (m->qos == 2 && !r->again)
			taken[i][n]++;
	}
	for (uint32_t i = 0; i < DEVICES; i++) {
		for (uint32_t n = 0; n < dev[i].sent; n++) {
			const struct sent *m = &dev[i].m[n];

			/* Its sessions stay, but where something was given up in the midst. */
			assert_true(taken[i][n] <= 1 || gives_up || quota);
			if (!m->acked || seen[i][n] || w.set.route[0].fanout != PW_FANOUT_ALL)
				continue; /* or harvest() has seen to it */
			/* an hour has not passed */
			assert_true(gives_up || (m->expiry > 0 && m->expiry < 3600));
			missing++;
		}
	}
	assert_true(missing <= missed_by(b));
}

static uint32_t
outstanding(void)
{
	uint32_t sum = 0;

	for (uint32_t k = 0; k < w.nb_workers; k++)
		sum += pw_forward_outstanding(w.forward[k]) + pw_forward_trailing(w.forward[k]);
	return sum;
}

/* All, any, a quorum, or at once. */
static void
choose_rule(void)
{
	struct pw_route_conf *r = &w.set.route[0];

	r->ack = (enum pw_ack_rule)dice(4);
	r->quorum = 1 + dice(brokers);
	need = (uint32_t[]){brokers, 1, r->quorum, 0}[r->ack];
	r->when_full_qos1 = (enum pw_when_full)dice(3);
	quota = dice(4) == 0;
	gives_up = r->when_full_qos1 != PW_WHEN_FULL_BLOCK;
	/* The rule of all shrinks by who is detached. */
	if (r->when_full_qos1 == PW_WHEN_FULL_DETACH && r->ack == PW_ACK_ALL)
		need = 1;
	/* To one of them. */
	if (dice(3) == 0) {
		r->fanout = (enum pw_fanout)(1 + dice(3));
		r->quorum = 1;
		need = RTE_MIN(need, 1u);
	}
	for (uint32_t b = 0; b < brokers; b++) {
		r->order[b] = (uint8_t)(brokers - 1 - b);
		w.set.broker[b].failover_delay = 100 + dice(1000);
		w.set.broker[b].failback_delay = dice(1000);
		w.set.broker[b].hold_messages = dice(2) ? 2 + dice(20) : 0;
		w.set.broker[b].protocol = (enum pw_broker_protocol)dice(3);
		w.set.broker[b].replay_rate = dice(4) == 0 ? 20 + dice(500) : 0;
		w.set.broker[b].hold_bytes = dice(4) == 0 ? 1000 + dice(20000) : 0;
	}
}

static void
history(uint64_t seed, uint32_t workers, uint8_t role0, uint8_t role1)
{
	void *state = NULL;
	bool lossless;

	world_setup(&state);
	memset(dev, 0, sizeof(dev));
	memset(looked, 0, sizeof(looked));
	memset(had, 0, sizeof(had));
	rng = seed;
	brokers = w.set.nb_brokers = 2 + dice(2);
	w.set.route[0].brokers = (1u << brokers) - 1;
	choose_rule();
	for (uint32_t i = 0; i < DEVICES; i++)
		dev[i].version = i % 2 ? 5 : 4;
	w.set.limits.max_queued_messages = 32u << dice(3);
	w.set.limits.copy_break = dice(2) ? 256 : 0;
	w.set.route[0].when_full_qos0 = (enum pw_when_full)dice(3);
	w.rx_copy_break = (uint32_t[]){1, 256, 1460}[dice(3)];
	lossless = dice(2);
	w.behind[1] = dice(2) ? 3000 : 2 * MS;
	for (uint32_t b = 0; b < brokers; b++) {
		w.set.broker[b].restart_cap = 2000;
		w.set.broker[b].connect_timeout = 1000;
	}
	world_start(workers, role0, role1);
	w.lost = lossless ? 0 : 40 + dice(60);
	for (uint32_t k = 0; k < STEPS; k++) {
		step(role1 & PW_ROLE_DEVICES ? workers : 1);
		ledger();
	}
	w.lost = 0;
	for (uint32_t b = 0; b < brokers; b++) {
		w.broker[b].hold = w.broker[b].mute = false;
		w.broker[b].reason = 0;
	}
	for (uint32_t k = 0; k < 100 && (outstanding() > 0 || k < 10); k++) {
		for (uint32_t b = 0; b < brokers; b++)
			world_ack(b, WORLD_RECORDS);
		world_run(1000);
	}
	assert_int_equal(outstanding(), 0);
	for (uint32_t i = 0; i < DEVICES; i++) {
		if (dev[i].on)
			harvest(i);
	}
	find_known();
	check_order();
	for (uint32_t b = 0; b < brokers; b++)
		check_broker(b, lossless);
	ledger();
	world_teardown(&state);
}

static void
one_worker_keeps_every_promise(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 30; seed++)
		history(seed, 1, 3, 0);
}

static void
two_workers_keep_every_promise(void **state)
{
	(void)state;
	for (uint64_t seed = 101; seed <= 120; seed++)
		history(seed, 2, 3, 3);
}

static void
split_workers_keep_every_promise(void **state)
{
	(void)state;
	for (uint64_t seed = 201; seed <= 220; seed++)
		history(seed, 2, PW_ROLE_DEVICES, PW_ROLE_BROKERS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_worker_keeps_every_promise),
		cmocka_unit_test(two_workers_keep_every_promise),
		cmocka_unit_test(split_workers_keep_every_promise),
	};

	return cmocka_run_group_tests(tests, world_init, world_fini);
}
