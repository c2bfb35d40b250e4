/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "view.h"

double
ctl_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void
ctl_sleep(double seconds)
{
	struct timespec t = {.tv_sec = (time_t)seconds};

	t.tv_nsec = (long)((seconds - (double)t.tv_sec) * 1e9);
	while (nanosleep(&t, &t) != 0 && errno == EINTR)
		;
}

/* The buckets of one page; false where they are not what this program knows as buckets. */
static bool
add_buckets(struct pw_hist *h, const json_t *page)
{
	const json_t *index = json_object_get(page, "bucket"), *n = json_object_get(page, "n");

	if (ctl_u64(page, "sub_bits") != PW_HIST_SUB_BITS ||
	    ctl_u64(page, "buckets") != PW_HIST_BUCKETS ||
	    json_array_size(index) != json_array_size(n))
		return false;
	for (size_t i = 0; i < json_array_size(index); i++) {
		json_int_t at = json_integer_value(json_array_get(index, i));

		if (at < 0 || at >= PW_HIST_BUCKETS)
			return false;
		h->bucket[at] = (uint64_t)json_integer_value(json_array_get(n, i));
	}
	return true;
}

int
ctl_ask_histogram(struct ctl *c, uint32_t qos, struct pw_hist *h)
{
	int64_t start = 0, next = 0;

	memset(h, 0, sizeof(*h));
	for (; next >= 0; start = next) {
		json_t *page = ctl_ask(c, "/pubwire/histogram,%u,%lld", qos, (long long)start);
		bool known;

		if (page == NULL)
			return CTL_FAILED;
		known = add_buckets(h, page);
		h->count = ctl_u64(page, "count");
		h->sum = ctl_u64(page, "sum");
		h->max = ctl_u64(page, "max");
		next = ctl_next(page);
		json_decref(page);
		if (!known || (next >= 0 && next <= start))
			return ctl_fail(c, CTL_FAILED,
					"%s: this pubwirectl does not understand the histograms of "
					"that pubwire: use the one that came with it",
					c->path);
	}
	return CTL_OK;
}

void
ctl_sample_free(struct ctl_sample *s)
{
	json_decref(s->info);
	json_decref(s->workers);
	json_decref(s->counters);
	json_decref(s->drops);
	json_decref(s->brokers);
	json_decref(s->pools);
	json_decref(s->drain);
	json_decref(s->ports);
	memset(s, 0, sizeof(*s));
}

int
ctl_sample_take(struct ctl *c, struct ctl_sample *s)
{
	ctl_sample_free(s);
	s->info = ctl_ask(c, "/pubwire/info");
	s->drain = s->info != NULL ? ctl_ask(c, "/pubwire/drain") : NULL;
	s->pools = s->drain != NULL ? ctl_ask(c, "/pubwire/pools") : NULL;
	s->ports = s->pools != NULL ? ctl_ask(c, "/pubwire/ports") : NULL;
	s->at = ctl_now();
	s->counters = s->ports != NULL ? ctl_ask(c, "/pubwire/counters") : NULL;
	s->drops = s->counters != NULL ? ctl_ask_rows(c, "/pubwire/drops") : NULL;
	s->workers = s->drops != NULL ? ctl_ask_rows(c, "/pubwire/workers") : NULL;
	s->brokers = s->workers != NULL ? ctl_ask_rows(c, "/pubwire/brokers") : NULL;
	if (s->brokers != NULL && ctl_ask_histogram(c, 0, &s->latency[0]) == CTL_OK &&
	    ctl_ask_histogram(c, 1, &s->latency[1]) == CTL_OK)
		return CTL_OK;
	ctl_sample_free(s);
	return CTL_FAILED;
}
