/* SPDX-License-Identifier: BSD-3-Clause */
/* Seeded histories of a simulated world; world.h says what is in one, histories.h how it is called.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include <rte_common.h>

#include "histories.h"
#include "world.h"

#define END_NAME(e, text) #e,
static const char *const end_name[] = {PW_TCP_ENDS(END_NAME)};
#undef END_NAME

static struct world world;
static struct tally tally;

static int
start(void)
{
	return world_start(&world);
}

static void
stop(void)
{
	/* A third of the ports cut what is larger than a segment. */
	if (tally.histories >= 50)
		assert_true(tally.tcp.segs_tso > tally.histories);
	world_stop(&world);
}

static struct history
play(uint64_t seed, bool aloud, const char *capture)
{
	bool good = world_play(&world, seed, aloud, capture, &tally);

	return (struct history){
		.good = good,
		.fault = world.fault,
		.digest = world.digest,
		.steps = world.steps,
		.ns = world.now - BEGINS,
	};
}

static void
so_far(uint64_t *histories, uint64_t *segments)
{
	*histories = tally.histories;
	*segments = tally.segments;
}

static void
print_sums(void)
{
	const struct pw_tcp_counters *n = &tally.tcp;

#define SUM(name, value) printf("sum %s %" PRIu64 "\n", name, (uint64_t)(value))
	SUM("histories", tally.histories);
	SUM("connections", tally.conns);
	SUM("connections_ipv6", tally.v6);
	SUM("frames", tally.frames);
	SUM("segments", tally.segments);
	SUM("bytes_delivered", tally.bytes);
	SUM("frames_lost", tally.lost);
	SUM("frames_duplicated", tally.duplicated);
	SUM("frames_corrupted", tally.corrupted);
	SUM("frames_forged", tally.forged);
	SUM("segments_cut_by_ports", n->segs_tso);
	SUM("retransmits", n->retransmits);
	SUM("fast_recoveries", n->fast_retransmits);
	SUM("timeouts_rto", n->rto_fired);
	SUM("window_probes", n->zero_window_probes);
	SUM("keepalive_probes", n->keepalive_probes);
	SUM("out_of_order", n->ooo_in);
	SUM("challenges", n->challenge_acks);
	SUM("refused_paws", n->drop_paws);
	SUM("wrong_checksums", tally.wire.drop_l4_cksum + tally.wire.drop_ip_cksum);
	SUM("no_buffer", n->drop_tx_no_buffer);
	for (uint32_t i = 0; i < RTE_DIM(tally.states); i++) {
		char name[40];

		snprintf(name, sizeof(name), "in_%s", pw_tcp_state_str((enum pw_tcp_state)i));
		if (tally.states[i] != 0)
			SUM(name, tally.states[i]);
	}
	for (uint32_t i = 0; i < RTE_DIM(tally.ends); i++) {
		char name[40];

		snprintf(name, sizeof(name), "end_%s", end_name[i]);
		if (tally.ends[i] != 0)
			SUM(name, tally.ends[i]);
	}
#undef SUM
}

int
main(int argc, char **argv)
{
	const struct histories worlds = {
		.replay = "--replay",
		.captures = true,
		.start = start,
		.stop = stop,
		.play = play,
		.so_far = so_far,
		.print_sums = print_sums,
	};

	return histories_main(&worlds, argc, argv);
}
