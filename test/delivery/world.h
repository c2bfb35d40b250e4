/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TEST_DELIVERY_WORLD_H
#define TEST_DELIVERY_WORLD_H

/**
 * @file
 * A simulated world of deliveries: devices and brokers that misbehave, pubwire's forwards (one or
 * two workers) between them, and a judge. All of them speak real MQTT over real lib/tcp, on wires
 * that delay, lose and duplicate segments. One thread, virtual time, and one seed from which all of
 * it follows: the same seed is the same history.
 *
 *     plan.c      draws a history from its seed
 *     world.c     what happens next, and the end
 *     wire.c      segments on their way, cables that are cut
 *     workers.c   pubwire: stacks, forwards, the rings between them
 *     broker.c    a broker: connections, sessions, what it takes
 *     answer.c    what a broker answers, and when
 *     device.c    a device: connections, and what comes to it
 *     publish.c   what a device sends: messages, again, acknowledgements, bytes
 *     mischief.c  what happens to brokers and devices
 *     judge.c     what must be true of every packet that a broker or a device is given
 *     ending.c    what must be true when all is over
 *     inside.c    ledgers and buffers
 *     access.c    passwords and rules
 */

#include <stdbool.h>
#include <stdint.h>

#include <pubwire/forward/forward.h>
#include <pubwire/mqtt/packet.h>

#include "sim_rng.h"

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

/** What a seed decides for the world as a whole. */
struct plan {
	uint64_t seed;
	uint32_t nb_workers;
	uint8_t role[WORKERS];
	uint32_t nb_brokers, nb_devices, nb_routes, nb_messages;
	uint64_t calm_at;     /**< when faults end, and no more messages are begun */
	uint64_t fault_every; /**< ns, about, 0: none */
	uint32_t faults;      /**< of those that may happen, a bit each (enum fault) */
	uint64_t restart_at;  /**< when pubwire dies and begins anew, NEVER */
	uint64_t drain_at;    /**< NEVER */
	uint64_t device_delay, broker_delay; /**< ns, one way */
	uint32_t loss, dup, reorder;	     /**< per mille of segments */
	bool passwords;
	bool idle;	    /**< it ends with a long silence */
	uint32_t post_full; /**< per mille of messages between workers */
	uint64_t behind;    /**< ns: clock of the second worker */
	uint32_t rx_window, rx_copy_break;
	uint32_t buffers; /**< that backlogs of brokers are held against, 0: no bound */
};

/** What happens; row: name, text. */
#define FAULTS(X)                                                                                  \
	X(CRASH, "broker crashes, sessions kept")                                                  \
	X(AMNESIA, "broker crashes, sessions lost")                                                \
	X(RESET, "broker resets its connections")                                                  \
	X(CLOSE, "broker closes its connections")                                                  \
	X(POWER, "broker loses power, sessions kept")                                              \
	X(MUTE, "broker answers nothing")                                                          \
	X(DEAF, "broker reads nothing")                                                            \
	X(SLOW, "broker reads little")                                                             \
	X(CABLE, "broker's cable is cut for a while")                                              \
	X(STRAY, "broker answers what nobody asked")                                               \
	X(BROKER_GARBAGE, "broker sends garbage")                                                  \
	X(FORGET, "broker forgets its sessions while connections are cut")                         \
	X(VANISH, "device vanishes")                                                               \
	X(DEVICE_RESET, "device resets its connection")                                            \
	X(LEAVE, "device leaves with DISCONNECT")                                                  \
	X(CLOSES, "device closes without DISCONNECT")                                              \
	X(TAKE_OVER, "device connects anew beside its old connection")                             \
	X(GARBAGE, "device sends garbage")                                                         \
	X(HALF, "device sends half a packet, and no more")                                         \
	X(STRANGER, "somebody connects and sends nonsense")                                        \
	X(PRESSURE, "devices are not read for a while")                                            \
	X(FAMINE, "a pool of buffers is empty for a while")

#define FAULT_ENUM(name, text) FAULT_##name,
enum fault { FAULTS(FAULT_ENUM) FAULT_MAX };
#undef FAULT_ENUM

/** What all histories of a process have come to. */
#define TALLY(X)                                                                                   \
	X(histories)                                                                               \
	X(steps)                                                                                   \
	X(messages)                                                                                \
	X(messages_qos2)                                                                           \
	X(submissions)                                                                             \
	X(acknowledged)                                                                            \
	X(refused)                                                                                 \
	X(copies)                                                                                  \
	X(copies_again)                                                                            \
	X(wills)                                                                                   \
	X(wills_published)                                                                         \
	X(broker_connections)                                                                      \
	X(broker_sessions_resumed)                                                                 \
	X(broker_sessions_lost)                                                                    \
	X(broker_errors)                                                                           \
	X(broker_quota)                                                                            \
	X(broker_cuts)                                                                             \
	X(device_connections)                                                                      \
	X(device_sessions_resumed)                                                                 \
	X(moves)                                                                                   \
	X(takeovers)                                                                               \
	X(segments)                                                                                \
	X(segments_lost)                                                                           \
	X(reloads)                                                                                 \
	X(restarts)                                                                                \
	X(drains)                                                                                  \
	X(dropped_hold)                                                                            \
	X(dropped_detached)                                                                        \
	X(dropped_failover)                                                                        \
	X(dropped_expired)                                                                         \
	X(unmet)                                                                                   \
	X(blocked)                                                                                 \
	X(overtaken)

struct tally {
#define TALLY_FIELD(name) uint64_t name;
	TALLY(TALLY_FIELD)
#undef TALLY_FIELD
	uint64_t fault[FAULT_MAX];
};

/** A segment on its way. */
struct segment {
	uint64_t at, serial;
	struct rte_mbuf *m;
	struct pw_tcp *to;
};

/** A password that is being verified. */
struct question {
	uint64_t at;
	uint32_t worker;
	struct pw_auth_answer answer;
};

#define QUESTIONS 64
#define SEGMENTS  16384
#define POSTS	  4096

struct post {
	uint32_t worker;
	struct pw_forward_msg msg;
};

/** Changes of the configuration. */
struct reloads {
	struct sim_rng rng;
	uint64_t at; /**< of the next one, NEVER */
	uint32_t left;
	struct pw_forward_settings set[2];
	uint32_t turn;	       /**< how many were made; the one in force is turn % 2 */
	bool running;	       /**< some worker has not gone over */
	bool pending[WORKERS]; /**< which */
};

struct world {
	struct plan plan;
	struct sim_rng rng;  /**< devices, brokers, mischief */
	struct sim_rng dice; /**< wires */
	uint64_t now, began;
	uint64_t restarted_at; /**< 0: not yet */
	/** What pubwire had counted until then. */
	struct pw_device_counters before;
	struct pw_upstream_counters before_upstream[BROKERS];
	struct pw_mem mem;
	struct pw_forward_settings set;
	struct pw_forward_shared *shared;
	struct pw_tcp *worker_tcp[WORKERS], *device_tcp, *broker_tcp;
	struct pw_forward *forward[WORKERS];
	struct broker broker[BROKERS];
	struct device device[DEVICES];
	struct message message[MESSAGES];
	uint32_t nb_messages;
	struct segment *heap;
	uint32_t nb_segments;
	uint64_t serial, last_at[3][256];
	struct post post[POSTS];
	uint32_t post_head, post_tail;
	struct question question[QUESTIONS];
	uint32_t nb_questions;
	struct reloads reloads;
	uint64_t fault_at, pressure_until, famine_until;
	struct rte_mempool *famine; /**< the pool whose buffers are away, */
	struct rte_mbuf *eaten;	    /**< and these */
	struct pw_tcp_conn *stranger;
	bool calm;    /**< nothing bad happens any more */
	bool drained; /**< pubwire is draining, or has */
	uint32_t steps;
	uint64_t digest;
	bool verbose;
	struct tally *tally;
	char fault[400]; /**< the first rule that was broken */
};

/** Keep the first rule that was broken. */
void world_fault(struct world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
/** A line of the trace; and part of the digest, by its numbers. */
void world_say(const struct world *w, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
#define SAY(w, ...)                                                                                \
	do {                                                                                       \
		if ((w)->verbose)                                                                  \
			world_say(w, __VA_ARGS__);                                                 \
	} while (0)
/** Something has happened that another run of the same seed has to do too. */
void world_mark(struct world *w, uint64_t what, uint64_t a, uint64_t b);

/** Reserve memory, once a process. 0 or -errno. */
int world_start(struct world *w);
void world_stop(struct world *w);
/** Play a history to its end; true where nothing was wrong. */
bool world_play(struct world *w, uint64_t seed, bool verbose, struct tally *tally);

static inline uint32_t
dice(struct world *w, uint32_t n)
{
	return sim_rng_below(&w->rng, n);
}

static inline bool
chance(struct world *w, uint32_t per_mille)
{
	return per_mille != 0 && sim_rng_chance(&w->rng, per_mille);
}

/* plan.c */
void plan_draw(struct world *w, uint64_t seed);
void plan_print(struct world *w);

/* access.c */
extern const char access_password[];
const struct pw_access *access_tables(void);
struct pw_mqtt_str access_user(const struct device *d);
bool access_denies(const struct world *w, const struct device *d, uint32_t route);
int access_ask(struct world *w, const struct pw_auth_request *r);
uint64_t access_next(const struct world *w);
void access_answer(struct world *w);

/* wire.c */
struct pw_addr wire_device(const struct device *d, uint8_t gen);
struct pw_addr wire_worker(uint32_t k);
struct pw_addr wire_broker(uint32_t b);
int wire_output(void *ctx, const struct pw_flow *flow, struct rte_mbuf *m, uint64_t now);
int wire_path(void *ctx, const struct pw_addr *dst, uint16_t *mtu, uint16_t *segs);
uint64_t wire_next(const struct world *w);
/** What has arrived by now goes to its stack. */
void wire_deliver(struct world *w);
/** Workers' stacks are about to go: what is on its way to them does not arrive. */
void wire_forget_workers(struct world *w);
void wire_clear(struct world *w);

/* workers.c */
uint64_t worker_clock(const struct world *w, uint32_t k);
/** The stacks of devices and brokers; then pubwire. */
int models_up(struct world *w);
int workers_up(struct world *w);
void workers_down(struct world *w);
/** A turn of every poll loop; true where more is to be done at once. */
bool workers_turn(struct world *w);
uint64_t workers_next(const struct world *w);
void workers_advance(struct world *w);

/* broker.c */
extern const struct pw_tcp_ops broker_ops;
void broker_begin(struct world *w, uint32_t b);
/** What is due. */
void broker_act(struct broker *b);
/** End all of its connections; how: enum broker_end. */
enum broker_end { END_RESET, END_CLOSE, END_SILENT };
void broker_cut(struct broker *b, enum broker_end how);
void broker_forget(struct broker *b);
void broker_read(struct leg *l);
void broker_end(struct world *w);
void leg_drop(struct leg *l, enum broker_end how);

/* answer.c */
void answer_queue(struct leg *l, uint8_t type, uint16_t id, uint32_t message, uint8_t reason);
/** Send what is due; false where the connection has ended by it. */
bool answer_send(struct leg *l);
uint64_t answer_next(const struct leg *l);

/* device.c */
extern const struct pw_tcp_ops device_ops;
void device_begin(struct world *w, uint32_t i);
void device_act(struct device *d);
void device_connect(struct device *d);
/** The present connection is over for it, or left alone; another one follows. */
void device_lost(struct device *d);
/** The same at once by RST, whether it arrives or not. */
void device_reset(struct device *d);
void device_close(struct device *d);
void device_end(struct world *w);

/* publish.c */
/** Bytes to send, all or none. */
bool device_write(struct device *d, const void *p, uint32_t n);
void device_pump(struct device *d);
void device_work(struct device *d);
/** A connection begins: what is unfinished is sent again. */
void device_again(struct device *d, bool present);
uint32_t message_new(struct world *w, struct device *d, uint32_t route);
void message_payload(const struct message *m, uint32_t index, uint8_t *out);
uint32_t message_topic(const struct world *w, const struct message *m, bool at_broker, char *out,
		       uint32_t room);

/* mischief.c */
void mischief(struct world *w);
/** Everybody is well from now on. */
void mischief_ends(struct world *w);
/** Give back the buffers that a famine has taken. */
void mischief_feed(struct world *w);
/** pubwire dies, and begins anew. */
/** reload.c: when the configuration changes; a turn of it; pubwire begins anew with what it says.
 */
void reload_draw(struct world *w);
void reload_step(struct world *w);
void reload_forget(struct world *w);
void mischief_restart(struct world *w);
const char *fault_text(enum fault f);

/* judge.c */
struct pw_mqtt_publish;
/** A broker is given a PUBLISH; returns the message, NOBODY where it is none. *known: QoS 2, it is
 * in the session already. */
uint32_t judge_publish(struct leg *l, const struct pw_mqtt_buf *f, const struct pw_mqtt_publish *p,
		       bool known);
/** A broker begins a connection. */
void judge_broker_connect(struct leg *l, bool clean, bool present);
/** A device is given PUBACK or PUBREC. */
void judge_answer(struct link *l, const struct inflight *x, uint8_t reason);
/** A device is given CONNACK. */
void judge_connack(struct device *d, bool present);

/* ending.c */
void ending(struct world *w);

/* inside.c */
void inside_ledger(struct world *w);
/** Messages that pubwire has to do something about. */
uint64_t inside_unfinished(const struct world *w);
/** Something has happened after which messages may come to a broker out of their order. */
bool inside_overtakes(const struct world *w, uint32_t b);
/** Every connection to a broker stands. */
bool inside_connected(const struct world *w);
/** Connections to brokers that have ended. */
uint64_t inside_ended(const struct world *w);
/** The state of affairs, for the trace. */
void inside_explain(const struct world *w);
struct pw_device_counters inside_counters(const struct world *w);
struct pw_upstream_counters inside_upstream(const struct world *w, uint32_t b);

#endif
