/* SPDX-License-Identifier: BSD-3-Clause */
/* Cycles by stage, as builds with -Dstages=true count them: this program is compiled so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <rte_pause.h>

#include <pubwire/base/stage.h>

#include "eal.h"
#include "world.h"

#define DEVICES	 4
#define MESSAGES 200

static void
spin(uint64_t cycles)
{
	uint64_t end = rte_rdtsc() + cycles;

	while (rte_rdtsc() < end)
		rte_pause();
}

static void
a_stage_inside_another_counts_for_itself_alone(void **state)
{
	const struct pw_stages *s = pw_stages_mine();
	struct pw_stages before;
	uint64_t began, all = 0;
	uint32_t was;

	(void)state;
	pw_stage_turn(false);
	before = *s;
	began = rte_rdtsc();
	was = pw_stage_enter(PW_STAGE_TCP_OUT);
	assert_int_equal(was, PW_STAGE_HOUSEKEEPING);
	spin(10000);
	was = pw_stage_enter(PW_STAGE_WIRE_OUT);
	assert_int_equal(was, PW_STAGE_TCP_OUT);
	spin(50000);
	pw_stage_leave(was);
	spin(10000);
	pw_stage_turn(true);
	/* Whatever else runs on the CPU adds to one of them: only the least is certain. */
	assert_true(s->cycles[PW_STAGE_TCP_OUT] - before.cycles[PW_STAGE_TCP_OUT] >= 20000);
	assert_true(s->cycles[PW_STAGE_WIRE_OUT] - before.cycles[PW_STAGE_WIRE_OUT] >= 50000);
	assert_int_equal(s->cycles[PW_STAGE_PULL], before.cycles[PW_STAGE_PULL]);
	assert_int_equal(s->switches - before.switches, 4);
	assert_int_equal(s->empty, before.empty);
	for (uint32_t i = PW_STAGE_HOUSEKEEPING + 1; i < PW_STAGES; i++)
		all += s->cycles[i] - before.cycles[i];
	assert_true(all <= rte_rdtsc() - began);
	assert_true(s->switch_cycles > 0);
}

static void
turns_without_work_and_pauses_are_apart(void **state)
{
	const struct pw_stages *s = pw_stages_mine();
	struct pw_stages before;

	(void)state;
	pw_stage_turn(false);
	before = *s;
	(void)pw_stage_enter(PW_STAGE_TIMERS);
	spin(10000);
	pw_stage_turn(false);
	assert_true(s->empty - before.empty >= 10000);
	spin(10000);
	pw_stage_paused();
	assert_true(s->empty - before.empty >= 20000);
	assert_memory_equal(s->cycles, before.cycles, sizeof(before.cycles));
	assert_int_equal(s->switches, before.switches);
}

static void
a_worker_that_forwards_has_cycles_in_every_stage(void **state)
{
	static const uint32_t lcores[] = {1};
	static const struct world_conf conf = {.workers = 1, .lcores = lcores, .real_time = true};
	static const uint8_t payload[100];
	struct world *w = world_create(&conf);
	const struct pw_stages *s;
	uint64_t all = 0;

	(void)state;
	assert_null(pw_fleet_stages(w->fleet, 0));
	assert_int_equal(pw_fleet_start(w->fleet), 0);
	world_connect(w, DEVICES, PW_MQTT_3_1_1);
	for (uint32_t k = 0; k < MESSAGES; k++) {
		for (uint32_t d = 0; d < w->nb_devices; d++)
			(void)device_publish(&w->device[d], 1, "plant/line", payload,
					     sizeof(payload));
		if (k % 5 == 4)
			world_run(w, 1);
	}
	assert_true(world_until(w, world_acked, 20000));
	pw_fleet_stop(w->fleet);
	s = pw_fleet_stages(w->fleet, 0);
	assert_non_null(s);
	for (uint32_t i = 0; i < PW_STAGES; i++) {
		if (s->cycles[i] == 0)
			fail_msg("nothing in %s", pw_stage_desc[i].name);
		all += s->cycles[i];
	}
	assert_true(s->empty > 0);
	/* As the loop's own counters have it, but for where exactly a turn ends. */
	assert_true(all <= pw_fleet_counters(w->fleet, 0)->total_cycles);
	assert_true(all + s->empty >= pw_fleet_counters(w->fleet, 0)->busy_cycles);
	world_destroy(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stage_inside_another_counts_for_itself_alone),
		cmocka_unit_test(turns_without_work_and_pauses_are_apart),
		cmocka_unit_test(a_worker_that_forwards_has_cycles_in_every_stage),
	};

	(void)test_eal_init_with("(0-1)@0", 256, NULL, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
