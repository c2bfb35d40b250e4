/* SPDX-License-Identifier: BSD-3-Clause */
/* The table, and the same as JSON. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_version.h>

#include "micro.h"

#define MAX_SKIPPED 16
#define MAX_NOTES   16

static struct micro_figure **figure;
static uint32_t nb_figures, nb_printed;
static struct {
	const char *name, *why;
} skipped[MAX_SKIPPED];
static uint32_t nb_skipped;
static struct {
	const char *bench;
	char text[240];
} note[MAX_NOTES];
static uint32_t nb_notes, nb_noted; /* that are printed */

struct micro_figure *
micro_figure_add(void)
{
	struct micro_figure *f = calloc(1, sizeof(*f));

	figure = realloc(figure, (nb_figures + 1) * sizeof(*figure));
	if (f == NULL || figure == NULL)
		micro_die("no memory");
	figure[nb_figures++] = f;
	return f;
}

static double
ns(double cycles)
{
	return cycles * 1e9 / (double)rte_get_tsc_hz();
}

static const char *
build(void)
{
#ifdef NDEBUG
	return "release";
#else
	return "with assertions";
#endif
}

void
micro_report_heading(void)
{
	micro_machine_text(stdout);
	printf("compiler %s, %s; %s\n", __VERSION__, build(), rte_version());
	printf("bursts of %u; median of %u repetitions of %u rounds, least..greatest, 10th..90th "
	       "percentile\n\n",
	       MICRO_BURST, micro_options.repeat, micro_options.rounds);
	printf("%-20s %-12s %5s %-28s %-6s %10s %19s %19s %9s\n", "name", "one", "bytes", "param",
	       "cache", "cycles", "least..greatest", "10th..90th", "ns");
}

static void
print(struct micro_figure *f)
{
	const struct micro_stats *c = &f->cycles;
	char size[12] = "", spread[2][32];

	f->cycles = micro_stats(f->repetition, f->nb_repeat);
	if (f->size != 0)
		snprintf(size, sizeof(size), "%u", f->size);
	snprintf(spread[0], sizeof(spread[0]), "%.1f..%.1f", c->least, c->greatest);
	snprintf(spread[1], sizeof(spread[1]), "%.1f..%.1f", c->p10, c->p90);
	printf("%-20s %-12s %5s %-28s %-6s %10.1f %19s %19s %9.1f\n", f->name, f->operation, size,
	       f->param, f->cache, c->median, spread[0], spread[1], ns(c->median));
}

void
micro_report(void)
{
	for (; nb_printed < nb_figures; nb_printed++)
		print(figure[nb_printed]);
	for (; nb_noted < nb_notes; nb_noted++)
		printf("  %s\n", note[nb_noted].text);
	fflush(stdout);
}

void
micro_report_skipped(const char *why)
{
	if (nb_skipped == MAX_SKIPPED)
		micro_die("too much is skipped");
	skipped[nb_skipped].name = micro_bench_name;
	skipped[nb_skipped++].why = why;
	printf("%-20s skipped: %s\n", micro_bench_name, why);
}

void
micro_report_note(const char *text)
{
	if (nb_notes == MAX_NOTES)
		micro_die("there are too many notes");
	note[nb_notes].bench = micro_bench_name;
	snprintf(note[nb_notes++].text, sizeof(note[0].text), "%s", text);
}

static void
json_stats(FILE *f, const char *name, const struct micro_stats *s, double factor)
{
	fprintf(f,
		"\"%s\": {\"median\": %.3f, \"least\": %.3f, \"greatest\": %.3f, \"p10\": %.3f, "
		"\"p90\": %.3f}",
		name, s->median * factor, s->least * factor, s->greatest * factor, s->p10 * factor,
		s->p90 * factor);
}

static void
json_figure(FILE *f, const struct micro_figure *g)
{
	fprintf(f, "  {\"bench\": \"%s\", \"name\": \"%s\", \"operation\": \"%s\", ", g->bench,
		g->name, g->operation);
	if (g->size != 0)
		fprintf(f, "\"size\": %u, ", g->size);
	else
		fprintf(f, "\"size\": null, ");
	if (g->param[0] != '\0')
		fprintf(f, "\"param\": \"%s\", ", g->param);
	else
		fprintf(f, "\"param\": null, ");
	fprintf(f, "\"cache\": \"%s\",\n   ", g->cache);
	json_stats(f, "cycles", &g->cycles, 1);
	fprintf(f, ",\n   ");
	json_stats(f, "ns", &g->cycles, ns(1));
	fprintf(f, ",\n   \"repetitions\": %u}", g->nb_repeat);
}

int
micro_report_json(const char *path)
{
	FILE *f = fopen(path, "w");
	bool failed;

	if (f == NULL)
		return -errno;
	fprintf(f, "{\"conditions\": {");
	micro_machine_json(f);
	fprintf(f,
		", \"compiler\": \"%s\", \"build\": \"%s\", \"dpdk\": \"%s\", \"tsc_hz\": %lu, "
		"\"timer_cycles\": %.1f, \"burst\": %u, \"rounds\": %u, \"short\": %s},\n",
		__VERSION__, build(), rte_version(), rte_get_tsc_hz(), micro_timer_cycles(),
		MICRO_BURST, micro_options.rounds, micro_options.brief ? "true" : "false");
	fprintf(f, " \"results\": [\n");
	for (uint32_t i = 0; i < nb_figures; i++) {
		json_figure(f, figure[i]);
		fprintf(f, "%s\n", i + 1 < nb_figures ? "," : "");
	}
	fprintf(f, " ],\n \"notes\": [");
	for (uint32_t i = 0; i < nb_notes; i++)
		fprintf(f, "%s{\"bench\": \"%s\", \"text\": \"%s\"}", i > 0 ? ", " : "",
			note[i].bench, note[i].text);
	fprintf(f, "],\n \"skipped\": [");
	for (uint32_t i = 0; i < nb_skipped; i++)
		fprintf(f, "%s{\"name\": \"%s\", \"why\": \"%s\"}", i > 0 ? ", " : "",
			skipped[i].name, skipped[i].why);
	fprintf(f, "]}\n");
	failed = ferror(f) != 0;
	return fclose(f) != 0 || failed ? -EIO : 0;
}
