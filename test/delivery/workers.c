/* SPDX-License-Identifier: BSD-3-Clause */
/* pubwire in this world: a stack and a forward for each worker, and the rings between them. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_common.h>

#include "world.h"

#define TURNS 200 /* of the poll loops at one moment */

struct place {
	struct world *w;
	uint32_t worker;
};

static struct place place[WORKERS];

uint64_t
worker_clock(const struct world *w, uint32_t k)
{
	return k == 0 ? w->now : w->now - w->plan.behind;
}

static int
post(void *ctx, uint32_t worker, const struct pw_forward_msg *msg)
{
	struct world *w = ((struct place *)ctx)->w;

	if (w->post_tail - w->post_head == POSTS ||
	    (!w->calm && sim_rng_chance(&w->dice, w->plan.post_full)))
		return -ENOBUFS;
	w->post[w->post_tail % POSTS].worker = worker;
	w->post[w->post_tail++ % POSTS].msg = *msg;
	return 0;
}

static int
source(void *ctx, const struct pw_addr *dst, struct pw_addr *src)
{
	RTE_SET_USED(dst);
	*src = wire_worker(((struct place *)ctx)->worker);
	return 0;
}

static int
authenticate(void *ctx, const struct pw_auth_request *r)
{
	return access_ask(((struct place *)ctx)->w, r);
}

static struct pw_tcp *
stack(struct world *w, const char *name, uint64_t seed, bool worker, uint64_t now)
{
	struct pw_tcp_conf conf = {
		.name = name,
		.max_conns = 256,
		.max_tx_slices = 8192,
		.rx_window = worker ? w->plan.rx_window : 131072,
		.rx_copy_break = worker ? w->plan.rx_copy_break : 0,
		.msl_ms = 2000,
		.seed = seed,
		.mem = &w->mem,
		.hooks = {.ctx = w, .output = wire_output, .path = wire_path},
		.socket = SOCKET_ID_ANY,
	};

	return pw_tcp_create(&conf, now);
}

static int
worker_up(struct world *w, uint32_t k)
{
	static const char *const name[WORKERS] = {"worker0", "worker1"};
	struct pw_forward_conf conf = {
		.shared = w->shared,
		.worker = k,
		.mem = &w->mem,
		.seed = w->plan.seed + k + w->restarted_at,
		.ctx = &place[k],
		.post = post,
		.authenticate = authenticate,
		.source = source,
		.socket = SOCKET_ID_ANY,
	};

	place[k] = (struct place){w, k};
	conf.tcp = w->worker_tcp[k] = stack(w, name[k], w->plan.seed + 10 + k + w->restarted_at,
					    true, worker_clock(w, k));
	if (conf.tcp == NULL)
		return -ENOMEM;
	w->forward[k] = pw_forward_create(&conf, worker_clock(w, k));
	if (w->forward[k] == NULL)
		return -ENOMEM;
	/* Each has an address of its own here, which it reads when it begins to listen. */
	w->set.listener[0].address = wire_worker(k);
	pw_forward_poll(w->forward[k], worker_clock(w, k));
	return 0;
}

int
models_up(struct world *w)
{
	w->device_tcp = stack(w, "devices", w->plan.seed + 1, false, w->now);
	w->broker_tcp = stack(w, "brokers", w->plan.seed + 2, false, w->now);
	return w->device_tcp == NULL || w->broker_tcp == NULL ? -ENOMEM : 0;
}

int
workers_up(struct world *w)
{
	struct pw_forward_shared_conf conf = {
		.settings = &w->set, .nb_workers = w->plan.nb_workers, .seed = w->plan.seed};
	int rc = 0;

	if (w->plan.passwords)
		conf.access = access_tables();
	conf.buffers = w->plan.buffers;
	for (uint32_t k = 0; k < w->plan.nb_workers; k++) {
		conf.role[k] = w->plan.role[k];
		conf.socket[k] = SOCKET_ID_ANY;
	}
	w->shared = pw_forward_shared_create(&conf);
	if (w->shared == NULL)
		return -ENOMEM;
	for (uint32_t k = 0; k < w->plan.nb_workers && rc == 0; k++)
		rc = worker_up(w, k);
	return rc;
}

void
workers_down(struct world *w)
{
	for (uint32_t k = 0; k < WORKERS; k++) {
		if (w->forward[k] != NULL)
			pw_forward_destroy(w->forward[k], worker_clock(w, k));
		w->forward[k] = NULL;
	}
	for (uint32_t k = 0; k < WORKERS; k++) {
		if (w->worker_tcp[k] != NULL)
			pw_tcp_destroy(w->worker_tcp[k]);
		w->worker_tcp[k] = NULL;
	}
	if (w->shared != NULL)
		pw_forward_shared_destroy(w->shared);
	w->shared = NULL;
	reload_forget(w);
	w->post_head = w->post_tail = 0;
}

/* What was posted to a worker until now; its answers come with the next turn. */
static void
receive(struct world *w, uint32_t k)
{
	for (uint32_t n = w->post_tail - w->post_head; n > 0; n--) {
		struct post *p = &w->post[w->post_head++ % POSTS];

		if (p->worker == k) {
			struct pw_forward_msg msg = p->msg;

			pw_forward_receive(w->forward[k], &msg, worker_clock(w, k));
		} else {
			w->post[w->post_tail++ % POSTS] = *p;
		}
	}
}

bool
workers_turn(struct world *w)
{
	uint32_t turns = 0, work;

	do {
		work = 0;
		pw_tcp_dispatch(w->device_tcp, w->now);
		pw_tcp_dispatch(w->broker_tcp, w->now);
		for (uint32_t k = 0; k < w->plan.nb_workers; k++) {
			uint64_t now = worker_clock(w, k);

			pw_tcp_dispatch(w->worker_tcp[k], now);
			receive(w, k);
			work += pw_forward_poll(w->forward[k], now);
			pw_tcp_flush(w->worker_tcp[k], now);
		}
		pw_tcp_flush(w->device_tcp, w->now);
		pw_tcp_flush(w->broker_tcp, w->now);
	} while ((work > 0 || w->post_head != w->post_tail) && ++turns < TURNS);
	return work > 0 || w->post_head != w->post_tail;
}

uint64_t
workers_next(const struct world *w)
{
	uint64_t at = RTE_MIN(pw_tcp_next(w->device_tcp), pw_tcp_next(w->broker_tcp));

	for (uint32_t k = 0; k < w->plan.nb_workers; k++) {
		uint64_t next =
			RTE_MIN(pw_tcp_next(w->worker_tcp[k]), pw_forward_next(w->forward[k]));

		if (next != NEVER)
			at = RTE_MIN(at, next + (k == 0 ? 0 : w->plan.behind));
	}
	return at;
}

void
workers_advance(struct world *w)
{
	pw_tcp_advance(w->device_tcp, w->now);
	pw_tcp_advance(w->broker_tcp, w->now);
	for (uint32_t k = 0; k < w->plan.nb_workers; k++) {
		pw_tcp_advance(w->worker_tcp[k], worker_clock(w, k));
		pw_forward_advance(w->forward[k], worker_clock(w, k));
	}
}
