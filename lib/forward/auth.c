/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who a device is. Its CONNECT stays in the receive queue while its password is verified elsewhere,
 * and is handled anew when the answer has come; so nothing is kept of it, and the client identifier
 * is claimed, and another session ended, only for who has proven to be allowed to.
 */
#include "session_pvt.h"

/* A secret that differs from that of client identifiers. */
#define DIGEST_KEY UINT64_C(0x70617373776f7264)

struct credentials {
	const uint8_t *name; /* in scratch */
	uint8_t password[PW_ACCESS_PASSWORD_MAX];
	uint32_t name_len, password_len;
};

/* False where no line of a password file can be meant. */
static bool
take_credentials(struct pw_forward *f, const struct pw_mqtt_buf *b, const struct pw_mqtt_connect *c,
		 struct credentials *out)
{
	if (!c->has_password || c->username.len > PW_ACCESS_NAME_MAX ||
	    c->password.len > PW_ACCESS_PASSWORD_MAX)
		return false;
	out->name_len = c->username.len;
	out->password_len = c->password.len;
	out->name = pw_mqtt_bytes(b, c->username, f->topic);
	pw_slices_copy(b->s, b->n, c->password.off, out->password, c->password.len);
	/* crypt(3) would take what stands before a zero byte for all of it. */
	return memchr(out->password, 0, out->password_len) == NULL;
}

static void
digest(const struct pw_forward *f, const struct credentials *c, uint64_t out[2])
{
	uint8_t text[1 + PW_ACCESS_NAME_MAX + PW_ACCESS_PASSWORD_MAX];
	struct pw_hash128 h;

	text[0] = (uint8_t)c->name_len;
	memcpy(text + 1, c->name, c->name_len);
	memcpy(text + 1 + c->name_len, c->password, c->password_len);
	h = pw_hash128(f->shared->conf.seed ^ DIGEST_KEY, text, 1 + c->name_len + c->password_len);
	out[0] = h.w[0];
	out[1] = h.w[1];
	explicit_bzero(text, sizeof(text));
}

/* Ask for the password to be verified. False where too many wait already. */
static bool
ask(struct pw_forward *f, struct pw_session *s, const struct credentials *c, uint64_t now)
{
	struct pw_account *a = pw_session_account(f, s);
	struct pw_auth_request r = {
		.session = pw_pool_handle(f->sessions, s),
		.deadline = now + pw_limits_deadline(f, a->listener),
		.user = a->user,
		.edition = f->edition->conf.number,
		.worker = (uint16_t)f->worker,
		.len = (uint16_t)c->password_len,
	};
	int rc;

	if (f->conf.authenticate == NULL || f->auth_waiting == PW_AUTH_WAITING)
		return false;
	memcpy(r.password, c->password, c->password_len);
	digest(f, c, r.digest);
	rc = f->conf.authenticate(f->conf.ctx, &r);
	explicit_bzero(r.password, sizeof(r.password));
	if (rc < 0)
		return false;
	f->auth_waiting++;
	a->auth = PW_AUTH_ASKED;
	s->state = PW_SESSION_AUTH;
	pw_wheel_arm(&f->session_wheel, &s->timer, r.deadline);
	return true;
}

static enum pw_taken
refuse(struct pw_forward *f, struct pw_session *s, uint8_t reason, const char *why, uint64_t now)
{
	f->counters.auth_refused++;
	return pw_session_connect_refuse(f, s, reason, why, now);
}

static enum pw_taken
wrong(struct pw_forward *f, struct pw_session *s, uint64_t now)
{
	return refuse(f, s, 0x86, "its user name or password is wrong", now);
}

static enum pw_taken
busy(struct pw_forward *f, struct pw_session *s, uint8_t reason, const char *why, uint64_t now)
{
	f->counters.auth_busy++;
	return pw_session_connect_refuse(f, s, reason, why, now);
}

bool
pw_session_proven(const struct pw_forward *f, const struct pw_session *s)
{
	const struct pw_account *a = pw_session_account(f, s);

	return a != NULL && a->auth == PW_AUTH_DONE;
}

enum pw_taken
pw_session_authenticate(struct pw_forward *f, struct pw_session *s, const struct pw_mqtt_buf *b,
			const struct pw_mqtt_connect *c, uint64_t now)
{
	const struct pw_access *access = f->access;
	struct pw_account *a = pw_session_account(f, s);
	struct credentials given;
	bool asked;

	if (access == NULL || pw_session_proven(f, s))
		return PW_TAKEN;
	a->user = PW_ACCESS_NOBODY;
	if (access->passwords && !c->has_username && !access->anonymous)
		return refuse(f, s, 0x87, "it names no user", now); /* Not authorized */
	if (!access->passwords || !c->has_username) {
		a->auth = PW_AUTH_DONE;
		return PW_TAKEN;
	}
	if (!take_credentials(f, b, c, &given))
		return wrong(f, s, now);
	/* A name that nobody has is asked for too: the time of the answer must not tell. */
	a->user = pw_access_find(access, given.name, given.name_len);
	asked = ask(f, s, &given, now);
	explicit_bzero(&given, sizeof(given));
	if (!asked)
		return busy(f, s, 0x89, "too many passwords wait to be verified", now);
	return PW_HOLD;
}

void
pw_forward_authenticated(struct pw_forward *f, const struct pw_auth_answer *answer, uint64_t now)
{
	struct pw_session *s = pw_pool_find(f->sessions, answer->session);
	struct pw_account *a;

	f->auth_waiting--;
	if (s == NULL || s->state != PW_SESSION_AUTH)
		return;
	a = pw_session_account(f, s);
	switch ((enum pw_auth_verdict)answer->verdict) {
	case PW_AUTH_GOOD:
		/* Of users who are others meanwhile it says nothing: the CONNECT asks again. */
		a->auth = a->auth == PW_AUTH_ASKED ? PW_AUTH_DONE : PW_AUTH_UNASKED;
		s->state = PW_SESSION_CONNECT;
		pw_session_wait(f, s, PW_LIST_WAITING);
		return;
	case PW_AUTH_BAD:
		(void)wrong(f, s, now);
		return;
	case PW_AUTH_BUSY:
		(void)busy(f, s, 0x89, "too many passwords wait to be verified", now);
		return;
	}
}

void
pw_session_auth_late(struct pw_forward *f, struct pw_session *s, uint64_t now)
{
	(void)busy(f, s, 0x88, "its password could not be verified in time", now);
}

void
pw_session_revoke(struct pw_forward *f, struct pw_session *s, uint64_t now)
{
	char name[PW_ADDR_STRLEN + 16];

	if (s->state == PW_SESSION_CLAIM) {
		(void)wrong(f, s, now);
		return;
	}
	f->counters.revoked++;
	PW_LOG_EVERY(&f->limit_device, now, forward, NOTICE,
		     "device %s: closed: its user name or password does not hold any more",
		     pw_session_name(s, name, sizeof(name)));
	pw_session_refuse(f, s, 0x87, now); /* Not authorized */
}

bool
pw_session_may_publish(const struct pw_forward *f, const struct pw_session *s, const uint8_t *topic,
		       uint32_t len)
{
	const struct pw_access *access = f->access;
	struct pw_access_who who = {.key = f->shared->conf.seed, .client = s->hash};
	const struct pw_account *a;

	if (access == NULL || !access->acl)
		return true;
	a = pw_session_account(f, s);
	if (a->auth == PW_AUTH_REVOKED)
		return false;
	who.user = a->user;
	return pw_access_may_publish(access, &who, topic, len);
}
