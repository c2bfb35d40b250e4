/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Limits of listeners and rates of devices. A rate is a bucket of tokens that is kept as one time:
 * when it will be full, with a second's worth, again (the generic cell rate algorithm). What costs
 * tokens moves that time on; where it lies a second ahead, there is none left. Messages and
 * connects take a whole token. Of bytes, a packet is taken where there is any token at all and may
 * cost more than there are, so that a packet of any size passes and the rate holds all the same.
 *
 * Connections and connects of a listener are counted over all workers, in atomic words that are
 * touched once a connection. Rates of a device are its worker's alone.
 */
#include "session_pvt.h"

/* What `n` cost of a bucket that gets `rate` a second. */
static uint64_t
cost(uint64_t n, uint32_t rate)
{
	return n * PW_NS_S / rate;
}

/* When a bucket has a whole token. */
static uint64_t
token_at(uint64_t full_at, uint32_t rate)
{
	uint64_t saved = PW_NS_S - cost(1, rate);

	return full_at > saved ? full_at - saved : 0;
}

/*
 * Connections beyond the limit that are taken: their CONNECT tells whether they take the place of
 * an older connection of the same client, and who has none is told so. Whoever opens more is reset.
 */
static uint32_t
spare(uint32_t max)
{
	return max / 8 + 4;
}

static const struct pw_listener_conf *
conf_of(const struct pw_forward *f, const struct pw_session *s)
{
	return &f->set->listener[pw_session_account(f, s)->listener];
}

static uint32_t
or_all(uint32_t own, uint32_t all)
{
	return own != 0 ? own : all;
}

bool
pw_limits_any(const struct pw_forward_settings *set)
{
	bool any = set->limits.message_rate != 0 || set->limits.byte_rate != 0;

	for (uint32_t i = 0; i < set->nb_listeners; i++) {
		const struct pw_listener_conf *l = &set->listener[i];

		any |= (l->max_connections | l->connect_rate | l->message_rate | l->byte_rate |
			l->max_packet_size) != 0;
	}
	return any;
}

static bool
one_of(uint32_t *n, uint32_t max)
{
	if (__atomic_add_fetch(n, 1, __ATOMIC_RELAXED) <= max)
		return true;
	__atomic_sub_fetch(n, 1, __ATOMIC_RELAXED);
	return false;
}

bool
pw_limits_enter(struct pw_forward *f, uint32_t listener, bool *placed)
{
	struct pw_listener_use *use = &f->shared->listener[listener];
	uint32_t max = f->set->listener[listener].max_connections;

	*placed = false;
	if (max == 0)
		return true;
	if (!one_of(&use->connections, max + spare(max)))
		return false;
	*placed = one_of(&use->placed, max);
	return true;
}

void
pw_limits_leave(struct pw_forward *f, uint32_t listener, bool placed)
{
	struct pw_listener_use *use = &f->shared->listener[listener];

	if (f->set->listener[listener].max_connections == 0)
		return;
	if (placed)
		__atomic_sub_fetch(&use->placed, 1, __ATOMIC_RELAXED);
	__atomic_sub_fetch(&use->connections, 1, __ATOMIC_RELAXED);
}

static bool
try_place(struct pw_forward *f, struct pw_account *a)
{
	uint32_t max = f->set->listener[a->listener].max_connections;

	if (a->placed || max == 0)
		return true;
	a->placed = one_of(&f->shared->listener[a->listener].placed, max);
	return a->placed;
}

uint8_t
pw_limits_wanted(struct pw_forward *f, struct pw_session *s)
{
	struct pw_account *a = pw_session_account(f, s);

	return a == NULL || try_place(f, a) ? 0 : a->listener + 1;
}

bool
pw_limits_promise(struct pw_forward *f, struct pw_session *s, uint8_t place)
{
	struct pw_account *a = pw_session_account(f, s);

	if (place == 0)
		return true;
	if (a == NULL || !a->placed || a->listener + 1 != place)
		return false;
	a->promised = true;
	return true;
}

void
pw_limits_unpromise(struct pw_forward *f, struct pw_session *s)
{
	struct pw_account *a = pw_session_account(f, s);

	if (a == NULL || !a->promised)
		return;
	a->promised = false;
	if (s->conn == NULL)
		pw_limits_drop(f, pw_limits_pass(f, s));
}

uint8_t
pw_limits_pass(struct pw_forward *f, struct pw_session *s)
{
	struct pw_account *a = pw_session_account(f, s);

	if (a == NULL || !a->placed)
		return 0;
	a->placed = a->promised = false;
	return a->listener + 1;
}

void
pw_limits_drop(struct pw_forward *f, uint8_t place)
{
	if (place != 0)
		__atomic_sub_fetch(&f->shared->listener[place - 1].placed, 1, __ATOMIC_RELAXED);
}

bool
pw_limits_place(struct pw_forward *f, struct pw_session *s, uint8_t place)
{
	struct pw_account *a = pw_session_account(f, s);

	if (a == NULL)
		return true;
	if (!a->placed && place == a->listener + 1) {
		a->placed = true;
		return true;
	}
	pw_limits_drop(f, place);
	return try_place(f, a);
}

uint32_t
pw_limits_packet(const struct pw_forward *f, const struct pw_session *s)
{
	uint32_t all = f->set->limits.max_packet_size;

	return f->account != NULL ? or_all(conf_of(f, s)->max_packet_size, all) : all;
}

uint64_t
pw_limits_deadline(const struct pw_forward *f, uint32_t listener)
{
	return or_all(f->set->listener[listener].connect_deadline,
		      f->set->limits.connect_deadline) *
	       PW_NS_MS;
}

static bool
may_connect(struct pw_listener_use *use, uint32_t rate, uint64_t now)
{
	uint64_t full_at = __atomic_load_n(&use->full_at, __ATOMIC_RELAXED);

	do {
		if (token_at(full_at, rate) > now)
			return false;
	} while (!__atomic_compare_exchange_n(&use->full_at, &full_at,
					      RTE_MAX(full_at, now) + cost(1, rate), true,
					      __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	return true;
}

uint8_t
pw_limits_connect(struct pw_forward *f, struct pw_session *s, const char **why, uint64_t now)
{
	const struct pw_account *a = pw_session_account(f, s);
	uint32_t rate;

	if (a == NULL)
		return 0;
	rate = f->set->listener[a->listener].connect_rate;
	if (rate != 0 && !may_connect(&f->shared->listener[a->listener], rate, now)) {
		f->counters.connect_rate_exceeded++;
		*why = "its listener has more connects a second than connect_rate";
		return 0x9F; /* Connection rate exceeded */
	}
	return 0;
}

static uint32_t
message_rate(const struct pw_forward *f, const struct pw_session *s)
{
	return or_all(conf_of(f, s)->message_rate, f->set->limits.message_rate);
}

static uint32_t
byte_rate(const struct pw_forward *f, const struct pw_session *s)
{
	return or_all(conf_of(f, s)->byte_rate, f->set->limits.byte_rate);
}

void
pw_limits_spend(struct pw_forward *f, struct pw_session *s, uint8_t type, uint32_t bytes,
		uint64_t now)
{
	struct pw_account *a = pw_session_account(f, s);
	uint32_t rate;

	if (a == NULL)
		return;
	rate = message_rate(f, s);
	if (rate != 0 && type == PW_MQTT_PUBLISH)
		a->messages_at = RTE_MAX(a->messages_at, now) + cost(1, rate);
	rate = byte_rate(f, s);
	if (rate != 0)
		a->bytes_at = RTE_MAX(a->bytes_at, now) + cost(bytes, rate);
}

bool
pw_limits_paced(const struct pw_forward *f, const struct pw_session *s)
{
	return f->account != NULL && (message_rate(f, s) != 0 || byte_rate(f, s) != 0);
}

uint64_t
pw_limits_at(const struct pw_forward *f, const struct pw_session *s)
{
	const struct pw_account *a = pw_session_account(f, s);
	uint64_t at = 0;

	if (a == NULL)
		return 0;
	if (a->messages_at != 0 && message_rate(f, s) != 0)
		at = token_at(a->messages_at, message_rate(f, s));
	if (a->bytes_at >= PW_NS_S && byte_rate(f, s) != 0)
		at = RTE_MAX(at, a->bytes_at - PW_NS_S + 1);
	return at;
}
