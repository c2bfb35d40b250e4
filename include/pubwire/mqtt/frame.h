/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PUBWIRE_MQTT_FRAME_H
#define PUBWIRE_MQTT_FRAME_H

/**
 * @file
 * Framing of MQTT 3.1, 3.1.1 and 5.0: where a packet ends, and bytes that may lie in several
 * buffers.
 *
 * Nothing here allocates, copies a payload or keeps state; any lcore may call.
 */

#include <stdbool.h>
#include <stdint.h>

#include <pubwire/base/slice.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Protocol level of CONNECT (MQTT 5.0 3.1.2.2). */
enum pw_mqtt_version { PW_MQTT_3_1 = 3, PW_MQTT_3_1_1 = 4, PW_MQTT_5 = 5 };

/** Control packet types (5.0 2.1.2); row: name, value. */
#define PW_MQTT_TYPES(X)                                                                           \
	X(CONNECT, 1)                                                                              \
	X(CONNACK, 2)                                                                              \
	X(PUBLISH, 3)                                                                              \
	X(PUBACK, 4)                                                                               \
	X(PUBREC, 5)                                                                               \
	X(PUBREL, 6)                                                                               \
	X(PUBCOMP, 7)                                                                              \
	X(SUBSCRIBE, 8)                                                                            \
	X(SUBACK, 9)                                                                               \
	X(UNSUBSCRIBE, 10)                                                                         \
	X(UNSUBACK, 11)                                                                            \
	X(PINGREQ, 12)                                                                             \
	X(PINGRESP, 13)                                                                            \
	X(DISCONNECT, 14)                                                                          \
	X(AUTH, 15)

#define PW_MQTT_TYPE_ENUM(name, value) PW_MQTT_##name = value,
enum pw_mqtt_type { PW_MQTT_TYPES(PW_MQTT_TYPE_ENUM) };
#undef PW_MQTT_TYPE_ENUM

/** Text of a type ("PUBLISH"), "reserved" for 0. */
const char *pw_mqtt_type_str(uint8_t type);

/** Most bytes a Remaining Length can say (5.0 2.1.4, 1.5.5). */
#define PW_MQTT_MAX_REMAINING 268435455u

/**
 * Why bytes were rejected. Each maps to a reason code of 5.0 (pw_mqtt_error_reason) and to a
 * CONNACK return code of 3.1.1 where CONNECT is concerned. Row: name, MQTT 5 reason, text.
 */
#define PW_MQTT_ERRORS(X)                                                                          \
	X(NONE, 0x00, "none")                                                                      \
	X(TYPE, 0x81, "reserved packet type")                                                      \
	X(FLAGS, 0x81, "fixed header flags that the type does not allow")                          \
	X(REMAINING_LENGTH, 0x81, "a remaining length of more than four bytes, or padded in 5.0")  \
	X(TOO_LARGE, 0x95, "packet larger than the maximum packet size")                           \
	X(TRUNCATED, 0x81, "a field runs past the end of the packet")                              \
	X(TRAILING, 0x81, "bytes left over after the last field")                                  \
	X(UTF8, 0x81, "a string that is not well-formed UTF-8")                                    \
	X(PROTOCOL_NAME, 0x84, "a protocol name that is not MQTT or MQIsdp")                       \
	X(PROTOCOL_VERSION, 0x84, "a protocol version that is not spoken here")                    \
	X(CONNECT_FLAGS, 0x81, "reserved or contradictory CONNECT or CONNACK flags")               \
	X(CLIENT_ID, 0x85, "a client identifier that is not allowed")                              \
	X(QOS, 0x81, "QoS 3")                                                                      \
	X(DUP_QOS0, 0x81, "DUP set on a QoS 0 PUBLISH")                                            \
	X(PACKET_ID, 0x82, "packet identifier 0")                                                  \
	X(TOPIC_NAME, 0x90, "a topic name with a wildcard, a null, or no character")               \
	X(NO_TOPIC, 0x82, "neither a topic name nor a topic alias")                                \
	X(TOPIC_FILTER, 0x8F, "a topic filter with a misplaced wildcard or no character")          \
	X(TOPIC_ALIAS, 0x94, "a topic alias that is 0, above the maximum or unknown")              \
	X(PROPERTY, 0x81, "a property that is unknown or not allowed in this packet")              \
	X(PROPERTY_TWICE, 0x82, "a property that may stand once stands twice")                     \
	X(PROPERTY_VALUE, 0x82, "a property value out of range")                                   \
	X(PROPERTY_MISSING, 0x82, "authentication data or AUTH without an authentication method")  \
	X(VARINT, 0x81, "a variable byte integer of more bytes than it needs or may have")         \
	X(NO_PAYLOAD, 0x82, "no topic filter, or no reason code, where at least one must stand")   \
	X(SUBSCRIPTION, 0x81, "reserved subscription options")                                     \
	X(OPTION_VALUE, 0x82, "Retain Handling 3, or No Local for a shared subscription")          \
	X(REASON_CODE, 0x81, "a reason code that the packet does not allow")                       \
	X(UNEXPECTED, 0x82, "a packet that may not come here or now")

#define PW_MQTT_ERROR_ENUM(name, reason, text) PW_MQTT_E_##name,
enum pw_mqtt_error { PW_MQTT_ERRORS(PW_MQTT_ERROR_ENUM) PW_MQTT_E_MAX };
#undef PW_MQTT_ERROR_ENUM

/** Name ("TOPIC_NAME"), text and MQTT 5 reason code of an error. */
const char *pw_mqtt_error_name(enum pw_mqtt_error e);
const char *pw_mqtt_error_str(enum pw_mqtt_error e);
uint8_t pw_mqtt_error_reason(enum pw_mqtt_error e);

/**
 * CONNACK return code of 3.1 and 3.1.1 (3.2.2.3) for a CONNECT that was refused; 0 where the
 * connection is closed without a CONNACK, as a malformed CONNECT asks for (3.1.1 3.1.4, 4.8).
 */
uint8_t pw_mqtt_error_return_code(enum pw_mqtt_error e);

/** A frame: borrowed slices that hold exactly one control packet. */
struct pw_mqtt_buf {
	const struct pw_slice *s;
	uint32_t n;   /**< slices */
	uint32_t len; /**< bytes in all of them */
};

/** A field inside a frame: bytes off .. off+len from the frame's first byte. */
struct pw_mqtt_span {
	uint32_t off;
	uint32_t len;
};

/**
 * Where does the packet end? Needs two to five bytes. A padded remaining length passes here, since
 * only 5.0 forbids it; the decoders, which know the version, refuse it.
 *
 * @param head   first bytes of the packet
 * @param n      how many of them are there (more than 5 does not help)
 * @param max    the largest packet that is accepted (bytes in all), 0: no limit but the protocol's
 * @param total  receives the bytes of the whole packet, fixed header included; set with TOO_LARGE
 * too
 * @param err    receives the reason of -EBADMSG
 * @return       bytes of the fixed header (2..5); -EAGAIN more bytes needed; -EBADMSG
 */
int pw_mqtt_frame(const uint8_t *head, uint32_t n, uint32_t max, uint32_t *total,
		  enum pw_mqtt_error *err) __attribute__((warn_unused_result));

/**
 * Bytes of a span, contiguous: a pointer into the buffer where the span lies in one slice, else a
 * copy in scratch. Finding the slice takes time in proportion to the slices before it.
 *
 * @param scratch  room for span.len bytes, or NULL
 * @return         the bytes; NULL where they span buffers and scratch is NULL
 */
const uint8_t *pw_mqtt_bytes(const struct pw_mqtt_buf *b, struct pw_mqtt_span span, void *scratch);

/** Pointer to one byte of the packet; off < b->len. */
const uint8_t *pw_mqtt_byte(const struct pw_mqtt_buf *b, uint32_t off);

/**
 * Change one byte of a packet, which nobody else can see yet, with what its buffer says that its
 * bytes sum up to (pubwire/base/sumnote.h).
 */
void pw_mqtt_put_byte(const struct pw_mqtt_buf *b, uint32_t off, uint8_t v);

/** Bytes that a variable byte integer up to PW_MQTT_MAX_REMAINING takes, 5.0 1.5.5. */
uint32_t pw_mqtt_varint_size(uint32_t value);

/** Write one; returns the byte after it. */
uint8_t *pw_mqtt_varint_put(uint8_t *p, uint32_t value);

/**
 * True where the bytes are well-formed UTF-8 as MQTT wants it (1.5.4): no surrogates, no U+0000.
 * Control characters and noncharacters, which a receiver may refuse or not, pass.
 */
bool pw_mqtt_utf8(const uint8_t *p, uint32_t n);

#ifdef __cplusplus
}
#endif

#endif
