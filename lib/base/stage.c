/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include <pubwire/base/stage.h>

#define PW_STAGE_ROW(id, field, help) {#field, help},
const struct pw_stage_desc pw_stage_desc[PW_STAGES] = {PW_STAGE_LIST(PW_STAGE_ROW)};

#ifdef PW_STAGE_COUNTERS

#define PROBES 1000

__thread struct pw_stage_clock pw_stage_clock;
static __thread struct pw_stages totals;

static void
add(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

/* The turn that is counted begins here, in the first stage. */
static void
begin(void)
{
	memset(&pw_stage_clock, 0, sizeof(pw_stage_clock));
	pw_stage_clock.since = rte_rdtsc();
}

void
pw_stage_turn(bool found_work)
{
	struct pw_stage_clock *c = &pw_stage_clock;
	uint64_t all = 0;

	pw_stage_leave(PW_STAGE_HOUSEKEEPING);
	for (uint32_t i = 0; i < PW_STAGES; i++) {
		if (found_work)
			add(&totals.cycles[i], c->cycles[i]);
		all += c->cycles[i];
		c->cycles[i] = 0;
	}
	if (found_work)
		add(&totals.switches, c->switches);
	else
		add(&totals.empty, all);
	c->switches = 0;
}

void
pw_stage_paused(void)
{
	uint64_t now = rte_rdtsc();

	add(&totals.empty, now - pw_stage_clock.since);
	pw_stage_clock.since = now;
}

const struct pw_stages *
pw_stages_mine(void)
{
	if (totals.switch_cycles == 0) {
		uint64_t before = rte_rdtsc();

		for (uint32_t i = 0; i < PROBES; i++)
			(void)pw_stage_enter(PW_STAGE_HOUSEKEEPING);
		__atomic_store_n(&totals.switch_cycles, (rte_rdtsc() - before) * 1000 / PROBES,
				 __ATOMIC_RELAXED);
		begin();
	}
	return &totals;
}

#else

const struct pw_stages *
pw_stages_mine(void)
{
	return NULL;
}

#endif
