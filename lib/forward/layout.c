/* SPDX-License-Identifier: BSD-3-Clause */
/* What a configuration asks for, counted before anything is reserved: for the memory plan. */
#include "upstream_pvt.h"

int
pw_forward_layout(const struct pw_forward_settings *s, struct pw_forward_layout *l)
{
	static struct pw_routes r; /* main lcore */
	int rc = pw_routes_compile(&r, s);

	if (rc < 0)
		return rc;
	*l = (struct pw_forward_layout){.sets = r.nb_sets, .logs = r.nb_logs};
	for (uint32_t i = 0; i < r.nb_sets; i++)
		l->connections +=
			r.set[i].pool_size * (uint32_t)__builtin_popcount(r.set[i].brokers);
	return 0;
}

size_t
pw_forward_logs_bytes(const struct pw_forward_settings *s, uint32_t device_workers, bool remote)
{
	static struct pw_routes r; /* main lcore */
	uint32_t capacity = s->limits.max_queued_messages;
	size_t bytes = 0;

	if (pw_routes_compile(&r, s) < 0)
		return 0;
	for (uint32_t i = 0; i < r.nb_sets; i++)
		bytes += r.set[i].pool_size *
			 (sizeof(struct pw_flog) +
			  pw_flog_bytes(capacity, r.set[i].brokers, remote) +
			  (uint32_t)__builtin_popcount(r.set[i].brokers) *
				  (sizeof(struct pw_upstream) +
				   pw_cursor_words(capacity) * sizeof(uint64_t)));
	bytes *= (uint32_t)__builtin_popcount(s->lanes);
	bytes += pw_pool_bytes(pw_parked_places(capacity, r.nb_logs), sizeof(struct pw_flog_entry));
	return device_workers * bytes;
}
