/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SOCKGEN_CLIENT_H
#define SOCKGEN_CLIENT_H

/* Devices: MQTT clients of the forwarder, and what they publish. */

#include <stdbool.h>
#include <stdint.h>

#include "args.h"
#include "stream.h"

enum client_state { CLIENT_DOWN, CLIENT_OPENING, CLIENT_SAYING, CLIENT_UP };

struct client {
	struct stream s;  /* first: an event finds its client by it */
	uint64_t over;	  /* bit i: message first + i is acknowledged */
	uint32_t seq;	  /* of the next message */
	uint16_t first;	  /* packet identifier of the oldest that is not */
	uint8_t inflight; /* messages from first on, acknowledged or not */
	uint8_t state;	  /* enum client_state */
};

struct clients {
	const struct options *o;
	struct client *client;
	uint32_t n, opened, up, opening;
	uint32_t next; /* to publish */
	uint64_t messages, settled, refused, broken, strange;
	const char *failure; /* NULL none */
};

int clients_create(struct clients *d, const struct args *a);
void clients_destroy(struct clients *d);

/* Open some of those that are not yet. Returns how many. */
uint32_t clients_open(struct clients *d);

/* Something has come, or can be sent. */
void client_event(struct clients *d, struct client *c, uint32_t events);

/* Up to n messages of clients in their turn, due at first and every step ns; returns how many. */
uint32_t clients_publish(struct clients *d, uint32_t n, uint64_t first, double step);

#endif
