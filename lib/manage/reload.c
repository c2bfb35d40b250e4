/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One attempt at a time. It begins with what can be refused: the file, its keys, the password and
 * ACL files. Then nothing can fail any more but for memory: the authenticator goes over, the
 * workers are given the next edition, and once all have gone over what was in force is released.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <rte_common.h>

#include <pubwire/base/log.h>
#include <pubwire/manage/telemetry.h>

#include "reload_pvt.h"

const char *
pw_reload_state_str(enum pw_reload_state state)
{
#define TEXT(state, text) text,
	static const char *const texts[] = {PW_RELOAD_STATES(TEXT)};
#undef TEXT

	return texts[state];
}

void
reload_say(struct pw_reload_result *o, const char *fmt, ...)
{
	va_list ap;
	uint32_t at = o->nb_text++;

	if (at >= PW_RELOAD_LINES) {
		snprintf(o->text[PW_RELOAD_LINES - 1], PW_RELOAD_LINE_LEN, "and %u more",
			 at - PW_RELOAD_LINES + 2);
		return;
	}
	va_start(ap, fmt);
	vsnprintf(o->text[at], PW_RELOAD_LINE_LEN, fmt, ap);
	va_end(ap);
}

void
pw_reload_init(struct pw_reload *r, const struct pw_reload_conf *conf)
{
	*r = (struct pw_reload){
		.file = conf->file,
		.flags = conf->flags,
		.fleet = conf->fleet,
		.sources = conf->sources,
		.auth = conf->auth,
	};
	r->fit = conf->fit;
	r->ctx = conf->ctx;
	r->settings[0] = &conf->config->forward;
	r->settings[1] = &r->own[1];
	r->config[0] = conf->config;
	r->config[1] = &r->spare;
	r->access[0] = conf->access;
	r->access[1] = &r->spare_access;
	r->reserved = conf->config->tcp.reserve_active;
	r->accounts = pw_forward_accounts_bytes(&conf->config->forward,
						pw_config_has_access(conf->config)) != 0;
}

uint32_t
pw_reload_ask(struct pw_reload *r)
{
	uint32_t next = __atomic_load_n(&r->result.generation, __ATOMIC_RELAXED) + 1;

	__atomic_store_n(&r->wanted, next, __ATOMIC_RELAXED);
	return next;
}

/* Telemetry reads the result meanwhile. */
static void
publish(struct pw_reload *r, const struct pw_reload_result *o)
{
	pw_telemetry_pause();
	r->result = *o;
	pw_telemetry_resume();
}

static int
refuse(struct pw_reload *r, struct pw_reload_result *o)
{
	o->state = PW_RELOAD_REFUSED;
	for (uint32_t i = 0; i < o->nb_text && i < PW_RELOAD_LINES; i++)
		PW_LOG(manage, ERR, "reload: refused, nothing has changed: %s", o->text[i]);
	publish(r, o);
	return -EINVAL;
}

/* The files of the next configuration, and who of those in force is who in them. */
static int
load_access(struct pw_reload *r, const struct pw_config *fresh, struct pw_reload_result *o)
{
	struct pw_access_files *next = r->access[1 - r->at];
	char err[PW_RELOAD_LINE_LEN];
	int rc;

	if (!pw_config_has_access(fresh))
		return 0;
	rc = pw_access_load(next, &fresh->access, err, sizeof(err));
	if (rc != 0) {
		reload_say(o, "%s", err);
		return rc;
	}
	rc = pw_access_follow(next, r->access[r->at]);
	if (rc != 0)
		reload_say(o, "no memory for the users of the password file");
	return rc;
}

/* Settings for workers of what a file says; *to is one that nobody looks at. */
static int
settle(struct pw_reload *r, const struct pw_config *config, struct pw_reload_result *o)
{
	uint32_t next = 1 - r->settings_at;
	int rc = reload_places(&r->own[next], &config->forward, r->settings[r->settings_at],
			       pw_fleet_brokers(r->fleet));

	r->settings[next] = &r->own[next];
	if (rc != 0)
		reload_say(o,
			   "%s: more than %d brokers, with those that were removed and that "
			   "messages still wait for; try again when these are gone",
			   r->file, PW_FORWARD_MAX_BROKERS);
	else if (r->fit != NULL && (rc = r->fit(r->ctx, &r->own[next])) != 0)
		reload_say(o, "no memory for the status page of so many brokers and routes");
	return rc;
}

static void
say_why(struct pw_reload_result *o, int rc)
{
	switch (rc) {
	case -ENOMEM:
		reload_say(o, "no memory for the logs and connections of sets of brokers that are "
			      "new; reserve more hugepages, or name fewer sets");
		return;
	case -E2BIG:
		reload_say(o, "too many sets of brokers or routes, with those that were removed "
			      "and still deliver; try again when these are done");
		return;
	case -EHOSTUNREACH:
		reload_say(o, "a broker is behind a port that no worker of brokers serves: needs a "
			      "restart");
		return;
	default:
		reload_say(o, "workers cannot take it: %s", strerror(-rc));
	}
}

static int
hand_over(struct pw_reload *r, struct pw_reload_result *o)
{
	struct pw_config *config = r->config[1 - r->at];
	struct pw_access_files *next = r->access[1 - r->at];
	bool access = pw_config_has_access(config);
	const struct pw_edition_conf edition = {
		.settings = &r->own[1 - r->settings_at],
		.access = access ? &next->access : NULL,
		.users = next->same,
		.nb_users = next->nb_before,
		.number = r->edition + 1,
	};
	int rc = settle(r, config, o);

	if (rc != 0)
		return rc;
	/* Of users by older numbers than those in force, nothing is asked after this. */
	if (access && next->access.passwords)
		pw_auth_take_all(r->auth, r->fleet);
	rc = pw_fleet_renew(r->fleet, &edition);
	if (rc != 0) {
		say_why(o, rc);
		return rc;
	}
	if (access)
		pw_auth_switch(r->auth, next, edition.number);
	r->edition++;
	return 0;
}

static void
set_log_level(const struct pw_config *old, const struct pw_config *fresh)
{
	uint32_t level = pw_config_log_level(fresh);

	for (uint32_t i = 0; level != pw_config_log_level(old) && i < PW_LOG_TYPE_MAX; i++)
		pw_log_set_level(i, level);
}

static void
begin(struct pw_reload *r)
{
	static struct pw_config fresh;	  /* large */
	static struct pw_reload_result o; /* likewise */
	const struct pw_config *old = r->config[r->at];
	char err[PW_RELOAD_LINE_LEN];
	int rc;

	memset(&o, 0, sizeof(o));
	o.state = PW_RELOAD_RUNNING;
	o.generation = __atomic_load_n(&r->wanted, __ATOMIC_RELAXED);
	publish(r, &o);
	if (r->stopping) {
		reload_say(&o, "pubwire is stopping");
		(void)refuse(r, &o);
		return;
	}
	if (pw_config_load_as(&fresh, r->file, r->flags, err, sizeof(err)) != 0) {
		reload_say(&o, "%s", err);
		(void)refuse(r, &o);
		return;
	}
	if (reload_compare(r, old, &fresh, &o) > 0) {
		(void)refuse(r, &o);
		return;
	}
	rc = load_access(r, &fresh, &o);
	if (rc == 0) {
		/* Names of ports are read in what the program began with. */
		pw_telemetry_pause();
		*r->config[1 - r->at] = fresh;
		pw_telemetry_resume();
		rc = hand_over(r, &o);
	}
	if (rc != 0) {
		pw_access_unload(r->access[1 - r->at]);
		(void)refuse(r, &o);
		return;
	}
	set_log_level(old, &fresh);
	publish(r, &o);
}

/* Every worker has gone over; then nobody else looks at what was in force. */
static void
let_go(struct pw_reload *r)
{
	r->settings_at = 1 - r->settings_at;
	pw_telemetry_pause();
	r->sources->settings = r->settings[r->settings_at];
	pw_fleet_release(r->fleet);
	pw_telemetry_resume();
	if (r->fit != NULL)
		(void)r->fit(r->ctx, r->sources->settings);
}

static void
end(struct pw_reload *r)
{
	static struct pw_reload_result o; /* large */
	uint32_t old = r->at;

	o = r->result;
	r->at = 1 - old;
	let_go(r);
	pw_access_unload(r->access[old]);
	o.state = PW_RELOAD_DONE;
	if (o.nb_changed == 0)
		reload_say(&o, "%s says what was in force", r->file);
	else
		reload_say(&o, "%s is in force: %u %s", r->file, o.nb_changed,
			   o.nb_changed == 1 ? "key differs" : "keys differ");
	PW_LOG(manage, NOTICE, "reload: %s", o.text[0]);
	for (uint32_t i = 0; i < o.nb_changed && i < PW_RELOAD_LINES; i++)
		PW_LOG(manage, NOTICE, "reload: changed: %s", o.changed[i]);
	publish(r, &o);
}

bool
pw_reload_wanted(const struct pw_reload *r)
{
	return r->result.state != PW_RELOAD_RUNNING &&
	       __atomic_load_n(&r->wanted, __ATOMIC_RELAXED) > r->result.generation;
}

/* Logs and brokers that have retired: workers go over to what is in force without them. */
static void
clean(struct pw_reload *r)
{
	static struct pw_reload_result unsaid; /* large */
	const struct pw_config *config = r->config[r->at];
	const struct pw_edition_conf edition = {
		.settings = &r->own[1 - r->settings_at],
		.access = pw_config_has_access(config) ? &r->access[r->at]->access : NULL,
		.number = r->edition,
	};

	if (r->cleaning) {
		if (!pw_fleet_renewed(r->fleet))
			return;
		r->cleaning = false;
		let_go(r);
		PW_LOG(manage, INFO, "reload: what was removed has delivered what it held");
		return;
	}
	if (!pw_fleet_retired(r->fleet))
		return;
	unsaid.nb_text = 0;
	r->cleaning = settle(r, config, &unsaid) == 0 && pw_fleet_renew(r->fleet, &edition) == 0;
}

bool
pw_reload_serve(struct pw_reload *r)
{
	if (r->result.state == PW_RELOAD_RUNNING) {
		if (!pw_fleet_renewed(r->fleet))
			return false;
		end(r);
		return true;
	}
	clean(r);
	if (r->cleaning || !pw_reload_wanted(r))
		return false;
	begin(r);
	return true;
}

void
pw_reload_fini(struct pw_reload *r)
{
	for (uint32_t i = 0; i < 2; i++) {
		if (r->access[i] != NULL)
			pw_access_unload(r->access[i]);
	}
}
