/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <string.h>

#include <pubwire/forward/conf.h>

void
pw_forward_defaults(struct pw_forward_settings *s)
{
	memset(s, 0, sizeof(*s));
	snprintf(s->clientid_prefix, sizeof(s->clientid_prefix), "pubwire");
	s->lanes = 1u << PW_LANE_3 | 1u << PW_LANE_5;
	s->limits = (struct pw_limits_conf){
		.max_connections = 1024,
		.max_queued_messages = 8192,
		.max_packet_size = (1u << 20) + (64u << 10),
		.receive_maximum = 64,
		.topic_alias_maximum = 16,
		.connect_deadline = 10000,
		.max_keepalive = 1200,
		.max_session_expiry = 3600,
		.copy_break = 512,
		.drain_deadline = 5000,
	};
	for (uint32_t i = 0; i < PW_FORWARD_MAX_BROKERS; i++) {
		s->broker[i].keepalive_interval = 60000;
		s->broker[i].connect_timeout = 5000;
		s->broker[i].ack_timeout = 20000;
		s->broker[i].restart_base = 500;
		s->broker[i].restart_cap = 30000;
		s->broker[i].max_inflight_messages = 1024;
		s->broker[i].failover_delay = 5000;
		s->broker[i].failback_delay = 30000;
		s->broker[i].session_expiry_interval = 3600000;
	}
	for (uint32_t i = 0; i < PW_FORWARD_MAX_ROUTES; i++) {
		s->route[i].when_full_qos0 = PW_WHEN_FULL_DROP;
		s->route[i].when_full_qos1 = PW_WHEN_FULL_BLOCK;
		s->route[i].pool_size = 1;
	}
}
