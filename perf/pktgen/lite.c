/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_ip.h>
#include <rte_malloc.h>
#include <rte_mbuf_dyn.h>
#include <rte_tcp.h>

#include "clock.h"
#include "lite.h"

PW_COUNTER_DESCRIBE(lite_counters, LITE_COUNTERS);

#define HEAD	   66 /* Ethernet, IPv4, TCP with timestamps */
#define SYN_HEAD   78 /* with MSS, SACK permitted, timestamps, window scale */
#define ETH	   14
#define IP	   20
#define WINDOW	   65535u
#define RTO_MS	   200u
#define SYN_RTO_MS 1000u
#define DELACK_MS  40u
#define TRIES	   8
#define SWEEP	   16	       /* connections looked at in a turn, at most */
#define TS_HEAD	   0x0101080au /* RFC 7323 appendix A */

enum lite_state { LITE_CLOSED, LITE_SYN_SENT, LITE_UP };

#define F_FIN	 1 /* this side has closed */
#define F_EOF	 2 /* the peer has */
#define F_ACK	 4 /* an acknowledgement is due */
#define F_LISTED 8 /* among those that are due */

/* What a line of the cache holds. */
struct conn {
	struct rte_mbuf *first, *last; /* not acknowledged, sent or not */
	struct rte_mbuf *rx;
	uint32_t una, nxt; /* sent, and not acknowledged */
	uint32_t end;	   /* of what is queued */
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

/* Of a buffer that is kept. */
struct kept {
	struct rte_mbuf *next;
	uint32_t seq;
	uint16_t len; /* of the sequence */
	uint8_t flags;
};

struct due {
	uint32_t i, ms;
};

struct lite {
	struct lite_conf conf;
	struct conn *conn;
	struct due *due; /* a ring: all wait equally long */
	uint32_t due_mask, due_head, due_tail;
	uint32_t addrs, each, mss;
	uint32_t sweep, nb;
	uint32_t ms;
	int kept_at;
	struct rte_mbuf *building;
	uint8_t head[HEAD]; /* of a frame, with what is the same in all */
	struct lite_counters n;
};

static struct kept *
kept(const struct lite *l, struct rte_mbuf *m)
{
	return RTE_MBUF_DYNFIELD(m, l->kept_at, struct kept *);
}

static void
put16(uint8_t *p, uint16_t v)
{
	v = rte_cpu_to_be_16(v);
	memcpy(p, &v, 2);
}

static void
put32(uint8_t *p, uint32_t v)
{
	v = rte_cpu_to_be_32(v);
	memcpy(p, &v, 4);
}

static uint16_t
get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t
get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, 4);
	return rte_be_to_cpu_32(v);
}

static bool
before(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

/* Building frames. */

/* RFC 1071, by words of eight bytes, whose carries are carries of any of their halves. */
static uint16_t
sum_of(const uint8_t *p, uint32_t len, uint64_t sum)
{
	uint64_t w;

	for (; len >= 8; p += 8, len -= 8) {
		memcpy(&w, p, 8);
		sum += w;
		sum += sum < w;
	}
	w = 0;
	memcpy(&w, p, len);
	sum += w;
	sum += sum < w;
	sum = (sum & UINT32_MAX) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* A pseudo header's addresses stand before the TCP header: one sum over both (RFC 9293 3.1). */
static void
put_sums(const struct lite *l, struct rte_mbuf *m, uint8_t *p)
{
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(p + ETH);
	struct rte_tcp_hdr *th = (struct rte_tcp_hdr *)(p + ETH + IP);
	uint32_t tcp_len = m->data_len - ETH - IP;

	ip->hdr_checksum = th->cksum = 0;
	if (l->conf.net->port.caps & (PW_PORT_TX_IP_CKSUM | PW_PORT_TX_TCP_CKSUM)) {
		net_sums(l->conf.net, m, ip, th);
		return;
	}
	ip->hdr_checksum = sum_of(p + ETH, IP, 0);
	th->cksum = sum_of(p + ETH + 12, tcp_len + 8,
			   rte_cpu_to_be_16(IPPROTO_TCP) +
				   (uint64_t)rte_cpu_to_be_16((uint16_t)tcp_len));
}

static void
put_frame(struct lite *l, struct conn *c, struct rte_mbuf *m, uint32_t seq, uint32_t len,
	  uint8_t flags)
{
	uint8_t *p = rte_pktmbuf_mtod(m, uint8_t *);
	uint32_t queued = c->rx != NULL ? c->rx->pkt_len : 0;

	memcpy(p, l->head, HEAD);
	memcpy(p, &l->conf.net->peer_mac, RTE_ETHER_ADDR_LEN);
	put16(p + 16, (uint16_t)(HEAD - ETH + len));
	put32(p + 26, c->addr);
	put16(p + 34, c->port);
	put32(p + 38, seq);
	put32(p + 42, c->rcv_nxt);
	p[47] = flags | RTE_TCP_ACK_FLAG;
	put16(p + 48, (uint16_t)(queued < WINDOW ? WINDOW - queued : 0));
	put32(p + 58, l->ms);
	put32(p + 62, c->ts_recent);
	m->data_len = (uint16_t)(HEAD + len);
	m->pkt_len = HEAD + len;
	put_sums(l, m, p);
	c->flags &= (uint8_t)~F_ACK;
	l->n.segs_out++;
	l->n.bytes_out += len;
}

static struct rte_mbuf *
new_frame(struct lite *l)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(l->conf.net->mem->pkt);

	l->n.drop_no_buffer += m == NULL;
	return m;
}

static void
send_bare(struct lite *l, struct conn *c, uint32_t seq, uint8_t flags)
{
	struct rte_mbuf *m = new_frame(l);

	if (m == NULL)
		return;
	put_frame(l, c, m, seq, 0, flags);
	(void)net_send(l->conf.net, m);
}

static void
send_syn(struct lite *l, struct conn *c)
{
	struct rte_mbuf *m = new_frame(l);
	uint8_t *p;

	c->retry = l->ms + (SYN_RTO_MS << c->tries);
	if (m == NULL)
		return;
	put_frame(l, c, m, c->una, 0, 0);
	p = rte_pktmbuf_mtod(m, uint8_t *);
	put16(p + 16, SYN_HEAD - ETH - 4);
	put32(p + 42, 0);
	p[46] = (SYN_HEAD - 4 - ETH - IP) / 4 << 4;
	p[47] = RTE_TCP_SYN_FLAG;
	put32(p + 54, 0x02040000u | (uint32_t)(l->conf.net->port.mtu - 40));
	put32(p + 58, TS_HEAD);
	put32(p + 62, l->ms);
	put32(p + 66, 0);
	put32(p + 70, 0x01030300u); /* window scale of 0: the peer may use its own */
	m->data_len = SYN_HEAD - 4;
	m->pkt_len = SYN_HEAD - 4;
	put_sums(l, m, p);
	(void)net_send(l->conf.net, m);
}

/* The driver takes one reference, the other stays. */
static void
transmit(struct lite *l, struct rte_mbuf *m)
{
	rte_mbuf_refcnt_update(m, 1);
	(void)net_send(l->conf.net, m);
}

static void
transmit_more(struct lite *l, struct conn *c)
{
	struct rte_mbuf *m = c->first;

	if (c->nxt == c->end)
		return;
	while (m != NULL && before(kept(l, m)->seq, c->nxt))
		m = kept(l, m)->next;
	if (c->nxt == c->una)
		c->retry = l->ms + RTO_MS;
	for (; m != NULL; m = kept(l, m)->next) {
		struct kept *k = kept(l, m);

		if (before(c->una + c->wnd, k->seq + k->len))
			return;
		put_frame(l, c, m, k->seq, k->flags & RTE_TCP_FIN_FLAG ? 0 : k->len, k->flags);
		transmit(l, m);
		c->nxt = k->seq + k->len;
	}
}

static void
retransmit_first(struct lite *l, struct conn *c)
{
	struct rte_mbuf *m = c->first;
	struct kept *k;

	/* The driver may still read what it was given last. */
	if (m == NULL || c->nxt == c->una || rte_mbuf_refcnt_read(m) > 1)
		return;
	k = kept(l, m);
	put_frame(l, c, m, k->seq, k->flags & RTE_TCP_FIN_FLAG ? 0 : k->len, k->flags);
	transmit(l, m);
	l->n.retransmits++;
}

/* The application's side of sending. */

static void
append(struct lite *l, struct conn *c, struct rte_mbuf *m, uint32_t len, uint8_t flags)
{
	struct kept *k = kept(l, m);

	*k = (struct kept){.seq = c->end, .len = (uint16_t)len, .flags = flags};
	if (c->first == NULL)
		c->first = m;
	else
		kept(l, c->last)->next = m;
	c->last = m;
	c->end += len;
}

/* The usual case of transmit_more(): nothing waits before it. */
static void
push(struct lite *l, struct conn *c, struct rte_mbuf *m, uint32_t len, uint8_t flags)
{
	append(l, c, m, len, flags);
	transmit_more(l, c);
}

uint8_t *
lite_begin(struct lite *l, uint32_t i, uint32_t len)
{
	struct conn *c = &l->conn[i];

	if (c->state != LITE_UP || (c->flags & F_FIN) || len > l->mss)
		return NULL;
	if (l->building == NULL)
		l->building = new_frame(l);
	return l->building == NULL ? NULL : rte_pktmbuf_mtod_offset(l->building, uint8_t *, HEAD);
}

void
lite_commit(struct lite *l, uint32_t i, uint32_t len)
{
	struct rte_mbuf *m = l->building;

	l->building = NULL;
	push(l, &l->conn[i], m, len, RTE_TCP_PSH_FLAG);
}

#define PARTS 64

int
lite_send(struct lite *l, uint32_t i, const void *data, uint32_t len)
{
	uint32_t parts = (len + l->mss - 1) / l->mss;
	struct conn *c = &l->conn[i];
	struct rte_mbuf *m[PARTS];
	const uint8_t *from = data;

	if (c->state != LITE_UP || (c->flags & F_FIN))
		return -EPIPE;
	if (parts > PARTS || rte_pktmbuf_alloc_bulk(l->conf.net->mem->pkt, m, parts) != 0) {
		l->n.drop_no_buffer++;
		return -ENOBUFS;
	}
	for (uint32_t k = 0; k < parts; k++) {
		uint32_t here = RTE_MIN(len, l->mss);

		memcpy(rte_pktmbuf_mtod_offset(m[k], uint8_t *, HEAD), from, here);
		push(l, c, m[k], here, k + 1 == parts ? RTE_TCP_PSH_FLAG : 0);
		from += here;
		len -= here;
	}
	return 0;
}

/* Life of a connection. */

int
lite_connect(struct lite *l, uint32_t i, uint32_t addr, uint16_t port, uint64_t now)
{
	struct conn *c = &l->conn[i];
	uint8_t listed = c->flags & F_LISTED;
	/* Numbers that grow with time, as RFC 9293 3.4.1 has them. */
	uint32_t isn = (uint32_t)(now >> 2) + i * 2654435761u;

	*c = (struct conn){.addr = addr,
			   .port = port,
			   .state = LITE_SYN_SENT,
			   .flags = listed,
			   .una = isn,
			   .nxt = isn + 1,
			   .end = isn + 1};
	l->ms = (uint32_t)(now / CLOCK_MS);
	l->nb++;
	l->n.active_opens++;
	send_syn(l, c);
	return 0;
}

static void
release(struct lite *l, struct conn *c)
{
	while (c->first != NULL) {
		struct rte_mbuf *m = c->first;

		c->first = kept(l, m)->next;
		rte_pktmbuf_free(m);
	}
	rte_pktmbuf_free(c->rx);
	c->rx = c->last = NULL;
	c->flags &= F_LISTED;
	c->state = LITE_CLOSED;
	l->nb--;
}

static void
gone(struct lite *l, struct conn *c, uint64_t now)
{
	release(l, c);
	l->conf.ops->gone(l->conf.ctx, (uint32_t)(c - l->conn), now);
}

static bool
over(const struct conn *c)
{
	return (c->flags & (F_FIN | F_EOF)) == (F_FIN | F_EOF) && c->una == c->end;
}

void
lite_close(struct lite *l, uint32_t i, uint64_t now)
{
	struct conn *c = &l->conn[i];
	struct rte_mbuf *m;

	if (c->state == LITE_CLOSED || (c->flags & F_FIN))
		return;
	m = c->state == LITE_UP ? new_frame(l) : NULL;
	if (m == NULL) {
		lite_abort(l, i);
		l->conf.ops->gone(l->conf.ctx, i, now);
		return;
	}
	c->flags |= F_FIN;
	push(l, c, m, 1, RTE_TCP_FIN_FLAG);
}

void
lite_abort(struct lite *l, uint32_t i)
{
	struct conn *c = &l->conn[i];

	if (c->state == LITE_CLOSED)
		return;
	if (c->state == LITE_UP) {
		send_bare(l, c, c->nxt, RTE_TCP_RST_FLAG);
		l->n.resets_out++;
	}
	release(l, c);
}

/* Receiving. */

struct seg {
	uint32_t seq, ack, len, wnd;
	uint32_t ts_val;
	uint16_t headers;
	uint16_t mss;
	uint8_t flags, scale;
};

static void
options(struct seg *s, const uint8_t *p, const uint8_t *end)
{
	if (end - p >= 12 && get32(p) == TS_HEAD) {
		s->ts_val = get32(p + 4);
		return;
	}
	while (p < end && *p != 0) {
		if (*p == 1) {
			p++;
			continue;
		}
		if (end - p < 2 || p[1] < 2 || p[1] > end - p)
			return;
		if (p[0] == 2 && p[1] == 4)
			s->mss = get16(p + 2);
		else if (p[0] == 3 && p[1] == 3)
			s->scale = RTE_MIN(p[2], 14); /* RFC 7323 2.3 */
		else if (p[0] == 8 && p[1] == 10)
			s->ts_val = get32(p + 2);
		p += p[1];
	}
}

static bool
parse(struct seg *s, struct rte_mbuf *m)
{
	uint32_t l4 = (uint32_t)m->l2_len + m->l3_len, head;
	const uint8_t *p = rte_pktmbuf_mtod_offset(m, const uint8_t *, l4);

	head = (uint32_t)(p[12] >> 4) * 4;
	if (head < 20 || l4 + head > m->data_len)
		return false;
	*s = (struct seg){.seq = get32(p + 4),
			  .ack = get32(p + 8),
			  .flags = p[13],
			  .wnd = get16(p + 14),
			  .headers = (uint16_t)(l4 + head),
			  .len = m->pkt_len - l4 - head};
	options(s, p + 20, p + head);
	return true;
}

static struct conn *
find(const struct lite *l, struct rte_mbuf *m)
{
	const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);
	uint32_t addr = get32(p + m->l2_len + 16) - l->conf.net->range.first;
	uint16_t port = get16(p + m->l2_len + m->l3_len + 2);
	uint64_t i;

	if (addr >= l->addrs || port < l->conf.first_port)
		return NULL;
	i = (uint64_t)((uint32_t)(port - l->conf.first_port) % l->each) * l->addrs + addr;
	return i < l->conf.n ? &l->conn[i] : NULL;
}

/* RFC 9293 3.10.7.3, for those that may come: SYN|ACK or RST. */
static void
syn_sent(struct lite *l, struct conn *c, const struct seg *s, uint64_t now)
{
	if (!(s->flags & RTE_TCP_ACK_FLAG) || s->ack != c->una + 1) {
		l->n.drop_ack++;
		return;
	}
	if (s->flags & RTE_TCP_RST_FLAG) {
		l->n.resets_in++;
		gone(l, c, now);
		return;
	}
	if (!(s->flags & RTE_TCP_SYN_FLAG))
		return;
	if (s->mss >= 64)
		l->mss = RTE_MIN(l->mss, s->mss - 12u);
	c->state = LITE_UP;
	c->una = s->ack;
	c->rcv_nxt = s->seq + 1;
	c->wnd = s->wnd;
	c->scale = s->scale;
	c->ts_recent = s->ts_val;
	c->tries = 0;
	c->flags |= F_ACK;
	l->n.established++;
	l->conf.ops->connected(l->conf.ctx, (uint32_t)(c - l->conn), now);
	if (c->state == LITE_UP && (c->flags & F_ACK))
		send_bare(l, c, c->nxt, 0);
}

static void
acked(struct lite *l, struct conn *c, const struct seg *s)
{
	uint32_t wnd = s->wnd << c->scale;

	if (before(c->nxt, s->ack) || before(s->ack, c->una)) {
		l->n.drop_ack++;
		return;
	}
	if (s->ack == c->una) {
		if (s->len == 0 && c->nxt != c->una && wnd == c->wnd && ++c->dups == 3)
			retransmit_first(l, c);
	} else {
		c->una = s->ack;
		c->dups = 0;
		c->tries = 0;
		c->retry = l->ms + RTO_MS;
		while (c->first != NULL) {
			struct rte_mbuf *m = c->first;
			const struct kept *k = kept(l, m);

			if (before(s->ack, k->seq + k->len))
				break;
			c->first = k->next;
			rte_pktmbuf_free_seg(m);
		}
	}
	c->wnd = wnd;
	transmit_more(l, c);
}

/* An acknowledgement within 40 ms, or of the second segment at once (RFC 9293 3.8.6.3). */
static void
ack_later(struct lite *l, struct conn *c)
{
	if (c->flags & F_ACK) {
		send_bare(l, c, c->nxt, 0);
		return;
	}
	c->flags |= F_ACK;
	if (c->flags & F_LISTED)
		return;
	c->flags |= F_LISTED;
	l->due[l->due_tail++ & l->due_mask] =
		(struct due){(uint32_t)(c - l->conn), l->ms + DELACK_MS};
}

/* True where the buffer was kept. */
static bool
take_bytes(struct lite *l, struct conn *c, const struct seg *s, struct rte_mbuf *m)
{
	uint32_t known = c->rcv_nxt - s->seq;

	if (before(c->rcv_nxt, s->seq) || known > s->len ||
	    (known == s->len && !(s->flags & RTE_TCP_FIN_FLAG)) || (c->flags & F_EOF)) {
		l->n.drop_seq++;
		send_bare(l, c, c->nxt, 0);
		return false;
	}
	c->ts_recent = s->ts_val;
	c->rcv_nxt += s->len - known;
	l->n.bytes_in += s->len - known;
	if (s->flags & RTE_TCP_FIN_FLAG) {
		c->rcv_nxt++;
		c->flags |= F_EOF;
	}
	if (known == s->len)
		return false;
	(void)rte_pktmbuf_adj(m, (uint16_t)s->headers);
	(void)rte_pktmbuf_adj(m, (uint16_t)known);
	if (c->rx == NULL)
		c->rx = m;
	else if (rte_pktmbuf_chain(c->rx, m) < 0)
		RTE_VERIFY(false); /* its window is 64 KiB, a chain has 65535 buffers */
	return true;
}

/* A segment of an open connection; true where the buffer was kept. */
static bool
arrives(struct lite *l, struct conn *c, const struct seg *s, struct rte_mbuf *m, uint64_t now)
{
	bool mine = false;

	if (s->flags & RTE_TCP_RST_FLAG) {
		if (s->seq != c->rcv_nxt) {
			l->n.drop_seq++;
			return false;
		}
		l->n.resets_in++;
		gone(l, c, now);
		return false;
	}
	if (s->flags & RTE_TCP_ACK_FLAG)
		acked(l, c, s);
	if (s->len > 0 || (s->flags & (RTE_TCP_FIN_FLAG | RTE_TCP_SYN_FLAG))) {
		uint32_t nxt = c->rcv_nxt;

		mine = take_bytes(l, c, s, m);
		if (c->rcv_nxt != nxt) {
			ack_later(l, c);
			l->conf.ops->readable(l->conf.ctx, (uint32_t)(c - l->conn), now);
		}
	}
	if (c->state == LITE_UP && over(c)) {
		if (c->flags & F_ACK)
			send_bare(l, c, c->nxt, 0);
		gone(l, c, now);
	}
	return mine;
}

void
lite_input(struct lite *l, struct rte_mbuf **m, uint32_t n, uint64_t now)
{
	struct conn *c[NET_BURST];

	l->ms = (uint32_t)(now / CLOCK_MS);
	l->n.segs_in += n;
	for (uint32_t i = 0; i < n; i++) {
		c[i] = find(l, m[i]);
		if (c[i] != NULL)
			rte_prefetch0(c[i]);
	}
	for (uint32_t i = 0; i < n; i++) {
		struct seg s;
		bool mine = false;

		if (!parse(&s, m[i]))
			l->n.drop_header++;
		else if (c[i] == NULL || c[i]->state == LITE_CLOSED ||
			 c[i]->port !=
				 get16(rte_pktmbuf_mtod_offset(m[i], const uint8_t *,
							       m[i]->l2_len + m[i]->l3_len + 2)))
			l->n.drop_no_conn++;
		else if (c[i]->state == LITE_SYN_SENT)
			syn_sent(l, c[i], &s, now);
		else
			mine = arrives(l, c[i], &s, m[i], now);
		if (!mine)
			rte_pktmbuf_free(m[i]);
	}
}

/* Timers. */

static void
timed_out(struct lite *l, struct conn *c, uint64_t now)
{
	if (++c->tries > TRIES) {
		l->n.timeouts++;
		gone(l, c, now);
		return;
	}
	if (c->state == LITE_SYN_SENT) {
		l->n.retransmits++;
		send_syn(l, c);
		return;
	}
	c->retry = l->ms + (RTO_MS << c->tries);
	c->dups = 0;
	if (c->una != c->nxt)
		retransmit_first(l, c);
	else
		send_bare(l, c, c->una - 1, 0); /* is the window still closed? */
}

void
lite_advance(struct lite *l, uint64_t now)
{
	uint32_t look = RTE_MIN(l->conf.n / 64 + 1, (uint32_t)SWEEP);

	l->ms = (uint32_t)(now / CLOCK_MS);
	while (l->due_head != l->due_tail) {
		struct due *d = &l->due[l->due_head & l->due_mask];
		struct conn *c = &l->conn[d->i];

		if ((int32_t)(l->ms - d->ms) < 0)
			break;
		l->due_head++;
		c->flags &= (uint8_t)~F_LISTED;
		if (c->state == LITE_UP && (c->flags & F_ACK)) {
			l->n.acks_delayed++;
			send_bare(l, c, c->nxt, 0);
		}
	}
	while (look-- > 0) {
		struct conn *c = &l->conn[l->sweep];

		l->sweep = l->sweep + 1 < l->conf.n ? l->sweep + 1 : 0;
		rte_prefetch0(&l->conn[l->sweep]);
		if (c->state != LITE_CLOSED && c->una != c->end && (int32_t)(l->ms - c->retry) >= 0)
			timed_out(l, c, now);
	}
}

/* What is read. */

struct rte_mbuf *
lite_rx(const struct lite *l, uint32_t i)
{
	return l->conn[i].rx;
}

void
lite_consume(struct lite *l, uint32_t i, uint32_t n)
{
	struct conn *c = &l->conn[i];

	while (c->rx != NULL && n >= c->rx->data_len) {
		struct rte_mbuf *m = c->rx;

		n -= m->data_len;
		c->rx = m->next;
		if (c->rx != NULL) {
			c->rx->pkt_len = m->pkt_len - m->data_len;
			c->rx->nb_segs = (uint16_t)(m->nb_segs - 1);
		}
		rte_pktmbuf_free_seg(m);
	}
	if (n > 0)
		(void)rte_pktmbuf_adj(c->rx, (uint16_t)n);
}

bool
lite_eof(const struct lite *l, uint32_t i)
{
	return l->conn[i].flags & F_EOF;
}

uint32_t
lite_unacked(const struct lite *l, uint32_t i)
{
	return l->conn[i].end - l->conn[i].una;
}

uint32_t
lite_mss(const struct lite *l)
{
	return l->mss;
}

uint32_t
lite_each(const struct lite *l)
{
	return l->each;
}

uint32_t
lite_conns(const struct lite *l)
{
	return l->nb;
}

const struct lite_counters *
lite_counters(const struct lite *l)
{
	return &l->n;
}

/* Beginning and end. */

static void
build_head(struct lite *l)
{
	struct net *net = l->conf.net;
	uint8_t *p = l->head;

	memcpy(p + 6, &net->port.mac, RTE_ETHER_ADDR_LEN);
	put16(p + 12, RTE_ETHER_TYPE_IPV4);
	p[ETH] = RTE_IPV4_VHL_DEF;
	put16(p + 20, RTE_IPV4_HDR_DF_FLAG); /* so it needs no identification (RFC 6864 4.1) */
	p[22] = NET_TTL;
	p[23] = IPPROTO_TCP;
	put32(p + 30, l->conf.target);
	put16(p + 36, l->conf.target_port);
	p[46] = (HEAD - ETH - IP) / 4 << 4;
	put32(p + 54, TS_HEAD);
}

struct lite *
lite_create(const struct lite_conf *conf, uint64_t now)
{
	static const struct rte_mbuf_dynfield field = {
		.name = "pktgen_kept", .size = sizeof(struct kept), .align = 8};
	struct lite *l = rte_zmalloc("lite", sizeof(*l), 64);

	if (l == NULL)
		return NULL;
	l->conf = *conf;
	l->ms = (uint32_t)(now / CLOCK_MS);
	l->addrs = net_range_size(&conf->net->range);
	l->each = (conf->n + l->addrs - 1) / l->addrs;
	l->mss = conf->net->port.mtu - 52u;
	l->due_mask = rte_align32pow2(conf->n) - 1;
	l->kept_at = rte_mbuf_dynfield_register(&field);
	l->conn = rte_zmalloc("lite conns", sizeof(struct conn) * (size_t)conf->n, 64);
	l->due = rte_zmalloc("lite due", sizeof(struct due) * ((size_t)l->due_mask + 1), 64);
	if (l->kept_at < 0 || l->conn == NULL || l->due == NULL) {
		lite_destroy(l);
		rte_errno = ENOMEM;
		return NULL;
	}
	build_head(l);
	return l;
}

void
lite_destroy(struct lite *l)
{
	if (l == NULL)
		return;
	for (uint32_t i = 0; l->conn != NULL && i < l->conf.n; i++) {
		if (l->conn[i].state != LITE_CLOSED)
			release(l, &l->conn[i]);
	}
	rte_pktmbuf_free(l->building);
	rte_free(l->conn);
	rte_free(l->due);
	rte_free(l);
}
