/* SPDX-License-Identifier: BSD-3-Clause */
/* Sums that a buffer carries along, against those of its bytes: whatever was asked and changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pubwire/base/pool.h>
#include <pubwire/base/sum.h>
#include <pubwire/base/sumnote.h>

#include "eal.h"

#define STEPS 20000

static struct pw_mem mem;

static uint32_t
below(uint32_t n)
{
	return (uint32_t)random() % n;
}

static struct rte_mbuf *
buffer(void)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(mem.pkt);
	uint8_t *p;

	assert_non_null(m);
	p = m->buf_addr;
	for (uint32_t i = 0; i < m->buf_len; i++)
		p[i] = (uint8_t)random();
	return m;
}

/* The same but for how 0 is written, of which a checksum has none: its pseudo-header is not 0. */
static void
assert_sum(struct rte_mbuf *m, uint16_t off, uint16_t len)
{
	uint32_t phdr = 1 + below(UINT16_MAX);

	assert_int_equal(pw_sum_fold(phdr + pw_sumnote_sum(m, off, len)),
			 pw_sum_fold(phdr + pw_sum((uint8_t *)m->buf_addr + off, len)));
}

static void
patch(struct rte_mbuf *m, uint16_t off, uint8_t v)
{
	uint8_t *p = (uint8_t *)m->buf_addr + off;

	pw_sumnote_patch(m, off, *p, v);
	*p = v;
}

static uint32_t
notes(const struct rte_mbuf *m)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < PW_SUMNOTES; i++)
		n += pw_sumnotes(m)[i] != 0;
	return n;
}

static void
sums_of_any_ranges_are_those_of_the_bytes_through_any_changes(void **state)
{
	struct rte_mbuf *m = buffer();
	uint32_t at = m->buf_len / 2;

	(void)state;
	srandom(1624);
	pw_sumnote_begin(m);
	for (uint32_t i = 0; i < STEPS; i++) {
		uint16_t off = (uint16_t)below(m->buf_len), len;

		if (below(50) == 0) {
			len = (uint16_t)(m->buf_len - off);
			pw_sumnote_put(m, off, len, pw_sum((uint8_t *)m->buf_addr + off, len));
		}
		if (below(8) == 0)
			patch(m, off, (uint8_t)random());
		/* Ends meet, as cuts of a stream do, three times of four. */
		if (below(4) != 0)
			off = (uint16_t)(at = (at + below(300)) % m->buf_len);
		len = (uint16_t)below(m->buf_len - off + 1u);
		if (below(3) == 0)
			len = (uint16_t)(m->buf_len - off);
		assert_sum(m, off, len);
	}
	rte_pktmbuf_free(m);
	assert_true(pw_mem_full(&mem));
}

/* What would be wrong if the bytes were read shows that they are not. */
static void
what_was_noted_is_not_read_again(void **state)
{
	struct rte_mbuf *m = buffer();
	uint16_t whole, first, rest;

	(void)state;
	pw_sumnote_begin(m);
	assert_int_equal(notes(m), 0);
	whole = pw_sumnote_sum(m, 101, 1040);
	assert_int_equal(notes(m), 1);
	first = pw_sumnote_sum(m, 101, 407);
	assert_int_equal(notes(m), 2);
	memset(m->buf_addr, 0, m->buf_len);
	rest = pw_sumnote_sum(m, 101 + 407, 1040 - 407);
	assert_int_equal(pw_sumnote_sum(m, 101, 407), first);
	assert_int_equal(pw_sumnote_sum(m, 101, 1040), whole);
	assert_int_equal(pw_sum_fold((uint32_t)first + rte_bswap16(rest)), whole);
	rte_pktmbuf_free(m);
}

static void
longer_part_follows_from_the_shorter_one(void **state)
{
	struct rte_mbuf *m = buffer();
	uint8_t *p = m->buf_addr;
	uint16_t whole, end;

	(void)state;
	pw_sumnote_begin(m);
	whole = pw_sumnote_sum(m, 100, 1000);
	end = pw_sum(p + 1000, 100);
	memset(p, 0, 1000);
	assert_int_equal(pw_sum_fold((uint32_t)pw_sumnote_sum(m, 100, 900) + end), whole);
	assert_int_equal(pw_sumnote_sum(m, 1000, 100), end);
	rte_pktmbuf_free(m);
}

static void
nothing_is_noted_where_none_may_be(void **state)
{
	struct rte_mbuf *m = buffer();

	(void)state;
	for (uint32_t i = 0; i < 3; i++) {
		if (i == 1) {
			pw_sumnote_put(m, 200, 500, pw_sum((uint8_t *)m->buf_addr + 200, 500));
			pw_sumnote_forget(m);
		} else if (i == 2) {
			/* What another one wrote into the buffer in its former life. */
			pw_sumnote_put(m, 200, 500, 0x1234);
			rte_pktmbuf_free(m);
			m = buffer();
		}
		assert_sum(m, 200, 500);
		memset((uint8_t *)m->buf_addr + 300, (int)i + 1, 50);
		assert_sum(m, 200, 500);
		patch(m, 300, 9);
		assert_sum(m, 200, 500);
	}
	pw_sumnote_begin(m);
	assert_sum(m, 200, PW_SUMNOTE_MIN - 1);
	assert_int_equal(notes(m), 0);
	rte_pktmbuf_free(m);
}

static void
bytes_added_behind_what_is_noted_are_counted(void **state)
{
	struct rte_mbuf *m = buffer();

	(void)state;
	pw_sumnote_begin(m);
	for (uint16_t end = 400; end < 2000; end += 201) {
		assert_sum(m, 128, (uint16_t)(end - 128));
		memset((uint8_t *)m->buf_addr + end, end & 0xff, 201);
	}
	rte_pktmbuf_free(m);
}

/* Messages that follow in a buffer are rewritten by its owner while others send those before them.
 */
static void
what_others_may_not_see_yet_is_left_to_its_owner(void **state)
{
	struct rte_mbuf *m = buffer();
	const uint64_t *note = pw_sumnotes(m);
	uint64_t put;

	(void)state;
	pw_sumnote_put(m, 100, 1000, pw_sum((uint8_t *)m->buf_addr + 100, 1000));
	put = note[0];
	assert_sum(m, 100, 400);
	assert_sum(m, 500, 200);
	assert_int_equal(note[0], put); /* where its owner may be about to amend it */
	for (uint32_t i = 1; i < PW_SUMNOTES; i++) {
		const union pw_sumnote n = {.word = note[i]};

		assert_true(n.off + n.len <= 700);
	}
	patch(m, 800, 9);
	assert_sum(m, 700, 400);
	assert_sum(m, 100, 1000);
	rte_pktmbuf_free(m);
}

static int
set_up(void **state)
{
	/* One buffer: who asks for the next one gets it again. */
	const struct pw_mem_conf conf = {
		.name = "sumnote", .pkt = 1, .hdr = 1, .ind = 1, .socket = SOCKET_ID_ANY};

	(void)state;
	test_eal_init();
	return pw_mem_create(&mem, &conf);
}

static int
tear_down(void **state)
{
	(void)state;
	pw_mem_destroy(&mem);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sums_of_any_ranges_are_those_of_the_bytes_through_any_changes),
		cmocka_unit_test(what_was_noted_is_not_read_again),
		cmocka_unit_test(longer_part_follows_from_the_shorter_one),
		cmocka_unit_test(nothing_is_noted_where_none_may_be),
		cmocka_unit_test(bytes_added_behind_what_is_noted_are_counted),
		cmocka_unit_test(what_others_may_not_see_yet_is_left_to_its_owner),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
