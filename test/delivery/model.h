/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TEST_DELIVERY_MODEL_H
#define TEST_DELIVERY_MODEL_H

/**
 * @file
 * What the world is made of: messages, brokers, devices, and what each knows.
 */

#include <stdbool.h>
#include <stdint.h>

#include <pubwire/forward/forward.h>
#include <pubwire/mqtt/packet.h>

#include "sim_rng.h"

struct world;

#define US	    UINT64_C(1000)
#define MS	    UINT64_C(1000000)
#define SEC	    UINT64_C(1000000000)
#define NEVER	    UINT64_MAX

#define DEVICES	    6
#define BROKERS	    4
#define WORKERS	    2
#define ROUTES	    3
#define MESSAGES    1024
#define SUBMITTED   8192 /* packets of one device and route */
#define WINDOW	    64	 /* messages of a device in flight */
#define OLD	    3	 /* connections of a device that it has left and not closed */
#define LEGS	    96	 /* connections of a broker */
#define IDS	    257	 /* packet identifiers towards brokers: places of a log, and 0 */
#define ANSWERS	    512
#define FRAME_MAX   65536
#define NOBODY	    UINT32_MAX
#define MORE_ROUTES (ROUTES + 1) /* with the one that does not exist */

/** What a broker has of a message. */
struct copy {
	uint64_t first;	  /**< ns, when it first came, 0: never */
	uint16_t new;	  /**< times that it came as a new message */
	uint16_t fresh;	  /**< times that it came without DUP */
	uint16_t refused; /**< times that it was answered with an error, quota among them */
	bool had;	  /**< answered with success */
};

/** A message as its device sent it. */
struct message {
	uint32_t device, route, n; /**< n: number among those of the device */
	uint8_t version, qos;
	bool retain, will, property;
	uint32_t len, expiry; /**< bytes of payload; seconds, 0: none */
	uint64_t at;	      /**< ns, when it was first sent, 0: it was not */
	uint8_t gen;	      /**< of the connection that sent it last */
	uint16_t submitted;   /**< times that it was sent */
	uint16_t lives;	      /**< times that it was sent as a new message */
	bool answered;	      /**< PUBACK or PUBREC has come */
	uint8_t reason;	      /**< of it */
	bool denied;	      /**< its user may not publish it */
	bool cancelled;	      /**< a will that may not be published */
	bool due;	      /**< a will that must be */
	struct copy copy[BROKERS];
};

/** Something that a broker has to send. */
struct answer {
	uint64_t at;
	uint32_t message; /**< NOBODY: not about one */
	uint16_t id;
	uint8_t type, reason;
};

/** What a broker knows of a client beyond its connection. */
struct kept {
	char client_id[64];
	bool stays;
	bool proven;		   /**< the client has seen a CONNACK */
	uint32_t connects, cleans; /**< accepted; of them, those with a clean start */
	uint32_t known[IDS];	   /**< QoS 2 between PUBLISH and PUBREL: message + 1 */
};

/** A connection of a broker. */
struct leg {
	struct pw_tcp_conn *conn;
	struct broker *broker;
	struct kept *kept; /**< NULL before CONNECT */
	uint64_t since;	   /**< ns, when it began */
	uint32_t number;
	uint8_t version;
	bool up;	   /**< CONNACK of success was sent */
	bool refusing;	   /**< it closes */
	uint32_t window;   /**< messages that may be in flight */
	uint32_t inflight; /**< that are */
	uint32_t
		open[IDS]; /**< message + 1 whose PUBLISH came on this connection and is not over */
	uint16_t at[DEVICES][MORE_ROUTES]; /**< place in what the device has submitted */
	struct answer answer[ANSWERS];
	uint32_t nb_answers;
	uint8_t *buf;
	uint32_t len;
};

/** How a broker is, for the whole history. */
struct broker_plan {
	uint8_t only;	     /**< the version that it takes, 0: any */
	uint16_t receive;    /**< Receive Maximum, 0: none */
	uint32_t max_packet; /**< 0: none */
	bool no_retain;
	uint8_t max_qos;
	uint64_t delay;	  /**< ns: most of what an answer takes */
	uint32_t reorder; /**< per mille of answers that take their own time */
	uint32_t errors;  /**< per mille of messages that it refuses */
	uint32_t quota;	  /**< per mille of messages that it has no room for now */
	uint32_t cuts;	  /**< per mille of frames at which the connection ends */
	uint32_t halves;  /**< per mille of answers of which half is sent, then the end */
	bool as_qos1;	  /**< 3.1.1: answers QoS 2 with PUBACK */
};

struct broker {
	struct world *w;
	uint32_t id;
	struct broker_plan plan;
	bool listening;
	bool crashed;	     /**< it comes back with the next deadline */
	uint64_t mute_until; /**< answers nothing */
	uint64_t deaf_until; /**< reads nothing, */
	uint64_t slow_until; /**< or little */
	uint64_t hole_until; /**< its cable is cut */
	uint64_t down_until; /**< refuses connections */
	uint64_t lost_at;    /**< when one of its sessions was last forgotten, 0: never */
	uint32_t losses;     /**< times that it lost its sessions */
	uint64_t next;	     /**< when it has something to do */
	uint32_t nb_legs;    /**< connections since the beginning */
	struct leg leg[LEGS];
	struct kept kept[LEGS];
};

/** What becomes of a message of a device that is in flight. */
enum flight { FLIGHT_FREE, FLIGHT_QUEUED, FLIGHT_SENT, FLIGHT_RECEIVED, FLIGHT_RELEASED };

struct inflight {
	uint32_t message;
	uint32_t order; /**< of its PUBLISH on this connection */
	uint16_t id;
	uint8_t state; /**< enum flight */
	bool dup;
	bool counted;	  /**< in this connection's Receive Maximum */
	uint8_t released; /**< times that PUBREL was sent */
};

/** A device's connection. */
struct link {
	struct pw_tcp_conn *conn;
	struct device *device;
	uint8_t gen; /**< of its address */
	uint64_t since;
	bool tcp;   /**< established */
	bool up;    /**< CONNACK of success */
	bool wrong; /**< it has named a password that is not its own */
	bool left;  /**< DISCONNECT was sent, or it closes */
	bool eof;
	bool garbage; /**< it has sent what ends a connection */
	uint8_t version;
	uint16_t worker;
	uint32_t will;	      /**< message, NOBODY */
	uint32_t sent;	      /**< PUBLISH packets of QoS 1 and 2 */
	uint32_t answered[3]; /**< place among them of what was answered last, by QoS */
	uint32_t quota;	      /**< of its Receive Maximum that is in use */
	bool disconnected;    /**< DISCONNECT was sent when nothing was unanswered */
	uint16_t receive, aliases;
	uint32_t max_packet;
	uint8_t max_qos;
	bool no_retain;
	uint8_t alias_set; /**< a bit each */
	uint8_t rx[4096];
	uint32_t rx_len;
};

struct device_plan {
	uint8_t version; /**< 3, 4 or 5 */
	bool clean;	 /**< always starts clean */
	uint32_t expiry; /**< s: session expiry, 5.0 */
	uint16_t keepalive;
	bool wills;
	uint32_t will_delay;
	bool moves;	 /**< to any worker at each connection */
	uint64_t pause;	 /**< ns: about what lies between two messages */
	uint32_t burst;	 /**< at most so many at a time */
	uint32_t runs;	 /**< per mille of messages that are a run of small ones of QoS 0 instead */
	uint32_t crumbs; /**< per mille of packets that leave in small pieces */
	uint32_t large;	 /**< per mille of messages of tens of kilobytes */
	uint32_t qos[3]; /**< weights */
	bool aliases;
	uint32_t user;	/**< 0: names none */
	uint32_t wrong; /**< per mille of its passwords that are wrong */
};

struct device {
	struct world *w;
	uint32_t id;
	struct device_plan plan;
	char client_id[24];
	uint8_t gen;
	bool hole[256];	   /**< cables that are cut, by the generation of the address */
	struct link *link; /**< the present one, NULL */
	struct link links[OLD + 1];
	uint32_t nb_messages;
	uint16_t next_id;
	struct inflight flight[WINDOW]; /**< in the order of their first sending */
	uint32_t nb_flight;
	bool session; /**< it had a connection whose session it wants to go on with */
	uint16_t session_worker;
	uint64_t session_at; /**< when that connection ended */
	uint64_t next;
	uint64_t ping_at;
	uint64_t connect_by; /**< CONNACK has to be there */
	bool parted;	     /**< half a packet has been sent, and no more comes */
	uint8_t *out;	     /**< what waits to be given to TCP */
	uint32_t out_len, out_at, out_crumb;
	uint16_t submission[MORE_ROUTES][SUBMITTED]; /**< message, in the order of sending */
	uint32_t nb_submissions[MORE_ROUTES];
};

#endif
