/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_mbuf.h>

#include <pubwire/base/pool.h>
#include <pubwire/base/sumnote.h>

#define NAME_MAX_LEN 20
#define PKT_ROOM     (RTE_PKTMBUF_HEADROOM + 2048)
#define HDR_ROOM     (RTE_PKTMBUF_HEADROOM + 128)

static struct rte_mempool *
make(const struct pw_mem_conf *conf, const char *kind, uint32_t n, uint16_t room)
{
	char name[RTE_MEMPOOL_NAMESIZE];
	uint32_t cache = conf->cache;

	/* A mempool refuses caches that could hold most of it. */
	if (cache > n / 2)
		cache = n / 2;
	snprintf(name, sizeof(name), "%s_%s", conf->name, kind);
	return rte_pktmbuf_pool_create(name, n, cache, 0, room, conf->socket);
}

int
pw_mem_create(struct pw_mem *mem, const struct pw_mem_conf *conf)
{
	int rc;

	memset(mem, 0, sizeof(*mem));
	if (strlen(conf->name) > NAME_MAX_LEN || conf->cache > RTE_MEMPOOL_CACHE_MAX_SIZE)
		return -EINVAL;
	pw_sumnote_setup();
	mem->socket = conf->socket;
	mem->pkt = make(conf, "pkt", conf->pkt, PKT_ROOM);
	if (mem->pkt == NULL)
		goto fail;
	mem->hdr = make(conf, "hdr", conf->hdr, HDR_ROOM);
	if (mem->hdr == NULL)
		goto fail;
	mem->ind = make(conf, "ind", conf->ind, 0);
	if (mem->ind == NULL)
		goto fail;
	return 0;

fail:
	rc = -rte_errno;
	pw_mem_destroy(mem);
	return rc;
}

void
pw_mem_destroy(struct pw_mem *mem)
{
	rte_mempool_free(mem->ind);
	rte_mempool_free(mem->hdr);
	rte_mempool_free(mem->pkt);
	memset(mem, 0, sizeof(*mem));
}

bool
pw_mem_full(const struct pw_mem *mem)
{
	return rte_mempool_full(mem->pkt) && rte_mempool_full(mem->hdr) &&
	       rte_mempool_full(mem->ind);
}

uint32_t
pw_mem_used_percent(const struct pw_mem *mem)
{
	return (uint32_t)((uint64_t)rte_mempool_in_use_count(mem->pkt) * 100 / mem->pkt->size);
}
