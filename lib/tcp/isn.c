/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Initial sequence numbers (RFC 6528 3): a clock of 4 us, so that numbers of one pair of endpoints
 * move on, plus a keyed hash of the endpoints, so that nobody else can guess them.
 */
#include "stack_pvt.h"

uint32_t
pw_tcp_isn(const struct pw_tcp *t, const struct pw_flow *flow)
{
	return (uint32_t)(t->now / 4000) + (uint32_t)pw_siphash24(&t->key_isn, flow, sizeof(*flow));
}
