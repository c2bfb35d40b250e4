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
		s->edition = pw_edition_create(s, &first, &rc);
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
	if (s->next != NULL)
		pw_edition_free(s, s->next, s->edition);
	if (s->edition != NULL)
		pw_edition_free(s, s->edition, NULL);
	rte_free(s);
}
