/* SPDX-License-Identifier: BSD-3-Clause */
#include <rte_common.h>

#include <pubwire/manage/control.h>

const char *
pw_run_state_str(enum pw_run_state state)
{
#define STATE_NAME(state, text) text,
	static const char *const name[] = {PW_RUN_STATES(STATE_NAME)};

	return (uint32_t)state < RTE_DIM(name) ? name[state] : "?";
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
