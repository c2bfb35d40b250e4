/* SPDX-License-Identifier: BSD-3-Clause */
/* Active open, and the choice of a port for it. */
#include <errno.h>

#include "stack_pvt.h"

#define EPHEMERAL_FIRST 49152 /* RFC 6335 6 */
#define EPHEMERAL_COUNT 16384

static bool
in_use(struct pw_tcp *t, const struct pw_flow *flow)
{
	uint64_t print = pw_tcp_flow_print(t, flow);

	return pw_tcp_table_find(t, flow, (uint32_t)print) != NULL ||
	       pw_tcp_tw_find(t, print) != NULL;
}

/*
 * RFC 6056 3.3.3: start at a place that only we and this destination share, then walk. The hook
 * walks in its own way; attempt says how often it was turned down.
 */
static int
choose_port(struct pw_tcp *t, struct pw_flow *flow)
{
	struct pw_flow key = *flow;
	uint32_t start;

	key.lport = 0;
	start = (uint32_t)pw_siphash24(&t->key_isn, &key, sizeof(key)) + t->port_offset;
	for (uint32_t i = 0; i < EPHEMERAL_COUNT; i++) {
		if (t->conf.hooks.choose_port != NULL) {
			int rc = t->conf.hooks.choose_port(t->conf.hooks.ctx, flow, i);

			if (rc < 0)
				return rc;
		} else {
			flow->lport = (uint16_t)(EPHEMERAL_FIRST + (start + i) % EPHEMERAL_COUNT);
		}
		if (!in_use(t, flow)) {
			t->port_offset += i + 1;
			return 0;
		}
	}
	return -EADDRNOTAVAIL;
}

int
pw_tcp_connect(struct pw_tcp *t, const struct pw_flow *flow, const struct pw_tcp_ops *ops,
	       void *ctx, uint64_t user, struct pw_tcp_conn **out, uint64_t now)
{
	struct pw_flow f = *flow;
	struct pw_tcp_conn *c;
	struct pw_tcp_path to;
	int rc;

	tcp_set_now(t, now);
	if (t->closing)
		return -ENOMEM;
	if (!t->in_upcall)
		pw_tcp_conn_reap(t);
	if (pw_tcp_way(t, &f.remote, &to) < 0)
		return -EHOSTUNREACH;
	if (f.lport == 0) {
		rc = choose_port(t, &f);
		if (rc < 0)
			return rc;
	}
	if (in_use(t, &f))
		return -EADDRINUSE;
	c = pw_tcp_conn_new(t, &f, pw_tcp_flow_hash(t, &f), &to);
	if (c == NULL)
		return -ENOMEM;
	c->ops = ops;
	c->ctx = ctx;
	c->user = user;
	c->flags |= CONN_OWNED;
	c->snd_una = pw_tcp_isn(t, &f);
	c->snd_max = c->snd_una;
	t->count.active_opens++;
	pw_tcp_conn_state(c, PW_TCP_SYN_SENT);
	(void)pw_tcp_send_syn(t, c);
	pw_tcp_timer_update(t, c);
	*out = c;
	return 0;
}
