/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TEST_LAB_TRANSFER_H
#define TEST_LAB_TRANSFER_H

/*
 * What a transfer is, whoever's TCP carries it: N connections, on each a stream of so many bytes in
 * either direction, each side closing its own once it is said. tcp_host (pubwire's TCP) and
 * tcp_peer (the kernel's) share this; which of them stands at which end is all that differs.
 *
 * A side with nothing to say closes when the other has.
 */

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "stream.h"

#define TRANSFER_MAX 256

struct transfer_conf {
	bool listen;
	bool echo;	/* what comes back is what was sent */
	uint32_t conns; /* 1 .. TRANSFER_MAX */
	uint64_t out;	/* bytes that this side says on each */
	uint64_t in;	/* bytes that the other says */
	uint64_t seed;
	uint32_t seconds; /* most that it may take */
	uint32_t linger;  /* ms to stay when all is done: the peer may repeat its FIN */
	uint32_t max_rto; /* ms, tcp_host: 0 for the default */
	uint32_t window;  /* bytes of receive window and send queue, 0: the stack's own choice */
	uint16_t port;
	const char *local;     /* address, with /prefix for tcp_host */
	const char *remote;    /* address */
	const char *device;    /* tcp_host: the interface it takes */
	const char *cc;	       /* tcp_peer: congestion control */
	const char *neighbour; /* tcp_host: ADDRESS@MAC that it knows from the start */
	const char *max_ooo;   /* tcp_host: see pw_tcp_conf */
};

struct transfer_conn {
	struct stream out;
	struct stream in;
	uint64_t began;	   /* ns */
	uint64_t ended_in; /* ns, the other side's stream was complete */
	bool closed_out;   /* this side has said everything and closed */
	bool eof;	   /* the other side has */
	bool ended;
};

struct transfer {
	struct transfer_conf conf;
	struct transfer_conn conn[TRANSFER_MAX];
	uint32_t opened;
	uint32_t ended;
	uint32_t failed; /* ended otherwise than in peace, or with a wrong stream */
	uint64_t began;	 /* ns, the first connection's */
	uint64_t eofs;	 /* ns, the latest end of a stream */
	char first_failure[128];
};

/* 0, or what main() is to return; says why. */
int transfer_parse(struct transfer *t, int argc, char **argv);

/* A connection stands; the streams are named by the seed and the port of the side that opened. */
struct transfer_conn *transfer_open(struct transfer *t, uint16_t connector_port, uint64_t now);

/* Bytes that are still to be said. */
uint64_t transfer_left(const struct transfer *t, const struct transfer_conn *c);

/* True, once, where this side is to close its direction: all said, or heard all and nothing to say.
 */
bool transfer_closes(struct transfer *t, struct transfer_conn *c);

/* The other side has closed. */
void transfer_eof(struct transfer *t, struct transfer_conn *c, uint64_t now);

/* A connection is over; failure NULL where it ended as it should. c NULL: it never stood. */
void transfer_end(struct transfer *t, struct transfer_conn *c, const char *failure);

/* All connections are over. */
bool transfer_done(const struct transfer *t);

/* One line of JSON; more is put in as it is (", \"x\": 1"). Returns main()'s return value. */
int transfer_report(struct transfer *t, const char *more);

#endif
