/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PUBWIRE_BASE_SUMNOTE_H
#define PUBWIRE_BASE_SUMNOTE_H

/**
 * @file
 * Sums that a packet buffer carries along, so that who puts its bytes into segments need not read
 * them: not where they came in one segment whose checksum was verified by reading them, and not
 * where they have left to another broker already. A note says what a range of the buffer sums up
 * to; a buffer has room for a few, and a bit of ol_flags says that they mean something. Who
 * takes a buffer out of a pool by rte_pktmbuf_alloc() finds the bit cleared; drivers take them
 * otherwise, and set the flags of a packet's first buffer alone: pw_sumnote_forget() for each.
 *
 * The rule for who writes: from pw_sumnote_begin() or pw_sumnote_put() on, bytes that a note may
 * cover change through pw_sumnote_patch() alone, or after pw_sumnote_forget(). Bytes that were not
 * there yet may be added. All of these are for the lcore that received or took the buffer, before
 * others can see the bytes (see slice.h).
 *
 * pw_sumnote_sum() is for any lcore that may read the bytes. It leaves notes of them itself: each
 * is one word that is right by itself, written at once (relaxed: nothing is published by it), so
 * that lcores that do so at the same time replace one right note by another. What was put is open:
 * it tells of bytes too that only its owner sees yet, and may change meanwhile. From such a note
 * nothing follows for a part until its last byte is among those that were asked for, and nobody
 * else moves it: it would outlive what its owner then makes of it. That a note of a buffer's former
 * life is not seen in its next one follows from the way there, which is that of the bytes: the
 * reference given back, the pool, the lcore that takes it.
 *
 * Without room in DPDK's buffers nothing is noted, and sums are computed.
 */

#include <stdint.h>

#include <rte_mbuf.h>
#include <rte_mbuf_dyn.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Ranges that one buffer has room for. */
#define PW_SUMNOTES 3

/** Bytes from which on a note is worth its keep. */
#define PW_SUMNOTE_MIN 128

/** Where notes stand. Written once at start. */
struct pw_sumnote_place {
	uint64_t flag;	 /**< of ol_flags; 0: nowhere */
	uint32_t offset; /**< in the buffer's metadata */
};

extern struct pw_sumnote_place pw_sumnote_place;

/** What a range sums up to: one word, all 0 where there is none. */
union pw_sumnote {
	uint64_t word;
	struct {
		uint16_t off; /**< from buf_addr */
		uint16_t len;
		uint16_t sum;  /**< folded, as if the first byte stood at an even offset */
		uint16_t open; /**< 1: of bytes that others than its owner may not see yet */
	};
};

/** Find the place. Main lcore, at start; pw_mem_create() does it. */
void pw_sumnote_setup(void);

/** The notes of a buffer. */
static inline uint64_t *
pw_sumnotes(const struct rte_mbuf *m)
{
	return RTE_MBUF_DYNFIELD(m, pw_sumnote_place.offset, uint64_t *);
}

/** Notes may be left about a direct buffer; there is none yet. */
static inline void
pw_sumnote_begin(struct rte_mbuf *m)
{
	uint64_t *note = pw_sumnotes(m);

	if (pw_sumnote_place.flag == 0)
		return;
	for (uint32_t i = 0; i < PW_SUMNOTES; i++)
		__atomic_store_n(&note[i], 0, __ATOMIC_RELAXED);
	m->ol_flags |= pw_sumnote_place.flag;
}

/** Begin with what one range sums up to, whose bytes the caller may yet patch. */
static inline void
pw_sumnote_put(struct rte_mbuf *m, uint16_t off, uint16_t len, uint16_t sum)
{
	union pw_sumnote n = {.off = off, .len = len, .sum = sum, .open = 1};

	if (pw_sumnote_place.flag == 0)
		return;
	pw_sumnote_begin(m);
	__atomic_store_n(pw_sumnotes(m), n.word, __ATOMIC_RELAXED);
}

/** No note means anything any more, and none is to be left. */
static inline void
pw_sumnote_forget(struct rte_mbuf *m)
{
	m->ol_flags &= ~pw_sumnote_place.flag;
}

/** What pw_sumnote_patch() does where there are notes. */
void pw_sumnote_amend(struct rte_mbuf *m, uint16_t off, uint8_t was, uint8_t is);

/** A byte, at an offset from buf_addr, is another one. */
static inline void
pw_sumnote_patch(struct rte_mbuf *m, uint16_t off, uint8_t was, uint8_t is)
{
	if ((m->ol_flags & pw_sumnote_place.flag) != 0 && was != is)
		pw_sumnote_amend(m, off, was, is);
}

/**
 * The sum of len bytes at an offset from buf_addr, folded, not complemented, as if the first stood
 * at an even one: as noted, or computed and, where notes may be left, noted. m is direct.
 */
uint16_t pw_sumnote_sum(struct rte_mbuf *m, uint16_t off, uint16_t len);

#ifdef __cplusplus
}
#endif

#endif
