/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * crypt(3) is slow on purpose. So what it found is remembered, as keyed digests of name and
 * password: a user's right password for ever, wrong ones until others take their place (a device
 * with a wrong password comes back every few seconds). What nothing is remembered of waits in a
 * bounded queue, and those behind it whose answer is known do not wait with it.
 */
#include <crypt.h>
#include <string.h>

#include <rte_common.h>

#include <pubwire/manage/access.h>

#define BURST 32

PW_COUNTER_DESCRIBE(pw_auth_counters, PW_AUTH_COUNTERS);

static void
count(uint64_t *counter)
{
	__atomic_store_n(counter, *counter + 1, __ATOMIC_RELAXED);
}

static bool
same(const uint64_t a[2], const uint64_t b[2])
{
	return a[0] == b[0] && a[1] == b[1];
}

static uint64_t *
refused_at(struct pw_authenticator *a, const uint64_t digest[2])
{
	return a->refused[digest[0] % PW_AUTH_REFUSED];
}

void
pw_auth_init(struct pw_authenticator *a, const struct pw_access_files *files)
{
	a->files = files;
	a->head = a->tail = 0;
}

static void
renumber(const struct pw_authenticator *a, struct pw_auth_request *r)
{
	if (r->edition == a->edition)
		return;
	r->edition = a->edition;
	if (r->user != PW_ACCESS_NOBODY)
		r->user =
			r->user < a->files->nb_before ? a->files->named[r->user] : PW_ACCESS_NOBODY;
}

static bool
remembered(struct pw_authenticator *a, const struct pw_auth_request *r,
	   enum pw_auth_verdict *verdict)
{
	if (r->user != PW_ACCESS_NOBODY && same(a->files->good[r->user], r->digest))
		*verdict = PW_AUTH_GOOD;
	else if (same(refused_at(a, r->digest), r->digest))
		*verdict = PW_AUTH_BAD;
	else
		return false;
	count(&a->counters.remembered);
	if (*verdict == PW_AUTH_BAD)
		count(&a->counters.wrong);
	return true;
}

bool
pw_auth_take(struct pw_authenticator *a, struct pw_auth_request *r, enum pw_auth_verdict *verdict)
{
	renumber(a, r);
	if (remembered(a, r, verdict))
		return true;
	if (a->tail - a->head == PW_AUTH_QUEUE) {
		count(&a->counters.full);
		*verdict = PW_AUTH_BUSY;
		return true;
	}
	a->queue[a->tail % PW_AUTH_QUEUE] = *r;
	__atomic_store_n(&a->tail, a->tail + 1, __ATOMIC_RELAXED);
	return false;
}

/* As long for hashes that differ in the first character as for those that differ in the last. */
static bool
equal(const char *a, const char *b)
{
	size_t n = strlen(a);
	unsigned char diff = 0;

	if (strlen(b) != n)
		return false;
	for (size_t i = 0; i < n; i++)
		diff |= (unsigned char)(a[i] ^ b[i]);
	return diff == 0;
}

/* For a name that nobody has, the first user's hash takes the time that an answer takes. */
static bool
right(struct pw_authenticator *a, const struct pw_auth_request *r)
{
	static struct crypt_data data; /* large */
	const struct pw_access *access = &a->files->access;
	const char *hash = access->user[r->user != PW_ACCESS_NOBODY ? r->user : 0].hash, *got;
	char text[PW_ACCESS_PASSWORD_MAX + 1];
	bool good;

	memcpy(text, r->password, r->len);
	text[r->len] = '\0';
	got = crypt_r(text, hash, &data);
	good = got != NULL && equal(got, hash);
	count(&a->counters.verified);
	explicit_bzero(text, sizeof(text));
	explicit_bzero(&data, sizeof(data));
	return good && r->user != PW_ACCESS_NOBODY;
}

bool
pw_auth_step(struct pw_authenticator *a, uint64_t now, struct pw_auth_request *r,
	     enum pw_auth_verdict *verdict)
{
	struct pw_auth_request *oldest = &a->queue[a->head % PW_AUTH_QUEUE];

	if (a->head == a->tail)
		return false;
	*r = *oldest;
	explicit_bzero(oldest, sizeof(*oldest));
	__atomic_store_n(&a->head, a->head + 1, __ATOMIC_RELAXED);
	if (remembered(a, r, verdict))
		return true;
	if (r->deadline <= now) {
		count(&a->counters.late);
		*verdict = PW_AUTH_BUSY; /* to nobody */
		return true;
	}
	*verdict = right(a, r) ? PW_AUTH_GOOD : PW_AUTH_BAD;
	if (*verdict == PW_AUTH_BAD)
		count(&a->counters.wrong);
	memcpy(*verdict == PW_AUTH_GOOD ? a->files->good[r->user] : refused_at(a, r->digest),
	       r->digest, sizeof(r->digest));
	return true;
}

static void
answer(struct pw_fleet *f, const struct pw_auth_request *r, enum pw_auth_verdict verdict)
{
	struct pw_auth_answer out = {.session = r->session, .verdict = verdict};

	pw_fleet_auth_put(f, r->worker, &out);
}

static struct pw_auth_request burst[BURST];

void
pw_auth_take_all(struct pw_authenticator *a, struct pw_fleet *f)
{
	struct pw_auth_request *r = burst;
	enum pw_auth_verdict verdict;
	uint32_t n;

	do {
		n = pw_fleet_auth_get(f, r, BURST);
		for (uint32_t i = 0; i < n; i++) {
			if (pw_auth_take(a, &r[i], &verdict))
				answer(f, &r[i], verdict);
		}
	} while (n == BURST);
	explicit_bzero(burst, sizeof(burst));
}

void
pw_auth_switch(struct pw_authenticator *a, const struct pw_access_files *next, uint32_t edition)
{
	a->files = next;
	a->edition = edition;
	for (uint32_t i = a->head; i != a->tail; i++)
		renumber(a, &a->queue[i % PW_AUTH_QUEUE]);
	/* What was wrong may be right. */
	explicit_bzero(a->refused, sizeof(a->refused));
}

bool
pw_auth_serve(struct pw_authenticator *a, struct pw_fleet *f)
{
	struct pw_auth_request r;
	enum pw_auth_verdict verdict;

	pw_auth_take_all(a, f);
	if (pw_auth_step(a, pw_clock_now(), &r, &verdict))
		answer(f, &r, verdict);
	explicit_bzero(&r, sizeof(r));
	return a->head != a->tail;
}
