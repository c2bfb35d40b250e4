/* SPDX-License-Identifier: BSD-3-Clause */
#include <rte_common.h>

#include <pubwire/manage/control.h>

#include "capture_pvt.h"

const char *
pw_run_state_str(enum pw_run_state state)
{
#define STATE_NAME(state, text) text,
	static const char *const name[] = {PW_RUN_STATES(STATE_NAME)};

	return (uint32_t)state < RTE_DIM(name) ? name[state] : "?";
}

const char *
pw_capture_state_str(enum pw_capture_state state, const char **why)
{
#define CAPTURE_NAME(state, text, why) {text, why},
	static const char *const row[][2] = {PW_CAPTURE_STATES(CAPTURE_NAME)};
	uint32_t i = (uint32_t)state < RTE_DIM(row) ? (uint32_t)state : 0;

	*why = row[i][1];
	return row[i][0];
}

/*
 * DPDK's end of captures is set up when somebody wants one and not before: until then it costs
 * nothing, then 4 MB of hugepages for its counters, and time of workers only while frames are
 * copied.
 */
static void
open_capture(struct pw_control *c)
{
	enum pw_capture_state state = capture_open(c->mem, c->port);

	if (state == PW_CAPTURE_READY)
		PW_LOG(manage, NOTICE, "telemetry: ready for captures by dpdk-dumpcap");
	__atomic_store_n(&c->capture_state, state, __ATOMIC_RELAXED);
}

void
pw_control_fini(struct pw_control *c)
{
	if (c->capture_state == PW_CAPTURE_READY)
		capture_close();
	c->capture_state = PW_CAPTURE_OFF;
}

bool
pw_control_serve(struct pw_control *c)
{
	for (uint32_t i = 0; i < PW_LOG_TYPE_MAX; i++) {
		uint8_t level = __atomic_exchange_n(&c->level[i], 0, __ATOMIC_RELAXED);

		if (level == 0)
			continue;
		pw_log_set_level(i, level);
		PW_LOG(manage, NOTICE, "telemetry: log level of %s is %s", pw_log_type_str(i),
		       pw_log_level_str(level));
	}
	if (__atomic_load_n(&c->capture, __ATOMIC_RELAXED) != 0) {
		if (c->capture_state != PW_CAPTURE_READY)
			open_capture(c);
		/* Pairs with the acquire in tel_capture(): the state is that of now. */
		__atomic_store_n(&c->capture, 0, __ATOMIC_RELEASE);
	}
	return __atomic_exchange_n(&c->drain, 0, __ATOMIC_RELAXED) != 0;
}

void
pw_control_set_state(struct pw_control *c, enum pw_run_state state)
{
	/* Pairs with the acquire in tel_drain(): what was lost is written. */
	__atomic_store_n(&c->state, state, __ATOMIC_RELEASE);
}

bool
pw_control_unheard(const struct pw_control *c)
{
	return __atomic_load_n(&c->watch, __ATOMIC_RELAXED) != 0 &&
	       __atomic_load_n(&c->heard, __ATOMIC_RELAXED) == 0;
}
