/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>

#include <rte_common.h>

#include <pubwire/base/slice.h>

int
pw_slices_from_chain(struct rte_mbuf *m, uint32_t off, uint32_t len, struct pw_slice *out,
		     uint32_t max)
{
	uint32_t n = 0;

	while (m != NULL && off >= m->data_len) {
		off -= m->data_len;
		m = m->next;
	}
	for (; len > 0; m = m->next) {
		uint32_t take;

		if (m == NULL)
			return -EINVAL;
		take = RTE_MIN(len, m->data_len - off);
		if (take > 0) {
			if (n == max)
				return -ENOBUFS;
			out[n++] = (struct pw_slice){
				.mbuf = m,
				.off = (uint16_t)(m->data_off + off),
				.len = (uint16_t)take,
			};
		}
		len -= take;
		off = 0;
	}
	return (int)n;
}

void
pw_slices_copy(const struct pw_slice *s, uint32_t n, uint32_t off, void *dst, uint32_t len)
{
	uint8_t *to = dst;

	for (uint32_t i = 0; i < n && len > 0; i++) {
		uint32_t take;

		if (off >= s[i].len) {
			off -= s[i].len;
			continue;
		}
		take = RTE_MIN(len, s[i].len - off);
		memcpy(to, pw_slice_data(&s[i]) + off, take);
		to += take;
		len -= take;
		off = 0;
	}
	assert(len == 0);
}
