/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TEST_TCP_SCRIPT_H
#define TEST_TCP_SCRIPT_H

/**
 * @file
 * Packet-level scripts: one stack whose peer is the test. PEER() injects a segment, EXPECT() takes
 * the next segment that the stack has sent and compares it, NOTHING() says that there is none.
 *
 * Sequence numbers in scripts are relative: the stack's count from its initial one (its SYN is 0,
 * its first byte 1), the peer's from PEER_ISS.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pubwire/tcp/tcp.h>

#include "sim_wire.h"

#define S	   SEG_SYN
#define A	   SEG_ACK
#define F	   SEG_FIN
#define R	   SEG_RST
#define P	   SEG_PSH

#define PEER_ISS   0x7ffffff0u /* wraps into the negative half soon */
#define LOCAL_PORT 1883
#define PEER_PORT  40000
#define SCRIPT_OUT 256

#define MS	   UINT64_C(1000000)

/** A segment that the stack has sent. */
struct sent {
	uint64_t at;
	struct tcp_seg seg; /* raw numbers */
	uint32_t packet; /* it left in, counted from 1; a device cut it out where others did too */
	uint8_t data[SEG_MAX];
};

/** The stack under test, what it has sent, and what it has told its application. */
struct script {
	struct pw_tcp *t;
	uint64_t now;
	uint64_t start;
	uint32_t iss; /* of the stack */
	bool iss_known;
	uint16_t lport;
	uint16_t rport;
	uint16_t mtu;
	uint16_t max_segs;
	bool tso;
	int output_rc; /* what the hooks answer */
	int path_rc;
	struct sent out[SCRIPT_OUT];
	uint32_t nb_out;
	uint32_t nb_packets;
	uint32_t taken;

	struct pw_tcp_conn *conn; /* of the last accepted or connected; NULL once gone */
	uint32_t accepted;
	uint32_t connected;
	uint32_t readable;
	uint32_t acked;
	uint32_t gone;
	enum pw_tcp_end why;
	bool refuse;	   /* accepted() answers with an error */
	bool auto_consume; /* readable() takes everything */
	uint8_t got[1 << 17];
	uint32_t nb_got;
	void (*in_readable)(struct script *s);
	void (*in_acked)(struct script *s);
	void (*in_connected)(struct script *s);
};

extern struct script script;
extern const struct pw_tcp_ops script_ops;

/** Group and test fixtures. */
int script_group_setup(void **state);
int script_group_teardown(void **state);
int script_setup(void **state);
int script_teardown(void **state);

/** The pools that every script uses. */
const struct pw_mem *script_mem(void);

/** Build the stack with what conf asks for (may be NULL) and listen on LOCAL_PORT. */
struct script *script_open(const struct pw_tcp_conf *conf);

/** The flow of the script's connection as the stack sees it. */
struct pw_flow script_flow(const struct script *s);

/** Inject a segment with relative numbers, then let the stack act. */
void script_peer(struct script *s, struct tcp_seg seg);

/** Inject n segments in one burst. */
void script_peer_burst(struct script *s, const struct tcp_seg *seg, uint32_t n);

/** Dispatch and flush at the present time. */
void script_act(struct script *s);

/** Let time pass; timers fire on the way. */
void script_pass(struct script *s, uint64_t ns);

/** Let time pass until a segment is sent, at most ns; true where one was. */
bool script_until_sent(struct script *s, uint64_t ns);

/** Take the next segment and compare flags (PSH aside), seq, ack and len; with options where want
 * has them. */
const struct tcp_seg *script_expect(struct script *s, struct tcp_seg want, const char *file,
				    int line);

/** Fail where a segment waits. */
void script_nothing(struct script *s, const char *file, int line);

/** Take whatever has been sent; returns how many. */
uint32_t script_skip(struct script *s);

/** Passive and active handshakes with MSS 1460 and no other option, window 65535. */
void script_accept(struct script *s);
void script_connect(struct script *s);

/** The same with the options of syn. */
void script_accept_with(struct script *s, struct tcp_seg syn);

/** Close the established connection before the peer does, up to TIME-WAIT. */
void script_close_first(struct script *s);

/** Start an active open: the SYN is taken from the output and its number learnt. */
const struct tcp_seg *script_syn(struct script *s);

/** Queue n bytes of the pattern as one held slice per buffer; the offset is that of the stream. */
void script_send(struct script *s, uint32_t off, uint32_t n);

/** Byte of the pattern at an offset of a stream, and a place from which 2048 can be read. */
const uint8_t *script_bytes(uint32_t off);

/** Bytes that the application has been given are the pattern's first n. */
void script_check_got(struct script *s, uint32_t n);

/** Consume n bytes of the receive queue, comparing them with the pattern; then let the stack act.
 */
void script_consume(struct script *s, uint32_t n);

#define PEER(s, ...)   script_peer(s, (struct tcp_seg){__VA_ARGS__})
#define EXPECT(s, ...) script_expect(s, (struct tcp_seg){__VA_ARGS__}, __FILE__, __LINE__)
#define NOTHING(s)     script_nothing(s, __FILE__, __LINE__)

/** Fails where a time (since `from`, ns) is not within lo .. hi milliseconds. */
#define WITHIN_MS(ns, lo, hi) assert_in_range((ns) / 1000000, lo, hi)

#define SCRIPT(f)	      cmocka_unit_test_setup_teardown(f, script_setup, script_teardown)

#endif
