/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A publisher that costs little: M connections, each with N QoS 1 messages in flight.
 *
 *     flood [-c CONNECTIONS] [-n INFLIGHT] [-s PAYLOAD] [-q QOS] [-V 4|5] [-t TOPIC] [-p PORT]
 *           [-m MESSAGES] [-d SECONDS] ADDRESS
 *
 * It ends after MESSAGES (all of them acknowledged) or after SECONDS, whichever is first, and
 * prints one JSON line: what was sent and acknowledged, the rate, and the time from a PUBLISH to
 * its PUBACK. With QoS 0 a PINGREQ after the last PUBLISH shows that the peer has read everything.
 * Payloads begin with "C<connection> <number> ". Exit code 1 when a connection is lost or nothing
 * moves for 10 s.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define OUT_SIZE   (128 << 10)
#define MAX_WINDOW 4096
#define MAX_RTTS   (4 << 20)
#define STALL_NS   10000000000ULL

struct conn {
	int fd;
	uint32_t index;
	bool connected, asked, done;
	uint32_t inflight;
	uint64_t sent, acked;
	uint64_t when[MAX_WINDOW]; /* of packet identifier i + 1 */
	uint16_t free_id[MAX_WINDOW];
	uint32_t nb_free;
	size_t out_pos, out_len, in_len;
	uint8_t *out;
	uint8_t in[16384];
};

static uint32_t nb_conns = 8, window = 16, payload = 64, qos = 1, version = 4, port = 1883;
static uint64_t messages = UINT64_MAX, total_sent, total_acked;
static double seconds = 5;
static const char *topic = "flood";
static uint64_t end_ns, last_progress;
static uint32_t *rtt, nb_rtt, nb_done;

static uint64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static bool
more_to_send(void)
{
	return total_sent < messages && now_ns() < end_ns;
}

static size_t
put_length(uint8_t *p, size_t len)
{
	size_t n = 0;

	do {
		p[n] = len & 0x7f;
		len >>= 7;
		p[n++] |= len ? 0x80 : 0;
	} while (len);
	return n;
}

static size_t
frame_size(void)
{
	return 5 + 2 + strlen(topic) + 2 + 1 + payload;
}

static void
put_connect(struct conn *c)
{
	uint8_t *p = c->out;
	int n = snprintf((char *)p + (version == 5 ? 15 : 14), 64, "flood-%d-%u", getpid(),
			 c->index);

	memcpy(p, "\x10\x00\x00\x04MQTT\x04\x02\x00\x00", 12);
	p[8] = version;
	if (version == 5)
		p[12] = 0; /* no properties */
	p[version == 5 ? 13 : 12] = 0;
	p[version == 5 ? 14 : 13] = n;
	p[1] = (version == 5 ? 13 : 12) + n;
	c->out_len = p[1] + 2;
}

static void
put_publish(struct conn *c)
{
	uint8_t *p = c->out + c->out_len;
	size_t t = strlen(topic);
	int n;

	*p++ = 0x30 | qos << 1;
	p += put_length(p, 2 + t + (qos ? 2 : 0) + (version == 5) + payload);
	*p++ = t >> 8;
	*p++ = t;
	memcpy(p, topic, t);
	p += t;
	if (qos) {
		uint16_t id = c->free_id[--c->nb_free];

		*p++ = id >> 8;
		*p++ = id;
		c->when[id - 1] = now_ns();
		c->inflight++;
	}
	if (version == 5)
		*p++ = 0;
	memset(p, 'x', payload);
	if (payload >= 32) {
		n = snprintf((char *)p, 32, "C%u %lu ", c->index, c->sent);
		p[n] = 'x';
	}
	p += payload;
	c->out_len = p - c->out;
	c->sent++;
	total_sent++;
}

/* Send what is due. -1: the connection is gone. */
static int
conn_push(struct conn *c)
{
	for (;;) {
		ssize_t n;

		if (c->out_pos == c->out_len) {
			c->out_pos = c->out_len = 0;
			if (!c->connected || c->done)
				return 0;
			while (OUT_SIZE + frame_size() - c->out_len > frame_size() &&
			       more_to_send() && (qos == 0 || c->nb_free > 0))
				put_publish(c);
			if (c->out_len == 0 && qos == 0 && !c->asked && !more_to_send()) {
				memcpy(c->out, "\xc0\x00", 2);
				c->out_len = 2;
				c->asked = true;
			}
			if (c->out_len == 0)
				return 0;
		}
		n = send(c->fd, c->out + c->out_pos, c->out_len - c->out_pos, MSG_NOSIGNAL);
		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -1;
		c->out_pos += n;
		last_progress = now_ns();
	}
}

static int
take_packet(struct conn *c, const uint8_t *p, size_t len)
{
	uint16_t id;

	switch (p[0] >> 4) {
	case 2: /* CONNACK */
		if (p[3] != 0) {
			fprintf(stderr, "flood: CONNACK says 0x%02x\n", p[3]);
			return -1;
		}
		c->connected = true;
		return 0;
	case 4: /* PUBACK */
		id = p[2] << 8 | p[3];
		if (len < 4 || id == 0 || id > window || c->when[id - 1] == 0) {
			fprintf(stderr, "flood: PUBACK for %u, which is not in flight\n", id);
			return -1;
		}
		if (nb_rtt < MAX_RTTS)
			rtt[nb_rtt++] = (now_ns() - c->when[id - 1]) / 1000;
		c->when[id - 1] = 0;
		c->free_id[c->nb_free++] = id;
		c->inflight--;
		c->acked++;
		total_acked++;
		return 0;
	case 13: /* PINGRESP */
		c->acked = c->sent;
		return 0;
	default:
		fprintf(stderr, "flood: packet type %u from the peer\n", p[0] >> 4);
		return -1;
	}
}

static int
conn_pull(struct conn *c)
{
	ssize_t n = recv(c->fd, c->in + c->in_len, sizeof(c->in) - c->in_len, 0);
	size_t pos = 0;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0)
		return -1;
	last_progress = now_ns();
	c->in_len += n;
	/* Nothing that we are sent is longer than 127 bytes. */
	while (c->in_len - pos >= 2 && c->in_len - pos >= 2u + c->in[pos + 1]) {
		if (take_packet(c, c->in + pos, 2u + c->in[pos + 1]) < 0)
			return -1;
		pos += 2 + c->in[pos + 1];
	}
	memmove(c->in, c->in + pos, c->in_len - pos);
	c->in_len -= pos;
	return 0;
}

static void
conn_check_done(struct conn *c)
{
	if (c->done || !c->connected || c->out_len > c->out_pos || more_to_send())
		return;
	if (qos ? c->inflight > 0 : !(c->asked && c->acked == c->sent))
		return;
	c->done = true;
	nb_done++;
	send(c->fd, "\xe0\x00", 2, MSG_NOSIGNAL);
	shutdown(c->fd, SHUT_WR);
}

/* Where the connections go: IPv4 or IPv6. */
union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static bool
read_address(union address *to, const char *text)
{
	memset(to, 0, sizeof(*to));
	if (inet_pton(AF_INET, text, &to->v4.sin_addr) == 1)
		to->v4.sin_family = AF_INET;
	else if (inet_pton(AF_INET6, text, &to->v6.sin6_addr) == 1)
		to->v6.sin6_family = AF_INET6;
	else
		return false;
	to->v4.sin_port = htons(port); /* at the same place in both */
	return true;
}

static int
conn_open(struct conn *c, uint32_t index, const union address *to, int ep)
{
	int one = 1;

	c->index = index;
	c->out = malloc(OUT_SIZE + 2 * frame_size() + 128);
	c->fd = socket(to->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->out == NULL || connect(c->fd, &to->any, sizeof(*to)) < 0) {
		perror("flood: connect");
		return -1;
	}
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	fcntl(c->fd, F_SETFL, O_NONBLOCK);
	for (uint32_t i = window; i > 0; i--)
		c->free_id[c->nb_free++] = i;
	put_connect(c);
	return epoll_ctl(
		ep, EPOLL_CTL_ADD, c->fd,
		&(struct epoll_event){.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c});
}

static int
run(struct conn *conns, int ep)
{
	struct epoll_event ev[64];

	last_progress = now_ns();
	while (nb_done < nb_conns) {
		int n = epoll_wait(ep, ev, 64, 50);

		for (int i = 0; i < n; i++) {
			struct conn *c = ev[i].data.ptr;

			if (c->done)
				continue;
			/* Edge-triggered: once more than there is, so that nothing stays unread. */
			for (size_t before = 1; before != 0;) {
				uint64_t seen = last_progress;

				if (conn_pull(c) < 0 || conn_push(c) < 0) {
					fprintf(stderr,
						"flood: connection %u lost after %lu "
						"acknowledged\n",
						c->index, c->acked);
					return -1;
				}
				before = last_progress != seen;
			}
			conn_check_done(c);
		}
		if (n == 0 || !more_to_send())
			for (uint32_t i = 0; i < nb_conns; i++) {
				if (!conns[i].done && conn_push(&conns[i]) < 0)
					return -1;
				conn_check_done(&conns[i]);
			}
		if (now_ns() - last_progress > STALL_NS) {
			fprintf(stderr, "flood: nothing moved for 10 s\n");
			return -1;
		}
	}
	return 0;
}

static int
by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static int
arguments(int argc, char **argv)
{
	int opt;

	while ((opt = getopt(argc, argv, "c:n:s:q:V:t:p:m:d:")) != -1) {
		switch (opt) {
		case 'c':
			nb_conns = atoi(optarg);
			break;
		case 'n':
			window = atoi(optarg);
			break;
		case 's':
			payload = atoi(optarg);
			break;
		case 'q':
			qos = atoi(optarg);
			break;
		case 'V':
			version = atoi(optarg);
			break;
		case 't':
			topic = optarg;
			break;
		case 'p':
			port = atoi(optarg);
			break;
		case 'm':
			messages = strtoull(optarg, NULL, 10);
			break;
		case 'd':
			seconds = atof(optarg);
			break;
		default:
			return -1;
		}
	}
	return optind + 1 != argc || nb_conns < 1 || window < 1 || window > MAX_WINDOW || qos > 1
		       ? -1
		       : 0;
}

int
main(int argc, char **argv)
{
	union address to;
	int ep = epoll_create1(EPOLL_CLOEXEC), rc;
	struct conn *conns;
	uint64_t start;
	double took;

	if (arguments(argc, argv) < 0 || !read_address(&to, argv[optind])) {
		fprintf(stderr, "usage: flood [-c CONNECTIONS] [-n INFLIGHT] [-s PAYLOAD] [-q 0|1] "
				"[-V 4|5] "
				"[-t TOPIC] [-p PORT] [-m MESSAGES] [-d SECONDS] ADDRESS\n");
		return 64;
	}
	rtt = malloc(MAX_RTTS * sizeof(*rtt));
	conns = calloc(nb_conns, sizeof(*conns));
	if (rtt == NULL || conns == NULL)
		return 1;
	end_ns = UINT64_MAX;
	for (uint32_t i = 0; i < nb_conns; i++)
		if (conn_open(&conns[i], i, &to, ep) < 0)
			return 1;
	start = now_ns();
	end_ns = start + seconds * 1e9;
	rc = run(conns, ep);
	took = (now_ns() - start) / 1e9;
	if (qos == 0 && rc == 0)
		total_acked = total_sent;
	qsort(rtt, nb_rtt, sizeof(*rtt), by_value);
	printf("{\"sent\":%lu,\"acked\":%lu,\"seconds\":%.3f,\"rate\":%.0f,\"rtt_p50_us\":%u,\"rtt_"
	       "p99_us\":%u}\n",
	       total_sent, total_acked, took, total_acked / took, nb_rtt ? rtt[nb_rtt / 2] : 0,
	       nb_rtt ? rtt[nb_rtt - 1 - nb_rtt / 100] : 0);
	return rc < 0;
}
