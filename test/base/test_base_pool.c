/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <rte_errno.h>
#include <rte_mbuf.h>

#include <pubwire/base/pool.h>

#include "eal.h"

static struct pw_pool_stats
stats(const struct pw_pool *p)
{
	struct pw_pool_stats s;

	pw_pool_stats(p, &s);
	return s;
}

static void
test_handle_goes_stale_when_its_object_is_put_back(void **state)
{
	struct pw_pool *p = pw_pool_create("stale", 2, 40, SOCKET_ID_ANY);
	void *a, *b;
	pw_handle first;

	(void)state;
	assert_non_null(p);
	a = pw_pool_get(p);
	first = pw_pool_handle(p, a);
	assert_true(first != 0);
	assert_ptr_equal(pw_pool_find(p, first), a);
	pw_pool_put(p, a);
	assert_null(pw_pool_find(p, first));
	b = pw_pool_get(p);
	assert_ptr_equal(b, a); /* the same place, another object */
	assert_null(pw_pool_find(p, first));
	assert_true(pw_pool_handle(p, b) != first);
	pw_pool_put(p, b);
	assert_int_equal(stats(p).in_use, 0);
	pw_pool_destroy(p);
}

static void
test_handles_of_nothing_find_nobody(void **state)
{
	struct pw_pool *p = pw_pool_create("nobody", 2, 8, SOCKET_ID_ANY);

	(void)state;
	assert_null(pw_pool_find(p, 0));
	assert_null(pw_pool_find(p, (UINT64_C(1) << 32) | 0)); /* never taken */
	assert_null(pw_pool_find(p, (UINT64_C(1) << 32) | 2)); /* no such index */
	assert_null(pw_pool_find(p, UINT64_MAX));
	pw_pool_destroy(p);
}

static void
test_empty_pool_says_so_and_counts(void **state)
{
	struct pw_pool *p = pw_pool_create("empty", 3, 100, SOCKET_ID_ANY);
	void *o[3];

	(void)state;
	for (uint32_t i = 0; i < 3; i++) {
		o[i] = pw_pool_get(p);
		assert_non_null(o[i]);
		assert_int_equal((uintptr_t)o[i] % 64, 0);
		assert_ptr_equal(pw_pool_at(p, pw_pool_index(p, o[i])), o[i]);
	}
	assert_null(pw_pool_get(p));
	assert_int_equal(stats(p).exhausted, 1);
	assert_int_equal(stats(p).in_use, 3);
	for (uint32_t i = 0; i < 3; i++)
		pw_pool_put(p, o[i]);
	assert_int_equal(stats(p).in_use, 0);
	assert_int_equal(stats(p).high, 3);
	assert_int_equal(stats(p).size, 128);
	assert_string_equal(stats(p).name, "empty");
	pw_pool_destroy(p);
}

/* The index is found by a multiplication that depends on the size. */
static void
test_objects_of_any_size_are_told_apart(void **state)
{
	static const uint32_t size[] = {8, 24, 40, 56, 64, 192, 320, 448, 704, 4160};

	(void)state;
	for (uint32_t k = 0; k < RTE_DIM(size); k++) {
		struct pw_pool *p = pw_pool_create("sizes", 9, size[k], SOCKET_ID_ANY);
		void *o[9];

		assert_non_null(p);
		for (uint32_t i = 0; i < RTE_DIM(o); i++) {
			o[i] = pw_pool_get(p);
			assert_int_equal(pw_pool_index(p, o[i]), i);
			assert_ptr_equal(pw_pool_at(p, i), o[i]);
		}
		for (uint32_t i = 0; i < RTE_DIM(o); i++)
			pw_pool_put(p, o[i]);
		assert_int_equal(stats(p).in_use, 0);
		pw_pool_destroy(p);
	}
}

static void
test_objects_come_zeroed(void **state)
{
	static const uint8_t zero[24];
	struct pw_pool *p = pw_pool_create("zeroed", 1, 20, SOCKET_ID_ANY);
	void *o = pw_pool_get(p);

	(void)state;
	memset(o, 0xff, 24);
	pw_pool_put(p, o);
	o = pw_pool_get(p);
	assert_memory_equal(o, zero, 24);
	pw_pool_put(p, o);
	pw_pool_destroy(p);
}

static void
test_an_object_costs_its_size_and_four_bytes(void **state)
{
	const uint32_t n = 1u << 16;

	(void)state;
	assert_int_equal((pw_pool_bytes(2 * n, 128) - pw_pool_bytes(n, 128)) / n, 128 + 4);
}

static void
test_every_object_is_out_once_in_any_order(void **state)
{
	struct pw_pool *p = pw_pool_create("order", 5, 8, SOCKET_ID_ANY);
	void *o[5];

	(void)state;
	for (uint32_t i = 0; i < 3; i++)
		o[i] = pw_pool_get(p);
	pw_pool_put(p, o[0]);
	pw_pool_put(p, o[2]);
	assert_ptr_equal(pw_pool_get(p), o[2]); /* what went last comes first */
	assert_ptr_equal(pw_pool_get(p), o[0]);
	o[3] = pw_pool_get(p);
	o[4] = pw_pool_get(p);
	assert_null(pw_pool_get(p));
	for (uint32_t i = 0; i < 5; i++) {
		assert_non_null(o[i]);
		for (uint32_t k = 0; k < i; k++)
			assert_ptr_not_equal(o[i], o[k]);
	}
	for (uint32_t i = 0; i < 5; i++) {
		pw_pool_put(p, o[i]);
		assert_null(pw_pool_peek(p, pw_pool_index(p, o[i])));
	}
	pw_pool_destroy(p);
}

static void
test_raw_objects_are_not_written_through(void **state)
{
	struct pw_pool *p = pw_pool_create("raw", 1, 20, SOCKET_ID_ANY);
	uint8_t *o = pw_pool_get(p);

	(void)state;
	memset(o, 0xff, 24);
	pw_pool_put(p, o);
	o = pw_pool_get_raw(p);
	assert_int_equal(o[0], 0xff); /* the pool's own link is at the end */
	assert_int_equal(o[19], 0xff);
	assert_null(pw_pool_get_raw(p));
	pw_pool_put(p, o);
	pw_pool_destroy(p);
}

static void
test_name_in_use_is_refused(void **state)
{
	struct pw_pool *p = pw_pool_create("twice", 1, 8, SOCKET_ID_ANY);

	(void)state;
	assert_null(pw_pool_create("twice", 1, 8, SOCKET_ID_ANY));
	assert_int_equal(rte_errno, EEXIST);
	assert_null(pw_pool_create("none", 0, 8, SOCKET_ID_ANY));
	assert_int_equal(rte_errno, EINVAL);
	pw_pool_destroy(p);
}

static void
test_packet_pools_know_whether_all_is_back(void **state)
{
	struct pw_mem mem;
	struct pw_mem_conf conf = {
		.name = "t",
		.pkt = 100,
		.hdr = 20,
		.ind = 20,
		.socket = SOCKET_ID_ANY,
	};
	struct rte_mbuf *p, *h, *i;

	(void)state;
	assert_int_equal(pw_mem_create(&mem, &conf), 0);
	assert_true(pw_mem_full(&mem));
	p = rte_pktmbuf_alloc(mem.pkt);
	assert_int_equal(rte_pktmbuf_tailroom(p), 2048);
	assert_int_equal(pw_mem_used_percent(&mem), 1);
	assert_false(pw_mem_full(&mem));
	h = rte_pktmbuf_alloc(mem.hdr);
	assert_int_equal(rte_pktmbuf_tailroom(h), 128);
	i = rte_pktmbuf_alloc(mem.ind);
	assert_int_equal(i->buf_len, 0);
	rte_pktmbuf_attach(i, p);
	rte_pktmbuf_free(p); /* the indirect one holds it still */
	rte_pktmbuf_free(h);
	assert_false(pw_mem_full(&mem));
	rte_pktmbuf_free(i);
	assert_true(pw_mem_full(&mem));
	pw_mem_destroy(&mem);
	conf.cache = RTE_MEMPOOL_CACHE_MAX_SIZE + 1;
	assert_int_equal(pw_mem_create(&mem, &conf), -EINVAL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_handle_goes_stale_when_its_object_is_put_back),
		cmocka_unit_test(test_handles_of_nothing_find_nobody),
		cmocka_unit_test(test_empty_pool_says_so_and_counts),
		cmocka_unit_test(test_objects_of_any_size_are_told_apart),
		cmocka_unit_test(test_objects_come_zeroed),
		cmocka_unit_test(test_an_object_costs_its_size_and_four_bytes),
		cmocka_unit_test(test_every_object_is_out_once_in_any_order),
		cmocka_unit_test(test_raw_objects_are_not_written_through),
		cmocka_unit_test(test_name_in_use_is_refused),
		cmocka_unit_test(test_packet_pools_know_whether_all_is_back),
	};

	test_eal_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
