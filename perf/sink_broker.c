/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A broker that keeps nothing: it takes every CONNECT, acknowledges every PUBLISH and counts.
 *
 *     sink_broker [-p PORT] ADDRESS...
 *
 * Speaks enough of MQTT 3.1.1 and 5.0 to stand behind a forwarder, so that a measurement is of the
 * forwarder. One thread, epoll; all input of a connection is answered with one write. On TERM or
 * INT it prints one JSON line a listening address and ends.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_LISTENERS 32
#define OUT_SIZE      (256 << 10)

/* Fixed header types, [MQTT-2.1.2] */
enum {
	CONNECT = 1,
	PUBLISH = 3,
	PUBREL = 6,
	SUBSCRIBE = 8,
	UNSUBSCRIBE = 10,
	PINGREQ = 12,
	DISCONNECT = 14
};

struct listener {
	int fd;
	const char *address;
	uint64_t connects, messages, bytes, qos0, qos1, dups;
};

struct conn {
	int fd; /* first, as in struct listener: how an event finds its kind */
	struct listener *at;
	bool v5;
	uint8_t *in;
	size_t len, cap;
	size_t out_len;
	uint8_t out[OUT_SIZE];
};

static struct listener listeners[MAX_LISTENERS];
static int nb_listeners;
static volatile sig_atomic_t stopping;

static void
on_signal(int sig)
{
	(void)sig;
	stopping = 1;
}

static int
conn_flush(struct conn *c)
{
	size_t done = 0;

	while (done < c->out_len) {
		ssize_t n = send(c->fd, c->out + done, c->out_len - done, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		done += n;
	}
	c->out_len = 0;
	return 0;
}

static int
conn_put(struct conn *c, const void *data, size_t len)
{
	if (len > OUT_SIZE - c->out_len && conn_flush(c) < 0)
		return -1;
	memcpy(c->out + c->out_len, data, len);
	c->out_len += len;
	return 0;
}

static int
take_publish(struct conn *c, const uint8_t *body, size_t len, uint8_t first)
{
	uint8_t qos = first >> 1 & 3;
	size_t topic;

	if (len < 2)
		return -1;
	topic = body[0] << 8 | body[1];
	if (topic + 2 + (qos ? 2 : 0) > len)
		return -1;
	c->at->messages++;
	c->at->bytes += len;
	c->at->dups += first >> 3 & 1;
	if (qos == 0) {
		c->at->qos0++;
		return 0;
	}
	c->at->qos1++;
	return conn_put(c, (uint8_t[]){qos == 1 ? 0x40 : 0x50, 2, body[2 + topic], body[3 + topic]},
			4);
}

static int
take_packet(struct conn *c, uint8_t first, const uint8_t *body, size_t len)
{
	switch (first >> 4) {
	case CONNECT:
		if (len < 7)
			return -1;
		c->v5 = body[6] == 5; /* after the six bytes of "MQTT" */
		c->at->connects++;
		return c->v5 ? conn_put(c, "\x20\x03\x00\x00\x00", 5)
			     : conn_put(c, "\x20\x02\x00\x00", 4);
	case PUBLISH:
		return take_publish(c, body, len, first);
	case PUBREL:
		return len < 2 ? -1 : conn_put(c, (uint8_t[]){0x70, 2, body[0], body[1]}, 4);
	case SUBSCRIBE:
	case UNSUBSCRIBE:
		if (len < 2)
			return -1;
		/* One reason code: a forwarder does not subscribe, a person tries one filter. */
		return c->v5 ? conn_put(c,
					(uint8_t[]){first >> 4 == SUBSCRIBE ? 0x90 : 0xb0, 4,
						    body[0], body[1], 0, 0},
					6)
			     : conn_put(c,
					(uint8_t[]){first >> 4 == SUBSCRIBE ? 0x90 : 0xb0, 3,
						    body[0], body[1], 0},
					5);
	case PINGREQ:
		return conn_put(c, "\xd0\x00", 2);
	case DISCONNECT:
		return -1;
	default:
		return 0;
	}
}

/* All whole packets of the input. -1 ends the connection. */
static int
conn_take(struct conn *c)
{
	size_t pos = 0;

	while (c->len - pos >= 2) {
		size_t rest = 0, head = 1;
		uint8_t b;

		do {
			if (head > 4)
				return -1;
			if (pos + head >= c->len)
				goto out;
			b = c->in[pos + head];
			rest |= (size_t)(b & 0x7f) << 7 * (head - 1);
			head++;
		} while (b & 0x80);
		if (rest > c->len - pos - head) {
			if (head + rest > c->cap) {
				uint8_t *more = realloc(c->in, head + rest);

				if (more == NULL)
					return -1;
				c->in = more;
				c->cap = head + rest;
			}
			break;
		}
		if (take_packet(c, c->in[pos], c->in + pos + head, rest) < 0)
			return -1;
		pos += head + rest;
	}
out:
	memmove(c->in, c->in + pos, c->len - pos);
	c->len -= pos;
	return conn_flush(c);
}

static void
conn_close(struct conn *c)
{
	close(c->fd);
	free(c->in);
	free(c);
}

static void
listener_accept(struct listener *l, int ep)
{
	int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC), one = 1;
	struct conn *c;

	if (fd < 0)
		return;
	c = calloc(1, sizeof(*c));
	if (c == NULL || (c->in = malloc(OUT_SIZE)) == NULL) {
		free(c);
		close(fd);
		return;
	}
	c->fd = fd;
	c->at = l;
	c->cap = OUT_SIZE;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	epoll_ctl(ep, EPOLL_CTL_ADD, fd, &(struct epoll_event){.events = EPOLLIN, .data.ptr = c});
}

static int
listener_open(struct listener *l, const char *address, uint16_t port, int ep)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
	int one = 1;

	l->address = address;
	l->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (inet_pton(AF_INET, address, &a.sin_addr) != 1 ||
	    bind(l->fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(l->fd, 128) < 0) {
		fprintf(stderr, "sink_broker: %s:%u: %s\n", address, port, strerror(errno));
		return -1;
	}
	return epoll_ctl(ep, EPOLL_CTL_ADD, l->fd,
			 &(struct epoll_event){.events = EPOLLIN, .data.ptr = l});
}

static void
serve(int ep)
{
	struct epoll_event ev[64];

	while (!stopping) {
		int n = epoll_wait(ep, ev, 64, -1);

		for (int i = 0; i < n; i++) {
			struct listener *l = ev[i].data.ptr;
			struct conn *c = ev[i].data.ptr;
			ssize_t got;

			if (l >= listeners && l < listeners + MAX_LISTENERS) {
				listener_accept(l, ep);
				continue;
			}
			got = recv(c->fd, c->in + c->len, c->cap - c->len, 0);
			if (got <= 0 || (c->len += got, conn_take(c) < 0))
				conn_close(c);
		}
	}
}

int
main(int argc, char **argv)
{
	struct sigaction act = {.sa_handler = on_signal};
	uint16_t port = 1883;
	int ep = epoll_create1(EPOLL_CLOEXEC), opt;

	while ((opt = getopt(argc, argv, "p:")) != -1) {
		if (opt != 'p')
			return 64;
		port = atoi(optarg);
	}
	if (optind == argc || argc - optind > MAX_LISTENERS) {
		fprintf(stderr, "usage: sink_broker [-p PORT] ADDRESS...\n");
		return 64;
	}
	sigaction(SIGTERM, &act, NULL);
	sigaction(SIGINT, &act, NULL);
	for (; optind < argc; optind++)
		if (listener_open(&listeners[nb_listeners++], argv[optind], port, ep) < 0)
			return 1;
	serve(ep);
	for (int i = 0; i < nb_listeners; i++) {
		struct listener *l = &listeners[i];

		printf("{\"address\":\"%s\",\"connects\":%lu,\"messages\":%lu,\"bytes\":%lu,"
		       "\"qos0\":%lu,\"qos1\":%lu,\"dups\":%lu}\n",
		       l->address, l->connects, l->messages, l->bytes, l->qos0, l->qos1, l->dups);
	}
	return 0;
}
