/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>

#include <rte_errno.h>
#include <rte_malloc.h>

#include "forward_pvt.h"

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
	    set->limits.receive_maximum > 65535 || set->limits.max_connections == 0 ||
	    set->limits.max_packet_size < 256)
		return -EINVAL;
	return 0;
}

struct pw_flog *
pw_shared_log(const struct pw_forward_shared *s, uint32_t ordinal, enum pw_lane lane)
{
	return s->settings->lanes & 1u << lane ? &s->log[ordinal * PW_LANE_MAX + lane] : NULL;
}

static int
create_logs(struct pw_forward_shared *s)
{
	const struct pw_forward_settings *set = s->settings;
	char name[32];

	for (uint32_t i = 0; i < s->nb_device_workers; i++) {
		uint32_t worker = s->device_worker[i];

		for (uint32_t lane = 0; lane < PW_LANE_MAX; lane++) {
			struct pw_flog *l = pw_shared_log(s, i, lane);
			int rc;

			if (l == NULL)
				continue;
			l->worker = worker;
			l->server = server_of(s, i);
			l->lane = lane;
			snprintf(name, sizeof(name), "fwd%u.w%u.l%u", s->id, worker, lane);
			rc = pw_flog_init(l, name, set->limits.max_queued_messages, set->nb_brokers,
					  l->server != worker, s->conf.socket[worker]);
			if (rc < 0)
				return rc;
		}
	}
	return 0;
}

struct pw_forward_shared *
pw_forward_shared_create(const struct pw_forward_shared_conf *conf)
{
	static uint32_t ids;
	struct pw_forward_shared *s = rte_zmalloc("pw_forward_shared", sizeof(*s), 0);
	int rc = -ENOMEM;

	if (s == NULL)
		goto fail;
	s->settings = conf->settings;
	s->conf = *conf;
	s->id = __atomic_fetch_add(&ids, 1, __ATOMIC_RELAXED);
	rc = roles(s, conf);
	if (rc == 0)
		rc = sane(conf->settings);
	if (rc == 0)
		rc = pw_routes_compile(&s->routes, conf->settings);
	if (rc < 0)
		goto fail;
	s->log = rte_zmalloc("pw_flogs",
			     (size_t)s->nb_device_workers * PW_LANE_MAX * sizeof(*s->log),
			     RTE_CACHE_LINE_SIZE);
	rc = s->log != NULL ? create_logs(s) : -ENOMEM;
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
	for (uint32_t i = 0; s->log != NULL && i < s->nb_device_workers * PW_LANE_MAX; i++)
		(void)pw_flog_fini(&s->log[i]);
	rte_free(s->log);
	rte_free(s);
}
