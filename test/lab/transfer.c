/* SPDX-License-Identifier: BSD-3-Clause */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "transfer.h"

static int
usage(const char *name)
{
	fprintf(stderr,
		"usage: %s -l|-R ADDRESS -a ADDRESS[/PREFIX] [OPTIONS]\n"
		"  -l listen  -R connect to this address  -a own address  -p PORT [7000]\n"
		"  -n CONNECTIONS [1]  -o BYTES said on each  -r BYTES heard  -e echo\n"
		"  -S SEED [1]  -t S most time [60]  -L MS stay afterwards [0]  -w BYTES window\n"
		"  -C NAME congestion control (tcp_peer)\n"
		"  -i INTERFACE, -O SEGMENTS held out of order, -N ADDRESS@MAC neighbour "
		"(tcp_host)\n"
		"  -M MS most between repetitions (tcp_host)\n",
		name);
	return 64;
}

int
transfer_parse(struct transfer *t, int argc, char **argv)
{
	struct transfer_conf *k = &t->conf;
	int c;

	*k = (struct transfer_conf){.conns = 1, .seed = 1, .seconds = 60, .port = 7000};
	while ((c = getopt(argc, argv, "la:R:p:n:o:r:eS:t:L:w:C:i:O:N:M:")) != -1) {
		switch (c) {
		case 'l':
			k->listen = true;
			break;
		case 'a':
			k->local = optarg;
			break;
		case 'R':
			k->remote = optarg;
			break;
		case 'p':
			k->port = (uint16_t)strtoul(optarg, NULL, 0);
			break;
		case 'n':
			k->conns = (uint32_t)strtoul(optarg, NULL, 0);
			break;
		case 'o':
			k->out = strtoull(optarg, NULL, 0);
			break;
		case 'r':
			k->in = strtoull(optarg, NULL, 0);
			break;
		case 'e':
			k->echo = true;
			break;
		case 'S':
			k->seed = strtoull(optarg, NULL, 0);
			break;
		case 't':
			k->seconds = (uint32_t)strtoul(optarg, NULL, 0);
			break;
		case 'L':
			k->linger = (uint32_t)strtoul(optarg, NULL, 0);
			break;
		case 'w':
			k->window = (uint32_t)strtoul(optarg, NULL, 0);
			break;
		case 'C':
			k->cc = optarg;
			break;
		case 'i':
			k->device = optarg;
			break;
		case 'M':
			k->max_rto = (uint32_t)strtoul(optarg, NULL, 0);
			break;
		case 'N':
			k->neighbour = optarg;
			break;
		case 'O':
			k->max_ooo = optarg;
			break;
		default:
			return usage(argv[0]);
		}
	}
	if (optind != argc || k->local == NULL || k->listen == (k->remote != NULL) ||
	    k->conns == 0 || k->conns > TRANSFER_MAX)
		return usage(argv[0]);
	return 0;
}

struct transfer_conn *
transfer_open(struct transfer *t, uint16_t connector_port, uint64_t now)
{
	const struct transfer_conf *k = &t->conf;
	/* Direction 0 is what the connecting side says. */
	uint64_t seed = stream_word(k->seed, (uint64_t)connector_port * 2), other;
	struct transfer_conn *c;

	if (t->opened == k->conns)
		return NULL;
	other = k->echo ? seed : stream_word(k->seed, (uint64_t)connector_port * 2 + 1);
	c = &t->conn[t->opened++];
	if (t->opened == 1)
		t->began = now;
	stream_start(&c->out, k->listen ? other : seed);
	stream_start(&c->in, k->listen ? seed : other);
	c->began = now;
	return c;
}

uint64_t
transfer_left(const struct transfer *t, const struct transfer_conn *c)
{
	return t->conf.out - c->out.pos;
}

bool
transfer_closes(struct transfer *t, struct transfer_conn *c)
{
	if (c->closed_out || transfer_left(t, c) > 0 || (t->conf.out == 0 && !c->eof))
		return false;
	c->closed_out = true;
	return true;
}

void
transfer_eof(struct transfer *t, struct transfer_conn *c, uint64_t now)
{
	c->eof = true;
	c->ended_in = now;
	t->eofs = now;
}

static void
fail(struct transfer *t, const char *why, uint64_t at)
{
	if (t->failed++ == 0)
		snprintf(t->first_failure, sizeof(t->first_failure), "%s, %" PRIu64 " bytes heard",
			 why, at);
}

void
transfer_end(struct transfer *t, struct transfer_conn *c, const char *failure)
{
	t->ended++;
	if (c == NULL) {
		fail(t, failure, 0);
		return;
	}
	c->ended = true;
	if (failure != NULL)
		fail(t, failure, c->in.pos);
	else if (!stream_is_right(&c->in))
		fail(t, "a wrong byte", c->in.first_wrong);
	else if (!c->eof || c->in.pos != t->conf.in)
		fail(t, "the wrong number of bytes", c->in.pos);
	else if (!c->closed_out)
		fail(t, "ended before everything was said", c->in.pos);
}

bool
transfer_done(const struct transfer *t)
{
	return t->ended >= t->conf.conns;
}

static int
by_value(const void *a, const void *b)
{
	double d = *(const double *)a - *(const double *)b;

	return (d > 0) - (d < 0);
}

/* Mbit/s that the connection in the middle heard. */
static double
median_goodput(const struct transfer *t)
{
	double each[TRANSFER_MAX];
	uint32_t n = 0;

	for (uint32_t i = 0; i < t->opened; i++) {
		const struct transfer_conn *c = &t->conn[i];

		if (c->eof && c->ended_in > c->began)
			each[n++] = (double)c->in.pos * 8000 / (double)(c->ended_in - c->began);
	}
	qsort(each, n, sizeof(each[0]), by_value);
	return n == 0 ? 0 : each[n / 2];
}

int
transfer_report(struct transfer *t, const char *more)
{
	uint64_t in = 0, out = 0, hash_in = 0, hash_out = 0;
	double s = t->eofs > t->began ? (double)(t->eofs - t->began) / 1e9 : 0;

	for (uint32_t i = 0; i < t->opened; i++) {
		const struct transfer_conn *c = &t->conn[i];

		in += c->in.pos;
		out += c->out.pos;
		/* A sum: the ends need not count their connections in the same order. */
		hash_in += c->in.hash;
		hash_out += c->out.hash;
	}
	if (!transfer_done(t))
		fail(t, "not done in time", in);
	printf("{\"conns\": %u, \"ended\": %u, \"failed\": %u, \"failure\": \"%s\", "
	       "\"in\": %" PRIu64 ", \"out\": %" PRIu64 ", \"hash_in\": \"%016" PRIx64
	       "\", \"hash_out\": \"%016" PRIx64
	       "\", \"seconds\": %.4f, \"goodput\": %.4f, \"median\": %.4f%s}\n",
	       t->opened, t->ended, t->failed, t->first_failure, in, out, hash_in, hash_out, s,
	       s > 0 ? (double)in * 8 / s / 1e6 : 0, median_goodput(t), more);
	fflush(stdout);
	return t->failed != 0;
}
