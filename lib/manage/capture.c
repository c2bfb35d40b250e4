/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DPDK's end of captures. The only file that uses librte_pcapng, of which all is experimental in
 * 22.11.
 */

#define ALLOW_EXPERIMENTAL_API /* rte_pcapng_copy() */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_pcapng.h>
#include <rte_pdump.h>

#include "capture_pvt.h"

#define FRAME 64

/*
 * librte_pcapng begins its clock at the first frame that it copies, with a time that is a little
 * before the beginning: 22.11 takes the difference for the 2^64 cycles that it is modulo, and is
 * 225 years ahead for good. So a frame of ours goes first, copied a moment in the future.
 */
static void
begin_clock(const struct pw_mem *mem, uint16_t port)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(mem->pkt), *copy = NULL;
	char *data = m != NULL ? rte_pktmbuf_append(m, FRAME) : NULL;

	if (data != NULL) {
		memset(data, 0, FRAME);
		copy = rte_pcapng_copy(port, 0, m, mem->pkt, FRAME,
				       rte_get_tsc_cycles() + rte_get_tsc_hz() / 2,
				       RTE_PCAPNG_DIRECTION_UNKNOWN);
	}
	rte_pktmbuf_free(copy);
	rte_pktmbuf_free(m);
}

/* EAL makes this socket for other processes, and not with --in-memory or --no-shconf. */
static bool
others_may_connect(void)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/mp_socket", rte_eal_get_runtime_dir());
	return access(path, F_OK) == 0;
}

enum pw_capture_state
capture_open(const struct pw_mem *mem, uint16_t port)
{
	if (!rte_eal_has_hugepages())
		return PW_CAPTURE_NO_HUGE;
	if (!others_may_connect())
		return PW_CAPTURE_IN_MEMORY;
	if (rte_pdump_init() != 0)
		return PW_CAPTURE_NO_MEMORY;
	begin_clock(mem, port);
	return PW_CAPTURE_READY;
}

void
capture_close(void)
{
	(void)rte_pdump_uninit();
}
