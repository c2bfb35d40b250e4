/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PW_FORWARD_UPSTREAM_PVT_H
#define PW_FORWARD_UPSTREAM_PVT_H

/*
 * One (log, broker) pair: a connection and the cursor that feeds it. Owned by the worker that
 * serves the log; other threads read state, caps and counters through pw_forward_upstreams().
 */

#include "forward_pvt.h"

struct pw_upstream {
	struct pw_forward *f;
	struct pw_flog *log;
	const struct pw_broker_conf *conf;
	struct pw_cursor cursor;
	uint32_t broker;
	uint32_t state; /* enum pw_upstream_state */
	uint8_t gone;	/* atomic: its log retires, and its worker does not use it any more */
	struct pw_tcp_conn *conn;
	struct pw_timer timer;

	uint32_t window;     /* QoS 1 and 2 in flight at most, on this connection */
	uint32_t max_packet; /* the broker takes, 0: no limit */
	uint32_t keepalive;  /* ms */
	uint8_t max_qos;
	bool no_retain;
	bool detached;		       /* what its routes detach is given up until it is up */
	uint32_t over_quota;	       /* in flight, but answered with 0x97: to be sent again */
	uint32_t quota_ms;	       /* the last pause after that */
	uint64_t quota_at;	       /* ns: when to go on, 0: it does not pause */
	uint64_t replay_end;	       /* position behind the backlog of this connection */
	uint64_t replay_from;	       /* ns: since when it is sent */
	uint64_t replayed;	       /* messages of it that have been */
	bool window_stop, socket_stop; /* the cursor stands for this reason, counted once */
	bool ping_out;
	bool answered;	 /* this connection has acknowledged a message */
	bool owed;	 /* the last one left `oldest` unanswered */
	uint8_t version; /* that this connection speaks */
	bool other;	 /* auto: that is not the lane's, which the broker refused */
	bool guess;	 /* auto: it only closed the connection, for whatever reason */
	uint8_t shut;	 /* how often in a row */
	bool spoken;	 /* it has accepted the lane's version before */
	bool session;	 /* the broker keeps one of ours beyond the connection */
	bool clean;	 /* what CONNECT of this connection asked for */
	bool purge;	 /* it has one that it has to forget, with a connection for that alone */
	bool purged;	 /* it was asked to by the connection before this one */

	uint64_t oldest;     /* position at which the last connection ended */
	uint64_t restart_ms; /* the last wait, for the next one's jitter */
	uint64_t deadline;   /* ns: of a handshake, or of the next attempt */
	uint64_t connected_at;
	uint64_t spoke;	      /* when we last sent */
	uint64_t ping_at;     /* when PINGREQ went out */
	uint64_t progress;    /* when the broker last acknowledged a message, or had nothing to */
	uint64_t tx_progress; /* when TCP last acknowledged bytes, or had none to */
	uint64_t queued;      /* bytes queued on this connection */
	uint64_t mark;	      /* until these are acknowledged by TCP, its progress counts */
	uint64_t abandoned;   /* and until these are, it keeps buffers of messages given up */

	char last_error[96];
	struct pw_upstream_counters counters;
};

/* Seconds for which a broker is asked to keep a session. */
static inline uint32_t
pw_upstream_session_expiry(const struct pw_upstream *u)
{
	return u->conf->session_expiry_interval / 1000;
}

extern const struct pw_tcp_ops pw_upstream_ops;

/* upstream.c */
/* Main lcore, before its worker sees it. */
void pw_upstream_init(struct pw_forward *f, struct pw_upstream *u, struct pw_flog *l,
		      uint32_t broker, const struct pw_broker_conf *conf, uint64_t *marks);
/* Another configuration, of the same broker. */
void pw_upstream_adopt(struct pw_upstream *u, const struct pw_broker_conf *conf, uint64_t now);
void pw_upstream_timer(void *f, struct pw_timer *t, uint64_t now);
void pw_upstream_arm(struct pw_upstream *u, uint64_t now);
/* The connection is of no use any more: say why, and come back later. */
void pw_upstream_fail(struct pw_upstream *u, const char *why, uint64_t now);
/* It does not take the version: speak the other one next. guess: it did not say so. */
void pw_upstream_turned_down(struct pw_upstream *u, bool guess);
/* What the broker answered to CONNECT lets messages flow; present: it has kept our session. */
void pw_upstream_up(struct pw_upstream *u, bool present, uint64_t now);
/* The connection has served its purpose: the next one at once. */
void pw_upstream_again(struct pw_upstream *u, uint64_t now);
/* Say goodbye; for the drain. */
void pw_upstream_close(struct pw_upstream *u, uint64_t now);
void pw_upstream_set_state(struct pw_upstream *u, enum pw_upstream_state state);

/* upstream_rx.c */
void pw_upstream_read(struct pw_upstream *u, uint64_t now);

/* pull.c */
/* Bytes of a message's topic. */
uint32_t pw_upstream_topic_len(const struct pw_flog_entry *e);
/* Send the PUBRELs that are owed. False where some still are. */
bool pw_upstream_release(struct pw_upstream *u, uint64_t now);
/* Queue what the broker may have. Returns messages moved. */
uint32_t pw_upstream_pull(struct pw_upstream *u, uint64_t now);
/* A message of QoS 1 or 2, or a step of it, is complete for this broker. */
void pw_upstream_done(struct pw_upstream *u, uint64_t pos, enum pw_flog_end end, uint8_t reason,
		      uint64_t now);

/* compact.c */
/* Copy small messages that wait for long together, where packet buffers are short. */
void pw_upstream_compact(struct pw_upstream *u, uint64_t now);

/* hold.c */
/* Give up what is too much, as routes say, and publish where the cursor stands. */
void pw_upstream_bound(struct pw_upstream *u, uint64_t now);

#endif
