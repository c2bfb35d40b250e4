/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include <rte_mbuf.h>

#include "hooks.h"

#define IP_LEN 20

int
hook_lost(void *ctx, const struct pw_flow *flow, struct rte_mbuf *m, uint64_t at)
{
	(void)ctx;
	(void)flow;
	(void)at;
	rte_pktmbuf_free(m);
	return 0;
}

int
hook_path(void *ctx, const struct pw_addr *dst, struct pw_tcp_path *to)
{
	(void)ctx;
	(void)dst;
	to->mtu = 1500;
	to->max_segs = 40;
	return 0;
}

int
hook_source(void *ctx, const struct pw_addr *dst, struct pw_addr *src)
{
	(void)ctx;
	*src = *dst;
	return 0;
}

struct rte_mbuf *
hook_arrives(struct rte_mempool *pool, const struct pw_flow *flow, const struct rte_mbuf *m)
{
	struct rte_mbuf *copy = rte_pktmbuf_alloc(pool);
	uint8_t *p;

	if (copy == NULL)
		return NULL;
	p = (uint8_t *)rte_pktmbuf_append(copy, (uint16_t)(IP_LEN + m->pkt_len));
	if (p == NULL) {
		rte_pktmbuf_free(copy);
		return NULL;
	}
	memset(p, 0, IP_LEN);
	p[0] = 0x45;
	memcpy(p + 12, &flow->local.b[12], 4);
	memcpy(p + 16, &flow->remote.b[12], 4);
	p += IP_LEN;
	for (const struct rte_mbuf *s = m; s != NULL; s = s->next) {
		memcpy(p, rte_pktmbuf_mtod(s, void *), s->data_len);
		p += s->data_len;
	}
	copy->l2_len = 0;
	copy->l3_len = IP_LEN;
	return copy;
}
