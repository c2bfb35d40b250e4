/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lossy_wire: a bad cable between two interfaces, for kernels without netem.
 *
 * Every frame that comes in at one interface goes out at the other after `-d`; on the way it may be
 * lost, doubled, held back so that later ones overtake it, or have one bit turned over. What
 * happens to frame i of a direction follows from the seed, the direction and i alone, so two
 * transfers over the same seed meet the same fate frame by frame, however fast they are. `-r` makes
 * it a link of that rate with a queue of `-q` before it; what finds the queue full is lost.
 *
 * Frames have to come as they would stand on a cable: switch the offloads of both interfaces, and
 * of their peers, off (ethtool -K DEV tx off sg off tso off gso off gro off). Otherwise the kernel
 * hands over segments of 64 KiB, which no MTU would let pass and which one lost "frame" takes away
 * whole, with checksums that nobody has computed, so that a turned bit would be signed afterwards.
 * Longer frames than -m are refused and counted, and so is partial checksum: both mean that an
 * offload is on.
 *
 * Prints "ready", runs for -t seconds or until SIGTERM, and prints its counters as a line of JSON.
 */
#include <errno.h>
#include <inttypes.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "due_heap.h"

#include <arpa/inet.h>

#define MAX_FRAMES 32768 /* on the way, both directions */
#define FRAME_ROOM 1600
#define BURST	   32
#define NS_PER_MS  UINT64_C(1000000)
#define NS_PER_S   UINT64_C(1000000000)
#define NEVER	   UINT64_MAX

#define COUNTERS(X)                                                                                \
	X(frames)                                                                                  \
	X(bytes)                                                                                   \
	X(lost)                                                                                    \
	X(doubled)                                                                                 \
	X(held_back)                                                                               \
	X(corrupted)                                                                               \
	X(queue_full)                                                                              \
	X(too_long)                                                                                \
	X(partial_checksum)                                                                        \
	X(not_sent)                                                                                \
	X(delivered)

struct counters {
#define MEMBER(name) uint64_t name;
	COUNTERS(MEMBER)
#undef MEMBER
};

struct options {
	const char *dev[2];
	uint64_t seed;
	double loss, dup, reorder, corrupt; /* chances, 0..1 */
	uint64_t delay, hold;		    /* ns */
	double rate;			    /* bits a ns, 0: no limit */
	uint64_t queue;			    /* ns at that rate */
	uint64_t seconds;
	uint32_t longest; /* bytes of frame */
	bool spare_arp;
};

struct frame {
	uint32_t len;
	uint32_t to; /* interface */
	uint8_t data[FRAME_ROOM];
};

/* Due frames in order: by time, then as they came. */
struct due {
	uint64_t at;
	uint64_t serial;
	struct frame *frame;
};

struct side {
	int fd;
	uint64_t came;	    /* frames in, the index of fate */
	uint64_t busy_till; /* of the link away from here */
	struct counters count;
};

static struct options opt = {
	.seed = 1,
	.hold = 2 * NS_PER_MS,
	.queue = 50 * NS_PER_MS,
	.seconds = 60,
	.longest = 1514,
};
static struct side sides[2];
static struct frame frames[MAX_FRAMES];
static struct frame *spare[MAX_FRAMES];
static uint32_t nb_spare;
static struct due heap[MAX_FRAMES];
static uint32_t nb_due;
static uint64_t serial;
static volatile sig_atomic_t stopping;

static void
on_signal(int sig)
{
	(void)sig;
	stopping = 1;
}

static uint64_t
clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

/* The finaliser of SplitMix64: neighbours in give strangers out. */
static uint64_t
mix(uint64_t x)
{
	x ^= x >> 30;
	x *= UINT64_C(0xbf58476d1ce4e5b9);
	x ^= x >> 27;
	x *= UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

/* Draw number `which` of frame i from a side. */
static uint64_t
draw(uint32_t side, uint64_t i, uint32_t which)
{
	return mix(mix(opt.seed * 2 + side) + i * 8 + which);
}

static bool
happens(double chance, uint64_t drawn)
{
	return (double)(drawn >> 11) < chance * (double)(UINT64_C(1) << 53);
}

DUE_HEAP(struct due)

static void
heap_put(struct frame *f, uint64_t at)
{
	struct due d = {.at = at, .serial = serial++, .frame = f};

	due_put(heap, &nb_due, &d);
}

static struct frame *
heap_take(void)
{
	return due_take(heap, &nb_due).frame;
}

/* When a frame that starts now has left a link of the rate; NEVER where the queue is full. */
static uint64_t
departure(struct side *s, uint32_t len, uint64_t now)
{
	uint64_t start = s->busy_till > now ? s->busy_till : now;

	if (opt.rate == 0)
		return now;
	if (start - now > opt.queue)
		return NEVER;
	s->busy_till = start + (uint64_t)(len * 8 / opt.rate);
	return s->busy_till;
}

static bool
is_neighbour_talk(const struct frame *f)
{
	uint16_t type = (uint16_t)(f->data[12] << 8 | f->data[13]);

	/* ND is ICMPv6 133 to 137 (RFC 4861 4). */
	return type == ETHERTYPE_ARP ||
	       (type == ETHERTYPE_IPV6 && f->len > 54 && f->data[20] == IPPROTO_ICMPV6 &&
		f->data[54] >= 133 && f->data[54] <= 137);
}

/* One bit: no checksum of RFC 1071 misses that. Addresses of Ethernet stay, or nobody hears it. */
static void
corrupt(struct frame *f, uint64_t drawn)
{
	uint32_t bits = (f->len - ETH_HLEN) * 8, bit = (uint32_t)(drawn % bits);

	f->data[ETH_HLEN + bit / 8] ^= (uint8_t)(1 << bit % 8);
}

static void
double_it(struct side *s, const struct frame *f, uint64_t at)
{
	struct frame *copy;

	if (nb_spare <= 2 * BURST)
		return;
	copy = spare[--nb_spare];
	copy->len = f->len;
	copy->to = f->to;
	memcpy(copy->data, f->data, f->len);
	heap_put(copy, at);
	s->count.doubled++;
}

/* A frame that has come in at `from`; true where it was taken. */
static bool
carry(uint32_t from, struct frame *f, uint64_t now)
{
	struct side *s = &sides[from];
	uint64_t i = s->came++, at;
	bool spared = opt.spare_arp && is_neighbour_talk(f);

	s->count.frames++;
	s->count.bytes += f->len;
	if (!spared && happens(opt.loss, draw(from, i, 0))) {
		s->count.lost++;
		return false;
	}
	at = departure(s, f->len, now);
	if (at == NEVER) {
		s->count.queue_full++;
		return false;
	}
	at += opt.delay;
	f->to = !from;
	if (!spared && f->len > ETH_HLEN && happens(opt.corrupt, draw(from, i, 1))) {
		corrupt(f, draw(from, i, 2));
		s->count.corrupted++;
	}
	if (!spared && happens(opt.reorder, draw(from, i, 3))) {
		at += draw(from, i, 4) % opt.hold + 1;
		s->count.held_back++;
	}
	if (!spared && happens(opt.dup, draw(from, i, 5)))
		double_it(s, f, at + draw(from, i, 6) % opt.hold);
	heap_put(f, at);
	return true;
}

/* Whether the kernel says that the checksum of a frame is still to be done. */
static bool
is_partial(struct msghdr *m)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
		struct tpacket_auxdata aux;

		if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA)
			continue;
		memcpy(&aux, CMSG_DATA(c), sizeof(aux));
		return (aux.tp_status & TP_STATUS_CSUMNOTREADY) != 0;
	}
	return false;
}

static bool
is_whole(struct side *s, struct mmsghdr *m)
{
	if (m->msg_len > opt.longest || (m->msg_hdr.msg_flags & MSG_TRUNC) != 0)
		s->count.too_long++;
	else if (is_partial(&m->msg_hdr))
		s->count.partial_checksum++;
	else
		return m->msg_len >= ETH_HLEN;
	return false;
}

/* Frames are received into spare ones; those that go no further are spare again. */
static void
receive(uint32_t from)
{
	char control[BURST][CMSG_SPACE(sizeof(struct tpacket_auxdata))];
	struct mmsghdr msg[BURST] = {0};
	struct iovec iov[BURST];
	struct frame *f[BURST];
	uint64_t now;
	int n;

	if (nb_spare < BURST)
		return;
	for (int i = 0; i < BURST; i++) {
		f[i] = spare[--nb_spare];
		iov[i] = (struct iovec){.iov_base = f[i]->data, .iov_len = FRAME_ROOM};
		msg[i].msg_hdr.msg_iov = &iov[i];
		msg[i].msg_hdr.msg_iovlen = 1;
		msg[i].msg_hdr.msg_control = control[i];
		msg[i].msg_hdr.msg_controllen = sizeof(control[i]);
	}
	n = recvmmsg(sides[from].fd, msg, BURST, MSG_DONTWAIT, NULL);
	now = clock_ns();
	for (int i = 0; i < BURST; i++) {
		if (i < n)
			f[i]->len = msg[i].msg_len;
		if (i >= n || !is_whole(&sides[from], &msg[i]) || !carry(from, f[i], now))
			spare[nb_spare++] = f[i];
	}
}

static void
send_burst(uint32_t to, struct frame **f, uint32_t n)
{
	struct mmsghdr msg[BURST] = {0};
	struct iovec iov[BURST];
	uint32_t sent = 0;

	for (uint32_t i = 0; i < n; i++) {
		iov[i] = (struct iovec){.iov_base = f[i]->data, .iov_len = f[i]->len};
		msg[i].msg_hdr.msg_iov = &iov[i];
		msg[i].msg_hdr.msg_iovlen = 1;
	}
	while (sent < n) {
		int rc = sendmmsg(sides[to].fd, msg + sent, n - sent, 0);

		if (rc > 0) {
			sides[!to].count.delivered += (uint32_t)rc;
			sent += (uint32_t)rc;
		} else if (rc < 0 && errno != EINTR) {
			sides[!to].count.not_sent++;
			sent++;
		}
	}
	for (uint32_t i = 0; i < n; i++)
		spare[nb_spare++] = f[i];
}

/* Frames of one direction that follow each other leave in one call. */
static void
deliver(uint64_t now)
{
	struct frame *f[BURST];
	uint32_t n = 0;

	while (nb_due > 0 && heap[0].at <= now) {
		if (n == BURST || (n > 0 && heap[0].frame->to != f[0]->to)) {
			send_burst(f[0]->to, f, n);
			n = 0;
		}
		f[n++] = heap_take();
	}
	if (n > 0)
		send_burst(f[0]->to, f, n);
}

static void
wait_for_work(uint64_t now, uint64_t end)
{
	struct pollfd p[2] = {{.fd = sides[0].fd, .events = POLLIN},
			      {.fd = sides[1].fd, .events = POLLIN}};
	uint64_t next = nb_due > 0 && heap[0].at < end ? heap[0].at : end, wait;
	struct timespec ts;

	wait = next > now ? next - now : 0;
	ts.tv_sec = (time_t)(wait / NS_PER_S);
	ts.tv_nsec = (long)(wait % NS_PER_S);
	if (ppoll(p, 2, &ts, NULL) <= 0)
		return;
	for (uint32_t i = 0; i < 2; i++)
		if ((p[i].revents & POLLIN) != 0)
			receive(i);
}

static int
open_side(struct side *s, const char *dev)
{
	struct sockaddr_ll a = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	int one = 1, room = 8 << 20;

	a.sll_ifindex = (int)if_nametoindex(dev);
	s->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (a.sll_ifindex == 0 || s->fd < 0)
		return -1;
	if (setsockopt(s->fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) < 0 ||
	    setsockopt(s->fd, SOL_PACKET, PACKET_AUXDATA, &one, sizeof(one)) < 0 ||
	    setsockopt(s->fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one)) < 0)
		return -1;
	/* A burst of either end must wait here rather than be lost without a count. */
	if (setsockopt(s->fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) < 0)
		(void)setsockopt(s->fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	return bind(s->fd, (struct sockaddr *)&a, sizeof(a));
}

static void
report(void)
{
	for (uint32_t i = 0; i < 2; i++) {
		struct tpacket_stats kernel = {0};
		socklen_t len = sizeof(kernel);

		(void)getsockopt(sides[i].fd, SOL_PACKET, PACKET_STATISTICS, &kernel, &len);
		printf("%s\"%s\": {", i == 0 ? "{" : ", ", opt.dev[i]);
#define PRINT(name) printf("\"" #name "\": %" PRIu64 ", ", sides[i].count.name);
		COUNTERS(PRINT)
#undef PRINT
		printf("\"overrun\": %u}", kernel.tp_drops);
	}
	printf("}\n");
}

static int
usage(void)
{
	fprintf(stderr,
		"usage: lossy_wire [OPTIONS] DEVICE DEVICE\n"
		"  -l, -u, -o, -c PERCENT  frames lost, doubled, held back (reordered), corrupted\n"
		"  -d MS     delay, one way               -h MS    held back for up to this [2]\n"
		"  -r MBIT   rate of each direction       -q MS    queue before it [50]\n"
		"  -s SEED   [1]                          -t S     end after this [60]\n"
		"  -m BYTES  longest frame [1514]         -a       spare ARP and ND\n");
	return 64;
}

static int
parse(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "l:u:o:c:d:h:r:q:s:t:m:a")) != -1) {
		double v = optarg != NULL ? strtod(optarg, NULL) : 0;

		switch (c) {
		case 'l':
			opt.loss = v / 100;
			break;
		case 'u':
			opt.dup = v / 100;
			break;
		case 'o':
			opt.reorder = v / 100;
			break;
		case 'c':
			opt.corrupt = v / 100;
			break;
		case 'd':
			opt.delay = (uint64_t)(v * NS_PER_MS);
			break;
		case 'h':
			opt.hold = (uint64_t)(v * NS_PER_MS) + 1;
			break;
		case 'r':
			opt.rate = v / 1000;
			break;
		case 'q':
			opt.queue = (uint64_t)(v * NS_PER_MS);
			break;
		case 's':
			opt.seed = strtoull(optarg, NULL, 0);
			break;
		case 't':
			opt.seconds = (uint64_t)v;
			break;
		case 'm':
			opt.longest = (uint32_t)v;
			break;
		case 'a':
			opt.spare_arp = true;
			break;
		default:
			return -1;
		}
	}
	if (argc - optind != 2 || opt.longest > FRAME_ROOM)
		return -1;
	opt.dev[0] = argv[optind];
	opt.dev[1] = argv[optind + 1];
	return 0;
}

int
main(int argc, char **argv)
{
	struct sigaction act = {.sa_handler = on_signal};
	uint64_t now, end;

	if (parse(argc, argv) < 0)
		return usage();
	for (uint32_t i = 0; i < 2; i++) {
		if (open_side(&sides[i], opt.dev[i]) < 0) {
			fprintf(stderr, "lossy_wire: %s: %s\n", opt.dev[i], strerror(errno));
			return 1;
		}
	}
	sigaction(SIGTERM, &act, NULL);
	sigaction(SIGINT, &act, NULL);
	/* Linux would add 50 us to each wait. */
	(void)prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
	for (uint32_t i = 0; i < MAX_FRAMES; i++)
		spare[nb_spare++] = &frames[i];
	printf("ready\n");
	fflush(stdout);
	now = clock_ns();
	for (end = now + opt.seconds * NS_PER_S; !stopping && now < end; now = clock_ns()) {
		deliver(now);
		wait_for_work(now, end);
	}
	report();
	return 0;
}
