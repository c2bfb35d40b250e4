/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>

#include "forward_pvt.h"

/* Room at the end of the current buffer; a new one where there is none. 0: no buffer to be had. */
static uint32_t
room(struct pw_forward *f, struct pw_gather *g)
{
	if (g->m != NULL && rte_pktmbuf_tailroom(g->m) == 0)
		pw_gather_release(g);
	if (g->m == NULL)
		g->m = rte_pktmbuf_alloc(f->conf.mem->pkt);
	return g->m != NULL ? rte_pktmbuf_tailroom(g->m) : 0;
}

void
pw_gather_release(struct pw_gather *g)
{
	if (g->m != NULL)
		rte_pktmbuf_free_seg(g->m);
	g->m = NULL;
}

int
pw_gather_copy(struct pw_forward *f, struct pw_gather *g, const struct pw_slice *s, uint32_t n,
	       struct pw_slice *out, uint32_t max)
{
	uint32_t left = pw_slices_len(s, n), at = 0, made = 0;

	while (left > 0) {
		uint32_t len = RTE_MIN(room(f, g), left);

		if (len == 0 || made == max) {
			while (made > 0)
				pw_slice_drop(&out[--made]);
			return -ENOBUFS;
		}
		out[made] = (struct pw_slice){
			.mbuf = g->m,
			.off = (uint16_t)(g->m->data_off + g->m->data_len),
			.len = (uint16_t)len,
		};
		pw_slices_copy(s, n, at, pw_slice_data(&out[made]), len);
		pw_slice_hold(&out[made++]);
		g->m->data_len = (uint16_t)(g->m->data_len + len);
		g->m->pkt_len = g->m->data_len;
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
	*out = (struct pw_slice){
		.mbuf = g->m,
		.off = (uint16_t)(g->m->data_off + g->m->data_len),
		.len = (uint16_t)len,
	};
	pw_slice_hold(out);
	g->m->data_len = (uint16_t)(g->m->data_len + len);
	g->m->pkt_len = g->m->data_len;
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
