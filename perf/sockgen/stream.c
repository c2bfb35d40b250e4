/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <pubwire/mqtt/frame.h>

#include "payload.h"
#include "stream.h"

#define PACKET_MAX (PAYLOAD_MAX + 256)
#define IN_SIZE	   (512 << 10)
#define EVENTS	   256

static uint8_t in[IN_SIZE];
static int ep = -1;

int
stream_init(void)
{
	ep = epoll_create1(EPOLL_CLOEXEC);
	return ep < 0 ? -errno : 0;
}

static int
watch(struct stream *s, int op, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = s};

	return epoll_ctl(ep, op, s->fd, &ev) < 0 ? -errno : 0;
}

int
stream_open(struct stream *s, enum stream_kind kind, int fd)
{
	*s = (struct stream){.fd = fd, .kind = kind};
	/* A socket that connects can be written to once it has; one that listens never can. */
	return watch(s, EPOLL_CTL_ADD, kind == STREAM_DEVICE ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

void
stream_close(struct stream *s)
{
	struct linger reset = {.l_onoff = 1};

	if (s->fd < 0)
		return;
	if (s->kind != STREAM_LISTENER)
		setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(s->fd);
	free(s->rest);
	free(s->unsent);
	*s = (struct stream){.fd = -1, .kind = s->kind};
}

/* What there is of a packet whose end has not come. */
static int
keep(struct stream *s, const uint8_t *bytes, uint32_t n)
{
	uint8_t *more;

	if (n == 0) {
		s->rest_len = 0;
		return 0;
	}
	more = realloc(s->rest, n);
	if (more == NULL)
		return -ENOMEM;
	memcpy(more, bytes, n);
	s->rest = more;
	s->rest_len = n;
	return 0;
}

int
stream_read(struct stream *s, stream_fn *fn, void *ctx)
{
	uint32_t len = s->rest_len, at = 0;
	enum pw_mqtt_error err;
	ssize_t got = recv(s->fd, in + len, IN_SIZE - len, MSG_DONTWAIT);

	if (got < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (got == 0)
		return -ECONNRESET;
	if (len > 0)
		memcpy(in, s->rest, len);
	len += (uint32_t)got;
	while (at < len) {
		uint32_t total;
		int rc, head = pw_mqtt_frame(in + at, len - at, PACKET_MAX, &total, &err);

		if (head == -EAGAIN || (head > 0 && total > len - at))
			break;
		if (head < 0)
			return head;
		rc = fn(ctx, in + at, total, (uint32_t)head);
		if (rc < 0)
			return rc;
		at += total;
	}
	return keep(s, in + at, len - at);
}

int
stream_send(struct stream *s, const uint8_t *bytes, uint32_t len)
{
	uint32_t waits = s->unsent_len;
	ssize_t n = 0;
	uint8_t *more;

	if (waits == 0) {
		n = send(s->fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n == (ssize_t)len)
			return 0;
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		n = n < 0 ? 0 : n;
	}
	len -= (uint32_t)n;
	more = realloc(s->unsent, waits + len);
	if (more == NULL)
		return -ENOMEM;
	memcpy(more + waits, bytes + n, len);
	s->unsent = more;
	s->unsent_len = waits + len;
	return waits > 0 ? 0 : watch(s, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
}

int
stream_flush(struct stream *s)
{
	if (s->unsent_len > 0) {
		ssize_t n = send(s->fd, s->unsent, s->unsent_len, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -errno;
		s->unsent_len -= (uint32_t)n;
		memmove(s->unsent, s->unsent + n, s->unsent_len);
	}
	return s->unsent_len > 0 ? 0 : watch(s, EPOLL_CTL_MOD, EPOLLIN);
}

uint32_t
stream_poll(void (*fn)(void *ctx, struct stream *s, uint32_t events), void *ctx)
{
	struct epoll_event ev[EVENTS];
	int n = epoll_wait(ep, ev, EVENTS, 0);

	for (int i = 0; i < n; i++)
		fn(ctx, ev[i].data.ptr, ev[i].events);
	return n > 0 ? (uint32_t)n : 0;
}
