/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * micro_forward: cycles of a worker for one message, from the device's segment to the device's
 * acknowledgement: TCP, the session, the log, a cursor for each broker, their answers. Without
 * driver and lib/wire; the far ends are not counted. 32 messages are on their way at a time (2 of
 * 16 KB): of 32 devices one each, as a fleet of sensors sends them, or 32 of one device, as a
 * gateway does. Brokers answer in one segment what has arrived together.
 *
 * A figure is the median of repetitions (the least and the greatest beside it), each of which is
 * the median of its rounds; worlds of 1, 2, 4 and 8 brokers take turns, so that their ratio is of
 * what ran at about the same time.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_cycles.h>

#include "session_pvt.h"
#include "stats.h"
#include "upstream_pvt.h"
#include "values.h"
#include "world.h"

#define FANS	    4 /* 1, 2, 4, 8 brokers */
#define EX_USAGE    64
#define MAX_REPEAT  31
#define MAX_ROUNDS  300
#define HELD_ROUNDS 8
#define PARTS	    (BENCH_LEGS * BENCH_NB_PARTS)

static uint32_t nb_rounds = MAX_ROUNDS, nb_warm = 50, nb_repeat = 7;
static bool parts;

/* What one repetition took, cycles a message. */
struct sample {
	double whole;
	double part[PARTS];
	float in[BENCH_LEGS], out; /* segments a message */
};

static struct sample sample[FANS][MAX_REPEAT];

static void
measure(const struct bench_conf *c, struct sample *s)
{
	static double whole[MAX_ROUNDS], part[PARTS][MAX_ROUNDS];
	uint32_t messages = c->devices * c->batch;

	memset(s, 0, sizeof(*s));
	bench_start(c);
	for (uint32_t r = 0; r < nb_warm; r++)
		bench_round();
	for (uint32_t r = 0; r < nb_rounds; r++) {
		const uint64_t *p = &bench_cycles.part[0][0];

		memset(&bench_cycles, 0, sizeof(bench_cycles));
		bench_round();
		whole[r] = 0;
		for (uint32_t i = 0; i < PARTS; i++) {
			whole[r] += (double)p[i];
			part[i][r] = (double)p[i];
		}
		for (uint32_t l = 0; l < BENCH_LEGS; l++)
			s->in[l] += (float)bench_cycles.segments[l] / messages / nb_rounds;
		s->out += (float)bench_cycles.sent / messages / nb_rounds;
	}
	bench_stop();
	s->whole = micro_stats(whole, nb_rounds).median / messages;
	for (uint32_t i = 0; i < PARTS; i++)
		s->part[i] = micro_stats(part[i], nb_rounds).median / messages;
}

static void
print_parts(const struct sample *s)
{
	static const char *const part[] = {
#define PART_TEXT(p, text) text,
		BENCH_PARTS(PART_TEXT)
#undef PART_TEXT
	};
	static const char *const leg[BENCH_LEGS] = {"PUBLISH", "answers", "the rest"};
	double v[MAX_REPEAT];

	for (uint32_t l = 0; l < BENCH_LEGS; l++) {
		printf("    %-8s", leg[l]);
		for (uint32_t i = 0; i < BENCH_NB_PARTS; i++) {
			for (uint32_t r = 0; r < nb_repeat; r++)
				v[r] = s[r].part[l * BENCH_NB_PARTS + i];
			printf("  %s %4.0f", part[i], micro_stats(v, nb_repeat).median);
		}
		printf("  segments in %.2f\n", (double)s->in[l]);
	}
	printf("    segments out %.2f\n", (double)s->out);
}

/* Where others use the CPU too, the least is what it costs undisturbed. */
static struct micro_stats
result(const struct sample *s)
{
	double v[MAX_REPEAT];

	for (uint32_t r = 0; r < nb_repeat; r++)
		v[r] = s[r].whole;
	return micro_stats(v, nb_repeat);
}

static void
print(const struct bench_conf *c, const struct sample *s, const struct micro_stats *one)
{
	struct micro_stats x = result(s);

	printf("%-7s %4u %8u %8u %8.0f  (%.0f..%.0f)  %.0f ns",
	       c->version == PW_MQTT_5 ? "5.0" : "3.1.1", c->qos, c->payload, c->brokers, x.median,
	       x.least, x.greatest, x.median * 1e9 / (double)rte_get_tsc_hz());
	if (c->brokers > 1)
		printf("  %.2f times one, by the least %.2f", x.median / one->median,
		       x.least / one->least);
	printf("\n");
	if (parts)
		print_parts(s);
}

static void
fan_out(struct bench_conf c)
{
	struct micro_stats one;

	for (uint32_t r = 0; r < nb_repeat; r++) {
		for (uint32_t k = 0; k < FANS; k++) {
			c.brokers = 1u << k;
			measure(&c, &sample[k][r]);
		}
	}
	one = result(sample[0]);
	for (uint32_t k = 0; k < FANS; k++) {
		c.brokers = 1u << k;
		print(&c, sample[k], &one);
	}
	fflush(stdout);
}

static void
heading(const struct bench_conf *c)
{
	printf("\n%u device(s), %u message(s) of each at a time\n%-7s %4s %8s %8s %8s\n",
	       c->devices, c->batch, "version", "QoS", "payload", "brokers", "cycles a message");
}

static void
table(struct bench_conf c)
{
	static const struct {
		uint8_t version, qos;
		uint32_t payload;
	} row[] = {
		{PW_MQTT_3_1_1, 1, 64},	   {PW_MQTT_3_1_1, 1, 256}, {PW_MQTT_3_1_1, 1, 1448},
		{PW_MQTT_3_1_1, 1, 16384}, {PW_MQTT_3_1_1, 0, 256}, {PW_MQTT_3_1_1, 2, 256},
		{PW_MQTT_5, 1, 256},
	};
	uint32_t devices = c.devices, batch = c.batch;

	heading(&c);
	for (uint32_t i = 0; i < RTE_DIM(row); i++) {
		c.version = row[i].version;
		c.qos = row[i].qos;
		c.payload = row[i].payload;
		c.devices = c.payload < 16384 ? devices : RTE_MIN(devices, 2u);
		c.batch = c.payload < 16384 ? batch : RTE_MIN(batch, 2u);
		fan_out(c);
	}
}

static void
cpu(void)
{
	FILE *f = fopen("/proc/cpuinfo", "r");
	char line[256];

	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		if (strncmp(line, "model name\t: ", 13) == 0) {
			line[strcspn(line, "\n")] = '\0';
			printf("%s, ", line + 13);
			break;
		}
	}
	if (f != NULL)
		fclose(f);
}

static void
about(void)
{
	cpu();
	printf("TSC %.0f MHz; compiler %s, %s; 4 KB pages; median of %u repetitions "
	       "(least..greatest) of %u rounds\n",
	       (double)rte_get_tsc_hz() / 1e6, __VERSION__,
#ifdef NDEBUG
	       "release",
#else
	       "with assertions",
#endif
	       nb_repeat, nb_rounds);
	printf("bytes: session %zu, log entry %zu and for each broker %.0f of marks, cursor %zu, "
	       "(log, broker) pair %zu, block of slices %zu\n",
	       sizeof(struct pw_session), sizeof(struct pw_flog_entry),
	       (double)pw_cursor_words(8192) * 8 / 8192, sizeof(struct pw_cursor),
	       sizeof(struct pw_upstream), sizeof(struct pw_run));
}

/* Packet buffers that a message keeps while brokers do not answer. */
static void
buffers(void)
{
	static const uint32_t payload[] = {64, 256, 450, 600, 1024, 1448, 4096, 16384};

	printf("packet buffers that a message keeps:");
	for (uint32_t i = 0; i < RTE_DIM(payload); i++) {
		struct bench_conf c = {.brokers = 1,
				       .devices = 32,
				       .batch = 1,
				       .version = PW_MQTT_3_1_1,
				       .qos = 1,
				       .payload = payload[i]};
		uint32_t before;

		bench_start(&c);
		bench_round();
		before = bench_buffers();
		bench_hold();
		for (uint32_t r = 0; r < HELD_ROUNDS; r++)
			bench_publish();
		for (uint32_t r = 0; r < HELD_ROUNDS; r++)
			(void)bench_turn();
		printf(" %u B %.2f%s", payload[i],
		       (double)(bench_buffers() - before) / (c.devices * c.batch * HELD_ROUNDS),
		       i + 1 < RTE_DIM(payload) ? "," : "\n");
		bench_release();
		bench_stop();
	}
}

static void
usage(FILE *f)
{
	fprintf(f,
		"usage: micro_forward [-s] [-a] [-r REPETITIONS] [-d DEVICES] [-b MESSAGES] "
		"[-k COPY_BREAK] [-p PAYLOAD [-q QOS] [-V 4|5]]\n"
		"Cycles of a worker for one message, by brokers, QoS and size.\n"
		"  -s  short, to see that it runs\n"
		"  -a  apart: where the cycles go\n"
		"  -r  a figure is the median of so many, 1 to %u (7)\n"
		"  -d, -b  so many devices (32), with so many messages at a time (1)\n"
		"  -p  only this payload, 1 to %u bytes, with QoS 1 and MQTT 3.1.1 unless -q and\n"
		"      -V say more\n"
		"  -k  frames shorter than this are copied into the log (the default of "
		"copy_break)\n"
		"Exit status: 0; 1 it could not go on, or packet buffers were missing; 64 usage.\n",
		MAX_REPEAT, BENCH_MAX_PAYLOAD);
}

static uint32_t
number(int option, uint32_t least, uint32_t most)
{
	uint32_t n;

	if (value_number32((const char[]){(char)option, '\0'}, optarg, least, most, &n) < 0)
		exit(EX_USAGE);
	return n;
}

static void
options(int argc, char **argv, struct bench_conf *c)
{
	bool one = false;
	int o;

	while ((o = getopt(argc, argv, "sar:p:q:V:d:b:k:h")) != -1) {
		if (o == 's') {
			nb_rounds = nb_warm = nb_repeat = 1;
		} else if (o == 'a') {
			parts = true;
		} else if (o == 'r') {
			nb_repeat = number(o, 1, MAX_REPEAT);
		} else if (o == 'p') {
			c->payload = number(o, 1, BENCH_MAX_PAYLOAD);
		} else if (o == 'q') {
			c->qos = (uint8_t)number(o, 0, 2);
		} else if (o == 'V') {
			c->version = (uint8_t)number(o, 4, 5);
		} else if (o == 'd') {
			c->devices = number(o, 1, BENCH_MAX_DEVICES);
		} else if (o == 'b') {
			c->batch = number(o, 1, BENCH_MAX_BATCH);
		} else if (o == 'k') {
			c->copy_break = number(o, 1, UINT32_MAX);
		} else {
			usage(o == 'h' ? stdout : stderr);
			exit(o == 'h' ? 0 : EX_USAGE);
		}
		one = one || o == 'q' || o == 'V';
	}
	if (optind == argc && (!one || c->payload != 0))
		return;
	if (optind < argc)
		fprintf(stderr, "micro_forward: '%s'; expected options alone\n", argv[optind]);
	else
		fprintf(stderr, "micro_forward: -q and -V are of one size; expected -p PAYLOAD\n");
	exit(EX_USAGE);
}

int
main(int argc, char **argv)
{
	struct bench_conf c = {
		.devices = 32, .batch = 1, .version = PW_MQTT_3_1_1, .qos = 1, .payload = 0};

	options(argc, argv, &c);
	bench_init(16383, 512);
	about();
	if (c.payload != 0) {
		heading(&c);
		fan_out(c);
	} else {
		buffers();
		table(c);
		c.devices = 1;
		c.batch = 32;
		table(c);
	}
	bench_fini();
	return 0;
}
