/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TEST_MQTT_VECTORS_H
#define TEST_MQTT_VECTORS_H

#include <stdint.h>

/* A packet on the wire and what it says, or the error that it makes. Notation and text: support.h.
 */
struct vector {
	uint8_t version;
	const char *wire;
	const char *says;
};

#define VECTOR_TABLES(X)                                                                           \
	X(connect)                                                                                 \
	X(publish)                                                                                 \
	X(acks)                                                                                    \
	X(subscribe)                                                                               \
	X(disconnect)

#define VECTOR_DECLARE(name)                                                                       \
	extern const struct vector vectors_##name[];                                               \
	extern const uint32_t nb_vectors_##name;
VECTOR_TABLES(VECTOR_DECLARE)
#undef VECTOR_DECLARE

#endif
