/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include <rte_common.h>

#include "figures.h"

static const struct {
	const char *name;
	uint32_t of_10000;
} quantile[] = {{"p50", 5000}, {"p90", 9000}, {"p99", 9900}, {"p99_9", 9990}, {"max", 10000}};

double
figures_rate(uint64_t n, uint64_t ns)
{
	return ns == 0 ? 0 : (double)n * 1e9 / (double)ns;
}

double
figures_share(uint64_t part, uint64_t all)
{
	return all == 0 ? 0 : (double)part / (double)all;
}

static double
us(const struct pw_hist *h, uint32_t i)
{
	return (double)pw_hist_quantile(h, quantile[i].of_10000) / 1000;
}

void
figures_latency_json(FILE *f, const char *key, const struct pw_hist *h)
{
	fprintf(f, "  \"%s\": {\"count\": %" PRIu64, key, h->count);
	for (uint32_t i = 0; i < RTE_DIM(quantile); i++)
		fprintf(f, ", \"%s\": %.1f", quantile[i].name, us(h, i));
	fprintf(f, "},\n");
}

void
figures_latency_words(FILE *f, const char *what, const struct pw_hist *h)
{
	fprintf(f, "%s of %" PRIu64 " messages, us:", what, h->count);
	for (uint32_t i = 0; i < RTE_DIM(quantile); i++)
		fprintf(f, " %s %.1f", quantile[i].name, us(h, i));
	fprintf(f, "\n");
}

void
figures_order_json(FILE *f, const struct order_counts *n)
{
	const char *before = "  \"order\": {";

#define FIGURES_JSON(name, text)                                                                   \
	fprintf(f, "%s\"" #name "\": %" PRIu64, before, n->name);                                  \
	before = ", ";
	ORDER_COUNTS(FIGURES_JSON)
#undef FIGURES_JSON
	fprintf(f, "},\n");
}

void
figures_order_words(FILE *f, const struct order_counts *n)
{
#define FIGURES_WORDS(name, text) fprintf(f, ", %" PRIu64 " " #name, n->name);
	ORDER_COUNTS(FIGURES_WORDS)
#undef FIGURES_WORDS
}

int
figures_write(const char *path, void (*print)(FILE *f, const void *of), const void *of)
{
	FILE *f = strcmp(path, "-") == 0 ? stdout : fopen(path, "w");

	if (f != NULL)
		print(f, of);
	if (f != NULL && !ferror(f) && (f == stdout ? fflush(f) : fclose(f)) == 0)
		return 0;
	fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, path, strerror(errno));
	return -1;
}
