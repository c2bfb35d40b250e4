/* SPDX-License-Identifier: BSD-3-Clause */
#include <rte_byteorder.h>

#include <pubwire/base/sum.h>
#include <pubwire/base/sumnote.h>

struct pw_sumnote_place pw_sumnote_place;

void
pw_sumnote_setup(void)
{
	static const struct rte_mbuf_dynfield field = {
		.name = "pubwire_sumnotes",
		.size = PW_SUMNOTES * sizeof(uint64_t),
		.align = sizeof(uint64_t),
	};
	static const struct rte_mbuf_dynflag flag = {.name = "pubwire_sumnoted"};
	int offset = rte_mbuf_dynfield_register(&field), bit;

	if (offset < 0)
		return;
	bit = rte_mbuf_dynflag_register(&flag);
	if (bit < 0)
		return;
	pw_sumnote_place.offset = (uint32_t)offset;
	pw_sumnote_place.flag = UINT64_C(1) << bit;
}

static union pw_sumnote
load(const uint64_t *note)
{
	return (union pw_sumnote){.word = __atomic_load_n(note, __ATOMIC_RELAXED)};
}

static void
store(uint64_t *note, union pw_sumnote n)
{
	__atomic_store_n(note, n.word, __ATOMIC_RELAXED);
}

static const uint8_t *
bytes(const struct rte_mbuf *m, uint32_t off)
{
	return (const uint8_t *)m->buf_addr + off;
}

/* RFC 1071 2 (B): what begins at an odd place has its bytes changed. */
static uint16_t
shifted(uint16_t sum, uint32_t by)
{
	return (by & 1) != 0 ? rte_bswap16(sum) : sum;
}

/* RFC 1624 3: what a sum is without a part of it, and with another one. */
static uint16_t
less(uint16_t sum, uint16_t part, uint16_t more)
{
	return pw_sum_fold((uint32_t)sum + (uint16_t)~part + more);
}

void
pw_sumnote_amend(struct rte_mbuf *m, uint16_t off, uint8_t was, uint8_t is)
{
	uint16_t before = pw_sum(&was, 1), after = pw_sum(&is, 1);
	uint64_t *note = pw_sumnotes(m);

	for (uint32_t i = 0; i < PW_SUMNOTES; i++) {
		union pw_sumnote n = load(&note[i]);
		uint32_t at = (uint32_t)off - n.off;

		if (at >= n.len)
			continue;
		n.sum = less(n.sum, shifted(before, at), shifted(after, at));
		store(&note[i], n);
	}
}

/*
 * Note i, which is n, becomes two: of its first k bytes and of the rest. The shorter part is read,
 * the other one follows from it. All of its bytes may be read, and none changes any more.
 */
static void
split(struct rte_mbuf *m, uint32_t i, union pw_sumnote n, uint16_t k, union pw_sumnote half[2])
{
	uint64_t *note = pw_sumnotes(m);

	half[0] = (union pw_sumnote){.off = n.off, .len = k};
	half[1] = (union pw_sumnote){.off = (uint16_t)(n.off + k), .len = (uint16_t)(n.len - k)};
	if (k <= half[1].len) {
		half[0].sum = pw_sum(bytes(m, n.off), k);
		half[1].sum = shifted(less(n.sum, half[0].sum, 0), k);
	} else {
		half[1].sum = pw_sum(bytes(m, half[1].off), half[1].len);
		half[0].sum = less(n.sum, shifted(half[1].sum, k), 0);
	}
	store(&note[i], half[0]);
	store(&note[(i + 1) % PW_SUMNOTES], half[1]);
}

/*
 * Read len bytes and note them in place of the note that begins first, which is none where there is
 * room. No note moves: one that is open would be copied as it was.
 */
static union pw_sumnote
add(struct rte_mbuf *m, uint16_t off, uint16_t len)
{
	union pw_sumnote n = {.off = off, .len = len, .sum = pw_sum(bytes(m, off), len)};
	uint64_t *note = pw_sumnotes(m);
	uint32_t at = 0;

	for (uint32_t i = 1; i < PW_SUMNOTES; i++) {
		if (load(&note[i]).off < load(&note[at]).off)
			at = i;
	}
	store(&note[at], n);
	return n;
}

/* A note of what begins at an offset, of len bytes or of the first of them. */
static union pw_sumnote
beginning(struct rte_mbuf *m, uint16_t off, uint16_t len)
{
	const uint64_t *note = pw_sumnotes(m);
	union pw_sumnote n, half[2];

	for (uint32_t i = 0; i < PW_SUMNOTES; i++) {
		n = load(&note[i]);
		if (n.off == off && n.len <= len && n.len > 0)
			return n;
	}
	for (uint32_t i = 0; i < PW_SUMNOTES; i++) {
		n = load(&note[i]);
		if (n.off == off && n.len > len && !n.open) {
			split(m, i, n, len, half);
			return half[0];
		}
		if (n.off < off && n.off + n.len == off + len) {
			split(m, i, n, (uint16_t)(off - n.off), half);
			return half[1];
		}
	}
	return add(m, off, len);
}

uint16_t
pw_sumnote_sum(struct rte_mbuf *m, uint16_t off, uint16_t len)
{
	uint64_t sum = 0;
	uint32_t done = 0;

	if (len < PW_SUMNOTE_MIN || (m->ol_flags & pw_sumnote_place.flag) == 0)
		return pw_sum(bytes(m, off), len);
	while (done < len) {
		union pw_sumnote n = beginning(m, (uint16_t)(off + done), (uint16_t)(len - done));

		sum += shifted(n.sum, done);
		done += n.len;
	}
	return pw_sum_fold(sum);
}
