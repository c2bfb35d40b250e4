/* SPDX-License-Identifier: BSD-3-Clause */
#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <rte_common.h>

#include <pubwire/mqtt/frame.h>

#include "args.h"
#include "payload.h"
#include "values.h"

/* Options whose argument is a number: name, field, least, most, text. */
#define NUMBERS(X)                                                                                 \
	X("brokers", o.brokers, 1, OPTIONS_BROKERS,                                                \
	  "brokers, at addresses that follow each other")                                          \
	X("connections", o.connections, 1, 60000, "devices")                                       \
	X("payload", payload, PAYLOAD_MIN, PAYLOAD_MAX, "bytes of each message")                   \
	X("window", o.window, 1, 1000000, "without a rate: messages on their way in all")          \
	X("inflight", o.inflight, 1, 64, "of a device, QoS 1")                                     \
	X("busy-cpu", busy_cpu, 0, 1023, "CPU of the forwarder: tell how much of it was used")

/* And others: name, placeholder, text. */
#define OTHERS(X)                                                                                  \
	X(devices_netns, "devices-netns", "NAME", "network namespace of the devices' sockets")     \
	X(brokers_netns, "brokers-netns", "NAME", "and of the brokers'")                           \
	X(target, "target", "ADDRESS[:PORT]", "the forwarder's listener [10.77.0.1:1883]")         \
	X(broker, "broker", "ADDRESS[:PORT]", "the first broker's [10.78.0.11:1883]")              \
	X(qos, "qos", "0|1", "of each message [0]")                                                \
	X(topic, "topic", "TOPIC", "%d stands for the device, in seven digits [load/%d]")          \
	X(per_segment, "per-segment", "N|full", "messages in one write; full: of 1448 bytes [1]")  \
	X(rate, "rate", "N|max", "messages a second, sent whatever comes back [max]")              \
	X(warmup, "warmup", "SECONDS", "sent before it is measured [1]")                           \
	X(seconds, "seconds", "SECONDS", "measured [5]")                                           \
	X(pids, "pids", "PID,...", "processes of the forwarder: tell what they used")              \
	X(json, "json", "FILE", "result; - is the standard output")

#define OTHER_ENUM(id, name, arg, text) OPT_##id,
enum { OPT_HELP = 256, OPT_PROXIED, OPT_QUIET, OTHERS(OTHER_ENUM) OPT_NUMBER };

static void
help(void)
{
	printf("usage: sockgen [options]\n\n"
	       "Devices and brokers of a forwarder in one process, over the kernel's sockets: "
	       "every\n"
	       "message is numbered, summed and stamped where it leaves, and checked where it "
	       "arrives.\n\n");
#define NUMBER_HELP(name, field, min, max, text)                                                   \
	printf("  --%-26s %s, %u to %u\n", name " N", text, (unsigned int)(min),                   \
	       (unsigned int)(max));
	NUMBERS(NUMBER_HELP)
#undef NUMBER_HELP
#define OTHER_HELP(id, name, arg, text) printf("  --%-26s %s\n", name " " arg, text);
	OTHERS(OTHER_HELP)
#undef OTHER_HELP
	printf("  --proxied                    brokers' connections come with the devices', not "
	       "before\n"
	       "  --quiet                      no line where a phase begins\n"
	       "  --help\n\n"
	       "Exit status: 0 every message came once, whole and in order; 1 it could not start "
	       "or\n"
	       "go on; 2 messages are missing, wrong, twice or out of order; 64 usage.\n");
}

static int
pids(const char *name, char *text, struct args *a)
{
	char *save = NULL;

	for (char *p = strtok_r(text, ",", &save); p != NULL; p = strtok_r(NULL, ",", &save)) {
		if (a->nb_pids == ARGS_PIDS)
			return value_refuse(name, p, "at most 32 processes");
		if (value_number32(name, p, 1, INT32_MAX, &a->pid[a->nb_pids++]) < 0)
			return -1;
	}
	return 0;
}

static int
take_load(struct options *o, int opt, const char *name, const char *text)
{
	uint32_t n;

	switch (opt) {
	case OPT_qos:
		if (value_number32(name, text, 0, 1, &n) < 0)
			return -1;
		o->qos = (uint8_t)n;
		return 0;
	case OPT_topic:
		return value_topic(name, text, &o->topic);
	case OPT_per_segment:
		o->per_segment = OPTIONS_FULL;
		return strcmp(text, "full") == 0
			       ? 0
			       : value_number32(name, text, 1, 1024, &o->per_segment);
	case OPT_rate:
		o->rate = 0;
		return strcmp(text, "max") == 0 ? 0
						: value_number(name, text, 1, 1000000000, &o->rate);
	case OPT_warmup:
		return value_seconds(name, text, 0, &o->warmup);
	default:
		return value_seconds(name, text, 0.1, &o->seconds);
	}
}

static int
take(struct args *a, int opt, const char *name, char *text)
{
	switch (opt) {
	case OPT_devices_netns:
		a->devices_netns = text;
		return 0;
	case OPT_brokers_netns:
		a->brokers_netns = text;
		return 0;
	case OPT_target:
		return value_endpoint(name, text, &a->o.target, &a->o.target_port);
	case OPT_broker:
		return value_endpoint(name, text, &a->o.broker, &a->o.broker_port);
	case OPT_pids:
		return pids(name, text, a);
	case OPT_json:
		a->o.json = text;
		return 0;
	default:
		return take_load(&a->o, opt, name, text);
	}
}

/* An option of NUMBERS, by its place there. */
static int
take_number(struct args *a, int which, const char *text)
{
	const struct {
		const char *name;
		uint32_t *at, min, max;
	} row[] = {
#define NUMBER_ROW(name, field, min, max, text) {name, &a->field, min, max},
		NUMBERS(NUMBER_ROW)
#undef NUMBER_ROW
	};

	return value_number32(row[which].name, text, row[which].min, row[which].max, row[which].at);
}

int
args_read(struct args *a, int argc, char **argv)
{
#define NUMBER_LONG(name, field, min, max, text) {name, required_argument, NULL, OPT_NUMBER},
#define OTHER_LONG(id, name, arg, text)		 {name, required_argument, NULL, OPT_##id},
	static const struct option longs[] = {
		NUMBERS(NUMBER_LONG) OTHERS(OTHER_LONG){"proxied", no_argument, NULL, OPT_PROXIED},
		{"quiet", no_argument, NULL, OPT_QUIET},
		{"help", no_argument, NULL, OPT_HELP},
		{NULL, 0, NULL, 0}};
	int opt, index = 0, rc = 0;

	*a = (struct args){
		.o = {.target = 0x0a4d0001, /* 10.77.0.1 */
		      .target_port = 1883,
		      .broker = 0x0a4e000b, /* 10.78.0.11 */
		      .broker_port = 1883,
		      .brokers = 1,
		      .connections = 100,
		      .keepalive = 0,
		      .version = PW_MQTT_3_1_1,
		      .topic = "load/%d",
		      .nb_sizes = 1,
		      .per_segment = 1,
		      .window = 2048,
		      .inflight = 32,
		      .warmup = 1,
		      .seconds = 5},
		.payload = 64,
		.busy_cpu = UINT32_MAX,
	};
	while (rc == 0 && (opt = getopt_long(argc, argv, "", longs, &index)) != -1) {
		if (opt == OPT_HELP) {
			help();
			return 1;
		}
		if (opt == OPT_QUIET)
			a->o.quiet = true;
		else if (opt == OPT_PROXIED)
			a->proxied = true;
		else if (opt == OPT_NUMBER)
			rc = take_number(a, index, optarg);
		else
			rc = opt == '?' ? -1 : take(a, opt, longs[index].name, optarg);
	}
	if (rc == 0 && optind < argc)
		rc = value_refuse("help", argv[optind], "options alone");
	a->o.size[0] = (struct shape_size){a->payload, 1};
	return rc;
}
