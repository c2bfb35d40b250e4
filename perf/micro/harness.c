/* SPDX-License-Identifier: BSD-3-Clause */
/* Rounds, repetitions, and what reading the time costs. */
#include <stdarg.h>
#include <stdlib.h>

#include "micro.h"

#define CALIBRATE 1000

const uint32_t micro_sizes[4] = {64, 256, 1024, 4096};
struct micro_options micro_options;
const char *micro_bench_name;

void
micro_die(const char *why)
{
	fprintf(stderr, "micro: %s\n", why);
	exit(1);
}

void
micro_skip(const char *why)
{
	micro_report_skipped(why);
}

void
micro_note(const char *format, ...)
{
	char text[240];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	micro_report_note(text);
}

/* The median of empty measurements. */
double
micro_timer_cycles(void)
{
	static double cycles = -1;
	double v[CALIBRATE];

	if (cycles >= 0)
		return cycles;
	for (uint32_t i = 0; i < CALIBRATE; i++) {
		uint64_t start = micro_time();

		v[i] = (double)(micro_time() - start);
	}
	cycles = micro_stats(v, CALIBRATE).median;
	return cycles;
}

struct micro_figure *
micro_figure(const char *name, const char *operation, const char *cache, uint32_t size, double ops,
	     const char *param, ...)
{
	struct micro_figure *f = micro_figure_add();
	va_list ap;

	f->bench = micro_bench_name;
	f->name = name;
	f->operation = operation;
	f->cache = cache;
	f->size = size;
	f->ops = ops;
	va_start(ap, param);
	vsnprintf(f->param, sizeof(f->param), param, ap);
	va_end(ap);
	return f;
}

void
micro_round_cycles(struct micro_figure *f, double cycles)
{
	if (f->nb_rounds == MICRO_MAX_ROUNDS)
		micro_die("a repetition has too many rounds");
	f->round[f->nb_rounds++] = cycles;
}

void
micro_round(struct micro_figure *f, uint64_t start, uint64_t end)
{
	double cycles = (double)(end - start) - micro_timer_cycles();

	/* Less than the clock can tell. */
	micro_round_cycles(f, cycles > 1 ? cycles : 1);
}

void
micro_repetition(struct micro_figure *f)
{
	if (f->nb_repeat == MICRO_MAX_REPEAT || f->nb_rounds == 0)
		micro_die("a repetition without rounds, or too many of them");
	f->repetition[f->nb_repeat++] = micro_stats(f->round, f->nb_rounds).median / f->ops;
	f->nb_rounds = 0;
}

void
micro_repeat(const struct micro_case *c, uint32_t n)
{
	for (uint32_t r = 0; r < micro_options.repeat; r++) {
		for (uint32_t k = 0; k < n; k++) {
			for (uint32_t i = 0; i < micro_options.rounds; i++)
				c[k].round(c[k].ctx);
			for (uint32_t i = 0; i < c[k].nb_figures; i++)
				micro_repetition(c[k].figure[i]);
		}
	}
}
