/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PUBWIRE_APP_CTL_H
#define PUBWIRE_APP_CTL_H

/*
 * pubwirectl: asks a running pubwire over DPDK's telemetry socket, and shows what it says. Nothing
 * here trusts a reply: a field that is absent or of another kind reads as 0 or "". One thread.
 * Documents are jansson's; whoever is returned one holds a reference.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

enum ctl_exit {
	CTL_OK = 0,
	CTL_FAILED = 1,	 /* pubwire refused, failed, or ended in the midst */
	CTL_ABSENT = 2,	 /* no pubwire is there */
	CTL_UNKNOWN = 3, /* it has nothing by that name */
	CTL_USAGE = 64,
};

struct ctl {
	const char *prefix; /* --file-prefix */
	const char *socket; /* --socket; NULL: where EAL puts it */
	bool json;
	bool colour;
	int fd;	  /* -1: not connected */
	long pid; /* of pubwire, as it greets */
	char path[256];
	char err[2048]; /* of the call that failed; without "pubwirectl: " and newline */
};

/* --- telemetry.c --- */

/* Find the socket, connect, make sure that pubwire is behind it. CTL_OK, or why not in err. */
int ctl_connect(struct ctl *c);
void ctl_disconnect(struct ctl *c);

/* The reply's value; NULL: err says why. The command: "/pubwire/counters,0". */
json_t *ctl_ask(struct ctl *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The rows of a list, all pages, in an array. The command has no START; more: behind START. */
json_t *ctl_ask_rows(struct ctl *c, const char *command);

/* A number behind a dict of rows; "next" as ctl_ask_rows() reads it. -1: there is none. */
int64_t ctl_next(const json_t *page);

/* Append the rows of one page, in the order of their numbers. */
void ctl_add_rows(json_t *rows, const json_t *page);

uint64_t ctl_u64(const json_t *o, const char *key);
double ctl_real(const json_t *o, const char *key);
const char *ctl_str(const json_t *o, const char *key);

/* err becomes the text; returns status. */
int ctl_fail(struct ctl *c, int status, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* --- show.c --- */

enum ctl_colour { CTL_PLAIN, CTL_BOLD, CTL_GOOD, CTL_WARN, CTL_BAD, CTL_DIM };

/* Escape sequence; "" where there are no colours. */
const char *ctl_esc(const struct ctl *c, enum ctl_colour colour);

/* For people, in one of some buffers that take turns: 16 results stay. */
const char *ctl_count(double n);   /* 12.3k */
const char *ctl_bytes(double n);   /* 12.3 MB */
const char *ctl_ns(double ns);	   /* 12.3 us */
const char *ctl_span(uint64_t s);  /* 2 d 3 h */
const char *ctl_whole(uint64_t n); /* 1,234,567 */

/* A table: cells are added row by row, widths follow from them. Headers that begin with '>' stand
 * above numbers. */
struct ctl_table {
	const char *const *head; /* NULL ends it */
	json_t *rows;
};
void ctl_table_begin(struct ctl_table *t, const char *const *head);
void ctl_table_row(struct ctl_table *t);
void ctl_cell(struct ctl_table *t, enum ctl_colour colour, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* At most max rows (-1: all), then how many more there are. Frees the rows. */
void ctl_table_end(struct ctl *c, struct ctl_table *t, FILE *out, int max);

/* On stdout, with a newline; takes the reference. CTL_OK, or that it could not be written. */
int ctl_json(struct ctl *c, json_t *o, bool one_line);

/* --- options.c --- */

enum ctl_kind { CTL_FLAG, CTL_NUMBER, CTL_SECONDS, CTL_TEXT };

/* An option of a command; value: bool, uint32_t (from 1 on), double, const char *. */
struct ctl_option {
	const char *name; /* NULL ends a list */
	char letter;	  /* 0: none */
	enum ctl_kind kind;
	void *value;
};

struct ctl_command {
	const char *name;
	const char *arguments; /* as usage shows them */
	const char *summary;
	const char *help;		  /* what --help says below the usage; lines end by \n */
	const struct ctl_option *options; /* NULL: none of its own */
	int min_args, max_args;
	int (*run)(struct ctl *c, char **args, int nb_args); /* connected */
};

#define CTL_COMMANDS(X)                                                                            \
	X(status)                                                                                  \
	X(top)                                                                                     \
	X(brokers)                                                                                 \
	X(devices)                                                                                 \
	X(why)                                                                                     \
	X(drops)                                                                                   \
	X(latency)                                                                                 \
	X(drain)                                                                                   \
	X(reload)                                                                                  \
	X(log_level)                                                                               \
	X(capture)

#define CTL_DECLARE(name) extern const struct ctl_command ctl_cmd_##name;
CTL_COMMANDS(CTL_DECLARE)
#undef CTL_DECLARE

/* What the command line asks for. */
struct ctl_line {
	const struct ctl_command *command; /* NULL: help or version of the program */
	char **args;
	int nb_args;
	bool help, version;
};

/* CTL_OK, or CTL_USAGE with err. */
int ctl_parse(struct ctl *c, struct ctl_line *line, int argc, char **argv);
void ctl_help(const struct ctl_command *command, FILE *out);

#endif
