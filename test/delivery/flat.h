/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TEST_DELIVERY_FLAT_H
#define TEST_DELIVERY_FLAT_H

/** @file A frame that lies flat in memory, shown to a decoder as slices. */

#include <rte_mbuf.h>

#include <pubwire/mqtt/frame.h>

#define FLAT_SLICES 4

struct flat {
	struct rte_mbuf m[FLAT_SLICES];
	struct pw_slice s[FLAT_SLICES];
	struct pw_mqtt_buf buf;
};

static inline void
flat_frame(struct flat *f, uint8_t *p, uint32_t len)
{
	f->buf = (struct pw_mqtt_buf){.s = f->s, .len = len};
	for (uint32_t at = 0; at < len && f->buf.n < FLAT_SLICES; f->buf.n++) {
		uint32_t n = RTE_MIN(len - at, 60000u);

		f->m[f->buf.n].buf_addr = p + at;
		f->s[f->buf.n] = (struct pw_slice){.mbuf = &f->m[f->buf.n], .len = (uint16_t)n};
		at += n;
	}
}

#endif
