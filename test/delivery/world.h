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
 *     model.h     what it is made of
 *     tally.h     what may happen, and what histories have come to
 *     plan.c      draws a history from its seed
 *     world.c     what happens next, and the end
 *     wire.c      segments on their way, cables that are cut
 *     workers.c   pubwire: stacks, forwards, the rings between them
 *     broker.c    a broker: connections, sessions, what it takes
 *     answer.c    what a broker answers, and when
 *     device.c    a device: connections, and what comes to it
 *     publish.c   what a device sends: messages, again, acknowledgements, bytes
 *     mischief.c  what happens to brokers and devices
 *     reload.c    other settings while it runs
 *     judge.c     what must be true of every packet that a broker or a device is given
 *     ending.c    what must be true when all is over
 *     inside.c    ledgers and buffers
 *     access.c    passwords and rules
 */

#include "model.h"
#include "tally.h"

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
int wire_path(void *ctx, const struct pw_addr *dst, struct pw_tcp_path *to);
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
void mischief_restart(struct world *w);
const char *fault_text(enum fault f);

/* reload.c */
/** Decide when the configuration changes. */
void reload_draw(struct world *w);
/** A turn of it. */
void reload_step(struct world *w);
/** pubwire begins anew with what its configuration says. */
void reload_forget(struct world *w);

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
