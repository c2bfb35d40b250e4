/* SPDX-License-Identifier: BSD-3-Clause */
/* The header and options of a segment (RFC 9293 3.1), and the way down to the wire. */
#include <errno.h>

#include <rte_byteorder.h>
#include <rte_common.h>
#include <rte_tcp.h>

#include "header_pvt.h"

uint8_t *
pw_tcp_put_timestamps(const struct pw_tcp *t, uint8_t *p, uint32_t echo)
{
	/* RFC 7323 appendix A: two NOPs align the values. */
	p = pw_tcp_put32(p, 0x0101080a);
	p = pw_tcp_put32(p, tcp_ts_now(t));
	return pw_tcp_put32(p, echo);
}

/* Fill the 20 bytes of a header in front of len bytes of options. */
void
pw_tcp_put_header(struct rte_mbuf *m, const struct pw_flow *flow, uint32_t seq, uint32_t ack,
		  uint8_t flags, uint16_t wnd, uint32_t header)
{
	struct rte_tcp_hdr *th = rte_pktmbuf_mtod(m, struct rte_tcp_hdr *);

	th->src_port = rte_cpu_to_be_16(flow->lport);
	th->dst_port = rte_cpu_to_be_16(flow->rport);
	th->sent_seq = rte_cpu_to_be_32(seq);
	th->recv_ack = rte_cpu_to_be_32(ack);
	th->data_off = (uint8_t)(header << 2);
	th->tcp_flags = flags;
	th->rx_win = rte_cpu_to_be_16(wnd);
	th->cksum = 0;
	th->tcp_urp = 0;
	m->l4_len = header;
}

/* A buffer with header bytes of data and room for the lower layers in front; NULL counted. */
struct rte_mbuf *
pw_tcp_header_mbuf(struct pw_tcp *t, struct rte_mempool *pool, uint32_t header)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

	if (m == NULL) {
		t->count.drop_tx_no_buffer++;
		return NULL;
	}
	assert(rte_pktmbuf_headroom(m) >= TCP_HEADROOM);
	m->data_len = (uint16_t)header;
	m->pkt_len = header;
	return m;
}

/* Whatever becomes of a segment below is a loss like any other: the timers know what to do. */
int
pw_tcp_emit(struct pw_tcp *t, const struct pw_flow *flow, struct rte_mbuf *m)
{
	int rc = t->conf.hooks.output(t->conf.hooks.ctx, flow, m, t->now);

	t->count.segs_out += rc == 0;
	if (rc == -EHOSTUNREACH)
		t->count.drop_tx_unreachable++;
	return rc;
}

struct rte_mbuf *
pw_tcp_syn_mbuf(struct pw_tcp *t, const struct pw_flow *flow, uint32_t seq, uint32_t ack,
		uint8_t flags, uint8_t opts, uint16_t path_mss, uint32_t echo)
{
	uint32_t header = TCP_HDR_LEN + 4 + (opts & SEG_OPT_SACK_OK ? 4 : 0) +
			  (opts & SEG_OPT_TS ? TCP_OPT_TS_LEN : 0) + (opts & SEG_OPT_WS ? 4 : 0);
	struct rte_mbuf *m = pw_tcp_header_mbuf(t, t->conf.mem->hdr, header);
	uint8_t *p;

	if (m == NULL)
		return NULL;
	pw_tcp_put_header(m, flow, seq, ack, flags, pw_tcp_syn_window(t), header);
	p = rte_pktmbuf_mtod_offset(m, uint8_t *, TCP_HDR_LEN);
	p = pw_tcp_put32(p, 0x02040000u | path_mss);
	if (opts & SEG_OPT_SACK_OK)
		p = pw_tcp_put32(p, 0x01010402);
	if (opts & SEG_OPT_TS)
		p = pw_tcp_put_timestamps(t, p, echo);
	if (opts & SEG_OPT_WS)
		pw_tcp_put32(p, 0x01030300u | t->rcv_scale);
	return m;
}
