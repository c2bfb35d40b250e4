/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PUBWIRE_MANAGE_RELOAD_H
#define PUBWIRE_MANAGE_RELOAD_H

/**
 * @file
 * Reloading the configuration while workers run: the file is read and checked beside what is in
 * force, held against it key by key, and taken as a whole or not at all. Main lcore; but anybody
 * may ask for a reload, and telemetry reads how it went.
 */

#include <stdbool.h>
#include <stdint.h>

#include <pubwire/manage/access.h>
#include <pubwire/manage/config.h>
#include <pubwire/worker/worker.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What became of the last attempt: row = constant, name in telemetry. */
#define PW_RELOAD_STATES(X)                                                                        \
	X(IDLE, "idle")                                                                            \
	X(RUNNING, "running")                                                                      \
	X(DONE, "done")                                                                            \
	X(REFUSED, "refused")

#define PW_RELOAD_ENUM(state, text) PW_RELOAD_##state,
enum pw_reload_state { PW_RELOAD_STATES(PW_RELOAD_ENUM) };
#undef PW_RELOAD_ENUM

/** As telemetry names it. Any thread. */
const char *pw_reload_state_str(enum pw_reload_state state);

#define PW_RELOAD_LINES	   24
#define PW_RELOAD_LINE_LEN 512 /* all of it fits a reply of telemetry */
#define PW_RELOAD_KEY_LEN  160

/** How an attempt went. */
struct pw_reload_result {
	enum pw_reload_state state;
	uint32_t generation; /**< which attempt, counted from 1; 0: there was none */
	/** Why it was refused, a line for each reason; or what was done. */
	char text[PW_RELOAD_LINES][PW_RELOAD_LINE_LEN];
	uint32_t nb_text;
	char changed[PW_RELOAD_LINES][PW_RELOAD_KEY_LEN]; /**< keys that differ */
	uint32_t nb_changed; /**< all of them; the first PW_RELOAD_LINES have a name */
};

struct pw_telemetry_sources;

/** Zeroed before pw_reload_init(). Large. */
struct pw_reload {
	const char *file;
	uint32_t flags; /**< of pw_config_load_as() */
	struct pw_fleet *fleet;
	struct pw_telemetry_sources *sources; /**< whose settings follow */
	struct pw_authenticator *auth;
	/** What is in force and what comes next, in turns. */
	struct pw_config *config[2];
	struct pw_access_files *access[2];
	struct pw_config spare;
	struct pw_access_files spare_access;
	uint32_t at; /**< of the two, the one in force */
	/** What workers go by: the same, but that brokers keep their places. In turns, too. */
	const struct pw_forward_settings *settings[2];
	struct pw_forward_settings own[2];
	uint32_t settings_at;
	bool cleaning; /**< workers are given what is in force, without what has retired */
	int (*fit)(void *ctx, const struct pw_forward_settings *s);
	void *ctx;
	bool accounts;	   /**< sessions have room for what limits need */
	uint32_t reserved; /**< connections of a worker to brokers, at the start */
	uint32_t edition;  /**< that workers were given last */
	bool stopping;	   /**< nothing is taken any more; the caller's */
	uint32_t wanted;   /**< attempt that was asked for; any thread */
	struct pw_reload_result result;
};

/** What a reload begins with; all of it outlives it. */
struct pw_reload_conf {
	const char *file;
	uint32_t flags;
	struct pw_fleet *fleet;
	struct pw_telemetry_sources *sources;
	struct pw_authenticator *auth;
	struct pw_config
		*config; /**< that the fleet was built from; a later one is put there too */
	struct pw_access_files *access;
	/** See to memory for these settings, before they are in force and after; -errno where there
	 * is none: the reload is refused. NULL: nothing needs any. */
	int (*fit)(void *ctx, const struct pw_forward_settings *s);
	void *ctx;
};

/** Before the first pw_reload_serve(). Main lcore. */
void pw_reload_init(struct pw_reload *r, const struct pw_reload_conf *conf);

/** Ask for a reload; returns the attempt that it will be. Any thread, if not two at a time. */
uint32_t pw_reload_ask(struct pw_reload *r);

/** True where an attempt was asked for that has not begun. Main lcore. */
bool pw_reload_wanted(const struct pw_reload *r);

/**
 * Begin what was asked for; see whether what was begun is over. In turns of the main loop, on the
 * main lcore.
 *
 * @return true where an attempt began or ended: r->result says which, and how
 */
bool pw_reload_serve(struct pw_reload *r);

/** What is in force. Main lcore. */
static inline const struct pw_config *
pw_reload_config(const struct pw_reload *r)
{
	return r->config[r->at];
}

/** Release what was loaded besides the files it began with; the fleet is gone. Main lcore. */
void pw_reload_fini(struct pw_reload *r);

#ifdef __cplusplus
}
#endif

#endif
