/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SYN cookies (RFC 4987 3.6): a request from a peer costs nothing here. What its SYN has said goes
 * out in the sequence number of our SYN|ACK and comes back with the acknowledgement of it:
 *
 *      31         21 20          9   8   7   5 4     1    0
 *     +-------------+-------------+----+------+-------+------+
 *     |  flow mark  | request mark| key|  MSS | scale | SACK |
 *     +-------------+-------------+----+------+-------+------+
 *
 * The flow mark is a MAC over the flow and the options. It tells a segment of a handshake, whose
 * first ones were lost or are late, from one that belongs to nothing: the former is not to be
 * reset. The request mark is a MAC over the peer's number as well, and whether timestamps were
 * agreed. The key bit says under which of two secrets; each serves for 32 s and is honoured for 32
 * more. Of 2^32 numbers 512 are good at a time, so a blind guess succeeds once in 2^23, and a bare
 * one, which may be a keepalive probe, once in 2^22.
 *
 * Where a flow has left a record (timewait.c), its next number must lie beyond the last one that it
 * used (RFC 9293 3.6.1, RFC 6191 2): then the cookie is 30 bits wide and counts from there. A
 * number from before the record is none after it, so what opened a connection opens no second one.
 */
#include <rte_common.h>

#include "stack_pvt.h"

#define KEY_NS	     UINT64_C(32000000000)
#define KEY_BIT	     (1u << 8)
#define FLOW_MASK    0xffe00000u
#define REQUEST_MASK 0x001ffe00u
#define BEYOND_MASK  0x3fffffffu /* of a cookie that counts from a record */
#define ISS_DISTANCE 128000	 /* and how far beyond the last number it starts */
#define SCALE_NONE   15
#define MSS_OF_PATH  7

static_assert(PW_TCP_COOKIE_LIFE_MS == 2 * KEY_NS / 1000000, "two secrets are honoured");

/*
 * What a peer's MSS is rounded down to; the last index stands for all that the path takes, which
 * is what most peers offer. Two are the defaults of RFC 9293 3.7.1; beyond are those of tunnels and
 * of mobile networks, up to PPPoE.
 */
static const uint16_t mss_of[MSS_OF_PATH] = {64, 536, 1220, 1360, 1400, 1440, 1452};

/* What a mark is made of. */
struct marked {
	struct pw_flow flow;
	uint32_t irs;
	uint32_t said; /* options, timestamps, and that it is a request mark */
};

static_assert(sizeof(struct marked) == 44, "no padding is hashed");

#define SAID_REQUEST (1u << 16)
#define SAID_TS	     (1u << 15)

/* The secret of a period, and with it that of the period before. */
static uint64_t
turn_keys(struct pw_tcp *t)
{
	uint64_t period = t->now / KEY_NS;

	if (period != t->cookie_period) {
		t->cookie_period = period;
		for (uint64_t p = period; p + 2 != period; p--)
			for (uint64_t i = 0; i < 2; i++) {
				uint64_t in[2] = {p, i};

				t->key_cookie[p & 1].k[i] =
					pw_siphash24(&t->key_secrets, in, sizeof(in));
			}
	}
	return period;
}

void
pw_tcp_cookie_used(struct pw_tcp *t, struct pw_tcp_conn *c)
{
	c->flags |= (uint32_t)turn_keys(t) << CONN_PERIOD_SHIFT;
}

uint32_t
pw_tcp_cookie_left(const struct pw_tcp *t, const struct pw_tcp_conn *c)
{
	uint64_t period = t->now / KEY_NS, end;
	/* Of long ago one in four looks like now; its record does no harm. */
	uint32_t age = (period - (c->flags >> CONN_PERIOD_SHIFT)) & 7;

	/* Its secret was that of then, or of the period before. */
	end = (period + 2 - age) * KEY_NS;
	return age < 2 ? (uint32_t)((end - t->now) / 1000000) + 1 : 0;
}

static uint32_t
flow_mark(const struct pw_tcp *t, const struct pw_flow *flow, uint8_t options, uint32_t key)
{
	struct marked in = {.flow = *flow, .said = options};

	return (uint32_t)pw_siphash24(&t->key_cookie[key], &in, sizeof(in)) & FLOW_MASK;
}

static uint32_t
request_mark(const struct pw_tcp *t, const struct pw_flow *flow, uint32_t irs, uint8_t options,
	     bool ts, uint32_t key)
{
	struct marked in = {
		.flow = *flow, .irs = irs, .said = SAID_REQUEST | (ts ? SAID_TS : 0) | options};

	return (uint32_t)pw_siphash24(&t->key_cookie[key], &in, sizeof(in)) & REQUEST_MASK;
}

static uint8_t
pack_options(const struct pw_tcp_seg *s, uint16_t path_mss)
{
	uint32_t mss = pw_tcp_peer_mss(s), i = MSS_OF_PATH;
	uint32_t scale = s->opts & SEG_OPT_WS ? RTE_MIN(s->scale, SCALE_NONE - 1) : SCALE_NONE;

	if (mss < path_mss)
		while (i > 0 && (i == MSS_OF_PATH || mss_of[i] > mss))
			i--;
	return (uint8_t)(i << 5 | scale << 1 | !!(s->opts & SEG_OPT_SACK_OK));
}

/* As if the SYN had come again, with a rounded MSS. */
static void
unpack_options(struct pw_tcp_seg *syn, uint8_t options)
{
	uint32_t mss = options >> 5, scale = options >> 1 & 15;

	syn->opts |= SEG_OPT_MSS;
	syn->mss = mss == MSS_OF_PATH ? UINT16_MAX : mss_of[mss];
	if (scale != SCALE_NONE) {
		syn->opts |= SEG_OPT_WS;
		syn->scale = (uint8_t)scale;
	}
	if (options & 1)
		syn->opts |= SEG_OPT_SACK_OK;
}

static uint32_t
base_of(const struct tw_record *r)
{
	return r != NULL ? r->snd_nxt + ISS_DISTANCE : 0;
}

uint32_t
pw_tcp_cookie(struct pw_tcp *t, const struct pw_tcp_seg *s, const struct tw_record *r,
	      uint16_t path_mss)
{
	uint32_t key = turn_keys(t) & 1;
	uint8_t options = pack_options(s, path_mss);
	uint32_t v = flow_mark(t, &s->flow, options, key) | (key ? KEY_BIT : 0) | options |
		     request_mark(t, &s->flow, s->seq, options, s->opts & SEG_OPT_TS, key);

	return r != NULL ? base_of(r) + (v & BEYOND_MASK) : v;
}

/* Is it the number that answered a SYN of this number? *ts: with timestamps. */
static bool
answers_request(const struct pw_tcp *t, const struct pw_flow *flow, uint32_t v, uint32_t irs,
		bool *ts)
{
	uint32_t key = !!(v & KEY_BIT);
	uint8_t options = v & 0xff;

	if (((v ^ request_mark(t, flow, irs, options, *ts, key)) & REQUEST_MASK) == 0)
		return true;
	/* RFC 7323 3.2: timestamps that were not agreed are to be ignored, so may be there. */
	if (!*ts || ((v ^ request_mark(t, flow, irs, options, false, key)) & REQUEST_MASK) != 0)
		return false;
	*ts = false;
	return true;
}

/* RFC 9293 3.8.4: one before what is due, with an octet of garbage or without. */
static bool
may_be_keepalive(const struct pw_tcp_seg *s)
{
	return s->len <= 1 && !(s->flags & TCP_FIN);
}

enum cookie_verdict
pw_tcp_cookie_check(struct pw_tcp *t, const struct pw_tcp_seg *s, const struct tw_record *r,
		    struct pw_tcp_seg *syn)
{
	uint32_t v = s->ack - 1 - base_of(r), mask = r != NULL ? BEYOND_MASK : UINT32_MAX;
	uint32_t irs = s->seq - 1;
	uint8_t options = v & 0xff;
	bool ts = s->opts & SEG_OPT_TS;

	(void)turn_keys(t);
	if ((v & ~mask) ||
	    ((v ^ flow_mark(t, &s->flow, options, !!(v & KEY_BIT))) & FLOW_MASK & mask))
		return COOKIE_NONE;
	if (!answers_request(t, &s->flow, v, irs, &ts) &&
	    (!may_be_keepalive(s) || !answers_request(t, &s->flow, v, ++irs, &ts)))
		return COOKIE_EARLY;
	*syn = (struct pw_tcp_seg){.seq = irs};
	unpack_options(syn, options);
	if (ts) {
		syn->opts |= SEG_OPT_TS;
		syn->ts_val = s->ts_val;
	}
	return COOKIE_VALID;
}
