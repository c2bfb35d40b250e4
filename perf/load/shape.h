/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef LOAD_SHAPE_H
#define LOAD_SHAPE_H

/*
 * PUBLISH packets as they are sent: what stands before the payload is encoded once for each size,
 * and only the device's number and the packet identifier are written into a copy of it.
 */

#include <stdint.h>

#define SHAPE_HEAD  160
#define SHAPE_SIZES 16

struct shape {
	uint32_t payload;      /* bytes */
	uint32_t total;	       /* bytes of the packet */
	uint32_t filler_check; /* see payload_write() */
	uint16_t head_len;
	uint16_t digits_at; /* where seven digits stand, 0: nowhere */
	uint16_t id_at;	    /* of the packet identifier, 0: QoS 0 */
	uint8_t head[SHAPE_HEAD];
};

/* A payload size and its weight among the others. */
struct shape_size {
	uint32_t bytes;
	uint32_t weight;
};

/*
 * Prepare messages of 1 to SHAPE_SIZES sizes; after payload_init(). Where the topic has "%d" stands
 * the device's number, in seven digits. version: enum pw_mqtt_version.
 */
void shapes_init(uint8_t version, uint8_t qos, const char *topic, const struct shape_size *size,
		 uint32_t n);

/*
 * The shape of the next message, by the weights of its sizes. Or step by step: the number of the
 * next one, the shape of a number, and that so many were taken.
 */
const struct shape *shape_next(void);
uint16_t shape_turn(void);
const struct shape *shape_at(uint32_t turn);
void shape_took(uint32_t n);

/* Bytes of the largest packet. */
uint32_t shapes_largest(void);

/* Write a packet; returns the byte behind it. */
uint8_t *shape_write(const struct shape *s, uint8_t *p, uint32_t device, uint16_t id, uint32_t seq,
		     uint64_t sent);

#endif
