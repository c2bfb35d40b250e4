/* SPDX-License-Identifier: BSD-3-Clause */
/* Names and texts out of the lists of the public header. */
#include <rte_common.h>

#include <pubwire/tcp/tcp.h>

PW_COUNTER_DESCRIBE(pw_tcp_counters, PW_TCP_COUNTERS);

#define STATE_ROW(s)	 #s,
#define END_ROW(e, text) text,

const char *
pw_tcp_state_str(enum pw_tcp_state s)
{
	static const char *const name[] = {PW_TCP_STATES(STATE_ROW)};

	return (unsigned int)s < RTE_DIM(name) ? name[s] : "?";
}

const char *
pw_tcp_end_str(enum pw_tcp_end e)
{
	static const char *const text[] = {PW_TCP_ENDS(END_ROW)};

	return (unsigned int)e < RTE_DIM(text) ? text[e] : "?";
}
