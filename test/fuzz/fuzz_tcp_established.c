/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libFuzzer target: TCP bytes into an established connection. The first byte says which options
 * it has agreed on; then records: length (1 byte), what to do (1 byte), TCP bytes. Ports are
 * forced; numbers may be made relative to those that the connection expects.
 */
#include <string.h>

#include <rte_common.h>

#include "tcp_target.h"

#define PEER_ISS    1000u
#define DO_RELATIVE 0x01 /* add the expected numbers */
#define DO_LISTENER 0x02 /* a port of its own: meets the listener */
#define DO_TIME	    0x04 /* let time pass before */
#define DO_CONSUME  0x08
#define DO_SEND	    0x10
#define DO_CLOSE    0x20

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
inject_seg(struct target *g, struct tcp_seg seg)
{
	uint8_t raw[SEG_MAX];

	seg.sport = PEER_PORT;
	seg.dport = TARGET_PORT;
	target_inject(g, raw, tcp_seg_build(&seg, raw));
}

static void
establish(struct target *g, uint8_t options)
{
	struct tcp_seg syn = {.flags = SEG_SYN, .seq = PEER_ISS, .win = 65535, .mss = 1460};

	syn.has_ws = options & 1;
	syn.ws = 7;
	syn.sack_ok = options & 2;
	syn.has_ts = options & 4;
	syn.tsval = 1000;
	inject_seg(g, syn);
	inject_seg(g, (struct tcp_seg){.flags = SEG_ACK,
				       .seq = PEER_ISS + 1,
				       .ack = g->iss[0] + 1,
				       .win = 65535,
				       .has_ts = options & 4,
				       .tsval = 1001});
}

static void
play(struct target *g, uint8_t what, const uint8_t *p, uint32_t n)
{
	uint8_t raw[256] = {0};

	memcpy(raw, p, n);
	raw[0] = (PEER_PORT + (what & DO_LISTENER ? 1 : 0)) >> 8;
	raw[1] = (PEER_PORT + (what & DO_LISTENER ? 1 : 0)) & 0xff;
	raw[2] = TARGET_PORT >> 8;
	raw[3] = TARGET_PORT & 0xff;
	if (what & DO_RELATIVE) {
		target_add32(raw + 4, PEER_ISS);
		target_add32(raw + 8, g->iss[0]);
	}
	if (what & DO_TIME)
		g->now += 700 * SIM_MS;
	if (g->conn != NULL && what & DO_CONSUME)
		pw_tcp_consume(g->t, g->conn, pw_tcp_rx_len(g->conn));
	if (g->conn != NULL && what & DO_SEND && pw_tcp_send_room(g->t, g->conn) >= 200)
		(void)!pw_tcp_send_copy(g->t, g->conn, raw, 200);
	if (g->conn != NULL && what & DO_CLOSE)
		pw_tcp_close(g->t, g->conn, g->now);
	target_inject(g, raw, n);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct target *g = target_begin();

	if (size != 0) {
		establish(g, data[0]);
		data++;
		size--;
	}
	while (size >= 2) {
		uint32_t n = RTE_MIN((uint32_t)data[0], (uint32_t)(size - 2));

		play(g, data[1], data + 2, n);
		data += 2 + n;
		size -= 2 + n;
	}
	target_end(g);
	return 0;
}
