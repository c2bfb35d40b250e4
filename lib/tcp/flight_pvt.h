/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PUBWIRE_TCP_FLIGHT_PVT_H
#define PUBWIRE_TCP_FLIGHT_PVT_H

/**
 * @file
 * What is on its way: one record for each segment, in the order of sequence numbers, without gaps
 * from snd_una to snd_max. A record is made when bytes leave for the first time, is cut where an
 * acknowledgement, a SACK block or a smaller segment size ends within it, and goes when its last
 * byte is acknowledged. What has to be sent again is a record that is marked, not a place to go
 * back to.
 *
 * The first block of records holds beside them all that matters only while something is
 * unacknowledged. It is taken with the first record and given back with the last, so an idle
 * connection has none.
 */

#include "conn_pvt.h"

struct pw_tcp;

/** Bits of tx_rec.flags. */
enum tx_flag {
	TX_SACKED = 1 << 0, /**< the peer says that it holds it */
	TX_LOST = 1 << 1,   /**< to be sent again; cleared when it is */
	TX_RTX = 1 << 2,    /**< was sent more than once */
	TX_FIN = 1 << 3,    /**< its last sequence number is our FIN */
	TX_LARGER = 1 << 4, /**< larger than mss, to see if it arrives; cleared when known */
};

/** A transmission. */
struct tx_rec {
	uint64_t sent;		/**< ns, of its last transmission */
	struct tx_block *block; /**< with idx: the slice of its first byte; NULL for a bare FIN */
	uint32_t seq;
	uint32_t end; /**< one past its last sequence number */
	uint8_t idx;
	uint8_t flags; /**< TX_ */
};

static_assert(sizeof(struct tx_rec) == 32, "two a cache line");

/** Records first .. n-1 are on their way. Only the first block of a flight may be empty. */
struct tx_recs {
	struct tx_recs *next;
	uint8_t first;
	uint8_t n;
	uint8_t cap;
	struct tx_rec r[];
};

static_assert(sizeof(struct tx_recs) == 16, "seven records beside it in four lines");

#define TX_BLOCK_RECS  7
#define TX_FLIGHT_RECS 4

/** Congestion state (RFC 5681 3.2, 3.1). */
enum tx_ca {
	CA_OPEN,     /**< no loss is being mended */
	CA_RECOVERY, /**< fast recovery */
	CA_LOSS,     /**< after a timeout, until all that was out then is acknowledged */
};

/** What t_rtx is about. */
enum tx_timer {
	TX_TIMER_RTO,
	TX_TIMER_REORDER, /**< RFC 8985 6.2 step 5 */
	TX_TIMER_PTO,	  /**< RFC 8985 7.2 */
};

struct tx_flight {
	/* Records and the place of snd_max. */
	struct tx_recs *last;
	struct tx_block *cur_block; /**< with cur_idx: at or before the slice of snd_max */
	uint32_t nb;		    /**< records */
	uint32_t nb_sacked;	    /**< records with TX_SACKED */
	uint32_t sacked;	    /**< bytes of them */
	uint32_t lost;		    /**< bytes of records with TX_LOST */
	uint32_t recover;	    /**< snd_max when the last recovery began (RFC 6582, 6675) */
	uint32_t t_rto;		    /**< ms: when the retransmission timer is due */
	uint64_t epoch;		    /**< ns: CUBIC's t counts from here, 0 before the first */
	/* RACK (RFC 8985 6.1): the segment sent last of those delivered. */
	uint64_t rack_sent;
	uint32_t rack_end;
	uint32_t rack_rtt; /**< us */
	uint32_t fack;	   /**< highest sequence number that was delivered */
	uint32_t reo_at;   /**< ms: when what may only be reordered counts as lost, 0 none */
	uint32_t dsack_round;
	uint32_t tlp_end;
	/* How the window moves: in fast recovery, and outside of it. */
	union {
		struct {
			uint32_t prr_delivered; /**< RFC 9937 5 */
			uint32_t prr_out;
			uint32_t recover_fs;
		};
		struct {
			uint32_t cubic_k; /**< ms (RFC 9438 4.1.2); valid with epoch */
			uint32_t cubic_origin;
			uint32_t w_est;
		};
	};
	uint32_t cwnd_prior; /**< before the last reduction (RFC 9438 4.1.2), 0 not known */
	uint8_t cur_idx;
	uint8_t ca;		/**< enum tx_ca */
	uint8_t timer;		/**< enum tx_timer */
	uint8_t dupacks;	/**< without SACK blocks */
	uint8_t force : 1;	/**< the next lost record goes out whatever cwnd says */
	uint8_t in_dsack : 1;	/**< dsack_round is valid */
	uint8_t tlp_out : 1;	/**< a probe is on its way: tlp_end is valid */
	uint8_t tlp_rtx : 1;	/**< it repeated something */
	uint8_t tlp_no_rtt : 1; /**< no round trip was measured since */
	uint16_t mss_before;	/**< while a smaller size is tried against timeouts, 0 else */
	uint32_t rtx_end;	/**< highest sequence number that was sent more than once */
	uint16_t larger;	/**< payload of the segment with TX_LARGER, where there is one */
	uint16_t unused;	/**< what is left of four lines beside four records */
	struct tx_recs head __attribute__((aligned(8))); /**< TX_FLIGHT_RECS of them */
};

static_assert(sizeof(struct tx_flight) + TX_FLIGHT_RECS * sizeof(struct tx_rec) == 256,
	      "a flight of up to four segments is one block");

/** A record of a flight; b NULL is behind the last. */
struct tx_pos {
	struct tx_recs *b;
	uint32_t i;
};

/** The first record, which is that of snd_una. */
static inline struct tx_pos
flight_first(struct tx_flight *f)
{
	struct tx_recs *b = &f->head;

	if (b->first == b->n)
		b = b->next;
	return (struct tx_pos){b, b != NULL ? b->first : 0};
}

static inline struct tx_pos
flight_next(struct tx_pos p)
{
	if (++p.i < p.b->n)
		return p;
	p.b = p.b->next;
	p.i = p.b != NULL ? p.b->first : 0;
	return p;
}

static inline struct tx_rec *
flight_rec(struct tx_pos p)
{
	return &p.b->r[p.i];
}

static inline uint32_t
rec_len(const struct tx_rec *r)
{
	return r->end - r->seq;
}

/** Bytes of payload, without the FIN. */
static inline uint32_t
rec_payload(const struct tx_rec *r)
{
	return rec_len(r) - !!(r->flags & TX_FIN);
}

/** All records of a flight, in order. */
#define FLIGHT_FOREACH(f, p) for (p = flight_first(f); p.b != NULL; p = flight_next(p))

/* flight.c */
/** Room for one more record, with a flight made where there is none. 0 or -ENOBUFS. */
int pw_tcp_flight_room(struct pw_tcp *t, struct pw_tcp_conn *c, bool urgent);
/** Give back what was taken for a record that is not made. */
void pw_tcp_flight_no_room(struct pw_tcp *t, struct pw_tcp_conn *c);
/** Append a record from snd_max to end; there is room. snd_max moves. */
struct tx_rec *pw_tcp_flight_add(struct pw_tcp *t, struct pw_tcp_conn *c, uint32_t end,
				 uint8_t flags);
/**
 * Cut a record at a sequence number within it, if that leaves so many blocks to others and keeps to
 * the bound on records; p stays at the first part. 0 or -ENOBUFS.
 */
int pw_tcp_flight_split(struct pw_tcp *t, struct pw_tcp_conn *c, struct tx_pos *p, uint32_t at,
			uint32_t leave);
/** Join the next record to the one at p: both are lost, and of one kind. */
void pw_tcp_flight_join(struct pw_tcp *t, struct pw_tcp_conn *c, struct tx_pos p);
/** Move n bytes of payload from the next record to the one at p: both are lost. */
void pw_tcp_flight_shift(struct pw_tcp_conn *c, struct tx_pos p, uint32_t n);
/** Remove the first record. */
void pw_tcp_flight_pop(struct pw_tcp *t, struct pw_tcp_conn *c);
/** The first record loses its bytes before una, which lies within it. */
void pw_tcp_flight_trim(struct pw_tcp_conn *c, uint32_t una);
/** Give the flight back. */
void pw_tcp_flight_end(struct pw_tcp *t, struct pw_tcp_conn *c);
/** Change of marks, with the sums that depend on them. What is lost is no longer TX_LARGER. */
void pw_tcp_flight_mark(struct tx_flight *f, struct tx_rec *r, uint8_t set, uint8_t clear);
/** Everything that the peer does not hold is to be sent again. */
void pw_tcp_flight_lose_all(struct tx_flight *f);

#endif
