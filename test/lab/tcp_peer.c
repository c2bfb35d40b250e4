/* SPDX-License-Identifier: BSD-3-Clause */
/* tcp_peer: a transfer (see transfer.h) over the kernel's TCP, one thread and epoll. */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "transfer.h"

#define CHUNK	  16384
#define IN_CHUNK  65536
#define PASSES	  8 /* chunks of one connection before the next has its turn */
#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S  UINT64_C(1000000000)

/* A connection's socket, and what was made of its stream but not yet taken by the kernel. */
struct sock {
	int fd;
	struct transfer_conn *c;
	uint32_t at, len;
	uint8_t chunk[CHUNK];
};

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static struct transfer transfer;
static struct sock socks[TRANSFER_MAX];
static uint8_t in_chunk[IN_CHUNK];
static uint64_t retransmits;

static uint64_t
clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static socklen_t
address_of(union address *a, const char *text, uint16_t port)
{
	memset(a, 0, sizeof(*a));
	if (inet_pton(AF_INET, text, &a->v4.sin_addr) == 1) {
		a->v4.sin_family = AF_INET;
		a->v4.sin_port = htons(port);
		return sizeof(a->v4);
	}
	if (inet_pton(AF_INET6, text, &a->v6.sin6_addr) == 1) {
		a->v6.sin6_family = AF_INET6;
		a->v6.sin6_port = htons(port);
		return sizeof(a->v6);
	}
	fprintf(stderr, "tcp_peer: %s is no address\n", text);
	exit(64);
}

static uint16_t
port_of(int fd, int (*name)(int, struct sockaddr *, socklen_t *))
{
	union address a;
	socklen_t len = sizeof(a);

	if (name(fd, &a.any, &len) < 0)
		return 0;
	return ntohs(a.any.sa_family == AF_INET ? a.v4.sin_port : a.v6.sin6_port);
}

static int
new_socket(int family)
{
	const struct transfer_conf *k = &transfer.conf;
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;
	int room = (int)k->window;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (k->cc != NULL &&
	    setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, k->cc, (socklen_t)strlen(k->cc)) < 0) {
		fprintf(stderr, "tcp_peer: congestion control %s: %s\n", k->cc, strerror(errno));
		exit(1);
	}
	if (room != 0) {
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	}
	return fd;
}

static void
finish(struct sock *s, const char *failure)
{
	struct tcp_info info = {0};
	socklen_t len = sizeof(info);

	if (getsockopt(s->fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0)
		retransmits += info.tcpi_total_retrans;
	close(s->fd);
	s->fd = -1;
	transfer_end(&transfer, s->c, failure);
}

/* True while the connection lives. */
static bool
hear(struct sock *s)
{
	for (int i = 0; i < PASSES; i++) {
		ssize_t n = recv(s->fd, in_chunk, sizeof(in_chunk), 0);

		if (n > 0) {
			stream_check(&s->c->in, in_chunk, (size_t)n);
			continue;
		}
		if (n == 0) {
			if (!s->c->eof)
				transfer_eof(&transfer, s->c, clock_ns());
			return true;
		}
		if (errno == EAGAIN)
			return true;
		finish(s, strerror(errno));
		return false;
	}
	return true;
}

static bool
say(struct sock *s)
{
	for (int i = 0; i < PASSES; i++) {
		uint64_t left = transfer_left(&transfer, s->c);
		ssize_t n;

		if (s->at == s->len) {
			if (left == 0)
				return true;
			s->at = 0;
			s->len = left < CHUNK ? (uint32_t)left : CHUNK;
			stream_make(&s->c->out, s->chunk, s->len);
		}
		n = send(s->fd, s->chunk + s->at, s->len - s->at, MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN)
			return true;
		if (n < 0) {
			finish(s, strerror(errno));
			return false;
		}
		s->at += (uint32_t)n;
	}
	return true;
}

static void
serve(struct sock *s, int ep)
{
	struct epoll_event ev = {.data.ptr = s};

	if (!s->c->eof && !hear(s))
		return;
	if (!say(s))
		return;
	if (s->at == s->len && transfer_closes(&transfer, s->c))
		shutdown(s->fd, SHUT_WR);
	if (s->c->eof && s->c->closed_out) {
		finish(s, NULL);
		return;
	}
	ev.events = (s->c->eof ? 0u : (uint32_t)EPOLLIN) |
		    (s->c->closed_out || (s->at == s->len && transfer.conf.out == 0)
			     ? 0u
			     : (uint32_t)EPOLLOUT);
	epoll_ctl(ep, EPOLL_CTL_MOD, s->fd, &ev);
}

static void
stand(struct sock *s, uint16_t connector_port)
{
	s->c = transfer_open(&transfer, connector_port, clock_ns());
}

static void
take_in(int listener, int ep)
{
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		struct sock *s = &socks[transfer.opened];

		if (fd < 0)
			return;
		if (transfer.opened == transfer.conf.conns) {
			close(fd);
			continue;
		}
		s->fd = fd;
		stand(s, port_of(fd, getpeername));
		epoll_ctl(ep, EPOLL_CTL_ADD, fd,
			  &(struct epoll_event){.events = EPOLLIN, .data.ptr = s});
		serve(s, ep);
	}
}

/* The first event of a connection that we open: it stands, or it never will. */
static void
opened(struct sock *s)
{
	int error = 0;
	socklen_t len = sizeof(error);

	getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &len);
	if (error != 0)
		finish(s, strerror(error));
	else
		stand(s, port_of(s->fd, getsockname));
}

static int
listen_on(int ep)
{
	const struct transfer_conf *k = &transfer.conf;
	union address a;
	socklen_t len = address_of(&a, k->local, k->port);
	int fd = new_socket(a.any.sa_family);

	if (bind(fd, &a.any, len) < 0 || listen(fd, TRANSFER_MAX) < 0)
		return -1;
	return epoll_ctl(ep, EPOLL_CTL_ADD, fd,
			 &(struct epoll_event){.events = EPOLLIN, .data.ptr = NULL}) < 0
		       ? -1
		       : fd;
}

static int
connect_all(int ep)
{
	const struct transfer_conf *k = &transfer.conf;
	union address from, to;
	socklen_t from_len = address_of(&from, k->local, 0);
	socklen_t to_len = address_of(&to, k->remote, k->port);

	for (uint32_t i = 0; i < k->conns; i++) {
		struct sock *s = &socks[i];
		int fd = new_socket(to.any.sa_family);

		s->fd = fd;
		if (bind(fd, &from.any, from_len) < 0 ||
		    (connect(fd, &to.any, to_len) < 0 && errno != EINPROGRESS) ||
		    epoll_ctl(ep, EPOLL_CTL_ADD, fd,
			      &(struct epoll_event){.events = EPOLLOUT, .data.ptr = s}) < 0)
			return -1;
	}
	return 0;
}

int
main(int argc, char **argv)
{
	int rc = transfer_parse(&transfer, argc, argv), ep = epoll_create1(EPOLL_CLOEXEC);
	uint64_t start = clock_ns(), end;
	int listener = -1;
	char more[64];

	if (rc != 0)
		return rc;
	end = start + transfer.conf.seconds * NS_PER_S;
	if (transfer.conf.listen) {
		listener = listen_on(ep);
		rc = listener < 0 ? -1 : 0;
	} else {
		rc = connect_all(ep);
	}
	if (rc < 0) {
		perror("tcp_peer");
		return 1;
	}
	printf("ready\n");
	fflush(stdout);
	while (!transfer_done(&transfer)) {
		struct epoll_event ev[64];
		uint64_t now = clock_ns();
		int n;

		if (now >= end)
			break;
		n = epoll_wait(ep, ev, 64, (int)((end - now) / NS_PER_MS + 1));
		for (int i = 0; i < n; i++) {
			struct sock *s = ev[i].data.ptr;

			if (s == NULL) {
				take_in(listener, ep);
				continue;
			}
			if (s->c == NULL)
				opened(s);
			if (s->fd >= 0)
				serve(s, ep);
		}
	}
	snprintf(more, sizeof(more), ", \"retransmits\": %" PRIu64, retransmits);
	return transfer_report(&transfer, more);
}
