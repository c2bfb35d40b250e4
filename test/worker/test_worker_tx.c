/* SPDX-License-Identifier: BSD-3-Clause */
/* Buffers of what was sent come back from the queues of ports whose drivers can give them back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <rte_ethdev.h>

#include "eal.h"
#include "world.h"

static uint32_t cleaned[RTE_MAX_ETHPORTS];

int __real_rte_eth_tx_done_cleanup(uint16_t port_id, uint16_t queue_id, uint32_t free_cnt);
int __wrap_rte_eth_tx_done_cleanup(uint16_t port_id, uint16_t queue_id, uint32_t free_cnt);

int
__wrap_rte_eth_tx_done_cleanup(uint16_t port_id, uint16_t queue_id, uint32_t free_cnt)
{
	cleaned[port_id]++;
	return __real_rte_eth_tx_done_cleanup(port_id, queue_id, free_cnt);
}

static void
a_queue_is_not_cleaned_up_where_that_does_harm(void **state)
{
	static const struct world_conf conf = {.workers = 1};
	struct world *w = world_create(&conf);
	const uint16_t harmed = w->port[1].id, other = w->port[0].id;
	uint32_t before;

	(void)state;
	world_run(w, 100);
	assert_true(cleaned[harmed] > 0);
	w->port[1].no_tx_cleanup = true;
	before = cleaned[other];
	cleaned[harmed] = 0;
	world_run(w, 100);
	assert_int_equal(cleaned[harmed], 0);
	assert_true(cleaned[other] > before);
	world_destroy(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_queue_is_not_cleaned_up_where_that_does_harm),
	};

	(void)test_eal_init_with("(0-1)@0", 256, NULL, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
