/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PUBWIRE_BASE_SLICE_H
#define PUBWIRE_BASE_SLICE_H

/**
 * @file
 * A slice: bytes that lie in a packet buffer, held by a reference.
 *
 * TCP receive hands out slices, MQTT framing reads them in place, TCP send takes them; no payload
 * byte is copied on the way. A slice that is *held* owns one reference on its mbuf; a slice that is
 * *borrowed* owns none and is valid only while somebody else holds the buffer. Every function
 * that receives slices says in its comment which of the two it expects.
 *
 * The offset counts from buf_addr, not from data_off, so that trimming the mbuf (which its receive
 * queue does) never moves a slice. The reference is on the one segment, never on a chain: the
 * `next` pointer belongs to the queue that the mbuf stands in.
 *
 * The bytes may be rewritten in place only by the lcore that received them, before the slice is
 * published to another lcore or handed to a transmit queue.
 *
 * Callable from any lcore, under one rule. The reference count is atomic while it is above one, but
 * the step up from one is not (rte_mbuf_refcnt_update): two lcores that take it at once count once.
 * So a borrowed slice may be held from another lcore only while its owner guarantees that the
 * reference it is borrowed from stays, and takes no further one on the strength of that reference;
 * and exactly one other lcore takes references from it. A log of lib/forward keeps to this: its
 * producer keeps the reference of an entry until the message is complete, and one server reads it.
 */

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <rte_branch_prediction.h>
#include <rte_mbuf.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A run of bytes in one packet buffer. */
struct pw_slice {
	struct rte_mbuf *mbuf; /**< segment that holds the bytes */
	uint16_t off;	       /**< bytes from mbuf->buf_addr */
	uint16_t len;	       /**< bytes */
	uint32_t aux;	       /**< free for the holder; 0 where unused */
};

static_assert(sizeof(struct pw_slice) == 16, "four slices a cache line");

/** First byte of a slice. */
static inline uint8_t *
pw_slice_data(const struct pw_slice *s)
{
	return (uint8_t *)s->mbuf->buf_addr + s->off;
}

/** A borrowed slice of the whole data of one segment. */
static inline struct pw_slice
pw_slice_of(struct rte_mbuf *m)
{
	return (struct pw_slice){.mbuf = m, .off = m->data_off, .len = m->data_len, .aux = 0};
}

/** Turn a borrowed slice into a held one: takes one reference, given back by pw_slice_drop(). */
static inline void
pw_slice_hold(const struct pw_slice *s)
{
	rte_mbuf_refcnt_update(s->mbuf, 1);
}

/** Give back the reference of a held slice and forget the buffer. */
static inline void
pw_slice_drop(struct pw_slice *s)
{
	rte_pktmbuf_free_seg(s->mbuf);
	s->mbuf = NULL;
}

/** True where b begins in the same buffer at the byte that follows a. */
static inline bool
pw_slice_adjoins(const struct pw_slice *a, const struct pw_slice *b)
{
	return a->mbuf == b->mbuf && (uint32_t)a->off + a->len == b->off;
}

/** Sum of the lengths of n slices, in bytes. */
static inline uint32_t
pw_slices_len(const struct pw_slice *s, uint32_t n)
{
	uint32_t len = 0;

	for (uint32_t i = 0; i < n; i++)
		len += s[i].len;
	return len;
}

/**
 * Cut borrowed slices out of a chain of mbufs (linked by `next`, valid bytes at data_off/data_len).
 *
 * @param m    first segment of the chain
 * @param off  bytes to skip from the start of the chain's data
 * @param len  bytes wanted
 * @param out  receives the slices, none of them empty
 * @param max  room in out
 * @return     slices written (0 where len is 0); -ENOBUFS where max is too small; -EINVAL where the
 *             chain ends early
 */
int pw_slices_from_chain(struct rte_mbuf *m, uint32_t off, uint32_t len, struct pw_slice *out,
			 uint32_t max) __attribute__((warn_unused_result));

/**
 * Copy bytes out of a run of slices.
 *
 * @param off  bytes to skip from the start of the run
 * @param len  bytes to copy; the caller guarantees off + len <= pw_slices_len(s, n)
 */
void pw_slices_copy(const struct pw_slice *s, uint32_t n, uint32_t off, void *dst, uint32_t len);

#ifdef __cplusplus
}
#endif

#endif
