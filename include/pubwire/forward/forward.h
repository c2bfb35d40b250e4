/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PUBWIRE_FORWARD_FORWARD_H
#define PUBWIRE_FORWARD_FORWARD_H

/**
 * @file
 * Device sessions, forward logs, broker connections.
 *
 * One `pw_forward` per worker, single-threaded and sans-I/O above one TCP stack. Workers that serve
 * devices own, for each lane, a log per set of brokers that routes name (several, where it has a
 * pool); workers that serve brokers own, for logs that are assigned to them, a connection to every
 * broker of the set and its cursor. What crosses workers: the logs themselves (one
 * producer, a consumer a broker), completions and small messages by the post hook.
 *
 * A log is served by: its own worker where that worker serves brokers; else broker worker number
 * (device worker's ordinal mod number of broker workers). So every (log, broker) pair has one
 * connection, and packet identifiers of different logs never meet on a connection.
 */

#include <stdbool.h>
#include <stdint.h>

#include <pubwire/base/counter.h>
#include <pubwire/base/histogram.h>
#include <pubwire/base/pool.h>
#include <pubwire/forward/access.h>
#include <pubwire/forward/conf.h>
#include <pubwire/tcp/tcp.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What a worker serves. */
enum pw_role { PW_ROLE_DEVICES = 1, PW_ROLE_BROKERS = 2 };

/** A message between the forwards of two workers; contents are lib/forward's. */
struct pw_forward_msg {
	uint8_t bytes[64];
};

struct pw_forward;	  /**< one worker's */
struct pw_forward_shared; /**< the logs and the routes, seen by all */

/** What all workers share. */
struct pw_forward_shared_conf {
	/** Outlives everything made here, or until an edition has taken its place (edition.h). */
	const struct pw_forward_settings *settings;
	uint32_t nb_workers;
	uint8_t role[PW_FORWARD_MAX_WORKERS]; /**< enum pw_role bits of each worker */
	int socket[PW_FORWARD_MAX_WORKERS];
	uint64_t seed; /**< of client identifier hashes; the same for all workers */
	/** Packet buffers that messages may lie in. A broker without a hold of bytes keeps no more
	 *  than about a quarter of them. 0: any number. */
	uint32_t buffers;
	const struct pw_access *access; /**< likewise; NULL: anybody may publish anything */
};

/** Reserve logs, compile routes. Main lcore. NULL with rte_errno. */
struct pw_forward_shared *pw_forward_shared_create(const struct pw_forward_shared_conf *conf);

/** After every pw_forward was destroyed. */
void pw_forward_shared_destroy(struct pw_forward_shared *s);

/** How to build one worker's part. */
struct pw_forward_conf {
	struct pw_forward_shared *shared;
	uint32_t worker; /**< own index */
	struct pw_tcp *tcp;
	const struct pw_mem *mem;
	uint64_t seed; /**< jitter and assigned client identifiers; differs per worker */
	void *ctx;
	/** Send a message to another worker, in order. 0 or -ENOBUFS: forward keeps it and retries.
	 */
	int (*post)(void *ctx, uint32_t worker, const struct pw_forward_msg *msg);
	/** Have a password verified. 0, and pw_forward_authenticated() follows, not before this
	 *  returns; or -ENOBUFS: the device is told to come later. NULL: none is ever good. */
	int (*authenticate)(void *ctx, const struct pw_auth_request *r);
	/** Source address and so on for a broker connection come from the TCP stack's hooks; this
	 *  gives the local address to connect from. 0 or -EHOSTUNREACH. */
	int (*source)(void *ctx, const struct pw_addr *dst, struct pw_addr *src);
	int socket;
};

/** Build; listens and starts to connect at the first pw_forward_poll(). Main lcore. NULL with
 * rte_errno. */
struct pw_forward *pw_forward_create(const struct pw_forward_conf *conf, uint64_t now);

/**
 * Release every reference and the memory. Order: every pw_forward, then every pw_tcp (whose gone
 * upcalls must not come after: forward aborts its connections here), then pw_forward_shared.
 */
void pw_forward_destroy(struct pw_forward *f, uint64_t now);

/** A message that another worker posted to this one. */
void pw_forward_receive(struct pw_forward *f, const struct pw_forward_msg *msg, uint64_t now);

/** The answer to a request of this worker's. */
void pw_forward_authenticated(struct pw_forward *f, const struct pw_auth_answer *answer,
			      uint64_t now);

/**
 * After TCP's dispatch, before its flush: cursors pull from logs into send queues, completions
 * become acknowledgements, blocked devices are read again, what could not be posted is tried again.
 *
 * @return work done, 0 where there was none (for the idle policy and the busy share)
 */
uint32_t pw_forward_poll(struct pw_forward *f, uint64_t now);

/** Fire timers. */
void pw_forward_advance(struct pw_forward *f, uint64_t now);

/** A time no later than the next timer (ns), UINT64_MAX where none runs. */
uint64_t pw_forward_next(const struct pw_forward *f);

/** Buffer pressure, as pw_tcp_set_pressure(): from 1 on devices are not read. */
void pw_forward_set_pressure(struct pw_forward *f, uint32_t level);

/** Packet buffers run low, before there is pressure: small messages that wait for brokers for long
 * are copied together. On the worker's lcore. */
void pw_forward_set_scarce(struct pw_forward *f, bool scarce);

/**
 * Stop accepting, publish wills that are due, tell 5.0 devices 0x8B, let acknowledgements of what
 * is outstanding through until the deadline, then close everything.
 */
void pw_forward_drain(struct pw_forward *f, uint64_t now);

/** True once draining is complete: no device connection and, on broker workers, none to a broker.
 */
bool pw_forward_drained(const struct pw_forward *f);

/** What devices and logs count; per worker. */
#define PW_DEVICE_COUNTERS(X)                                                                      \
	X(connects, "CONNECT packets accepted")                                                    \
	X(connects_refused, "CONNECT packets refused")                                             \
	X(connections_refused, "Connections reset because there were max_connections, or many "    \
			       "too many on a listener")                                           \
	X(listener_full, "CONNECT packets refused because their listener had max_connections")     \
	X(connect_rate_exceeded, "CONNECT packets refused because their listener had too many a "  \
				 "second")                                                         \
	X(auth_refused, "CONNECT packets refused because of user name, password or rules")         \
	X(auth_busy, "CONNECT packets refused because passwords could not be verified in time")    \
	X(revoked, "Devices closed because their user or password does not hold any more")         \
	X(takeovers, "Sessions taken over by a second CONNECT")                                    \
	X(overtaken, "Sessions followed by another before brokers had their last messages")        \
	X(claims_dropped, "Client identifier requests given up: workers could not be told")        \
	X(sessions_resumed, "Connections that went on with QoS 2 where the one before ended")      \
	X(sessions_expired, "Sessions with unfinished QoS 2 whose device did not come back")       \
	X(sessions_not_kept, "Sessions with unfinished QoS 2 that could not be kept")              \
	X(resumes_refused,                                                                         \
	  "CONNECT packets refused because their session's QoS 2 could not go over in time")       \
	X(disconnects, "DISCONNECT packets from devices")                                          \
	X(disconnects_sent, "DISCONNECT packets sent to devices")                                  \
	X(lost, "Device connections that ended without DISCONNECT")                                \
	X(keepalive_expired, "Devices closed because they were silent beyond 1.5 times keepalive") \
	X(connect_deadline, "Connections closed because no CONNECT came in time")                  \
	X(malformed, "Packets refused as malformed or out of place")                               \
	X(wills_published, "Wills published")                                                      \
	X(wills_dropped, "Wills that could not be forwarded")                                      \
	X(pings, "PINGREQ packets answered")                                                       \
	X(subscribes_refused, "Subscriptions refused: not supported")                              \
	X(publishes_qos0, "PUBLISH packets of QoS 0 received")                                     \
	X(publishes_qos1, "PUBLISH packets of QoS 1 received")                                     \
	X(publishes_qos2, "PUBLISH packets of QoS 2 received, but those that came again")          \
	X(duplicates_qos2, "PUBLISH packets of QoS 2 that came again and were not forwarded")      \
	X(unknown_releases, "PUBREL packets for identifiers that no message has")                  \
	X(refused_qos, "PUBLISH packets of a QoS that CONNACK said is not available")              \
	X(exchanges_refused, "PUBLISH packets of QoS 2 refused: no room for their identifiers")    \
	X(wills_refused, "CONNECT packets refused: no room for their will")                        \
	X(payload_bytes, "Payload bytes of accepted PUBLISH packets")                              \
	X(accepted, "Messages accepted into a log")                                                \
	X(acknowledged, "Messages of QoS 1 and 2 acknowledged to their device")                    \
	X(completed_qos0,                                                                          \
	  "Messages of QoS 0 that at least one broker was given, the others or not")               \
	X(given_up_qos0, "Messages of QoS 0 that no broker was given: see each broker's drops")    \
	X(orphaned, "Acknowledgements whose device was gone")                                      \
	X(grouped, "Messages of QoS 0 that entered a log together with the one before them")       \
	X(dropped_no_route, "Messages that no route matched")                                      \
	X(dropped_not_authorized, "Messages that their user may not publish")                      \
	X(dropped_log_full, "Messages of QoS 0 dropped because the log was full")                  \
	X(dropped_no_buffer, "Messages of QoS 0 dropped because a pool was empty")                 \
	X(dropped_unread, "Messages of QoS 0 left unread when their device's session ended")       \
	X(dropped_on_shutdown, "Messages given up when the drain deadline passed")                 \
	X(cut_on_shutdown,                                                                         \
	  "Acknowledged messages that some broker did not have at the drain deadline")             \
	X(unmet,                                                                                   \
	  "Messages of QoS 1 and 2 whose rule was not met because they were given up for brokers") \
	X(closed_unmet, "3.1.1 devices closed because a message of theirs was given up")           \
	X(refused_by_broker,                                                                       \
	  "Messages of QoS 1 and 2 that brokers refused: their rule was not met")                  \
	X(aliases_refused, "5.0 devices closed because no memory was left for a topic alias")      \
	X(shed, "Devices closed because buffers were needed by others")                            \
	X(blocked, "Times that a device was not read because a bound was reached")                 \
	X(paced, "Times that a device was not read because it was over its rate")                  \
	X(bytes_by_ref, "Frame bytes that entered a log as references")                            \
	X(bytes_copied, "Frame bytes that entered a log as copies")

PW_COUNTER_STRUCT(pw_device_counters, PW_DEVICE_COUNTERS);

/** What one (log, broker) connection counts; upstream metrics. */
#define PW_UPSTREAM_COUNTERS(X)                                                                    \
	X(connects, "Connections established with the broker (CONNACK accepted)")                  \
	X(connect_failures, "Attempts that failed")                                                \
	X(disconnects, "Established connections that ended")                                       \
	X(stuck, "Connections closed because acknowledgements stopped")                            \
	X(messages_qos0, "Messages of QoS 0 queued to the broker")                                 \
	X(messages_qos1, "Messages of QoS 1 queued to the broker for the first time")              \
	X(messages_qos2, "Messages of QoS 2 queued to the broker for the first time")              \
	X(redelivered, "Messages of QoS 1 and 2 queued again after a reconnect")                   \
	X(acked, "Messages of QoS 1 and 2 that the broker acknowledged")                           \
	X(refused, "Messages of QoS 1 and 2 that the broker refused with a reason code")           \
	X(qos2_as_qos1, "Messages of QoS 2 that a 3.1.1 broker answered with PUBACK")              \
	X(sessions_resumed, "Connections on which the broker had kept the session")                \
	X(sessions_lost, "Connections on which the broker had lost the session it was to keep")    \
	X(quota_exceeded, "Answers of 0x97 (quota exceeded), after which the message waits")       \
	X(bytes, "Frame bytes queued to the broker")                                               \
	X(dropped_disconnected, "Messages of QoS 0 dropped while the broker was away")             \
	X(dropped_slow, "Messages of QoS 0 dropped because the broker took them too slowly")       \
	X(dropped_hold,                                                                            \
	  "Messages dropped because more waited for the broker than its hold allows")              \
	X(dropped_unanswered, "Messages given up because the log was short of places and the "     \
			      "broker had not answered them")                                      \
	X(answered_late, "Answers to messages that had been given up")                             \
	X(compacted, "Messages that waited long and were copied together to free packet buffers")  \
	X(dropped_detached, "Messages given up because the broker was detached")                   \
	X(dropped_failover, "Messages given up because the share of the broker went to others")    \
	X(detached, "Times that the broker was detached: its hold was full")                       \
	X(dropped_expired, "Messages whose expiry interval passed before they could be sent")      \
	X(retain_cleared, "Messages sent without their retain flag, which the broker refuses")     \
	X(refused_retain, "Retained messages refused: the broker takes none, and it is strict")    \
	X(translated, "Messages that went out in another protocol version than they came in")      \
	X(stripped_payload_format, "Payload Format Indicators left out: 3.1.1 has none")           \
	X(stripped_expiry, "Message Expiry Intervals left out: 3.1.1 has none")                    \
	X(stripped_content_type, "Content Types left out: 3.1.1 has none")                         \
	X(stripped_response_topic, "Response Topics left out: 3.1.1 has none")                     \
	X(stripped_correlation_data, "Correlation Data left out: 3.1.1 has none")                  \
	X(stripped_user_property, "User Properties left out: 3.1.1 has none")                      \
	X(dropped_too_large, "Messages larger than the broker accepts")                            \
	X(protocol_errors, "Packets from the broker that make no sense")                           \
	X(window_full, "Times that the in-flight window stopped the cursor")                       \
	X(socket_full, "Times that the send queue stopped the cursor")                             \
	X(no_buffer, "Times that an empty pool stopped the cursor")                                \
	X(stalled_at_message, "Connections that ended at the same oldest message as the one "      \
			      "before")

PW_COUNTER_STRUCT(pw_upstream_counters, PW_UPSTREAM_COUNTERS);

/** What becomes of a route's messages; per worker. */
#define PW_ROUTE_COUNTERS(X)                                                                       \
	X(accepted, "Messages accepted into a log")                                                \
	X(acknowledged, "Messages of QoS 1 and 2 acknowledged to their device")                    \
	X(completed_qos0, "Messages of QoS 0 that at least one broker was given")                  \
	X(given_up_qos0, "Messages of QoS 0 that no broker was given")                             \
	X(orphaned, "Acknowledgements whose device was gone")                                      \
	X(refused_by_broker, "Messages whose rule was not met because brokers refused")            \
	X(unmet, "Messages whose rule was not met because they were given up for brokers")         \
	X(dropped_log_full, "Messages of QoS 0 dropped because the log was full")                  \
	X(dropped_no_buffer, "Messages of QoS 0 dropped because a pool was empty")

PW_COUNTER_STRUCT(pw_route_counters, PW_ROUTE_COUNTERS);

/** State of a broker connection, for people. */
#define PW_UPSTREAM_STATES(X)                                                                      \
	X(WAITING, "waiting to connect")                                                           \
	X(TCP, "TCP handshake")                                                                    \
	X(MQTT, "waiting for CONNACK")                                                             \
	X(UP, "up")                                                                                \
	X(CLOSED, "closed")

#define PW_UPSTREAM_ENUM(s, text) PW_UPSTREAM_##s,
enum pw_upstream_state { PW_UPSTREAM_STATES(PW_UPSTREAM_ENUM) };
#undef PW_UPSTREAM_ENUM

const char *pw_upstream_state_str(enum pw_upstream_state s);

/** One (log, broker) connection as an operator sees it; a snapshot from any thread. */
struct pw_upstream_info {
	uint32_t broker;     /**< index */
	uint32_t log_worker; /**< worker that owns the log */
	enum pw_lane lane;
	uint32_t set;  /**< number of the log's set of brokers */
	uint32_t pool; /**< among the logs of the set */
	bool v5;       /**< the broker is, or will next be, spoken to in 5.0, else in 3.1.1 */
	enum pw_upstream_state state;
	uint64_t lag;	       /**< entries of the log that this broker has not been given */
	uint32_t inflight;     /**< messages of QoS 1 and 2 queued and not acknowledged */
	uint64_t accepted;     /**< messages that were for it */
	uint32_t held;	       /**< messages that wait for it, those in flight included */
	uint64_t held_bytes;   /**< of their frames */
	uint32_t held_buffers; /**< packet buffers that they keep, about */
	bool over;	       /**< more than its hold: devices may wait */
	bool detached;	       /**< until it is up again */
	uint32_t window;       /**< most of them */
	uint64_t connected_at; /**< ns, 0 where not up */
	char last_error[96];   /**< empty where none */
	struct pw_upstream_counters counters;
};

/** Connections of this worker; fills up to max, beginning with number `from`, returns how many
 * there are in all. Any thread. */
uint32_t pw_forward_upstreams(const struct pw_forward *f, uint32_t from,
			      struct pw_upstream_info *out, uint32_t max);

/** One log as an operator sees it. */
struct pw_log_info {
	enum pw_lane lane;
	uint32_t set;
	uint32_t pool;
	uint32_t brokers; /**< 1 << broker index: the set */
	bool usable;	  /**< false: its broker is lost, its share has gone to others */
	uint32_t capacity;
	uint32_t used; /**< entries between the oldest not complete and the newest */
	/** QoS 0 that some broker still needs, QoS 1 whose acknowledgement rule is not decided */
	uint32_t outstanding;
	uint32_t trailing; /**< QoS 1, decided, but some broker still needs it */
	uint64_t appended;
	uint32_t
		owed; /**< complete, but their device's PUBACK waits (for its turn, for a buffer) */
};

/** Logs of this worker; fills up to max, beginning with number `from`, returns how many there are.
 */
uint32_t pw_forward_logs(const struct pw_forward *f, uint32_t from, struct pw_log_info *out,
			 uint32_t max);

/** The same of all logs of this worker. Any thread. */
uint32_t pw_forward_outstanding(const struct pw_forward *f);
uint32_t pw_forward_trailing(const struct pw_forward *f);

/** What the routes make of the brokers, for one device worker and lane. */
struct pw_forward_layout {
	uint32_t sets;	      /**< of brokers that messages go to */
	uint32_t logs;	      /**< one for each set and connection of its pool */
	uint32_t connections; /**< of each log, to each broker of its set */
};

/** 0; -EINVAL where settings make no sense; -E2BIG: more than PW_FORWARD_MAX_LOGS. */
int pw_forward_layout(const struct pw_forward_settings *s, struct pw_forward_layout *l);

/** Bytes that the logs of all workers take. */
size_t pw_forward_logs_bytes(const struct pw_forward_settings *s, uint32_t device_workers,
			     bool remote);

/** Device sessions now; any thread. */
uint32_t pw_forward_sessions(const struct pw_forward *f);

const struct pw_device_counters *pw_forward_counters(const struct pw_forward *f);

/** Of a route, by its place in the settings; NULL where the worker serves no devices. Any thread.
 */
const struct pw_route_counters *pw_forward_route_counters(const struct pw_forward *f,
							  uint32_t route);

/** The same by where it is counted, which no other route has while messages of it are there: below
 * PW_FORWARD_MAX_ROUTES. Any thread. */
const struct pw_route_counters *pw_forward_route_slot(const struct pw_forward *f, uint32_t slot);

/** Those of its messages whose end is not counted yet. */
uint64_t pw_route_outstanding(const struct pw_route_counters *c);

/** Messages for one broker, and where they are. */
struct pw_broker_ledger {
	uint64_t accepted; /**< messages that were for it */
	uint64_t held;	   /**< that still wait for it, those in flight included */
	uint64_t inflight;
	struct pw_upstream_counters n;
};

/** Add what this worker's connections have to the rows of their brokers. Any thread. */
void pw_forward_broker_ledger(const struct pw_forward *f,
			      struct pw_broker_ledger sum[PW_FORWARD_MAX_BROKERS]);

/** Messages of which neither is known: 0, but for words that change while they are read. */
int64_t pw_broker_unexplained(const struct pw_broker_ledger *l);

/** Messages that are decided, but whose device's acknowledgement waits. Any thread. */
uint32_t pw_forward_owed(const struct pw_forward *f);

/**
 * Time from the arrival of a PUBLISH (the poll's `now`) until it stood in the send queue of every
 * broker that was given it (QoS 0), and until its PUBACK was queued to the device (QoS 1). Any
 * thread may read.
 */
const struct pw_hist *pw_forward_latency_qos0(const struct pw_forward *f);
const struct pw_hist *pw_forward_latency_qos1(const struct pw_forward *f);

/** Bytes of a client identifier that are kept for people. */
#define PW_CLIENT_NAME_MAX 39

/** One device session, for telemetry. Owner lcore fills it on request; see pw_forward_session_at().
 */
struct pw_session_info {
	char client_id[64]; /**< its first PW_CLIENT_NAME_MAX bytes */
	char user[40];	    /**< who has proven a password: the name's first 39 bytes */
	struct pw_flow flow;
	uint8_t version;
	uint32_t inflight;
	uint16_t keepalive;
	uint64_t messages;
	uint32_t index; /**< its place, below pw_forward_max_sessions(): its own while it lasts */
};

/** Snapshot of the sessions from index *at on; any thread, racy by nature, never out of bounds. */
uint32_t pw_forward_session_list(const struct pw_forward *f, uint32_t *at,
				 struct pw_session_info *out, uint32_t max);

/** Sessions of a worker that may be without a connection: a will waits, brokers do not have their
 * last messages, QoS 2 is not over. */
uint32_t pw_forward_max_kept(const struct pw_limits_conf *l);

/** Places for the sessions of a worker: max_connections, and those. */
uint32_t pw_forward_max_sessions(const struct pw_limits_conf *l);

/** Those of them that may have a will, topic aliases or QoS 2 under way at a time. */
uint32_t pw_forward_max_extras(const struct pw_limits_conf *l);

/** Why a device waits: sentences, the first is what holds it up most directly. */
struct pw_why {
	char reason[6][112];
	uint32_t n;
	bool connected;
};

/** 0; -ENOENT where this worker has no such client. Any thread, racy by nature. Clients are known
 * by the first 39 bytes of their identifier; now: as the worker's polls are told. */
int pw_forward_why(const struct pw_forward *f, const char *client, struct pw_why *out,
		   uint64_t now);

/**
 * Bytes that one idle device connection takes here: its session, its name, its place among the
 * client identifiers.
 */
size_t pw_forward_session_size(void);

/** The same of all connections of one worker, as they are reserved, for the memory plan. */
size_t pw_forward_sessions_bytes(uint32_t max_connections);

/** What limits on listeners, rates of devices, passwords and rules (access) add to that, for one
 * worker; 0 without any. */
size_t pw_forward_accounts_bytes(const struct pw_forward_settings *set, bool access);

/** What topic aliases of one worker's devices may take. */
size_t pw_forward_aliases_bytes(const struct pw_forward_settings *set);

/** What one worker reserves for wills and QoS 2, and for sessions that outlive their connection. */
size_t pw_forward_wills_bytes(const struct pw_limits_conf *l);

/** What one worker reserves for messages about sessions that wait until other workers take them; 0
 * where it is the only one with devices. */
size_t pw_forward_outbox_bytes(const struct pw_limits_conf *l, uint32_t device_workers);

#ifdef __cplusplus
}
#endif

#endif
