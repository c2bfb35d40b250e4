/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PUBWIRE_FORWARD_CONF_H
#define PUBWIRE_FORWARD_CONF_H

/**
 * @file
 * What forwarding has to know, as plain data: listeners, brokers, routes, limits. Filled by
 * lib/manage from the configuration file, by tests by hand; validated before it comes here. Times
 * are in milliseconds, sizes in bytes unless a name says otherwise.
 */

#include <stdbool.h>
#include <stdint.h>

#include <pubwire/base/addr.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PW_FORWARD_MAX_BROKERS	 32 /**< a set of brokers is a 32-bit mask */
#define PW_FORWARD_MAX_ROUTES	 256
#define PW_FORWARD_MAX_LISTENERS 16
#define PW_FORWARD_MAX_WORKERS	 64
#define PW_FORWARD_MAX_POOL	 16
#define PW_FORWARD_MAX_LOGS	 1024 /**< of a worker and lane: sets of brokers times pool_size */
#define PW_FORWARD_NAME_LEN	 32
#define PW_FORWARD_STR_LEN	 256

/**
 * Lanes: a log, and its connections, for each protocol family, so that bytes pass unchanged.
 * Devices of 3.1 share the lane of 3.1.1: a PUBLISH is the same in both.
 */
enum pw_lane { PW_LANE_3, PW_LANE_5, PW_LANE_MAX };

/** Where devices connect. */
struct pw_listener_conf {
	char name[PW_FORWARD_NAME_LEN];
	struct pw_addr address;
	uint16_t port;
	/** Limits of its own; 0: as struct pw_limits_conf says, or none where that has no such. */
	uint32_t max_connections;  /**< of all workers together */
	uint32_t connect_rate;	   /**< CONNECT packets a second, of all workers together */
	uint32_t message_rate;	   /**< PUBLISH packets a second of one device */
	uint32_t byte_rate;	   /**< bytes a second of one device */
	uint32_t max_packet_size;  /**< at most that of struct pw_limits_conf */
	uint32_t connect_deadline; /**< ms */
};

/** Which version a broker is spoken to in; messages of the other one are translated. */
enum pw_broker_protocol {
	PW_BROKER_AUTO, /**< that of the lane, and where it refuses that the other one */
	PW_BROKER_3,	/**< 3.1.1 */
	PW_BROKER_5,	/**< 5.0 */
};

/** A broker. */
struct pw_broker_conf {
	char name[PW_FORWARD_NAME_LEN];
	struct pw_addr address;
	uint16_t port;
	char username[PW_FORWARD_STR_LEN]; /**< empty: none */
	char password[PW_FORWARD_STR_LEN];
	uint32_t keepalive_interval; /**< [60000] PINGREQ after this much silence of ours */
	uint32_t connect_timeout;    /**< [5000] TCP handshake and CONNACK, each */
	uint32_t ack_timeout;  /**< [20000] no acknowledgement while messages are outstanding */
	uint32_t restart_base; /**< [500] least wait before a reconnect */
	uint32_t restart_cap;  /**< [30000] longest wait */
	uint32_t max_inflight_messages;	  /**< [1024] QoS 1 window where the broker names none */
	uint32_t session_expiry_interval; /**< [3600000] ms a broker keeps our session; 0: none */
	uint32_t max_packet_size;	  /**< [0] largest packet it takes; 0: as the broker says */
	enum pw_broker_protocol protocol; /**< [auto] */
	bool strict; /**< [false] retained messages are refused where it takes none */
	/** What a log may keep for it before when_full of the route acts. [0] messages: for block,
	 *  as many as the log has room for, for drop and detach half of that; bytes: any number. */
	uint32_t hold_messages, hold_bytes;
	uint32_t replay_rate; /**< [0] messages a second of the backlog after a reconnect; 0: any */
	uint32_t failover_delay; /**< [5000] not connected for so long: others take its share */
	uint32_t failback_delay; /**< [30000] connected for so long: it has it again */
};

/** What to do with messages of a QoS when a broker's hold, or the log, is full. */
enum pw_when_full {
	PW_WHEN_FULL_BLOCK,  /**< do not read devices */
	PW_WHEN_FULL_DROP,   /**< give up the oldest for this broker */
	PW_WHEN_FULL_DETACH, /**< give up all for this broker until it is back */
};

/** When a device has its acknowledgement of a QoS 1 message. */
enum pw_ack_rule {
	PW_ACK_ALL,    /**< every broker of the set has acknowledged it */
	PW_ACK_ANY,    /**< one has */
	PW_ACK_QUORUM, /**< so many have */
	PW_ACK_LOCAL,  /**< at once: what pubwire then loses, nobody sends again */
};

/** Which brokers of a route a message goes to. */
enum pw_fanout {
	PW_FANOUT_ALL,
	PW_FANOUT_HASH,	       /**< one, by a key: the same as long as it is there */
	PW_FANOUT_FAILOVER,    /**< the first in the list that is there */
	PW_FANOUT_ROUND_ROBIN, /**< one after the other of those that are there */
};

/** First route whose filter matches the topic, in file order, has the message. */
struct pw_route_conf {
	char name[PW_FORWARD_NAME_LEN];
	char filter[PW_FORWARD_STR_LEN];
	uint32_t brokers;		       /**< 1 << broker index */
	uint8_t order[PW_FORWARD_MAX_BROKERS]; /**< the same as a list */
	enum pw_fanout fanout;		       /**< [all] */
	bool hash_by_topic;		       /**< else by client identifier */
	/** Of topics towards brokers: what they begin with goes, where they do, and what comes
	 * instead. */
	char prefix_remove[PW_FORWARD_STR_LEN], prefix_add[PW_FORWARD_STR_LEN];
	enum pw_ack_rule ack;		  /**< [all] */
	uint32_t quorum;		  /**< of PW_ACK_QUORUM: 1 to the number of brokers */
	enum pw_when_full when_full_qos0; /**< [drop] */
	enum pw_when_full when_full_qos1; /**< [block] */
	/** Connections to each of the brokers, each for its share of the client identifiers [1]. */
	uint32_t pool_size;
};

/** Limits on devices and sizes of what is reserved per worker. */
struct pw_limits_conf {
	uint32_t max_connections;     /**< device sessions per worker [1024] */
	uint32_t max_queued_messages; /**< entries of one log, a power of two up to 32768 [8192] */
	uint32_t max_packet_size;     /**< [1 MiB + 64 KiB] */
	uint32_t
		receive_maximum; /**< told to 5.0 devices [64]; messages of one device in the log */
	uint32_t topic_alias_maximum; /**< told to 5.0 devices [16], 0: none */
	uint32_t connect_deadline;    /**< CONNECT must be whole by then [10000] */
	uint32_t max_keepalive; /**< seconds; Server Keep Alive where a device asks more [1200] */
	/** Seconds that what a session remembers of QoS 2 stays without a connection [3600]. */
	uint32_t max_session_expiry;
	uint32_t idle_timeout; /**< for devices with keepalive 0 (ms) [0: never] */
	/** Frames shorter than this are copied on append [512]; 0: none for its size. Small pieces
	 *  (below 1 KiB) of frames too large to wait in TCP's queue are copied together always. */
	uint32_t copy_break;
	uint32_t drain_deadline; /**< [5000] */
	/** PUBLISH packets and bytes a second of one device; a second's worth may come at once. Who
	 *  is over is not read for a while. [0: unlimited] */
	uint32_t message_rate, byte_rate;
	/** Sessions of a worker that may have a will, topic aliases or QoS 2 under way, and that
	 * may stay without a connection. [0: pw_forward_max_extras(), pw_forward_max_kept()] */
	uint32_t max_extras, max_kept;
};

/** Everything. */
struct pw_forward_settings {
	char instance[PW_FORWARD_NAME_LEN];	   /**< in client identifiers towards brokers */
	char clientid_prefix[PW_FORWARD_NAME_LEN]; /**< [pubwire] */
	/** Where a drain sends devices of 5.0 (4.11): names separated by spaces; UTF-8. [""] */
	char server_reference[PW_FORWARD_STR_LEN];
	struct pw_listener_conf listener[PW_FORWARD_MAX_LISTENERS];
	uint32_t nb_listeners;
	struct pw_broker_conf broker[PW_FORWARD_MAX_BROKERS];
	uint32_t nb_brokers;
	struct pw_route_conf route[PW_FORWARD_MAX_ROUTES];
	uint32_t nb_routes;
	struct pw_limits_conf limits;
	uint32_t lanes; /**< 1 << enum pw_lane: the protocol families served */
};

/** Fill with the defaults in brackets above; no listener, broker or route. */
void pw_forward_defaults(struct pw_forward_settings *s);

#ifdef __cplusplus
}
#endif

#endif
