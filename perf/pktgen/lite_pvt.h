/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PKTGEN_LITE_PVT_H
#define PKTGEN_LITE_PVT_H

/* What the files of the light TCP share. */

#include <assert.h>
#include <string.h>

#include <rte_tcp.h>

#include "clock.h"
#include "lite.h"

#define LITE_HEAD	66 /* Ethernet, IPv4, TCP with timestamps */
#define LITE_ETH	14
#define LITE_IP		20
#define LITE_TS_HEAD	0x0101080au /* RFC 7323 appendix A */
#define LITE_RTO_MS	200u
#define LITE_SYN_RTO_MS 1000u

enum lite_state { LITE_CLOSED, LITE_SYN_SENT, LITE_UP };

#define F_FIN	 1  /* this side has closed */
#define F_EOF	 2  /* the peer has */
#define F_ACK	 4  /* an acknowledgement is due */
#define F_LISTED 8  /* among those that are due */
#define F_BYTES	 16 /* of what is kept, some is kept as bytes */

/* What a line of the cache holds. */
struct conn {
	struct rte_mbuf *rx;
	uint32_t first, last; /* kept: not acknowledged, sent or not */
	uint32_t una, nxt;    /* sent, and not acknowledged */
	uint32_t end;	      /* of what is queued */
	uint32_t rcv_nxt;
	uint32_t wnd; /* bytes, that the peer offers */
	uint32_t ts_recent;
	uint32_t retry; /* ms */
	uint32_t addr;	/* host order */
	uint16_t port;
	uint8_t state, flags;
	uint8_t scale;
	uint8_t tries;
	uint8_t dups; /* duplicate acknowledgements */
};

static_assert(sizeof(struct conn) <= 64, "a line of the cache");

/* A segment that is not acknowledged; another line. */
struct kept {
	struct lite_note note; /* what it carries, where there is no m */
	struct rte_mbuf *m;    /* a frame with what it carries */
	uint32_t next;
	uint32_t seq;
	uint16_t len; /* of the sequence */
	uint8_t flags;
};

static_assert(sizeof(struct kept) <= 64, "a line of the cache");

/* Of all connections. */
struct store {
	struct kept *at; /* 0 stands for none */
	uint32_t *free;	 /* a stack: what was used last is in the cache */
	uint32_t nb_free;
	uint32_t nb_bytes; /* those that keep a buffer */
	uint32_t max_bytes;
};

struct due {
	uint32_t i, ms;
};

struct lite {
	struct lite_conf conf;
	struct conn *conn;
	struct store store;
	struct due *due; /* a ring: all wait equally long */
	uint32_t due_mask, due_head, due_tail;
	uint32_t addrs, each, mss;
	uint32_t sweep, nb;
	uint32_t ms;
	struct rte_mbuf *building;
	uint8_t head[LITE_HEAD]; /* of a frame, with what is the same in all */
	struct lite_counters n;
};

static inline void
lite_put16(uint8_t *p, uint16_t v)
{
	v = rte_cpu_to_be_16(v);
	memcpy(p, &v, 2);
}

static inline void
lite_put32(uint8_t *p, uint32_t v)
{
	v = rte_cpu_to_be_32(v);
	memcpy(p, &v, 4);
}

static inline uint16_t
lite_get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t
lite_get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, 4);
	return rte_be_to_cpu_32(v);
}

static inline bool
lite_before(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

static inline uint32_t
lite_number(const struct lite *l, const struct conn *c)
{
	return (uint32_t)(c - l->conn);
}

/* lite_frame.c: frames. A buffer for one, NULL counted; its headers; some that have no more. */
void lite_frame_init(struct lite *l);
struct rte_mbuf *lite_frame_new(struct lite *l);
void lite_frame_put(struct lite *l, struct conn *c, struct rte_mbuf *m, uint32_t seq, uint32_t len,
		    uint8_t flags);
void lite_send_bare(struct lite *l, struct conn *c, uint32_t seq, uint8_t flags);
void lite_send_syn(struct lite *l, struct conn *c);

/* lite_kept.c: what is not acknowledged. 0 or -ENOMEM. */
int lite_kept_init(struct lite *l);
void lite_kept_fini(struct lite *l);
/* Whether n segments more find a place, of which each keeps a buffer where bytes is set. */
bool lite_kept_room(struct lite *l, uint32_t n, bool bytes);
/* Behind what is queued, which has room. Takes m; NULL: the note tells what it carries. */
struct kept *lite_kept_add(struct lite *l, struct conn *c, struct rte_mbuf *m, uint32_t len,
			   uint8_t flags);
/* All up to a sequence number that is acknowledged. */
void lite_kept_acked(struct lite *l, struct conn *c, uint32_t ack);
void lite_kept_drop(struct lite *l, struct conn *c);

/* lite_send.c: as much as the window takes; the first that is not acknowledged, again. */
void lite_transmit(struct lite *l, struct conn *c);
void lite_retransmit(struct lite *l, struct conn *c);

/* lite.c: gives back what a connection has; the same, and says so. */
void lite_release(struct lite *l, struct conn *c);
void lite_gone(struct lite *l, struct conn *c, uint64_t now);

#endif
