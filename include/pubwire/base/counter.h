/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PUBWIRE_BASE_COUNTER_H
#define PUBWIRE_BASE_COUNTER_H

/**
 * @file
 * Counters from X-macro lists: one row gives the field, the metric's name and the text.
 *
 *     #define PW_ARP_COUNTERS(X)                              \
 *             X(requests_in, "ARP requests received")         \
 *             X(replies_in, "ARP replies received")
 *     PW_COUNTER_STRUCT(pw_arp_counters, PW_ARP_COUNTERS);
 *
 * and, in one source file,
 *
 *     PW_COUNTER_DESCRIBE(pw_arp_counters, PW_ARP_COUNTERS);
 *
 * which defines pw_arp_counters_desc[], a row a field in their order, ended by a NULL name.
 * One lcore writes a struct of counters; any thread may read it (aligned 64-bit loads).
 */

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Name and meaning of one counter. */
struct pw_counter_desc {
	const char *name;
	const char *help;
};

#define PW_COUNTER_FIELD(field, help) uint64_t field;
#define PW_COUNTER_ROW(field, help)   {#field, help},

/** Declare the struct of a list, and the table that describes it. */
#define PW_COUNTER_STRUCT(tag, LIST)                                                               \
	struct tag {                                                                               \
		LIST(PW_COUNTER_FIELD)                                                             \
	};                                                                                         \
	extern const struct pw_counter_desc tag##_desc[]

/** Define the table; in one source file. */
#define PW_COUNTER_DESCRIBE(tag, LIST)                                                             \
	const struct pw_counter_desc tag##_desc[] = {LIST(PW_COUNTER_ROW){NULL, NULL}};            \
	static_assert(sizeof(struct tag) == 8 * (sizeof(tag##_desc) / sizeof(tag##_desc[0]) - 1),  \
		      "a counter is a uint64_t")

/** Value of the counter in row i of the table. */
static inline uint64_t
pw_counter_read(const void *counters, uint32_t i)
{
	return __atomic_load_n((const uint64_t *)counters + i, __ATOMIC_RELAXED);
}

#ifdef __cplusplus
}
#endif

#endif
