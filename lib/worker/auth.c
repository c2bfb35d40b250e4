/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Passwords go to the main lcore to be verified, and answers come back, on a pair of rings for each
 * device worker. A worker has at most PW_AUTH_WAITING requests without an answer, and a ring holds
 * as many, so neither ring is ever full.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include <rte_lcore.h>

#include "worker_pvt.h"

#define ANSWERS 16

int
fleet_auth_create(struct pw_fleet *f, const struct pw_fleet_conf *conf)
{
	char name[RTE_RING_NAMESIZE];
	int rc = 0;

	if (conf->access == NULL || !conf->access->passwords)
		return 0;
	for (uint32_t i = 0; i < f->nb_workers && rc == 0; i++) {
		struct worker *w = f->worker[i];
		int socket = (int)rte_lcore_to_socket_id(w->lcore);

		if (!(w->role & PW_ROLE_DEVICES))
			continue;
		snprintf(name, sizeof(name), "pw_auth_q_%u", i);
		rc = pw_ring_create(&w->auth_asked, name, sizeof(struct pw_auth_request),
				    PW_AUTH_WAITING, socket);
		if (rc < 0)
			break;
		snprintf(name, sizeof(name), "pw_auth_a_%u", i);
		rc = pw_ring_create(&w->auth_answered, name, sizeof(struct pw_auth_answer),
				    PW_AUTH_WAITING, socket);
	}
	return rc;
}

void
worker_auth_destroy(struct worker *w)
{
	struct pw_auth_request r;
	struct pw_auth_answer a;

	while (w->auth_asked.r != NULL && pw_ring_get(&w->auth_asked, &r, 1) == 1)
		;
	while (w->auth_answered.r != NULL && pw_ring_get(&w->auth_answered, &a, 1) == 1)
		;
	pw_ring_destroy(&w->auth_asked);
	pw_ring_destroy(&w->auth_answered);
}

int
worker_authenticate(void *ctx, const struct pw_auth_request *r)
{
	struct worker *w = ctx;

	if (w->auth_asked.r == NULL || pw_ring_put(&w->auth_asked, r, 1) == 0)
		return -ENOBUFS;
	return 0;
}

uint32_t
worker_read_answers(struct worker *w, uint64_t now)
{
	struct pw_auth_answer a[ANSWERS];
	uint32_t n;

	if (w->auth_answered.r == NULL)
		return 0;
	n = pw_ring_get(&w->auth_answered, a, ANSWERS);
	for (uint32_t i = 0; i < n; i++)
		pw_forward_authenticated(w->forward, &a[i], now);
	return n;
}

uint32_t
pw_fleet_auth_get(struct pw_fleet *f, struct pw_auth_request *out, uint32_t max)
{
	uint32_t n = 0, start = f->auth_turn++;

	for (uint32_t i = 0; i < f->nb_workers && n < max; i++) {
		struct worker *w = f->worker[(start + i) % f->nb_workers];

		if (w->auth_asked.r != NULL)
			n += pw_ring_get(&w->auth_asked, out + n, max - n);
	}
	return n;
}

void
pw_fleet_auth_put(struct pw_fleet *f, uint32_t worker, const struct pw_auth_answer *a)
{
	uint32_t n = pw_ring_put(&f->worker[worker]->auth_answered, a, 1);

	assert(n == 1);
	RTE_SET_USED(n);
	fleet_ring(f, UINT64_C(1) << worker);
}
