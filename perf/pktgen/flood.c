/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include "clock.h"
#include "flood.h"
#include "payload.h"

#define ETHERTYPE_EXPERIMENT 0x88b5 /* IEEE 802, local experimental 1 */
#define DISCARD		     9	    /* RFC 863 */
#define BURST		     32
#define TRY_INTERVAL	     (10 * CLOCK_MS) /* before the other end answers */
#define LINK_DEADLINE	     (20 * CLOCK_S)
#define SILENCE		     (CLOCK_S / 2) /* nothing came for so long: nothing will */

static void
build_ip(struct flood *f, uint8_t proto, uint16_t len)
{
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(f->head + sizeof(struct rte_ether_hdr));

	*ip = (struct rte_ipv4_hdr){
		.version_ihl = RTE_IPV4_VHL_DEF,
		.total_length = rte_cpu_to_be_16(len),
		.fragment_offset = rte_cpu_to_be_16(RTE_IPV4_HDR_DF_FLAG),
		.time_to_live = 64,
		.next_proto_id = proto,
		.dst_addr = rte_cpu_to_be_32(f->o->target),
	};
}

/* What stands at the beginning of each frame; sources, numbers and sums are written into it. */
static void
build(struct flood *f)
{
	struct rte_ether_hdr *eth = (struct rte_ether_hdr *)f->head;
	const uint32_t l3 = sizeof(*eth) + sizeof(struct rte_ipv4_hdr);
	uint16_t ip_len = (uint16_t)(f->o->frame - sizeof(*eth));

	eth->dst_addr = f->out.peer_mac;
	eth->src_addr = f->out.port.mac;
	eth->ether_type = rte_cpu_to_be_16(f->o->mode == MODE_L2 ? ETHERTYPE_EXPERIMENT
								 : RTE_ETHER_TYPE_IPV4);
	f->head_len = sizeof(*eth);
	if (f->o->mode == MODE_L3) {
		struct rte_udp_hdr *udp = (struct rte_udp_hdr *)(f->head + l3);

		build_ip(f, IPPROTO_UDP, ip_len);
		udp->dst_port = udp->src_port = rte_cpu_to_be_16(DISCARD);
		/* No sum of its own: RFC 768. */
		udp->dgram_len = rte_cpu_to_be_16((uint16_t)(ip_len - sizeof(struct rte_ipv4_hdr)));
		f->head_len = l3 + sizeof(*udp);
	} else if (f->o->mode == MODE_SYN) {
		struct rte_tcp_hdr *th = (struct rte_tcp_hdr *)(f->head + l3);

		build_ip(f, IPPROTO_TCP, sizeof(struct rte_ipv4_hdr) + sizeof(*th));
		th->dst_port = rte_cpu_to_be_16(f->o->target_port);
		th->data_off = sizeof(*th) / 4 << 4;
		th->tcp_flags = RTE_TCP_SYN_FLAG;
		th->rx_win = rte_cpu_to_be_16(UINT16_MAX);
		f->head_len = l3 + sizeof(*th);
	}
}

static void
address(struct flood *f, uint8_t *frame)
{
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(frame + sizeof(struct rte_ether_hdr));
	uint32_t n = net_range_size(&f->o->clients);
	struct rte_tcp_hdr *th = (struct rte_tcp_hdr *)(ip + 1);

	ip->src_addr = rte_cpu_to_be_32(f->o->clients.first + f->seq % n);
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	if (f->o->mode != MODE_SYN)
		return;
	th->src_port = rte_cpu_to_be_16((uint16_t)(1024 + f->seq / n % 64512));
	th->sent_seq = rte_cpu_to_be_32(f->seq * 2654435761u);
	th->cksum = rte_ipv4_udptcp_cksum(ip, th);
}

static void
compose(struct flood *f, struct rte_mbuf *m, uint64_t now)
{
	uint32_t len = f->o->mode == MODE_SYN ? 60 : f->o->frame;
	uint8_t *p = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)len);
	struct payload_stamp s = {.sent = flood_due(f, now), .seq = f->seq, .size = len};

	memcpy(p, f->head, f->head_len);
	if (f->o->mode != MODE_L2)
		address(f, p);
	if (f->o->mode == MODE_SYN) {
		memset(p + f->head_len, 0, len - f->head_len);
	} else {
		s.check = f->seq ^ (uint32_t)s.sent;
		memcpy(p + f->head_len, &s, sizeof(s));
	}
	f->seq++;
}

static uint32_t
send_frames(struct flood *f, uint32_t n, uint64_t now)
{
	struct rte_mbuf *m[BURST];

	n = RTE_MIN(n, (uint32_t)BURST);
	if (n == 0 || net_busy(&f->out))
		return 0;
	if (rte_pktmbuf_alloc_bulk(f->mem.pkt, m, n) < 0) {
		f->starved++;
		return 0;
	}
	for (uint32_t i = 0; i < n; i++) {
		compose(f, m[i], now);
		(void)net_send(&f->out, m[i]);
	}
	return n;
}

static void
take(struct flood *f, const struct rte_mbuf *m, uint64_t now)
{
	const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);
	struct payload_stamp s;

	if (m->data_len < f->head_len + sizeof(s) || memcmp(p + 12, f->head + 12, 2) != 0) {
		f->strange++;
		return;
	}
	memcpy(&s, p + f->head_len, sizeof(s));
	if (s.size != m->pkt_len || s.check != (s.seq ^ (uint32_t)s.sent)) {
		f->strange++;
		return;
	}
	f->linked = true;
	f->came++;
	f->came_then += now >= f->from && now < f->to;
	order_take(&f->order, &f->counts, s.seq);
	if (s.sent >= f->from && s.sent < f->to)
		pw_hist_record(&f->latency, now - s.sent);
}

/* Frames that come back by the other port. */
static uint32_t
receive(struct flood *f, uint64_t now)
{
	struct rte_mbuf *m[NET_BURST];
	uint32_t n = rte_eth_rx_burst(f->in.port.id, 0, m, NET_BURST);

	/* A second reading: what left in this turn may have come. */
	if (n > 0)
		now = clock_now();
	for (uint32_t i = 0; i < n; i++)
		rte_prefetch0(rte_pktmbuf_mtod(m[i], void *));
	for (uint32_t i = 0; i < n; i++)
		take(f, m[i], now);
	if (n > 0)
		rte_pktmbuf_free_bulk(m, n);
	return n;
}

/* Answers by the same port, and ARP. */
static uint32_t
receive_answers(struct flood *f, uint64_t now)
{
	struct rte_mbuf *m[NET_BURST];
	uint32_t frames, n = net_receive(&f->out, m, &frames);

	for (uint32_t i = 0; i < n; i++) {
		const struct rte_tcp_hdr *th = rte_pktmbuf_mtod_offset(
			m[i], const struct rte_tcp_hdr *, m[i]->l2_len + m[i]->l3_len);

		if ((th->tcp_flags & RTE_TCP_SYN_FLAG) == 0) {
			f->strange++;
			continue;
		}
		f->came++;
		f->came_then += now >= f->from && now < f->to;
	}
	if (n > 0)
		rte_pktmbuf_free_bulk(m, n);
	return frames;
}

static uint64_t
turn(struct flood *f, uint32_t send)
{
	uint64_t now = clock_now();
	uint32_t work = send_frames(f, send, now);

	net_flush(&f->out);
	work += f->o->mode == MODE_SYN ? receive_answers(f, now) : receive(f, now);
	return work;
}

/* Until a frame has come back, or ARP is answered: one is sent now and then. */
static bool
link_up(struct flood *f, const bool *stop)
{
	uint64_t now = clock_now(), end = now + LINK_DEADLINE, due = now;

	while (now < end && !f->linked && !__atomic_load_n(stop, __ATOMIC_RELAXED)) {
		if (f->o->mode == MODE_SYN) {
			f->linked = net_ready(&f->out, now);
			(void)turn(f, 0);
		} else {
			(void)turn(f, now >= due);
			due = now >= due ? now + TRY_INTERVAL : due;
		}
		now = clock_now();
	}
	build(f);
	/* What came back from a path that was not there in whole does not count. */
	for (end = now + SILENCE / 5; now < end; now = clock_now())
		(void)turn(f, 0);
	f->order = (struct order){.next = f->seq};
	f->counts = (struct order_counts){0};
	f->came = f->seq;
	return f->linked;
}

/* Frames that may leave now. */
static uint32_t
allowed(const struct flood *f, uint64_t now)
{
	if (f->o->rate != 0)
		return (uint32_t)RTE_MIN(flood_owed(f, now), (uint64_t)BURST);
	if (f->o->mode == MODE_SYN)
		return BURST;
	return f->seq - f->came < f->o->window ? f->o->window - (uint32_t)(f->seq - f->came) : 0;
}

void
flood_run(struct flood *f, const bool *stop)
{
	uint64_t now, before, last, came;

	if (!link_up(f, stop))
		return;
	f->begun = now = clock_now();
	f->from = f->begun + (uint64_t)(f->o->warmup * CLOCK_S);
	f->to = f->from + (uint64_t)(f->o->seconds * CLOCK_S);
	f->first = f->seq;
	before = rte_rdtsc();
	while (now < f->to && !__atomic_load_n(stop, __ATOMIC_RELAXED)) {
		uint32_t seq = f->seq;
		uint64_t work = turn(f, allowed(f, now)), after = rte_rdtsc();

		f->sent_then += now >= f->from ? f->seq - seq : 0;
		f->total_cycles += after - before;
		f->busy_cycles += work > 0 ? after - before : 0;
		before = after;
		now = clock_now();
	}
	f->to = RTE_MIN(f->to, now);
	last = now;
	for (came = f->came; now - last < SILENCE && f->came < f->seq; now = clock_now()) {
		(void)turn(f, 0);
		if (f->came != came)
			last = now;
		came = f->came;
	}
}

static uint64_t
lost(const struct flood *f)
{
	return f->o->mode == MODE_SYN ? 0 : f->counts.missing + (f->seq - f->order.next);
}

bool
flood_clean(const struct flood *f)
{
	return f->linked && lost(f) == 0 && f->counts.duplicate == 0 && f->counts.late == 0 &&
	       f->counts.stale == 0 && f->out.n.drop_tx_full == 0;
}

static void
print_json(FILE *out, const struct flood *f)
{
	static const char *const mode[] = {"mqtt", "l2", "l3", "syn"};
	double s = (double)(f->to - f->from) / CLOCK_S;
	const struct pw_hist *h = &f->latency;

	fprintf(out,
		"{\n  \"mode\": \"%s\",\n  \"clean\": %s,\n  \"frame\": %u,\n  \"seconds\": %.3f,\n"
		"  \"sent_per_second\": %.0f,\n  \"came_per_second\": %.0f,\n  \"lost\": %" PRIu64
		",\n  \"late\": %" PRIu64 ",\n  \"duplicate\": %" PRIu64
		",\n  \"strange\": %" PRIu64 ",\n  \"generator_busy_share\": %.3f,\n",
		mode[f->o->mode], flood_clean(f) ? "true" : "false", f->o->frame, s,
		s > 0 ? (double)f->sent_then / s : 0, s > 0 ? (double)f->came_then / s : 0, lost(f),
		f->counts.late, f->counts.duplicate, f->strange,
		f->total_cycles > 0 ? (double)f->busy_cycles / (double)f->total_cycles : 0);
	fprintf(out,
		"  \"latency_us\": {\"count\": %" PRIu64 ", \"p50\": %.1f, \"p90\": %.1f, "
		"\"p99\": %.1f, \"p99_9\": %.1f, \"max\": %.1f}\n}\n",
		h->count, (double)pw_hist_quantile(h, 5000) / 1000,
		(double)pw_hist_quantile(h, 9000) / 1000, (double)pw_hist_quantile(h, 9900) / 1000,
		(double)pw_hist_quantile(h, 9990) / 1000, (double)h->max / 1000);
}

int
flood_report(const struct flood *f)
{
	double s = (double)(f->to - f->from) / CLOCK_S;
	bool json_out = f->o->json != NULL && strcmp(f->o->json, "-") == 0;
	FILE *words = json_out ? stderr : stdout, *out;
	int rc;

	if (!f->linked) {
		fprintf(stderr, "pktgen: nothing came back for %u s: is the other end there?\n",
			(unsigned int)(LINK_DEADLINE / CLOCK_S));
		return -1;
	}
	fprintf(words,
		"%.0f frames/s sent, %.0f/s came back, over %.2f s; %" PRIu64 " lost; p50 %.1f us, "
		"p99 %.1f us\n",
		s > 0 ? (double)f->sent_then / s : 0, s > 0 ? (double)f->came_then / s : 0, s,
		lost(f), (double)pw_hist_quantile(&f->latency, 5000) / 1000,
		(double)pw_hist_quantile(&f->latency, 9900) / 1000);
	if (f->o->json == NULL)
		return 0;
	out = json_out ? stdout : fopen(f->o->json, "w");
	if (out != NULL)
		print_json(out, f);
	rc = out == NULL ? -1 : json_out ? fflush(out) : fclose(out);
	if (rc != 0)
		fprintf(stderr, "pktgen: %s: %s\n", f->o->json, strerror(errno));
	return rc == 0 ? 0 : -1;
}

int
flood_create(struct flood *f, const struct options *o)
{
	const struct pw_mem_conf mem = {.name = "pktgen",
					.pkt = o->buffers,
					.hdr = 255,
					.ind = 255,
					.cache = 256,
					.socket = SOCKET_ID_ANY};
	char err[256] = "";

	f->o = o;
	if (pw_mem_create(&f->mem, &mem) < 0) {
		fprintf(stderr, "pktgen: no memory for %u --buffers; give EAL more\n", o->buffers);
		return -1;
	}
	f->out.queues = f->in.queues = 1;
	f->out.range = o->clients;
	f->out.link = o->link;
	f->out.peer = o->target;
	/* Nobody is asked where frames are passed on. */
	memset(&f->out.peer_mac, 0xff, sizeof(f->out.peer_mac));
	if (net_open(&f->out, o->devices_port, &f->mem, err, sizeof(err)) < 0)
		goto fail;
	if (net_open(&f->in, o->brokers_port, &f->mem, err, sizeof(err)) < 0) {
		net_close(&f->out);
		goto fail;
	}
	build(f);
	return 0;
fail:
	fprintf(stderr, "pktgen: %s\n", err);
	pw_mem_destroy(&f->mem);
	return -1;
}

int
flood_destroy(struct flood *f)
{
	uint32_t out;

	net_close(&f->out);
	net_close(&f->in);
	out = rte_mempool_in_use_count(f->mem.pkt);
	if (out > 0)
		fprintf(stderr, "pktgen: %u buffers are missing at the end\n", out);
	pw_mem_destroy(&f->mem);
	return out == 0 ? 0 : -1;
}
