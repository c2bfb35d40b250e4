/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>

#include <pubwire/base/sumnote.h>

#include "forward_pvt.h"

#define SAVED 64 /* references; a buffer has room for a few hundred of the shortest messages */

/* Room at the end of the current buffer; a new one where there is none. 0: no buffer to be had. */
static uint32_t
room(struct pw_forward *f, struct pw_gather *g)
{
	if (g->m != NULL && rte_pktmbuf_tailroom(g->m) == 0)
		pw_gather_release(g);
	if (g->m == NULL) {
		g->m = rte_pktmbuf_alloc(f->conf.mem->pkt);
		if (g->m != NULL)
			pw_sumnote_begin(g->m);
	}
	return g->m != NULL ? rte_pktmbuf_tailroom(g->m) : 0;
}

void
pw_gather_release(struct pw_gather *g)
{
	if (g->m != NULL) {
		if (g->saved > 0)
			rte_mbuf_refcnt_update(g->m, (int16_t)-g->saved);
		rte_pktmbuf_free_seg(g->m);
	}
	g->m = NULL;
	g->saved = 0;
}

/* A reference for a slice of the current buffer: they are taken many at a time, as each is an
 * atomic operation. */
static void
hold(struct pw_gather *g)
{
	if (g->saved == 0) {
		rte_mbuf_refcnt_update(g->m, SAVED);
		g->saved = SAVED;
	}
	g->saved--;
}

/* The next len bytes of the current buffer, which has room for them, as a held slice. */
static struct pw_slice
claim(struct pw_gather *g, uint32_t len)
{
	struct rte_mbuf *m = g->m;
	uint16_t off = (uint16_t)(m->data_off + m->data_len);

	hold(g);
	m->data_len = (uint16_t)(m->data_len + len);
	m->pkt_len = m->data_len;
	return (struct pw_slice){.mbuf = m, .off = off, .len = (uint16_t)len};
}

int
pw_gather_copy(struct pw_forward *f, struct pw_gather *g, const struct pw_slice *s, uint32_t n,
	       struct pw_slice *out, uint32_t max)
{
	uint32_t left = pw_slices_len(s, n), at = 0, made = 0;

	if (likely(n == 1 && max > 0 && room(f, g) >= left)) {
		*out = claim(g, left);
		memcpy(pw_slice_data(out), pw_slice_data(s), left);
		return 1;
	}
	while (left > 0) {
		uint32_t len = RTE_MIN(room(f, g), left);

		if (len == 0 || made == max) {
			while (made > 0)
				pw_slice_drop(&out[--made]);
			return -ENOBUFS;
		}
		out[made] = claim(g, len);
		pw_slices_copy(s, n, at, pw_slice_data(&out[made++]), len);
		at += len;
		left -= len;
	}
	return (int)made;
}

int
pw_gather_space(struct pw_forward *f, struct pw_gather *g, uint32_t len, struct pw_slice *out)
{
	if (g->m != NULL && rte_pktmbuf_tailroom(g->m) < len)
		pw_gather_release(g);
	if (room(f, g) < len)
		return -ENOBUFS;
	*out = claim(g, len);
	return 0;
}

int
pw_gather_bytes(struct pw_forward *f, struct pw_gather *g, const void *data, uint32_t len,
		struct pw_slice *out)
{
	if (pw_gather_space(f, g, len, out) < 0)
		return -ENOBUFS;
	memcpy(pw_slice_data(out), data, len);
	return 0;
}
