/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>

#include <rte_errno.h>
#include <rte_malloc.h>

#include "edition_pvt.h"
#include "session_pvt.h"

static int
roles(struct pw_forward_shared *s, const struct pw_forward_shared_conf *conf)
{
	if (conf->nb_workers == 0 || conf->nb_workers > PW_FORWARD_MAX_WORKERS)
		return -EINVAL;
	for (uint32_t i = 0; i < conf->nb_workers; i++) {
		if (conf->role[i] & PW_ROLE_DEVICES)
			s->device_worker[s->nb_device_workers++] = i;
		if (conf->role[i] & PW_ROLE_BROKERS)
			s->nb_broker_workers++;
	}
	return s->nb_device_workers == 0 || s->nb_broker_workers == 0 ? -EINVAL : 0;
}

bool
pw_accounts_needed(const struct pw_forward_shared *s)
{
	return s->accounts;
}

/* The worker that serves the log of a device worker, see forward.h. */
static uint32_t
server_of(const struct pw_forward_shared *s, uint32_t ordinal)
{
	uint32_t worker = s->device_worker[ordinal], n = ordinal % s->nb_broker_workers;

	if (s->conf.role[worker] & PW_ROLE_BROKERS)
		return worker;
	for (uint32_t i = 0; i < s->conf.nb_workers; i++) {
		if ((s->conf.role[i] & PW_ROLE_BROKERS) && n-- == 0)
			return i;
	}
	return worker;
}

static int
sane(const struct pw_forward_settings *set)
{
	uint32_t cap = set->limits.max_queued_messages;

	if (cap < 2 || cap > 32768 || (cap & (cap - 1)) != 0)
		return -EINVAL;
	if (set->nb_brokers == 0 || set->nb_brokers > PW_FORWARD_MAX_BROKERS ||
	    set->nb_listeners > PW_FORWARD_MAX_LISTENERS || set->lanes == 0 ||
	    set->lanes >> PW_LANE_MAX != 0 || set->limits.receive_maximum == 0 ||
	    set->limits.receive_maximum > 65535 || set->limits.topic_alias_maximum > 65535 ||
	    set->limits.max_connections == 0 || set->limits.max_packet_size < 256)
		return -EINVAL;
	return 0;
}

/* The logs of a set of brokers for one device worker and lane, one for each connection of the pool.
 */
static int
create_set(struct pw_forward_shared *s, uint32_t ordinal, enum pw_lane lane, uint32_t set)
{
	const struct pw_routes *routes = &s->edition->routes;
	const struct pw_forward_settings *settings = s->conf.settings;
	const struct pw_set *t = &routes->set[set];
	uint32_t worker = s->device_worker[ordinal];
	char name[32];

	for (uint32_t pool = 0; pool < t->pool_size; pool++) {
		uint32_t number = t->first_log + pool;
		struct pw_flog *l =
			&s->log[(ordinal * PW_LANE_MAX + lane) * routes->nb_logs + number];
		int rc;

		l->worker = worker;
		l->server = server_of(s, ordinal);
		l->lane = lane;
		l->number = (uint16_t)number;
		l->set = (uint16_t)set;
		l->pool = (uint16_t)pool;
		snprintf(name, sizeof(name), "fwd%u.w%u.l%u.%u", s->id, worker, lane, number);
		rc = pw_flog_init(l, name, settings->limits.max_queued_messages, t->brokers,
				  l->server != worker, s->conf.socket[worker]);
		if (rc < 0)
			return rc;
		for (uint32_t m = t->brokers; m != 0; m &= m - 1) {
			const struct pw_broker_conf *b = &settings->broker[__builtin_ctz(m)];
			struct pw_broker_use *use = &s->use[__builtin_ctz(m)];

			/* Three hung brokers make a shortage, one does not. */
			if (b->hold_bytes == 0 && s->conf.buffers != 0)
				use->max = RTE_MAX(s->conf.buffers / 4, 1u);
			use->logs++;
			l->bounded |= b->hold_messages != 0 || b->hold_bytes != 0 || use->max != 0;
		}
	}
	return 0;
}

static int
create_logs(struct pw_forward_shared *s)
{
	const struct pw_routes *routes = &s->edition->routes;
	int rc = 0;

	s->nb_logs = s->nb_device_workers * PW_LANE_MAX * routes->nb_logs;
	s->log = rte_zmalloc("pw_flogs", RTE_MAX(s->nb_logs, 1u) * sizeof(*s->log),
			     RTE_CACHE_LINE_SIZE);
	if (s->log == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < s->nb_device_workers; i++) {
		for (uint32_t lane = 0; lane < PW_LANE_MAX; lane++) {
			if (!(s->conf.settings->lanes & 1u << lane))
				continue;
			for (uint32_t set = 0; rc == 0 && set < routes->nb_sets; set++)
				rc = create_set(s, i, lane, set);
		}
	}
	return rc;
}

struct pw_forward_shared *
pw_forward_shared_create(const struct pw_forward_shared_conf *conf)
{
	static uint32_t ids;
	struct pw_forward_shared *s =
		rte_zmalloc("pw_forward_shared", sizeof(*s), RTE_CACHE_LINE_SIZE);
	const struct pw_edition_conf first = {
		.settings = conf->settings,
		.access = conf->access,
	};
	int rc = -ENOMEM;

	if (s == NULL)
		goto fail;
	s->conf = *conf;
	s->id = __atomic_fetch_add(&ids, 1, __ATOMIC_RELAXED);
	rc = roles(s, conf);
	if (rc == 0)
		rc = sane(conf->settings);
	s->accounts = conf->access != NULL || pw_limits_any(conf->settings);
	if (rc == 0)
		s->edition = pw_edition_create(&first, &rc);
	if (rc < 0)
		goto fail;
	rc = create_logs(s);
	if (rc == 0)
		return s;
fail:
	pw_forward_shared_destroy(s);
	rte_errno = -rc;
	return NULL;
}

void
pw_forward_shared_destroy(struct pw_forward_shared *s)
{
	if (s == NULL)
		return;
	for (uint32_t i = 0; s->log != NULL && i < s->nb_logs; i++)
		(void)pw_flog_fini(&s->log[i]);
	rte_free(s->log);
	rte_free(s->edition);
	rte_free(s->next);
	rte_free(s);
}
