/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <pubwire/base/addr.h>
#include <pubwire/base/pool.h>
#include <pubwire/base/slice.h>

#include "eal.h"

static struct pw_mem mem;

/* A chain with the bytes 0, 1, 2 ... in segments of these lengths. */
static struct rte_mbuf *
chain(const uint16_t *len, uint32_t n)
{
	struct rte_mbuf *head = NULL, **at = &head;
	uint8_t byte = 0;

	for (uint32_t i = 0; i < n; i++) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(mem.pkt);
		uint8_t *p = (uint8_t *)rte_pktmbuf_append(m, len[i]);

		for (uint16_t k = 0; k < len[i]; k++)
			p[k] = byte++;
		*at = m;
		at = &m->next;
	}
	for (struct rte_mbuf *m = head; m != NULL; m = m->next)
		head->nb_segs += m != head;
	return head;
}

static void
test_every_cut_of_a_chain_holds_the_bytes_it_names(void **state)
{
	static const uint16_t len[] = {3, 0, 5, 1, 0, 7};
	struct rte_mbuf *m = chain(len, 6);

	(void)state;
	for (uint32_t off = 0; off <= 16; off++) {
		for (uint32_t want = 0; off + want <= 16; want++) {
			struct pw_slice s[6];
			uint8_t out[16];
			int n = pw_slices_from_chain(m, off, want, s, 6);

			assert_true(n >= 0);
			assert_int_equal(n == 0, want == 0);
			assert_int_equal(pw_slices_len(s, (uint32_t)n), want);
			for (int i = 0; i < n; i++)
				assert_true(s[i].len > 0);
			for (uint32_t skip = 0; skip <= want; skip++) {
				pw_slices_copy(s, (uint32_t)n, skip, out, want - skip);
				for (uint32_t k = 0; k < want - skip; k++)
					assert_int_equal(out[k], off + skip + k);
			}
		}
	}
	rte_pktmbuf_free(m);
	assert_true(pw_mem_full(&mem));
}

static void
test_cut_beyond_the_chain_or_the_room_is_refused(void **state)
{
	static const uint16_t len[] = {4, 4, 4};
	struct rte_mbuf *m = chain(len, 3);
	struct pw_slice s[3];

	(void)state;
	assert_int_equal(pw_slices_from_chain(m, 0, 13, s, 3), -EINVAL);
	assert_int_equal(pw_slices_from_chain(m, 12, 1, s, 3), -EINVAL);
	assert_int_equal(pw_slices_from_chain(m, 40, 1, s, 3), -EINVAL);
	assert_int_equal(pw_slices_from_chain(m, 40, 0, s, 3), 0);
	assert_int_equal(pw_slices_from_chain(m, 2, 8, s, 2), -ENOBUFS);
	assert_int_equal(pw_slices_from_chain(m, 2, 6, s, 2), 2);
	rte_pktmbuf_free(m);
	assert_true(pw_mem_full(&mem));
}

static void
test_held_slice_outlives_the_trimmed_queue(void **state)
{
	static const uint16_t len[] = {8};
	struct rte_mbuf *m = chain(len, 1);
	struct pw_slice s, next;

	(void)state;
	assert_int_equal(pw_slices_from_chain(m, 1, 3, &s, 1), 1);
	assert_int_equal(pw_slices_from_chain(m, 4, 2, &next, 1), 1);
	assert_true(pw_slice_adjoins(&s, &next));
	assert_false(pw_slice_adjoins(&next, &s));
	pw_slice_hold(&s);
	rte_pktmbuf_adj(m, 6);
	assert_int_equal(pw_slice_data(&s)[0], 1);
	rte_pktmbuf_free_seg(m);
	assert_false(pw_mem_full(&mem));
	assert_int_equal(pw_slice_data(&s)[2], 3);
	pw_slice_drop(&s);
	assert_true(pw_mem_full(&mem));
}

static void
test_addresses_are_read_and_written_in_both_families(void **state)
{
	struct pw_addr a, b;
	char text[PW_ADDR_STRLEN];

	(void)state;
	assert_int_equal(pw_addr_parse(&a, "10.1.2.255"), 0);
	assert_true(pw_addr_is_v4(&a));
	assert_string_equal(pw_addr_str(&a, text), "10.1.2.255");
	b = pw_addr_v4(pw_addr_be32(&a));
	assert_true(pw_addr_eq(&a, &b));
	assert_int_equal(pw_addr_parse(&a, "2001:db8::1"), 0);
	assert_false(pw_addr_is_v4(&a));
	assert_string_equal(pw_addr_str(&a, text), "2001:db8::1");
	assert_int_equal(pw_addr_parse(&a, "10.1.2"), -EINVAL);
	assert_int_equal(pw_addr_parse(&a, "10.1.2.3.4"), -EINVAL);
	assert_int_equal(pw_addr_parse(&a, ""), -EINVAL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_cut_of_a_chain_holds_the_bytes_it_names),
		cmocka_unit_test(test_cut_beyond_the_chain_or_the_room_is_refused),
		cmocka_unit_test(test_held_slice_outlives_the_trimmed_queue),
		cmocka_unit_test(test_addresses_are_read_and_written_in_both_families),
	};
	struct pw_mem_conf conf = {
		.name = "t",
		.pkt = 31,
		.hdr = 7,
		.ind = 7,
		.socket = SOCKET_ID_ANY,
	};
	int rc;

	test_eal_init();
	if (pw_mem_create(&mem, &conf) < 0)
		return 1;
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	pw_mem_destroy(&mem);
	return rc;
}
