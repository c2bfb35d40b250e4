/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SOCKGEN_STREAM_H
#define SOCKGEN_STREAM_H

/*
 * A socket in a loop over epoll: whole packets of what has come, and bytes to send. Nothing is
 * read ahead of what is handled: an incomplete packet is all that a stream keeps.
 */

#include <stdbool.h>
#include <stdint.h>

/* Whose a stream is; it stands at the beginning of that. */
enum stream_kind { STREAM_DEVICE, STREAM_LISTENER, STREAM_BROKER };

struct stream {
	int fd; /* -1: closed */
	enum stream_kind kind;
	uint8_t *rest; /* the beginning of a packet */
	uint32_t rest_len;
	uint32_t unsent_len;
	uint8_t *unsent; /* what the socket had no room for */
};

/* A whole packet, fixed header included. 0, or -errno: the stream is to be closed. */
typedef int stream_fn(void *ctx, const uint8_t *p, uint32_t len, uint32_t head);

/* The loop. 0 or -errno. */
int stream_init(void);

/* Begin with a socket that does not block; its events come from now on. 0 or -errno. */
int stream_open(struct stream *s, enum stream_kind kind, int fd);

/* By a reset: nothing remains of it in the kernel. Harmless where it is closed. */
void stream_close(struct stream *s);

/* One read, and fn for each packet in it. 0; -errno where the stream has ended or makes no sense.
 */
int stream_read(struct stream *s, stream_fn *fn, void *ctx);

/* Send, or keep for later. 0 or -errno. */
int stream_send(struct stream *s, const uint8_t *bytes, uint32_t len);

/* What waits in a stream goes before anything else. */
static inline bool
stream_waits(const struct stream *s)
{
	return s->unsent_len > 0;
}

/* Handle what has come: fn for each stream with an event. Returns the streams. */
uint32_t stream_poll(void (*fn)(void *ctx, struct stream *s, uint32_t events), void *ctx);

/* A socket could take more: send what waits. 0 or -errno. */
int stream_flush(struct stream *s);

#endif
