/* SPDX-License-Identifier: BSD-3-Clause */
/* The wheel against a plain array of expiries: the same seeded history goes through both. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <pubwire/base/wheel.h>

#define TIMERS 64
#define TICK   UINT64_C(1000000)
#define IDLE   UINT64_MAX

struct world {
	struct pw_wheel wheel;
	struct pw_timer timer[TIMERS];
	uint64_t expiry[TIMERS]; /* the oracle: IDLE where not armed */
	uint64_t now;
	uint64_t last_advance;
	uint64_t rng;
	uint32_t fired;
	uint64_t least; /* the latest tick of a timer that has fired in this advance */
};

static uint64_t
draw(struct world *w, uint64_t below)
{
	w->rng ^= w->rng << 13;
	w->rng ^= w->rng >> 7;
	w->rng ^= w->rng << 17;
	return w->rng % below;
}

/* Distances from nothing to beyond the wheel's span, each magnitude equally likely. */
static uint64_t
draw_distance(struct world *w)
{
	return draw(w, UINT64_C(1) << draw(w, 54));
}

static void
arm(struct world *w, uint32_t i, uint64_t expiry)
{
	pw_wheel_arm(&w->wheel, &w->timer[i], expiry);
	w->expiry[i] = expiry;
}

static void
cancel(struct world *w, uint32_t i)
{
	pw_wheel_cancel(&w->wheel, &w->timer[i]);
	w->expiry[i] = IDLE;
}

static void
fire(void *ctx, struct pw_timer *t, uint64_t now)
{
	struct world *w = ctx;
	uint32_t i = (uint32_t)(t - w->timer);

	assert_false(pw_timer_armed(t));
	assert_int_equal(now, w->now);
	assert_true(w->expiry[i] <= now); /* never early; IDLE (cancelled) is above everything */
	w->expiry[i] = IDLE;
	w->fired++;
	switch (draw(w, 6)) {
	case 0: /* again at once: has to wait for the next advance */
		arm(w, i, now > 5 ? now - draw(w, 5) : 0);
		break;
	case 1:
		arm(w, i, now + draw_distance(w));
		break;
	case 2:
		cancel(w, (uint32_t)draw(w, TIMERS));
		break;
	case 3: /* move another, due or not */
		i = (uint32_t)draw(w, TIMERS);
		arm(w, i, now + draw_distance(w));
		break;
	default:
		break;
	}
}

static uint32_t
armed_in_oracle(const struct world *w)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < TIMERS; i++) {
		assert_int_equal(pw_timer_armed(&w->timer[i]), w->expiry[i] != IDLE);
		n += w->expiry[i] != IDLE;
	}
	return n;
}

static uint64_t
earliest(const struct world *w)
{
	uint64_t least = IDLE;

	for (uint32_t i = 0; i < TIMERS; i++)
		least = w->expiry[i] < least ? w->expiry[i] : least;
	return least;
}

static void
step(struct world *w, uint32_t budget)
{
	uint32_t due = 0, before = w->fired, n;

	for (uint32_t i = 0; i < TIMERS; i++)
		due += w->expiry[i] != IDLE &&
		       w->expiry[i] / TICK + (w->expiry[i] % TICK != 0) <= w->now / TICK;
	n = pw_wheel_advance(&w->wheel, w->now, budget, fire, w);
	assert_int_equal(n, w->fired - before);
	assert_true(n <= budget);
	if (due > 0)
		assert_true(n > 0);
	/* What callbacks cancel or move needs not fire; nothing else fires than was due. */
	assert_true(n <= due);
	assert_int_equal(w->wheel.armed, armed_in_oracle(w));
}

static void
history(uint64_t seed)
{
	static struct world w;

	memset(&w, 0, sizeof(w));
	w.rng = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
	w.now = draw(&w, UINT64_C(1) << 50);
	for (uint32_t i = 0; i < TIMERS; i++)
		w.expiry[i] = IDLE;
	pw_wheel_init(&w.wheel, w.now, TICK);
	for (uint32_t turn = 0; turn < 400; turn++) {
		uint32_t i = (uint32_t)draw(&w, TIMERS);

		switch (draw(&w, 4)) {
		case 0:
		case 1:
			arm(&w, i, w.now + draw_distance(&w));
			break;
		case 2:
			if (draw(&w, 4) == 0)
				cancel(&w, i);
			break;
		default:
			w.now += draw_distance(&w) >> 8;
			step(&w, draw(&w, 3) == 0 ? 1 : UINT32_MAX);
			break;
		}
	}
	/* Run dry by the times that the wheel itself names: each must lead on. */
	for (uint32_t i = 0; i < TIMERS; i++)
		cancel(&w, i);
	arm(&w, 0, w.now + (UINT64_C(1) << 53));
	arm(&w, 1, w.now + 1);
	for (uint32_t turns = 0; w.wheel.armed > 0 && turns < 5000; turns++) {
		uint64_t next = pw_wheel_next(&w.wheel);

		assert_true(next < earliest(&w) + TICK);
		w.now = next > w.now ? next : w.now;
		step(&w, UINT32_MAX);
		for (uint32_t i = 2; i < TIMERS; i++)
			cancel(&w, i);
		if (turns > 1000)
			cancel(&w, (uint32_t)(turns & 1));
	}
	assert_int_equal(w.wheel.armed, 0);
	assert_int_equal(pw_wheel_next(&w.wheel), UINT64_MAX);
	for (uint32_t l = 0; l < PW_WHEEL_LEVELS; l++) {
		for (uint32_t k = 0; k < (1 << PW_WHEEL_BITS) / 64; k++)
			assert_int_equal(w.wheel.map[l][k], 0);
	}
}

static void
test_seeded_histories_agree_with_a_list(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 300; seed++)
		history(seed);
}

static void
count(void *ctx, struct pw_timer *t, uint64_t now)
{
	(void)t;
	(void)now;
	++*(uint32_t *)ctx;
}

static void
test_fires_at_its_tick_and_not_before(void **state)
{
	struct pw_wheel w;
	struct pw_timer t = {0};
	uint32_t n = 0;

	(void)state;
	pw_wheel_init(&w, 0, TICK);
	pw_wheel_arm(&w, &t, 5 * TICK);
	assert_int_equal(pw_wheel_advance(&w, 5 * TICK - 1, 9, count, &n), 0);
	assert_int_equal(pw_wheel_advance(&w, 5 * TICK, 9, count, &n), 1);
	assert_int_equal(n, 1);
	assert_false(pw_timer_armed(&t));
}

static void
test_expiry_in_the_past_fires_at_the_next_advance_even_without_time_passing(void **state)
{
	struct pw_wheel w;
	struct pw_timer t = {0};
	uint32_t n = 0;

	(void)state;
	pw_wheel_init(&w, 9 * TICK, TICK);
	pw_wheel_arm(&w, &t, 3);
	assert_int_equal(pw_wheel_next(&w), 0);
	assert_int_equal(pw_wheel_advance(&w, 9 * TICK, 9, count, &n), 1);
}

static void
rearm(void *ctx, struct pw_timer *t, uint64_t now)
{
	pw_wheel_arm(ctx, t, now);
}

static void
test_timer_that_rearms_itself_for_now_fires_once_an_advance(void **state)
{
	struct pw_wheel w;
	struct pw_timer t = {0};

	(void)state;
	pw_wheel_init(&w, 0, TICK);
	pw_wheel_arm(&w, &t, TICK);
	assert_int_equal(pw_wheel_advance(&w, 4 * TICK, UINT32_MAX, rearm, &w), 1);
	assert_int_equal(pw_wheel_advance(&w, 4 * TICK, UINT32_MAX, rearm, &w), 1);
	pw_wheel_cancel(&w, &t);
}

static void
test_budget_leaves_the_rest_in_order(void **state)
{
	struct pw_wheel w;
	struct pw_timer t[4] = {0};
	uint32_t n = 0;

	(void)state;
	pw_wheel_init(&w, 0, TICK);
	for (uint32_t i = 0; i < 4; i++)
		pw_wheel_arm(&w, &t[i], (i + 1) * TICK);
	assert_int_equal(pw_wheel_advance(&w, 9 * TICK, 2, count, &n), 2);
	assert_false(pw_timer_armed(&t[0]));
	assert_false(pw_timer_armed(&t[1]));
	assert_true(pw_timer_armed(&t[2]));
	assert_true(pw_timer_armed(&t[3]));
	pw_wheel_cancel(&w, &t[3]);
	assert_int_equal(pw_wheel_advance(&w, 9 * TICK, 2, count, &n), 1);
	assert_int_equal(w.armed, 0);
}

static void
test_leap_of_years_is_quick_and_loses_nothing(void **state)
{
	struct pw_wheel w;
	struct pw_timer t = {0};
	uint32_t n = 0;
	uint64_t year = UINT64_C(31536000) * 1000 * TICK;

	(void)state;
	pw_wheel_init(&w, 0, TICK);
	pw_wheel_arm(&w, &t, 3 * year);
	assert_int_equal(pw_wheel_advance(&w, 3 * year - 1, 9, count, &n), 0);
	assert_int_equal(pw_wheel_advance(&w, 3 * year, 9, count, &n), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_seeded_histories_agree_with_a_list),
		cmocka_unit_test(test_fires_at_its_tick_and_not_before),
		cmocka_unit_test(
			test_expiry_in_the_past_fires_at_the_next_advance_even_without_time_passing),
		cmocka_unit_test(test_timer_that_rearms_itself_for_now_fires_once_an_advance),
		cmocka_unit_test(test_budget_leaves_the_rest_in_order),
		cmocka_unit_test(test_leap_of_years_is_quick_and_loses_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
