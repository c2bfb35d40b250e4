/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whether brokers have what a session appended. A session remembers which logs, and when it last
 * appended; a log is in the order of arrival, so that a reader whose oldest message came later has
 * let go of all of them. Time is kept in units of about a millisecond, of which 32 bits last for 52
 * days; what others appended in the same unit, or to a log that shares the bit, is waited for too.
 */
#include "session_pvt.h"

void
pw_session_appended(struct pw_session *s, const struct pw_flog *l, uint64_t now)
{
	s->logs |= 1u << l->number % 32;
	s->appended = (uint32_t)(now >> PW_SETTLED_SHIFT);
}

/* Some readers are past what arrived up to a unit of time. */
static bool
passed_by(const struct pw_flog *l, uint32_t brokers, uint64_t unit)
{
	for (uint32_t m = brokers; m != 0; m &= m - 1) {
		/* Pairs with the release in pw_cursor_publish(). */
		uint64_t low = __atomic_load_n(&l->reader[__builtin_ctz(m)].low, __ATOMIC_ACQUIRE);

		low = RTE_MAX(low, l->head);
		if (low < l->tail && pw_flog_at(l, low)->arrival >> PW_SETTLED_SHIFT <= unit)
			return false;
	}
	return true;
}

static bool
passed(const struct pw_flog *l, uint64_t unit)
{
	return passed_by(l, l->brokers, unit);
}

bool
pw_log_passed(const struct pw_flog *l, uint64_t time)
{
	return passed(l, time >> PW_SETTLED_SHIFT);
}

bool
pw_log_passed_by(const struct pw_flog *l, uint32_t brokers, uint64_t time)
{
	return passed_by(l, brokers, time >> PW_SETTLED_SHIFT);
}

bool
pw_session_settled(const struct pw_forward *f, const struct pw_session *s, uint64_t now)
{
	struct pw_flog *const *logs = pw_session_logs(f, s);
	uint64_t unit = now >> PW_SETTLED_SHIFT;

	if (logs == NULL || s->logs == 0)
		return true;
	unit -= (uint32_t)((uint32_t)unit - s->appended);
	for (uint32_t n = 0; n < pw_view(f)->nb_numbers; n++) {
		if (logs[n] != NULL && (s->logs & 1u << n % 32) && !passed(logs[n], unit))
			return false;
	}
	return true;
}
