/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PW_FORWARD_FORWARD_PVT_H
#define PW_FORWARD_FORWARD_PVT_H

/*
 * The parts of one worker's forward, and what all workers share. Everything here is owned by one
 * lcore, but what struct pw_forward_shared holds, whose sharing rules are those of log_pvt.h.
 */

#include <sys/queue.h>

#include <pubwire/base/log.h>
#include <pubwire/base/wheel.h>
#include <pubwire/forward/edition.h>
#include <pubwire/forward/forward.h>
#include <pubwire/mqtt/packet.h>

#include "cursor_pvt.h"
#include "hash_pvt.h"
#include "log_pvt.h"
#include "routes_pvt.h"

#define PW_NS_MS 1000000ull
#define PW_NS_S	 1000000000ull

/* How long ago: never negative. Another lcore's clock may stand a little behind the one that wrote.
 */
static inline uint64_t
pw_since(uint64_t now, uint64_t then)
{
	return now > then ? now - then : 0;
}

#define PW_SCRATCH_BYTES 65536 /* a topic, a SUBACK, a header: MQTT strings end at 65,535 bytes */
#define PW_RESOLVE_HEAD	 64    /* slices of a header of ours, with a topic of up to 65,535 bytes */
#define PW_BATCH	 128   /* slices in one pw_tcp_send() of a cursor */

struct pw_session;
struct pw_upstream;

/* Where sessions stand in line (session_list.c). A session is on UNACKED, and on one of the others.
 */
enum pw_list {
	PW_LIST_NONE,
	PW_LIST_WAITING,  /* not read until room returns; served in turn */
	PW_LIST_SERVED,	  /* have had their turn in this poll, and wait for the next one */
	PW_LIST_PARTS,	  /* for the budget of large frames */
	PW_LIST_WILLS,	  /* wills that the log has no room for yet */
	PW_LIST_SETTLING, /* brokers do not have their last messages yet */
	PW_LIST_UNACKED,  /* acknowledgements that no buffer was left for */
	PW_LISTS,
};

/* Indices in the pool plus one, 0: none. */
struct pw_session_list {
	uint32_t first, last;
};

struct pw_session_link {
	uint32_t next, prev;
};

/* What a listener's limits are held against; any device worker writes, atomically. */
struct pw_listener_use {
	uint64_t full_at;     /* ns: when a second's worth of connects is saved again */
	uint32_t connections; /* all, those that are there to be refused too */
	uint32_t placed;      /* of them, those that max_connections counts */
} __attribute__((aligned(64)));

/* Packet buffers that messages for a broker without a hold of bytes keep, in all its logs. */
struct pw_broker_use {
	uint32_t pinned; /* atomic; whoever serves a log of its writes */
	uint32_t max;	 /* 0: any number */
	uint32_t logs;
} __attribute__((aligned(64)));

/* The logs of a set of brokers, in every worker and lane: numbers first .. first + pool_size - 1.
 */
struct pw_log_set {
	uint32_t brokers;
	uint32_t first;
	uint16_t pool_size;
	uint16_t id; /* in the client identifiers of its connections */
	bool retiring;
};

/* Sets that routes name, and as many that they do not name any more. */
#define PW_MAX_LOG_SETS (2 * PW_MAX_SETS)

/* What is a worker's. Other threads look at it too: it is replaced as a whole. */
struct pw_view {
	struct pw_flog **log; /* own ones, [lane * nb_numbers + number], with holes */
	uint32_t nb_numbers;
	uint32_t nb_logs; /* places there */
	struct pw_upstream **upstream;
	uint32_t nb_upstreams;
};

/* What a configuration says, in the form that workers go by; read-only. Main lcore makes one, each
 * worker goes over to it between two turns, and the one before is freed once all have. */
struct pw_edition {
	struct pw_edition_conf conf;
	struct pw_routes routes;
	/* [(device ordinal * PW_LANE_MAX + lane) * nb_numbers + number]; NULL where the lane is not
	 * served or no set has the number. */
	struct pw_flog **log;
	uint32_t nb_numbers;
	struct pw_log_set set[PW_MAX_LOG_SETS]; /* those of the routes first, in their order */
	uint32_t nb_sets;
	uint32_t nb_retiring; /* of them: no route names them, they deliver what they hold */
	uint32_t removed;     /* brokers that no route names */
	bool moved;	      /* a message may have another log than by the edition before */
	struct pw_view view[PW_FORWARD_MAX_WORKERS];
};

struct pw_forward_shared {
	struct pw_forward_shared_conf conf;
	bool accounts;		    /* sessions have one each */
	struct pw_edition *edition; /* in force; the main lcore's */
	struct pw_edition *next;    /* that workers go over to; written while none does */
	uint32_t id;		    /* tells the pools of several of these apart */
	uint32_t nb_device_workers;
	uint32_t nb_broker_workers;
	uint32_t device_worker[PW_FORWARD_MAX_WORKERS]; /* ordinal to worker */
	struct pw_forward *forward[PW_FORWARD_MAX_WORKERS];
	struct pw_listener_use listener[PW_FORWARD_MAX_LISTENERS];
	struct pw_broker_use use[PW_FORWARD_MAX_BROKERS];
};

/* A buffer that is filled from front to back with small pieces, each held by a reference of its
 * own. */
struct pw_gather {
	struct rte_mbuf *m;
	uint16_t saved; /* references to it beside our own, for slices to come */
};

/* A frame that outgrows the TCP window, taken as it comes. */
struct pw_part {
	TAILQ_ENTRY(pw_part) link;
	struct pw_session *session;
	struct pw_run_list run;
	struct pw_gather gather; /* small pieces go on where the last one ended */
	uint32_t total;
	uint32_t taken;
	uint32_t copied;   /* of them, copied together because they came in small pieces */
	uint32_t reserved; /* packet buffers that it may come to hold */
	uint32_t held;	   /* and those that it holds */
	uint64_t progress; /* ns, when bytes last came */
};
TAILQ_HEAD(pw_part_list, pw_part);

struct pw_blob;
struct pw_dir_entry;

/* The client identifier, or its beginning, for people: a UUID is whole, and one that is assigned.
 */
struct pw_client_name {
	uint8_t len; /* written last; read by other threads */
	char text[PW_CLIENT_NAME_MAX];
};

/* What another worker is still to be told. */
struct pw_outgoing {
	uint32_t worker;
	struct pw_forward_msg msg;
};

struct pw_listening {
	struct pw_forward *f;
	const struct pw_listener_conf *conf;
	bool open;
};

struct pw_forward {
	struct pw_forward_conf conf;
	struct pw_forward_shared *shared;
	/* What it goes by, and, as they are used most, what that points to. */
	const struct pw_edition *edition;
	const struct pw_forward_settings *set; /* other threads read it */
	const struct pw_routes *routes;
	const struct pw_view *view;	/* likewise */
	const struct pw_access *access; /* likewise; NULL: anybody may publish anything */
	struct pw_tcp *tcp;
	uint32_t worker;
	uint8_t role;
	uint32_t ordinal; /* among device workers */
	uint64_t rng;
	uint32_t pressure;
	uint64_t frames;      /* handled, from devices */
	uint64_t pressure_at; /* since when nothing moves under pressure, 0: it does */
	bool started;
	bool draining, drain_over, destroying;
	bool waking;	  /* devices that waited are being read */
	uint32_t quantum; /* messages that may be read of the one that is */
	uint64_t drain_deadline;
	bool retiring;	   /* some logs are, or some brokers are removed */
	bool moved;	   /* what was sent up to moved_at must not be overtaken elsewhere */
	bool move_over;	   /* that has been waited for long enough */
	uint64_t moved_at; /* ns */
	uint64_t gone_at[PW_FORWARD_MAX_BROKERS]; /* ns: what waits for a removed one goes; 0: stays
						   */
	bool sweeping;	   /* sessions are to be looked at: the edition is a new one */
	uint32_t sweep_at; /* the next of them */

	/* devices */
	uint32_t turn[PW_FORWARD_MAX_ROUTES]; /* of round robin */
	uint64_t health_at;		      /* when to look at brokers of shares next */
	struct pw_pool *sessions;
	struct pw_client_name *name; /* by index of the session */
	struct pw_account *account;  /* likewise; NULL where nothing asks for it */
	uint32_t auth_waiting;	     /* passwords whose verification has no answer yet */
	uint32_t claims;	     /* sessions in PW_SESSION_CLAIM: each is to have a CONNACK */
	bool connack_awaited;	     /* a CONNECT found no place for one when it was last read */
	struct pw_pool *more;	     /* struct pw_session_more */
	uint32_t max_sessions;	     /* in the pool */
	uint32_t nb_sessions;	     /* with a connection */
	uint32_t nb_lingering;	     /* without: a will waits */
	uint32_t max_lingering;
	uint32_t extras, max_extras;	   /* of `more`: that are out, and all */
	struct pw_pool *blobs;		   /* of small wills */
	struct pw_pool *aliases;	   /* NULL: none are granted */
	uint32_t alias_pieces, alias_used; /* in the pool, lent out */
	struct pw_pool *exchanges;	   /* blocks of them */
	struct pw_pool *parked;		   /* struct pw_flog_entry, see PW_FLOG_PARKED */
	struct pw_pool *blocks;
	struct pw_pool *parts;
	struct pw_part_list part_list;
	uint32_t part_budget;		      /* bytes of the largest frame that it can be */
	uint32_t part_reserved, part_buffers; /* packet buffers for all of them */
	struct pw_session *part_turn;	      /* the one that is being let in */
	struct pw_session *part_first;	      /* who stood first in line when it was last served */
	bool part_freed;
	uint64_t part_check; /* when to look for one that stalls */
	struct pw_session_list list[PW_LISTS];
	struct pw_gather gather; /* copies into the logs */
	struct pw_wheel session_wheel;
	struct pw_listening listening[PW_FORWARD_MAX_LISTENERS];
	struct pw_slice *scratch; /* slices of the frame at hand */
	uint32_t scratch_max;
	struct pw_slice *resolved; /* and of what it becomes: PW_RESOLVE_HEAD and 2 more */
	uint8_t *topic;		   /* PW_SCRATCH_BYTES, and room for what is made of it */
	uint8_t *rewritten;	   /* PW_SCRATCH_BYTES: a topic as brokers are to have it */

	/* directory shard */
	struct pw_dir_entry *dir;
	uint32_t dir_size, dir_used;
	struct pw_outgoing *outbox;
	uint32_t out_head, out_tail, out_mask;
	uint32_t out_room;  /* places that nothing needs that may not be lost */
	uint32_t nb_offers; /* that have no answer yet */

	/* brokers */
	struct pw_wheel upstream_wheel;
	struct pw_gather private_gather; /* bytes of ours on a broker's leg */
	struct pw_gather compact_gather; /* messages that wait for long */
	bool scarce;			 /* half of the packet buffers are in use */

	struct pw_log_limit limit_device, limit_broker, limit_subscribe;
	struct pw_device_counters counters;
	struct pw_route_counters *route; /* by number */
	struct pw_hist latency_qos0, latency_qos1;
};

/* gather.c */
/* Copy bytes; the slices, held, go to out. Number of slices, -ENOBUFS with nothing taken. */
int pw_gather_copy(struct pw_forward *f, struct pw_gather *g, const struct pw_slice *s, uint32_t n,
		   struct pw_slice *out, uint32_t max);
/* Room for bytes that fit one buffer, in one piece: a held slice that the caller fills. */
int pw_gather_space(struct pw_forward *f, struct pw_gather *g, uint32_t len, struct pw_slice *out);
/* The same for flat bytes that fit one buffer. */
int pw_gather_bytes(struct pw_forward *f, struct pw_gather *g, const void *data, uint32_t len,
		    struct pw_slice *out);
void pw_gather_release(struct pw_gather *g);

/* blob.c */
/* Room for so many bytes, at most pw_blob_max(); NULL where the pool has not so much. */
struct pw_blob *pw_blob_get(struct pw_forward *f, uint32_t len);
void pw_blob_put(struct pw_forward *f, struct pw_blob *b);
/* Bytes into it, and out of it, from a place in it on. */
void pw_blob_write(struct pw_blob *b, uint32_t at, const uint8_t *data, uint32_t len);
void pw_blob_read(const struct pw_blob *b, uint32_t at, uint8_t *out, uint32_t len);
uint32_t pw_blob_max(void);
/* Bytes that the pool takes for a number of wills. */
size_t pw_blobs_bytes(uint32_t wills);
int pw_blobs_create(struct pw_forward *f, uint32_t wills);
void pw_blobs_destroy(struct pw_forward *f);

/* forward.c: names of pools, unique in the process */
void pw_forward_name(const struct pw_forward *f, const char *what, char *name, size_t len);

/* What a worker has, as a whole, for any thread. Pairs with the release in pw_edition_set(). */
static inline const struct pw_view *
pw_view(const struct pw_forward *f)
{
	return __atomic_load_n(&f->view, __ATOMIC_ACQUIRE);
}

/* Own logs of lanes that are served; none where no devices are. */
#define PW_FOREACH_LOG(f, l)                                                                       \
	for (const struct pw_view *view_ = pw_view(f); view_ != NULL; view_ = NULL)                \
		for (uint32_t at_ = 0; at_ < view_->nb_logs; at_++)                                \
			if (((l) = view_->log[at_]) != NULL)

/* Connections to brokers that this worker serves. */
#define PW_FOREACH_UPSTREAM(f, u)                                                                  \
	for (const struct pw_view *view_ = pw_view(f); view_ != NULL; view_ = NULL)                \
		for (uint32_t at_ = 0;                                                             \
		     at_ < view_->nb_upstreams && ((u) = view_->upstream[at_], true); at_++)

/* The logs of a lane by number, with holes; NULL where it is not served. */
static inline struct pw_flog *const *
pw_lane_logs(const struct pw_forward *f, enum pw_lane lane)
{
	const struct pw_view *v = pw_view(f);

	return f->set->lanes & 1u << lane ? &v->log[lane * v->nb_numbers] : NULL;
}

/* What is counted of the route that a message came by. */
static inline struct pw_route_counters *
pw_route_of(const struct pw_forward *f, const struct pw_flog_entry *e)
{
	return &f->route[pw_flog_route(e)];
}

/* Places for acknowledgements that are in no log: of messages for nobody, and of those that wait
 * for their turn while their log fills. In the only log of a lane these would wait for the same
 * message anyway. */
static inline uint32_t
pw_parked_places(uint32_t capacity, uint32_t nb_logs)
{
	return nb_logs > 1 ? 2 * capacity : capacity;
}

/* Where a log fills, park what only waits for its device's older messages in other logs. */
void pw_log_make_room(struct pw_forward *f, struct pw_flog *l, uint64_t now);

/* An entry of QoS 0 is complete. */
void pw_forward_given(struct pw_forward *f, const struct pw_flog *l, const struct pw_flog_entry *e,
		      uint64_t now);

/*
 * Messages of these slots are about to be completed: have what that touches fetched. In the order
 * of their completion entries, sessions and connections are each in no cache where there are many
 * devices, and each is found by the one before.
 */
#define PW_FETCH_MAX 16
void pw_forward_fetch(const struct pw_forward *f, const struct pw_flog *l, const uint32_t *slot,
		      uint32_t n);

/* A completion arrives at the log's owner, by call or by ring. */
void pw_forward_completed(struct pw_forward *f, struct pw_flog *l, const struct pw_flog_done *d,
			  uint64_t now);

#endif
