/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PUBWIRE_MQTT_PACKET_H
#define PUBWIRE_MQTT_PACKET_H

/**
 * @file
 * The control packets of MQTT 3.1, 3.1.1 and 5.0, decoded in place and encoded.
 *
 * A decoder takes one whole frame (pw_mqtt_frame said where it ends) as slices and fills a struct
 * whose fields are numbers and spans into the frame: nothing is copied. It returns the bytes
 * consumed (b->len), or -EBADMSG with the reason in *err. An encoder writes into a flat buffer and
 * returns the bytes written, or -ENOBUFS where room is too small, or -EMSGSIZE where the packet
 * would be longer than the protocol can say; strings that it takes are borrowed. Encoders assert
 * what the caller must guarantee (lengths up to 65,535, packet identifiers not 0). Any lcore may
 * call; no state is kept.
 *
 * Where the versions differ:
 * - 3.1 is read leniently where its text is silent: the reserved bits of CONNECT, CONNACK and
 * SUBSCRIBE options are ignored, PUBREL, SUBSCRIBE and UNSUBSCRIBE may carry DUP, DUP may stand on
 * QoS 0, and a user name or password that the flags announce may be missing at the end (3.1
 * section 3.1). Its client identifiers are said to have 1 to 23 characters; up to 65,535 bytes are
 * accepted, as brokers do, but not the empty one.
 * - $share/ has a meaning in 5.0 only; in 3.1 and 3.1.1 such a filter is a filter like others.
 * - What depends on who sends is the caller's to check: a Subscription Identifier in a PUBLISH from
 * a client [MQTT-3.3.4-6], a Session Expiry Interval in a DISCONNECT from a server [MQTT-3.14.2-2],
 * a topic alias beyond the maximum that was announced, reason codes that only one side may send.
 */

#include <stdbool.h>
#include <stdint.h>

#include <pubwire/mqtt/frame.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A borrowed string or binary value for an encoder; NULL data with len 0 is the empty string. */
struct pw_mqtt_str {
	const void *data;
	uint32_t len;
};

/**
 * Properties of MQTT 5.0 2.2.2.2. Row: name, identifier, type, once, packets.
 * Types: BYTE U16 U32 VARINT STR BIN PAIR. "packets" is a mask of 1 << type, with bit 0 for the
 * will.
 */
#define PW_MQTT_P(type) (1u << PW_MQTT_##type)
#define PW_MQTT_P_WILL	1u
#define PW_MQTT_P_ACKS                                                                             \
	(PW_MQTT_P(CONNACK) | PW_MQTT_P(PUBACK) | PW_MQTT_P(PUBREC) | PW_MQTT_P(PUBREL) |          \
	 PW_MQTT_P(PUBCOMP) | PW_MQTT_P(SUBACK) | PW_MQTT_P(UNSUBACK) | PW_MQTT_P(DISCONNECT) |    \
	 PW_MQTT_P(AUTH))
#define PW_MQTT_PROPERTIES(X)                                                                      \
	X(PAYLOAD_FORMAT, 0x01, BYTE, 1, PW_MQTT_P(PUBLISH) | PW_MQTT_P_WILL)                      \
	X(MESSAGE_EXPIRY, 0x02, U32, 1, PW_MQTT_P(PUBLISH) | PW_MQTT_P_WILL)                       \
	X(CONTENT_TYPE, 0x03, STR, 1, PW_MQTT_P(PUBLISH) | PW_MQTT_P_WILL)                         \
	X(RESPONSE_TOPIC, 0x08, STR, 1, PW_MQTT_P(PUBLISH) | PW_MQTT_P_WILL)                       \
	X(CORRELATION_DATA, 0x09, BIN, 1, PW_MQTT_P(PUBLISH) | PW_MQTT_P_WILL)                     \
	X(SUBSCRIPTION_ID, 0x0B, VARINT, 0, PW_MQTT_P(PUBLISH) | PW_MQTT_P(SUBSCRIBE))             \
	X(SESSION_EXPIRY, 0x11, U32, 1,                                                            \
	  PW_MQTT_P(CONNECT) | PW_MQTT_P(CONNACK) | PW_MQTT_P(DISCONNECT))                         \
	X(ASSIGNED_CLIENT_ID, 0x12, STR, 1, PW_MQTT_P(CONNACK))                                    \
	X(SERVER_KEEP_ALIVE, 0x13, U16, 1, PW_MQTT_P(CONNACK))                                     \
	X(AUTH_METHOD, 0x15, STR, 1, PW_MQTT_P(CONNECT) | PW_MQTT_P(CONNACK) | PW_MQTT_P(AUTH))    \
	X(AUTH_DATA, 0x16, BIN, 1, PW_MQTT_P(CONNECT) | PW_MQTT_P(CONNACK) | PW_MQTT_P(AUTH))      \
	X(REQUEST_PROBLEM, 0x17, BYTE, 1, PW_MQTT_P(CONNECT))                                      \
	X(WILL_DELAY, 0x18, U32, 1, PW_MQTT_P_WILL)                                                \
	X(REQUEST_RESPONSE, 0x19, BYTE, 1, PW_MQTT_P(CONNECT))                                     \
	X(RESPONSE_INFO, 0x1A, STR, 1, PW_MQTT_P(CONNACK))                                         \
	X(SERVER_REFERENCE, 0x1C, STR, 1, PW_MQTT_P(CONNACK) | PW_MQTT_P(DISCONNECT))              \
	X(REASON_STRING, 0x1F, STR, 1, PW_MQTT_P_ACKS)                                             \
	X(RECEIVE_MAXIMUM, 0x21, U16, 1, PW_MQTT_P(CONNECT) | PW_MQTT_P(CONNACK))                  \
	X(TOPIC_ALIAS_MAXIMUM, 0x22, U16, 1, PW_MQTT_P(CONNECT) | PW_MQTT_P(CONNACK))              \
	X(TOPIC_ALIAS, 0x23, U16, 1, PW_MQTT_P(PUBLISH))                                           \
	X(MAXIMUM_QOS, 0x24, BYTE, 1, PW_MQTT_P(CONNACK))                                          \
	X(RETAIN_AVAILABLE, 0x25, BYTE, 1, PW_MQTT_P(CONNACK))                                     \
	X(USER_PROPERTY, 0x26, PAIR, 0,                                                            \
	  PW_MQTT_P_ACKS | PW_MQTT_P(CONNECT) | PW_MQTT_P(PUBLISH) | PW_MQTT_P_WILL |              \
		  PW_MQTT_P(SUBSCRIBE) | PW_MQTT_P(UNSUBSCRIBE))                                   \
	X(MAXIMUM_PACKET_SIZE, 0x27, U32, 1, PW_MQTT_P(CONNECT) | PW_MQTT_P(CONNACK))              \
	X(WILDCARD_AVAILABLE, 0x28, BYTE, 1, PW_MQTT_P(CONNACK))                                   \
	X(SUBSCRIPTION_ID_AVAILABLE, 0x29, BYTE, 1, PW_MQTT_P(CONNACK))                            \
	X(SHARED_AVAILABLE, 0x2A, BYTE, 1, PW_MQTT_P(CONNACK))

/** Index of a property in struct pw_mqtt_props; its wire identifier is pw_mqtt_prop_id(). */
#define PW_MQTT_PROP_ENUM(name, id, type, once, packets) PW_MQTT_PROP_##name,
enum pw_mqtt_prop { PW_MQTT_PROPERTIES(PW_MQTT_PROP_ENUM) PW_MQTT_PROP_MAX };
#undef PW_MQTT_PROP_ENUM

/**
 * Decoded properties. The value of a property that stands several times is that of its first.
 * value and at are set only where present says so; the rest of them is left as it was.
 */
struct pw_mqtt_props {
	uint32_t present;	 /**< 1 << enum pw_mqtt_prop */
	uint32_t user_pairs;	 /**< user properties seen */
	struct pw_mqtt_span all; /**< the whole property section, its length field not included */
	union {
		uint32_t num;		  /**< BYTE U16 U32 VARINT */
		struct pw_mqtt_span span; /**< STR BIN; for PAIR the name */
	} value[PW_MQTT_PROP_MAX];
	/** where the property's identifier byte stands in the frame, for rewriting in place */
	uint32_t at[PW_MQTT_PROP_MAX];
};

/** True where a property is present. */
static inline bool
pw_mqtt_has(const struct pw_mqtt_props *p, enum pw_mqtt_prop which)
{
	return p->present & (1u << which);
}

/** Properties for an encoder, in order; at most one span of prebuilt bytes comes after them. */
struct pw_mqtt_prop_out {
	enum pw_mqtt_prop which;
	uint32_t num;		  /**< BYTE U16 U32 VARINT */
	struct pw_mqtt_str str;	  /**< STR BIN; for PAIR the name */
	struct pw_mqtt_str value; /**< PAIR */
};

struct pw_mqtt_props_out {
	const struct pw_mqtt_prop_out *p;
	uint32_t n;
	struct pw_mqtt_str raw; /**< further properties, already encoded, copied as they are */
};

/** CONNECT (5.0 3.1). Spans with len 0 where absent; see the has_ flags. */
struct pw_mqtt_connect {
	uint8_t version; /**< enum pw_mqtt_version */
	bool clean;	 /**< Clean Session, Clean Start */
	bool has_will, will_retain, has_username, has_password;
	uint8_t will_qos;
	uint16_t keepalive; /**< seconds */
	struct pw_mqtt_span client_id, will_topic, will_payload, username, password;
	struct pw_mqtt_props props, will_props;
};

/** CONNACK (3.2). */
struct pw_mqtt_connack {
	bool session_present;
	uint8_t code; /**< return code of 3.1.1, reason code of 5.0 */
	struct pw_mqtt_props props;
};

/** PUBLISH (3.3). */
struct pw_mqtt_publish {
	bool dup, retain;
	uint8_t qos;
	uint16_t packet_id;	   /**< 0 for QoS 0 */
	uint32_t packet_id_at;	   /**< offset of the identifier in the frame, 0 for QoS 0 */
	struct pw_mqtt_span topic; /**< may be empty with a topic alias (5.0) */
	struct pw_mqtt_span payload;
	struct pw_mqtt_props props;
};

/** PUBACK, PUBREC, PUBREL, PUBCOMP (3.4 to 3.7). */
struct pw_mqtt_ack {
	uint16_t packet_id;
	uint8_t reason; /**< 0 where the packet leaves it out */
	struct pw_mqtt_props props;
};

/** SUBSCRIBE, UNSUBSCRIBE (3.8, 3.10): walk the filters with pw_mqtt_next_filter(). */
struct pw_mqtt_subscribe {
	uint16_t packet_id;
	uint32_t nb_filters; /**< at least 1; all of them are valid */
	struct pw_mqtt_span filters;
	struct pw_mqtt_props props;
	uint32_t slice, slice_off; /**< where pw_mqtt_next_filter() stands, its own */
};

/** SUBACK, UNSUBACK (3.9, 3.11). */
struct pw_mqtt_suback {
	uint16_t packet_id;
	struct pw_mqtt_span codes; /**< one byte a filter; empty in an UNSUBACK of 3.1.1 */
	struct pw_mqtt_props props;
};

/** DISCONNECT, AUTH (3.14, 3.15). */
struct pw_mqtt_disconnect {
	uint8_t reason;
	struct pw_mqtt_props props;
};

#define PW_MQTT_DECODER(name, out)                                                                 \
	int pw_mqtt_decode_##name(const struct pw_mqtt_buf *b, uint8_t version, struct out *o,     \
				  enum pw_mqtt_error *err) __attribute__((warn_unused_result))

/**
 * CONNECT: version is not looked at, it is in the packet. o->version is set as far as it could be
 * read, also where the packet is refused, so that the answer can be given in the peer's version; 0
 * otherwise.
 */
PW_MQTT_DECODER(connect, pw_mqtt_connect);
PW_MQTT_DECODER(connack, pw_mqtt_connack);
PW_MQTT_DECODER(publish, pw_mqtt_publish);
/** The type is in the packet: PUBACK, PUBREC, PUBREL or PUBCOMP. */
PW_MQTT_DECODER(ack, pw_mqtt_ack);
/** The type is in the packet: SUBSCRIBE or UNSUBSCRIBE. */
PW_MQTT_DECODER(subscribe, pw_mqtt_subscribe);
/** The type is in the packet: SUBACK or UNSUBACK. */
PW_MQTT_DECODER(suback, pw_mqtt_suback);
/** The type is in the packet: DISCONNECT or AUTH. */
PW_MQTT_DECODER(disconnect, pw_mqtt_disconnect);
/** PINGREQ or PINGRESP: nothing but a length of 0 is right. */
int pw_mqtt_decode_ping(const struct pw_mqtt_buf *b, enum pw_mqtt_error *err)
	__attribute__((warn_unused_result));

/**
 * Next filter of a decoded SUBSCRIBE or UNSUBSCRIBE. A whole walk passes each slice once, however
 * many filters there are.
 *
 * @param b       the frame that sub was decoded from
 * @param sub     decoded; keeps the place of the walk
 * @param at      0 at first; advanced
 * @param filter  receives the filter
 * @param options receives the options byte (SUBSCRIBE), 0 otherwise
 * @return        true while there was one
 */
bool pw_mqtt_next_filter(const struct pw_mqtt_buf *b, struct pw_mqtt_subscribe *sub, uint32_t *at,
			 struct pw_mqtt_span *filter, uint8_t *options);

/** CONNECT of ours. */
struct pw_mqtt_connect_out {
	uint8_t version;
	bool clean;
	uint16_t keepalive;
	struct pw_mqtt_str client_id;
	const struct pw_mqtt_str *username, *password; /**< NULL: absent */
	bool has_will, will_retain;
	uint8_t will_qos;
	struct pw_mqtt_str will_topic, will_payload;
	struct pw_mqtt_props_out props, will_props;
};

int pw_mqtt_encode_connect(void *dst, uint32_t room, const struct pw_mqtt_connect_out *c)
	__attribute__((warn_unused_result));

/** props NULL: none. 3.1 and 3.1.1 ignore props. */
int pw_mqtt_encode_connack(void *dst, uint32_t room, uint8_t version, bool session_present,
			   uint8_t code, const struct pw_mqtt_props_out *props)
	__attribute__((warn_unused_result));

/** The part of a PUBLISH before its payload; payload_len bytes are to follow it on the wire. */
int pw_mqtt_encode_publish(void *dst, uint32_t room, uint8_t version, bool dup, uint8_t qos,
			   bool retain, struct pw_mqtt_str topic, uint16_t packet_id,
			   const struct pw_mqtt_props_out *props, uint32_t payload_len)
	__attribute__((warn_unused_result));

/** PUBACK, PUBREC, PUBREL, PUBCOMP; the short form where reason is 0 and props is NULL. */
int pw_mqtt_encode_ack(void *dst, uint32_t room, enum pw_mqtt_type type, uint8_t version,
		       uint16_t packet_id, uint8_t reason, const struct pw_mqtt_props_out *props)
	__attribute__((warn_unused_result));

/** One filter of a SUBSCRIBE or UNSUBSCRIBE of ours. */
struct pw_mqtt_filter_out {
	struct pw_mqtt_str filter;
	uint8_t options;
};

int pw_mqtt_encode_subscribe(void *dst, uint32_t room, enum pw_mqtt_type type, uint8_t version,
			     uint16_t packet_id, const struct pw_mqtt_filter_out *f, uint32_t n,
			     const struct pw_mqtt_props_out *props)
	__attribute__((warn_unused_result));

int pw_mqtt_encode_suback(void *dst, uint32_t room, enum pw_mqtt_type type, uint8_t version,
			  uint16_t packet_id, const uint8_t *codes, uint32_t n,
			  const struct pw_mqtt_props_out *props)
	__attribute__((warn_unused_result));

/** PINGREQ, PINGRESP. */
int pw_mqtt_encode_ping(void *dst, uint32_t room, enum pw_mqtt_type type)
	__attribute__((warn_unused_result));

/** DISCONNECT, AUTH. A DISCONNECT of 3.1.1 has neither reason nor props. */
int pw_mqtt_encode_disconnect(void *dst, uint32_t room, enum pw_mqtt_type type, uint8_t version,
			      uint8_t reason, const struct pw_mqtt_props_out *props)
	__attribute__((warn_unused_result));

/** Wire identifier and name ("Topic Alias") of a property. */
uint8_t pw_mqtt_prop_id(enum pw_mqtt_prop which);
const char *pw_mqtt_prop_str(enum pw_mqtt_prop which);

/** Text of a reason code of 5.0 as that packet type means it, or of a 3.1.1 return code. */
const char *pw_mqtt_reason_str(uint8_t type, uint8_t version, uint8_t reason);

#ifdef __cplusplus
}
#endif

#endif
