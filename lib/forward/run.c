/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>

#include "run_pvt.h"

int
pw_run_push(struct pw_pool *blocks, struct pw_run_list *l, const struct pw_slice *s)
{
	struct pw_run *r = l->last;

	if (r == NULL || r->n == PW_RUN_SLICES) {
		r = pw_pool_get(blocks);
		if (r == NULL)
			return -ENOBUFS;
		if (l->last != NULL)
			l->last->next = r;
		else
			l->first = r;
		l->last = r;
	}
	r->s[r->n++] = *s;
	return 0;
}

struct pw_slice *
pw_run_last(struct pw_run_list *l)
{
	return l->last != NULL && l->last->n > l->last->from ? &l->last->s[l->last->n - 1] : NULL;
}

void
pw_run_drop(struct pw_pool *blocks, struct pw_run *r)
{
	while (r != NULL) {
		struct pw_run *next = r->next;

		for (uint32_t i = r->from; i < r->n; i++)
			pw_slice_drop(&r->s[i]);
		pw_pool_put(blocks, r);
		r = next;
	}
}

void
pw_run_forget(struct pw_pool *blocks, struct pw_run *r)
{
	while (r != NULL) {
		struct pw_run *next = r->next;

		pw_pool_put(blocks, r);
		r = next;
	}
}

void
pw_run_trim(struct pw_pool *blocks, struct pw_run_list *l, uint32_t bytes)
{
	struct pw_run *r;

	while ((r = l->first) != NULL) {
		struct pw_slice *s = &r->s[r->from];

		if (r->from == r->n) {
			l->first = r->next;
			if (l->first == NULL)
				l->last = NULL;
			pw_pool_put(blocks, r);
			continue;
		}
		if (s->len > bytes) {
			s->off = (uint16_t)(s->off + bytes);
			s->len = (uint16_t)(s->len - bytes);
			return;
		}
		bytes -= s->len;
		pw_slice_drop(s);
		r->from++;
	}
}

uint32_t
pw_run_slices(const struct pw_run *r, struct pw_slice *out, uint32_t max)
{
	uint32_t n = 0;

	for (; r != NULL; r = r->next) {
		for (uint32_t i = r->from; i < r->n; i++, n++) {
			if (n < max)
				out[n] = r->s[i];
		}
	}
	return n;
}
