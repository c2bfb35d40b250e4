/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libFuzzer target: handshakes. Records of length (1 byte), what to do (1 byte), TCP bytes, from
 * four ports of the peer to a listener, or to an open by this side. An acknowledgement may be made
 * relative to the number that the stack has sent to that port, so that cookies are met.
 */
#include <string.h>

#include <rte_common.h>

#include "tcp_target.h"

#define DO_PORT	    0x03 /* which of the peer's */
#define DO_RELATIVE 0x04 /* add what the stack has sent to the acknowledgement */
#define DO_CONNECT  0x08 /* this side opens towards that port, from the listener's */
#define DO_TIME	    0x10 /* most of a second */
#define DO_PERIOD   0x20 /* a period of the cookies' secret */
#define DO_PRESSURE 0x40
#define DO_CLOSE    0x80

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
play(struct target *g, uint8_t what, const uint8_t *p, uint32_t n)
{
	uint16_t port = PEER_PORT + (what & DO_PORT);
	uint8_t raw[256] = {0};
	struct pw_flow flow = {sim_wire_addr(0), sim_wire_addr(1), TARGET_PORT, port};
	struct pw_tcp_conn *c;

	memcpy(raw, p, n);
	raw[0] = port >> 8;
	raw[1] = port & 0xff;
	raw[2] = TARGET_PORT >> 8;
	raw[3] = TARGET_PORT & 0xff;
	if (what & DO_TIME)
		g->now += 700 * SIM_MS;
	if (what & DO_PERIOD)
		g->now += 32 * SIM_S;
	pw_tcp_set_pressure(g->t, what & DO_PRESSURE ? 2 : 0);
	if (what & DO_CONNECT && pw_tcp_connect(g->t, &flow, &target_ops, g, 0, &c, g->now) == 0 &&
	    g->conn == NULL)
		g->conn = c;
	if (what & DO_CLOSE && g->conn != NULL)
		pw_tcp_close(g->t, g->conn, g->now);
	target_settle(g);
	if (what & DO_RELATIVE)
		target_add32(raw + 8, g->iss[port % TARGET_PORTS]);
	target_inject(g, raw, n);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct target *g = target_begin();

	while (size >= 2) {
		uint32_t n = RTE_MIN((uint32_t)data[0], (uint32_t)(size - 2));

		play(g, data[1], data + 2, n);
		data += 2 + n;
		size -= 2 + n;
	}
	target_end(g);
	return 0;
}
