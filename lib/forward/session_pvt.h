/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PW_FORWARD_SESSION_PVT_H
#define PW_FORWARD_SESSION_PVT_H

/*
 * A device session: from TCP's accept to the end of the connection, and beyond it while a will
 * waits. Owned by one device worker. Found from elsewhere by handle only, so that what comes late
 * (an acknowledgement, an eviction) finds nobody rather than somebody else.
 */

#include "access_pvt.h"
#include "directory_pvt.h"
#include "exchange_pvt.h"
#include "forward_pvt.h"

enum pw_session_state {
	PW_SESSION_CONNECT, /* CONNECT is awaited */
	PW_SESSION_AUTH,    /* its password is being verified */
	PW_SESSION_CLAIM,   /* the directory is asked for the client identifier */
	PW_SESSION_UP,	    /* CONNACK sent */
	PW_SESSION_CLOSING, /* ended here, TCP winds down */
	PW_SESSION_LINGER,  /* no connection, the will waits */
};

/* Flags. */
#define PW_SESSION_ASSIGNED   0x0001u /* CONNACK names the client identifier */
#define PW_SESSION_SERVER_KA  0x0002u /* CONNACK names the keepalive */
#define PW_SESSION_HELD	      0x0004u /* not read until an acknowledgement goes out */
#define PW_SESSION_UNACKED    0x0008u /* on the list of those */
#define PW_SESSION_REGISTERED 0x0010u /* the directory knows it */
#define PW_SESSION_ALIASES    0x0020u /* CONNACK said Topic Alias Maximum */
#define PW_SESSION_WILL_DUE   0x0040u /* which is to be published */
#define PW_SESSION_READING    0x0080u /* a frame of its is being handled */
#define PW_SESSION_CLEAN      0x0100u
#define PW_SESSION_BLOCKED    0x0200u /* not read because of a bound: not silent */
#define PW_SESSION_NO_QOS2    0x8000u /* CONNACK said Maximum QoS 1 */
#define PW_SESSION_NO_QOS1    0x0400u /* CONNACK said Maximum QoS 0 */
#define PW_SESSION_NO_RETAIN  0x0800u /* CONNACK said Retain Available 0 */
#define PW_SESSION_SETTLING   0x1000u /* over, but a broker still has to have its last messages */
#define PW_SESSION_PACED      0x4000u /* not read until the device is within its rates again */
#define PW_SESSION_FOLLOWED   0x2000u /* the next session of its client appends to the same log */

/* A will, kept as the PUBLISH that it will be. */
struct pw_will {
	struct pw_blob *blob;
	struct pw_run *run; /* where it is too large for a blob */
	const struct pw_route *route;
	uint64_t key; /* of its topic */
	uint64_t at;  /* ns: when it is due, 0: it does not wait for its delay */
	uint32_t len;
	uint32_t delay; /* seconds, as asked */
	uint8_t qos;
	bool retain;
};

/* Who goes on with a session. */
struct pw_heir {
	pw_handle session; /* 0: nobody */
	uint16_t worker;
	bool clean; /* it forgets, rather */
	bool same;  /* it will append to the same logs */
};

/* What few sessions have, or have for a while: there while any of it is. */
struct pw_session_more {
	struct pw_will will;		/* len 0: none */
	struct pw_alias *alias;		/* the last one used is first */
	uint32_t alias_pieces;		/* of the pool that they take */
	struct pw_exchanges *exchanges; /* QoS 2 */
	uint32_t nb_exchanges;
	uint32_t releases; /* of them, those that PUBREL of this connection ends */
	uint64_t keep_by;  /* ns: how long they stay without a connection, 0: they do not */
	struct pw_heir heir;
	bool offered; /* to the heir, or to the one before it: no change until that is answered */
	bool evicted; /* again, while they are */
};

struct pw_session {
	/* line 0: every packet */
	struct pw_tcp_conn *conn; /* NULL where the connection is gone */
	struct pw_part *part;	  /* a large frame that is being taken */
	union {
		uint64_t heard;	    /* ns, when a packet was last whole */
		uint64_t settle_by; /* ns, once it settles */
	};
	union {
		struct {
			uint32_t max_packet;	  /* largest packet accepted, bytes */
			uint32_t peer_max_packet; /* largest the device takes, 0: no limit */
		};
		uint64_t close_by; /* ns, once it closes, 0: no deadline */
	};
	uint64_t messages;
	uint32_t logs;	   /* that it has appended to, a bit each: their number mod 32 */
	uint32_t appended; /* when it last did, see pw_session_appended() */
	uint32_t expiry;   /* seconds: Session Expiry Interval */
	uint32_t last;	   /* of its messages in flight; they form a ring, the oldest is next */
	uint16_t flags;
	uint16_t keepalive; /* seconds, 0: none */
	uint16_t inflight;  /* messages without PUBACK or PUBREC */
	uint8_t version;    /* 0 before CONNECT */
	uint8_t state : 4;  /* enum pw_session_state */
	uint8_t on : 4;	    /* enum pw_list that `link` is on */

	/* line 1: timer, lists, the ends of a session */
	struct pw_timer timer;
	struct pw_session_link link;
	struct pw_session_link ack_link;
	struct pw_hash128 hash;	      /* of the client identifier */
	struct pw_session_more *more; /* NULL: nothing of it */
};

static inline struct pw_will *
pw_session_will(const struct pw_session *s)
{
	return s->more != NULL && s->more->will.len > 0 ? &s->more->will : NULL;
}

/* How far a session has proven who it is. */
enum pw_auth {
	PW_AUTH_UNASKED,
	PW_AUTH_ASKED,
	PW_AUTH_DONE,
	PW_AUTH_REVOKED, /* what was proven does not hold any more */
};

/* What limits, passwords and rules need of a session beside; there only where any is configured. */
struct pw_account {
	uint64_t messages_at; /* ns: when a second's worth of messages is saved again */
	uint64_t bytes_at;    /* the same of bytes */
	uint32_t user;	      /* PW_ACCESS_NOBODY: anonymous */
	uint8_t listener;
	uint8_t auth;  /* enum pw_auth */
	bool placed;   /* one of its listener's max_connections */
	bool promised; /* its place goes to the client's next session, with its connection or
			  without */
};

static_assert(offsetof(struct pw_session, timer) == 64, "line 0 is enough for a packet");
static_assert(sizeof(struct pw_session) == 128,
	      "two lines, so that with its name, its place in the "
	      "directory and TCP's part it stays within 512");

/* What became of a frame. */
enum pw_taken {
	PW_TAKEN, /* done with, consume it */
	PW_LATER, /* leave it where it is: a bound was reached, try again */
	PW_HOLD,  /* the same, until one of this device's own messages is acknowledged */
	PW_GONE,  /* the session has ended, do not touch it */
};

extern const struct pw_tcp_ops pw_session_ops;

/* session.c */
void pw_session_timer(void *f, struct pw_timer *t, uint64_t now);
void pw_session_arm(struct pw_forward *f, struct pw_session *s);
/* Send a control packet. 0, -ENOBUFS to try again later, -EPIPE where the session was ended. */
int pw_session_send(struct pw_forward *f, struct pw_session *s, const void *data, uint32_t len,
		    uint64_t now);
/* End a session: the will is published or forgotten; the connection is closed, or reset. */
void pw_session_end(struct pw_forward *f, struct pw_session *s, bool will, bool reset,
		    uint64_t now);
/* Tell a 5.0 device why, then end. */
void pw_session_refuse(struct pw_forward *f, struct pw_session *s, uint8_t reason, uint64_t now);
/* The same with a property of DISCONNECT, if the device takes it. */
void pw_session_refuse_with(struct pw_forward *f, struct pw_session *s, uint8_t reason,
			    const struct pw_mqtt_prop_out *prop, uint64_t now);
/* The same for what the device did wrong, counted and logged. */
void pw_session_bad(struct pw_forward *f, struct pw_session *s, uint8_t type,
		    enum pw_mqtt_error err, uint64_t now);
/* Messages in its Receive Maximum: those of QoS 2 up to PUBCOMP, 5.0 4.9. */
static inline uint32_t
pw_session_window(const struct pw_session *s)
{
	return s->inflight + (s->more != NULL ? s->more->releases : 0);
}
/* It stays for what it remembers of QoS 2. */
static inline bool
pw_session_kept(const struct pw_session *s)
{
	return s->more != NULL && s->more->keep_by != 0 && s->more->nb_exchanges > 0;
}
/* Somebody reads them: nothing of them may change. */
static inline bool
pw_session_lends(const struct pw_session *s)
{
	return s->more != NULL && s->more->offered;
}
/* It is to stay no longer; the caller settles it. */
void pw_session_unkeep(struct pw_forward *f, struct pw_session *s);
/* Something of what it stays for has ended: without more of it, it does not. */
void pw_session_kept_for(struct pw_forward *f, struct pw_session *s, uint64_t now);
/* True where the device takes a packet of this size [MQTT-3.1.2-24]. */
static inline bool
pw_session_takes(const struct pw_session *s, uint32_t len)
{
	return s->peer_max_packet == 0 || len <= s->peer_max_packet;
}
/* Put it back once neither connection nor will keeps it. */
void pw_session_settle(struct pw_forward *f, struct pw_session *s);
/* Stand in line, unless it does already; leave the line that it stands in, if any. */
void pw_session_wait(struct pw_forward *f, struct pw_session *s, enum pw_list which);
void pw_session_unwait(struct pw_forward *f, struct pw_session *s);
static inline enum pw_lane
pw_session_lane(const struct pw_session *s)
{
	return s->version == PW_MQTT_5 ? PW_LANE_5 : PW_LANE_3;
}
/* The logs of its lane, NULL where it is not served or before CONNECT. */
static inline struct pw_flog *const *
pw_session_logs(const struct pw_forward *f, const struct pw_session *s)
{
	return s->version != 0 ? pw_lane_logs(f, pw_session_lane(s)) : NULL;
}
/* The client's connection of those of a pool: the same whenever and wherever it connects. */
static inline uint32_t
pw_session_pool(const struct pw_session *s, uint32_t pool_size)
{
	return (uint32_t)((s->hash.w[0] & UINT32_MAX) * pool_size >> 32);
}
const char *pw_session_name(const struct pw_session *s, char *buf, size_t len);

static inline struct pw_account *
pw_session_account(const struct pw_forward *f, const struct pw_session *s)
{
	return f->account != NULL ? &f->account[pw_pool_index(f->sessions, s)] : NULL;
}

/* limits.c */
/* True where the configuration has limits that sessions need an account for. */
bool pw_limits_any(const struct pw_forward_settings *set);
/*
 * A connection of a listener: false where it is not to be taken. It ends with pw_limits_leave().
 * *placed: it is one of the listener's max_connections already.
 */
bool pw_limits_enter(struct pw_forward *f, uint32_t listener, bool *placed);
void pw_limits_leave(struct pw_forward *f, uint32_t listener, bool placed);
/*
 * The places of max_connections. A client that takes over has the place of its older connection,
 * which goes there with the client identifier and is nobody else's on the way; it is named by
 * its listener plus one, 0: none.
 */
/* The place that it lacks, after a try. */
uint8_t pw_limits_wanted(struct pw_forward *f, struct pw_session *s);
/* It will give this one, or is not asked for any: false where it has another one or none. */
bool pw_limits_promise(struct pw_forward *f, struct pw_session *s, uint8_t place);
/* It will not. */
void pw_limits_unpromise(struct pw_forward *f, struct pw_session *s);
/* Its own, which it has no more, though its connection may still be closing. */
uint8_t pw_limits_pass(struct pw_forward *f, struct pw_session *s);
/* Here is one: false where it needs another, and there is none. */
bool pw_limits_place(struct pw_forward *f, struct pw_session *s, uint8_t place);
/* Nobody has it. */
void pw_limits_drop(struct pw_forward *f, uint8_t place);
/* The limits of its listener, or of all where that has none of its own. */
uint32_t pw_limits_packet(const struct pw_forward *f, const struct pw_session *s);
uint64_t pw_limits_deadline(const struct pw_forward *f, uint32_t listener);
/* A CONNECT: the reason to refuse it, and why in words; 0 where there is none. */
uint8_t pw_limits_connect(struct pw_forward *f, struct pw_session *s, const char **why,
			  uint64_t now);
/* Account for a packet of a device that is up. */
void pw_limits_spend(struct pw_forward *f, struct pw_session *s, uint8_t type, uint32_t bytes,
		     uint64_t now);
/* It has a rate of messages or of bytes. */
bool pw_limits_paced(const struct pw_forward *f, const struct pw_session *s);
/* ns: when it may be read; not after now where it may be now. */
uint64_t pw_limits_at(const struct pw_forward *f, const struct pw_session *s);

/* auth.c */
/* Who sent a CONNECT: PW_TAKEN where that is known, PW_HOLD while it is being found out (the frame
 * stays, and is handled again), PW_GONE where it was refused. */
enum pw_taken pw_session_authenticate(struct pw_forward *f, struct pw_session *s,
				      const struct pw_mqtt_buf *b, const struct pw_mqtt_connect *c,
				      uint64_t now);
/* True where a CONNECT is handled for the second time. */
bool pw_session_proven(const struct pw_forward *f, const struct pw_session *s);
/* What it has proven does not hold any more: it has to go, and may come again. */
void pw_session_revoke(struct pw_forward *f, struct pw_session *s, uint64_t now);
/* No answer has come. */
void pw_session_auth_late(struct pw_forward *f, struct pw_session *s, uint64_t now);
/* What the rules say of a topic. */
bool pw_session_may_publish(const struct pw_forward *f, const struct pw_session *s,
			    const uint8_t *topic, uint32_t len);

/* more.c */
/* What few sessions have, to add to; NULL where there is no memory. */
struct pw_session_more *pw_session_more(struct pw_forward *f, struct pw_session *s);
/* Something of it has gone: let go of it where that was the last. */
void pw_session_less(struct pw_forward *f, struct pw_session *s);

/* session_list.c */
struct pw_session *pw_list_first(const struct pw_forward *f, enum pw_list which);
struct pw_session *pw_list_last(const struct pw_forward *f, enum pw_list which);
void pw_list_push(struct pw_forward *f, enum pw_list which, struct pw_session *s);
void pw_list_push_front(struct pw_forward *f, enum pw_list which, struct pw_session *s);
void pw_list_remove(struct pw_forward *f, enum pw_list which, struct pw_session *s);

/* read.c */
void pw_session_read(struct pw_forward *f, struct pw_session *s, uint32_t quantum, bool forced,
		     uint64_t now);
uint32_t pw_sessions_wake(struct pw_forward *f, uint64_t now);

/* part.c */
/* Begin to take a frame of total bytes. PW_TAKEN: begun; PW_LATER: it stands in the queue for the
 * budget. */
enum pw_taken pw_part_begin(struct pw_forward *f, struct pw_session *s, uint32_t total,
			    uint64_t now);
/* Take what has come. PW_TAKEN: whole; PW_HOLD: more has to come; PW_LATER: no buffers. */
enum pw_taken pw_part_take(struct pw_forward *f, struct pw_session *s, uint64_t now);
/* End it; forget: the references have passed to a log. */
void pw_part_end(struct pw_forward *f, struct pw_session *s, bool forget);
/* End sessions whose large frame has stopped while others wait for the budget. */
void pw_parts_check(struct pw_forward *f, uint64_t now);

/* connect.c */
/* Answer a CONNECT with a refusal and end. */
enum pw_taken pw_session_connect_refuse(struct pw_forward *f, struct pw_session *s, uint8_t reason,
					const char *why, uint64_t now);
enum pw_taken pw_session_connect(struct pw_forward *f, struct pw_session *s,
				 const struct pw_mqtt_buf *b, uint64_t now);
/* The directory gives the client identifier to this session, which has claimed it: false where it
 * has ended for want of something. */
bool pw_session_granted(struct pw_forward *f, struct pw_session *s, const struct pw_dir_msg *m,
			uint64_t now);
/* It does not. */
void pw_session_denied(struct pw_forward *f, struct pw_session *s, enum pw_dir_why why,
		       uint64_t now);

/* takeover.c */
/* Let another session have the client identifier, once nothing of this one can be overtaken. */
void pw_session_yield(struct pw_forward *f, struct pw_session *s, uint64_t now);
/* Look again at those that could not. Returns how many now have. */
uint32_t pw_sessions_settle(struct pw_forward *f, uint64_t now);
/* What it waits for has not come in time. */
void pw_session_unsettled(struct pw_forward *f, struct pw_session *s, uint64_t now);
/* Another connection takes the client identifier. */
void pw_session_evicted(struct pw_forward *f, struct pw_session *s, const struct pw_dir_msg *m,
			uint64_t now);
/* Somebody has the exchanges that this session has offered, or nobody took them. */
void pw_session_answered(struct pw_forward *f, struct pw_session *s, bool taken, uint64_t now);

/* control.c */
enum pw_taken pw_session_packet(struct pw_forward *f, struct pw_session *s, uint8_t type,
				const struct pw_mqtt_buf *b, uint64_t now);

/* choose.c */
/*
 * The log for what a session publishes by a route; topic: pw_topic_key(). NULL: not now, because
 * what the same key has sent to another broker may still be on its way there.
 */
struct pw_flog *pw_session_log(struct pw_forward *f, const struct pw_session *s,
			       const struct pw_route *r, uint64_t topic, uint64_t now);
/* What a route hashes of a topic, 0 where it does not. */
uint64_t pw_topic_key(const struct pw_forward *f, const struct pw_route *r, const void *topic,
		      uint32_t len);
/* Look which brokers are there, now and then. */
void pw_brokers_health(struct pw_forward *f, uint64_t now);

/* publish.c: b is in f->scratch, and grows by the messages that were taken together with it. */
enum pw_taken pw_session_publish(struct pw_forward *f, struct pw_session *s, struct pw_mqtt_buf *b,
				 uint64_t now);

/* ack.c */
/* Send the acknowledgements that are due, in order [MQTT-4.6.0-2]. */
void pw_session_ack(struct pw_forward *f, struct pw_session *s, uint64_t now);
/* The connection ends: its messages are nobody's, but, where it is kept, those of QoS 2. */
void pw_session_disown(struct pw_forward *f, struct pw_session *s, bool keep);
uint32_t pw_sessions_ack_again(struct pw_forward *f, uint64_t now);
/* Send a PUBREC. 0; -EPIPE the session has ended; -ENOBUFS. */
int pw_session_send_pubrec(struct pw_forward *f, struct pw_session *s, uint16_t id, uint8_t reason,
			   uint64_t now);
/* Append an in-flight message to the session's list. */
void pw_session_track(struct pw_forward *f, struct pw_session *s, const struct pw_flog *l,
		      uint64_t pos);
/* Acknowledge, in its turn, what no broker is to have. 0, the session may have ended; -ENOBUFS. */
int pw_session_owe(struct pw_forward *f, struct pw_session *s, uint8_t qos, uint16_t id,
		   uint8_t reason, uint64_t now);
/* Every reader of a log is past what arrived up to a time. */
bool pw_log_passed(const struct pw_flog *l, uint64_t time);
bool pw_log_passed_by(const struct pw_flog *l, uint32_t brokers, uint64_t time);
/* retire.c: True where a message may go to a log without overtaking others of its device that went
 * elsewhere before the routes changed; share: what another broker has may not be overtaken either.
 */
bool pw_session_may_move(struct pw_forward *f, const struct pw_session *s, const struct pw_flog *l,
			 bool share, uint64_t now);
/* It begins while what was sent by the routes before is on its way: some may be its client's. */
void pw_session_follows(const struct pw_forward *f, struct pw_session *s, uint64_t now);
/* Nanoseconds to the units of settled.c, in which a session knows when it last appended. */
#define PW_SETTLED_SHIFT 20
/* Note that it has appended to a log. */
void pw_session_appended(struct pw_session *s, const struct pw_flog *l, uint64_t now);
/* Brokers have, and have acknowledged, what the session appended. */
bool pw_session_settled(const struct pw_forward *f, const struct pw_session *s, uint64_t now);

/* append.c */
struct pw_append {
	struct pw_mqtt_buf *b;	    /* borrowed slices, unless `run` owns them */
	struct pw_run *run;	    /* owner of the slices of b; passes where the append succeeds */
	struct pw_session *session; /* NULL: a will */
	const struct pw_route *route;
	uint64_t topic; /* pw_topic_key() */
	uint32_t id_at;
	uint32_t expiry_at;
	uint32_t copied;  /* bytes of `run` that were copied on the way */
	uint32_t payload; /* bytes */
	uint16_t dev_id;
	uint8_t qos;
	uint8_t further; /* messages of b beside the first: a group */
	bool retain;
};
/* 0; -ENOSPC the log is full; -ENOBUFS. On failure nothing has changed. */
int pw_append(struct pw_forward *f, struct pw_flog *l, const struct pw_append *a, uint64_t now);

/* group.c: make a group of a message of QoS 0 and those that may follow it. */
void pw_group_gather(struct pw_forward *f, const struct pw_session *s, const struct pw_flog *l,
		     struct pw_append *a, const struct pw_mqtt_publish *m);

/* alias.c */
int pw_aliases_create(struct pw_forward *f);
void pw_aliases_destroy(struct pw_forward *f);
/* What CONNACK may say: 0 while memory is short. */
uint16_t pw_alias_grant(const struct pw_forward *f);
/* Remember a topic, or another one. 0 or -ENOBUFS. */
int pw_alias_set(struct pw_forward *f, struct pw_session *s, uint16_t number, const uint8_t *topic,
		 uint32_t len);
/* Bytes of the topic of a number, written to topic (of 65,535); -ENOENT where it has none. */
int pw_alias_topic(const struct pw_session *s, uint16_t number, uint8_t *topic);
/* The connection has ended, and its aliases with it. */
void pw_aliases_forget(struct pw_forward *f, struct pw_session *s);

/* resolve.c */
/* What a PUBLISH with an alias is to become: the topic lies at the front of f->topic or in the
 * frame. */
struct pw_resolve {
	const struct pw_mqtt_publish *p;
	const uint8_t *topic;
	uint32_t len;
};
/* pw_append() of it; -EMSGSIZE where MQTT has no packets so large. */
int pw_resolve_append(struct pw_forward *f, struct pw_flog *l, struct pw_session *s,
		      const struct pw_append *a, const struct pw_resolve *r, uint64_t now);

/* will.c */
/* Keep the will of a CONNECT. 0, -ENOBUFS, -EMSGSIZE. */
int pw_will_keep(struct pw_forward *f, struct pw_session *s, const struct pw_mqtt_buf *b,
		 const struct pw_mqtt_connect *c);
/* The routes are others, and those before are about to go. */
void pw_wills_follow(struct pw_forward *f);
void pw_will_forget(struct pw_forward *f, struct pw_session *s);
/* Publish, or queue for when the log has room; the caller settles the session. */
void pw_will_publish(struct pw_forward *f, struct pw_session *s, uint64_t now);
/* The connection has ended: publish now or after the delay; the caller settles the session. */
void pw_will_due(struct pw_forward *f, struct pw_session *s, uint64_t now);
uint32_t pw_wills_again(struct pw_forward *f, uint64_t now);

/* left.c */
/* What a session that ends leaves unread: count the messages of QoS 0. True where a whole
 * DISCONNECT that discards the will is among it. */
bool pw_session_left(struct pw_forward *f, const struct pw_session *s);

#endif
