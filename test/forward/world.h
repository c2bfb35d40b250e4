/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TEST_FORWARD_WORLD_H
#define TEST_FORWARD_WORLD_H

/**
 * @file
 * A world in one thread under virtual time: devices that speak raw bytes over a TCP stack of
 * theirs, one or two workers (a TCP stack and a forward each), brokers over a third stack. Segments
 * are copied into fresh buffers on the way, as a wire would.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include <pubwire/forward/edition.h>
#include <pubwire/forward/forward.h>
#include <pubwire/mqtt/packet.h>

#define WORLD_DEVICES 24
#define WORLD_BROKERS 3
#define WORLD_RECORDS 4096
#define WORLD_RX      65536
#define MS	      1000000ull

/** A device. */
struct device {
	struct pw_tcp_conn *conn;
	bool up;     /**< TCP */
	bool closed; /**< the other side has closed, or the connection is gone */
	bool deaf;   /**< does not read */
	uint32_t len;
	uint8_t rx[WORLD_RX];
};

/** A PUBLISH that a broker has received. */
struct record {
	uint32_t conn; /**< number of the connection, from 1 */
	uint8_t lane;  /**< 3 or 5 */
	uint8_t first; /**< first byte of the frame */
	uint16_t id;
	uint32_t len; /**< payload */
	uint32_t sum; /**< of the payload: payload_sum() */
	uint32_t expiry;
	uint32_t props;	    /**< those present, 1 << enum pw_mqtt_prop */
	uint32_t props_len; /**< bytes of all of them */
	uint32_t props_sum; /**< payload_sum() of these */
	uint64_t at;	    /**< ns, when it came */
	bool again;	    /**< QoS 2: its session knew the identifier, so it is no new message */
	char topic[64];
	char text[64]; /**< beginning of the payload */
};

/** What a broker knows of a client beyond its connection. */
struct kept {
	char client_id[64];
	bool stays; /**< not clean, or with an expiry */
	bool clean; /**< it began so */
	uint8_t known[32768 / 8 +
		      1]; /**< QoS 2 identifiers between PUBLISH and PUBREL, a bit each */
};

/** A connection of a broker. */
struct leg {
	struct pw_tcp_conn *conn;
	uint32_t number;
	uint32_t packets;
	uint8_t version;
	struct kept *kept;
	uint16_t held[WORLD_RECORDS];
	uint8_t held_type[WORLD_RECORDS]; /**< of the answer */
	uint32_t nb_held, held_from;
	char client_id[64];
	uint8_t *buf;
	uint32_t len;
};

/** A broker and how it behaves. */
struct broker {
	bool refuse;	  /**< no listener */
	bool mute;	  /**< no CONNACK */
	bool hold;	  /**< PUBACKs wait for world_ack() */
	bool deaf;	  /**< does not read, but what broker_read() says */
	bool dark;	  /**< its cable is cut: no segment comes or goes */
	uint32_t resets;  /**< resets each connection: 1 at once, 2 after CONNACK, 2 + n after n
			     packets more; 0: not */
	uint8_t reason;	  /**< of PUBACKs, 5.0 */
	uint8_t code;	  /**< of CONNACK */
	uint8_t only;	  /**< the version that it takes, 0: any */
	bool closes;	  /**< it closes the connection for another one, and says nothing */
	bool same_form;	  /**< it says so in the version of the CONNECT */
	uint16_t receive; /**< Receive Maximum, 0: none */
	uint32_t max;	  /**< Maximum Packet Size, 0: none */
	bool no_retain;
	bool max_qos0;
	bool max_qos1;
	bool forgets;	  /**< keeps no session */
	bool stubborn;	  /**< 3.1.1: keeps those that began clean, too */
	uint8_t expiry_0; /**< 5.0: says that it keeps none */
	bool hold_comp;	  /**< PUBCOMPs wait for world_ack() */
	bool stray;	  /**< answers nothing, but a PUBREC of identifier 200 with each PUBLISH */
	uint32_t frames;  /**< beside CONNECT, that came */
	uint32_t cut_at;  /**< the connection ends at this one, 0: none */
	bool cut_after;	  /**< when it was seen to, without its answer; else before */
	bool cut_forgets; /**< and all sessions with it */
	uint32_t clean_starts, resumed, releases, strange_releases;
	struct kept kept[24];
	uint32_t connects;
	uint32_t pings;
	uint32_t disconnects;
	uint32_t max_inflight; /**< most messages held at once */
	struct leg leg[24];
	struct record record[WORLD_RECORDS];
	uint32_t nb;
};

struct world {
	uint64_t now;
	struct pw_mem mem;
	struct pw_forward_settings set;
	struct pw_forward_shared *shared;
	uint32_t nb_workers;
	struct pw_tcp *worker_tcp[2];
	struct pw_forward *forward[2];
	struct pw_tcp *device_tcp, *broker_tcp;
	struct device device[WORLD_DEVICES];
	struct broker broker[WORLD_BROKERS];
	const struct pw_access *access;	  /**< who may do what, NULL: anybody anything */
	struct pw_auth_request asked[64]; /**< passwords that wait for world_answer() */
	uint32_t nb_asked;
	bool auth_full;	    /**< no further password is taken */
	bool post_full;	    /**< posting fails */
	uint32_t post_left; /**< so many get through before it does; 0: any number */
	uint32_t rx_window; /**< of the workers' stacks */
	uint32_t rx_copy_break;
	uint32_t tx_slices;   /**< 0: any number */
	uint32_t buffers;     /**< that brokers' backlogs are held against, 0: no bound */
	uint64_t behind[2];   /**< ns that a worker's clock stands behind `now` */
	uint32_t lost;	      /**< drop every n-th segment, 0: none */
	uint16_t device_port; /**< that devices connect to */
};

extern struct world w;

/** Start EAL and the buffers, once a process; give them back. */
int world_init(void **state);
int world_fini(void **state);

/** Defaults: two brokers, one route '#' to both, small log. Change w.set before world_start(). */
int world_setup(void **state);
/** One worker of both roles, or by role. */
void world_start(uint32_t nb_workers, uint8_t role0, uint8_t role1);
/** Destroys, and checks that every buffer is back. */
int world_teardown(void **state);

/** A worker's clock. */
uint64_t world_clock(uint32_t worker);
/** Let time pass. */
void world_run(uint32_t ms);

/** Give all workers other settings, and rules: pw_forward_renew(), adopted by each in turn. */
int world_renew(const struct pw_edition_conf *conf);

/** Connect device i to worker k. */
void device_open(uint32_t i, uint32_t k);
void device_send(uint32_t i, const void *data, uint32_t len);
void device_reset(uint32_t i);
void device_close(uint32_t i);
/** Forget what was received. */
void device_clear(uint32_t i);
/** CONNECT with a client identifier, keepalive 60, clean; and wait for CONNACK of success. */
void device_connect(uint32_t i, uint32_t k, uint8_t version, const char *id);
/** A PUBLISH. */
uint32_t publish_bytes(uint8_t *out, uint32_t room, uint8_t version, uint8_t qos, bool retain,
		       uint16_t id, const char *topic, const void *payload, uint32_t len);
void device_publish(uint32_t i, uint8_t version, uint8_t qos, uint16_t id, const char *topic,
		    const char *text);
/** The same with the next number of this process as payload, and the next identifier. */
void device_publish_next(uint32_t i, uint8_t version, uint8_t qos, const char *topic);
/** Publish n numbers to "t", eight at a time, and see each eight acknowledged within milliseconds.
 * What is sent at QoS 2 is completed. */
void device_goes_on(uint32_t i, uint8_t version, uint8_t qos, uint32_t n);
uint32_t payload_sum(const uint8_t *p, uint32_t len);
/** Packets of a type received (0: PUBACK and PUBREC): how many, and their identifiers in order. */
uint32_t device_answers(uint32_t i, uint8_t first, uint8_t version, uint16_t *ids, uint8_t *reasons,
			uint32_t max);
/** PUBREL and so on. */
void device_ack(uint32_t i, uint8_t type, uint16_t id);
/** PUBACKs received: how many, and their identifiers in order. */
uint32_t device_acks(uint32_t i, uint8_t version, uint16_t *ids, uint8_t *reasons, uint32_t max);
/** True where the bytes received end in these. */
bool device_got(uint32_t i, const void *data, uint32_t len);

/** Answer a request. */
void world_answer(const struct pw_auth_request *r, enum pw_auth_verdict verdict);

/** Lose all sessions, like a broker that restarts without having kept anything; its connections
 * too. */
void broker_restart(uint32_t b);
/** Restart as mosquitto 2.0 does: sessions that began clean are not stored. */
void broker_reload(uint32_t b);
/** Send up to n held answers of a broker. Returns how many. */
uint32_t world_ack(uint32_t b, uint32_t n);
/** Read up to max bytes of each connection of a broker that is deaf. */
void broker_read(uint32_t b, uint32_t max);
/** Reset every connection of a broker. */
void broker_reset(uint32_t b);
/** Raw bytes to every leg. */
void broker_send(uint32_t b, const void *data, uint32_t len);

const struct pw_device_counters *counters(void);
struct pw_upstream_info upstream(uint32_t b, enum pw_lane lane);
/** accepted = acknowledged + completed_qos0 + given_up_qos0 + orphaned + dropped_on_shutdown +
 * outstanding + owed.
 */
void ledger(void);

#endif
