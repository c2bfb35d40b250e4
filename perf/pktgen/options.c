/* SPDX-License-Identifier: BSD-3-Clause */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include <pubwire/mqtt/frame.h>

#include "options.h"
#include "payload.h"
#include "slots.h"
#include "values.h"

/* Long options that take an argument: name, its placeholder, default, text. */
#define OPTIONS(X)                                                                                 \
	X(devices_port, "devices-port", "DEVICE", "required", "ethdev towards pubwire's devices")  \
	X(brokers_port, "brokers-port", "DEVICE", "required", "ethdev towards pubwire's brokers")  \
	X(target, "target", "ADDRESS[:PORT]", "10.77.0.1:1883", "pubwire's listener")              \
	X(clients, "clients", "FIRST-LAST", "10.77.1.1-10.77.1.250", "addresses of devices")       \
	X(link, "link", "ADDRESS", "the first client",                                             \
	  "pubwire's gateway, where clients are not on its link")                                  \
	X(broker, "broker", "ADDRESS[:PORT]", "10.78.0.11:1883", "first broker, others follow")    \
	X(brokers, "brokers", "N", "1", "brokers, up to 16")                                       \
	X(fanout, "fanout", "all|one", "all", "how many of them a message is for")                 \
	X(queues, "queues", "N", "1", "of each port, each way, up to 8; a memif needs the peer's") \
	X(devices_queue, "devices-queue", "Q|hash", "hash",                                        \
	  "by which devices send; hash: each flow by its own, as RSS has it")                      \
	X(brokers_queue, "brokers-queue", "Q|hash", "hash", "the same of brokers")                 \
	X(mode, "mode", "mqtt|l2|l3|syn", "mqtt", "l2, l3, syn: frames without state, see below")  \
	X(frame, "frame", "BYTES", "64", "of a mode without state, 38 (l3: 66) to 1514")           \
	X(tcp, "tcp", "full|light", "full",                                                        \
	  "of the devices; light, for a path without loss: faster")                                \
	X(connections, "connections", "N", "100", "devices, up to 4000000")                        \
	X(connect_rate, "connect-rate", "N", "20000", "connections opened in a second")            \
	X(churn, "churn", "N", "0", "devices that leave and come back in a second")                \
	X(silent, "silent", "PERCENT", "0", "devices that publish nothing")                        \
	X(slow, "slow", "PERCENT", "0", "devices that send each message in two halves")            \
	X(keepalive, "keepalive", "SECONDS", "60", "pings come twice as often")                    \
	X(protocol, "protocol", "3.1.1|5.0", "3.1.1", "version of MQTT")                           \
	X(qos, "qos", "0|1|2", "0", "of each message")                                             \
	X(topic, "topic", "TOPIC", "load/%d", "%d stands for the device, in seven digits")         \
	X(payload, "payload", "BYTES[:WEIGHT],...", "64", "24 to 65536, or a mix of them")         \
	X(per_segment, "per-segment", "N|full", "1", "messages that are sent together")            \
	X(rate, "rate", "N|max", "max", "messages a second, sent whatever comes back")             \
	X(window, "window", "N", "2048", "with max: messages on their way in all")                 \
	X(inflight, "inflight", "N", "32", "of a device, QoS 1 and 2; 1 to 64")                    \
	X(warmup, "warmup", "SECONDS", "1", "sent before it is measured")                          \
	X(seconds, "seconds", "SECONDS", "5", "measured")                                          \
	X(buffers, "buffers", "N", "16384", "packet buffers, of 2.5 KB")                           \
	X(json, "json", "FILE", "none", "result; - is the standard output")                        \
	X(percentiles, "percentiles", "FILE", "none", "latency in HdrHistogram's text form")       \
	X(puback_percentiles, "puback-percentiles", "FILE", "none",                                \
	  "the same, until the device has PUBACK or PUBCOMP")                                      \
	X(slots, "slots", "FILE", "none", "latency by the millisecond in which messages were due")

#define OPTION_ENUM(id, name, arg, def, text) OPT_##id,
enum { OPT_HELP = 256, OPT_QUIET, OPT_HOLD, OPT_YIELD, OPTIONS(OPTION_ENUM) OPT_END };

static void
help(void)
{
#define OPTION_HELP(id, name, arg, def, text) {name, arg, def, text},
	static const struct {
		const char *name, *arg, *def, *text;
	} row[] = {OPTIONS(OPTION_HELP)};

	printf("usage: pktgen [options] -- [EAL arguments]\n\n"
	       "Devices and brokers of pubwire in one process: every message is numbered, summed "
	       "and\n"
	       "stamped where it leaves, and checked where it arrives.\n\n");
	for (uint32_t i = 0; i < RTE_DIM(row); i++) {
		int n = printf("  --%s %s", row[i].name, row[i].arg);

		printf("%*s%s [%s]\n", n < 36 ? 36 - n : 1, "", row[i].text, row[i].def);
	}
	printf("  --quiet                           no line of progress each second\n"
	       "  --hold                            keep the ports until the standard input ends: "
	       "a memif\n"
	       "                                    that polls may not survive that the other end "
	       "goes\n"
	       "  --yield                           let others have the CPU after a turn without "
	       "work\n"
	       "  --help\n\n"
	       "--mode l2 and l3 send frames from --devices-port, with --rate or --window, and\n"
	       "expect them at --brokers-port: what lies between passes them on, as testpmd does.\n"
	       "l3 and syn go to --target from all of --clients; syn counts the answers.\n\n"
	       "Exit status: 0 every message came once, whole and in order; 1 it could not start "
	       "or\n"
	       "go on; 2 messages are missing, wrong, twice or out of order; 64 usage.\n");
}

static int
queue(const char *name, const char *text, uint32_t *out)
{
	*out = NET_BY_HASH;
	return strcmp(text, "hash") == 0 ? 0 : value_number32(name, text, 0, NET_QUEUES - 1, out);
}

static int
range(const char *name, const char *text, struct net_range *out)
{
	char first[32];
	const char *dash = strchr(text, '-');

	snprintf(first, sizeof(first), "%.*s", (int)(dash != NULL ? dash - text : 31), text);
	if (value_address(name, first, &out->first) < 0)
		return -1;
	out->last = out->first;
	if (dash != NULL && value_address(name, dash + 1, &out->last) < 0)
		return -1;
	if (out->last < out->first)
		return value_refuse(name, text, "FIRST-LAST, the lower one first");
	return 0;
}

static int
sizes(const char *name, const char *text, struct options *o)
{
	char copy[256], *save = NULL;

	snprintf(copy, sizeof(copy), "%s", text);
	o->nb_sizes = 0;
	for (char *p = strtok_r(copy, ",", &save); p != NULL; p = strtok_r(NULL, ",", &save)) {
		char *colon = strchr(p, ':');
		struct shape_size *s = &o->size[o->nb_sizes];

		if (o->nb_sizes++ == SHAPE_SIZES)
			return value_refuse(name, text, "at most 16 sizes");
		if (colon != NULL)
			*colon = '\0';
		s->weight = 1;
		if (value_number32(name, p, PAYLOAD_MIN, PAYLOAD_MAX, &s->bytes) < 0 ||
		    (colon != NULL && value_number32(name, colon + 1, 1, 1000, &s->weight) < 0))
			return -1;
	}
	return o->nb_sizes > 0 ? 0 : value_refuse(name, text, "BYTES or BYTES:WEIGHT,...");
}

/* One of several words; its index. */
static int
word(const char *name, const char *text, const char *words)
{
	size_t len = strlen(text);
	int i = 0;

	for (const char *w = words; *w != '\0'; i++) {
		size_t n = strcspn(w, "|");

		if (n == len && strncmp(w, text, n) == 0)
			return i;
		w += n + (w[n] == '|');
	}
	return value_refuse(name, text, words);
}

static int
take_network(struct options *o, int opt, const char *name, const char *a)
{
	int i;

	switch (opt) {
	case OPT_devices_port:
		o->devices_port = a;
		return 0;
	case OPT_brokers_port:
		o->brokers_port = a;
		return 0;
	case OPT_target:
		return value_endpoint(name, a, &o->target, &o->target_port);
	case OPT_clients:
		return range(name, a, &o->clients);
	case OPT_link:
		return value_address(name, a, &o->link);
	case OPT_broker:
		return value_endpoint(name, a, &o->broker, &o->broker_port);
	case OPT_brokers:
		return value_number32(name, a, 1, OPTIONS_BROKERS, &o->brokers);
	case OPT_queues:
		return value_number32(name, a, 1, NET_QUEUES, &o->queues);
	case OPT_devices_queue:
		return queue(name, a, &o->devices_queue);
	case OPT_brokers_queue:
		return queue(name, a, &o->brokers_queue);
	case OPT_mode:
		i = word(name, a, "mqtt|l2|l3|syn");
		o->mode = (enum options_mode)i;
		return RTE_MIN(i, 0);
	case OPT_frame:
		return value_number32(name, a, 38, 1514, &o->frame);
	case OPT_fanout:
		i = word(name, a, "all|one");
		o->fanout_one = i == 1;
		return RTE_MIN(i, 0);
	default:
		return 1;
	}
}

static int
take_devices(struct options *o, int opt, const char *name, const char *a)
{
	uint32_t n;
	int i;

	switch (opt) {
	case OPT_tcp:
		i = word(name, a, "full|light");
		o->light = i == 1;
		return RTE_MIN(i, 0);
	case OPT_connections:
		return value_number32(name, a, 1, OPTIONS_CONNECTIONS, &o->connections);
	case OPT_connect_rate:
		return value_number32(name, a, 1, 10000000, &o->connect_rate);
	case OPT_churn:
		return value_number32(name, a, 0, 1000000, &o->churn);
	case OPT_silent:
		return value_number32(name, a, 0, 100, &o->silent);
	case OPT_slow:
		return value_number32(name, a, 0, 100, &o->slow);
	case OPT_keepalive:
		if (value_number32(name, a, 2, UINT16_MAX, &n) < 0)
			return -1;
		o->keepalive = (uint16_t)n;
		return 0;
	case OPT_protocol:
		i = word(name, a, "3.1.1|5.0");
		o->version = i == 1 ? PW_MQTT_5 : PW_MQTT_3_1_1;
		return RTE_MIN(i, 0);
	default:
		return 1;
	}
}

static int
take_messages(struct options *o, int opt, const char *name, const char *a)
{
	int i;

	switch (opt) {
	case OPT_qos:
		i = word(name, a, "0|1|2");
		o->qos = (uint8_t)i;
		return RTE_MIN(i, 0);
	case OPT_topic:
		return value_topic(name, a, &o->topic);
	case OPT_payload:
		return sizes(name, a, o);
	case OPT_per_segment:
		o->per_segment = OPTIONS_FULL;
		return strcmp(a, "full") == 0 ? 0
					      : value_number32(name, a, 1, 1024, &o->per_segment);
	case OPT_rate:
		o->rate = 0;
		return strcmp(a, "max") == 0 ? 0 : value_number(name, a, 1, 1000000000, &o->rate);
	case OPT_window:
		return value_number32(name, a, 1, 1000000, &o->window);
	case OPT_inflight:
		return value_number32(name, a, 1, 64, &o->inflight);
	default:
		return 1;
	}
}

static int
take(struct options *o, int opt, const char *name, const char *a)
{
	int rc = take_network(o, opt, name, a);

	if (rc == 1)
		rc = take_devices(o, opt, name, a);
	if (rc == 1)
		rc = take_messages(o, opt, name, a);
	if (rc != 1)
		return rc;
	switch (opt) {
	case OPT_warmup:
		return value_seconds(name, a, 0, &o->warmup);
	case OPT_seconds:
		return value_seconds(name, a, 0.1, &o->seconds);
	case OPT_buffers:
		return value_number32(name, a, 4096, 4000000, &o->buffers);
	case OPT_json:
		o->json = a;
		return 0;
	case OPT_percentiles:
		o->percentiles = a;
		return 0;
	case OPT_puback_percentiles:
		o->puback_percentiles = a;
		return 0;
	case OPT_slots:
		o->slots = a;
		return 0;
	default:
		return -1;
	}
}

/* What concerns several options at once. */
static int
check(struct options *o)
{
	uint64_t places;

	if (o->devices_port == NULL || o->brokers_port == NULL) {
		fprintf(stderr, "pktgen: --devices-port and --brokers-port name two ethdevs of the "
				"EAL arguments behind --\n");
		return -1;
	}
	if (o->mode == MODE_L3 && o->frame < 66) {
		fprintf(stderr, "pktgen: --frame: '%u'; expected 66 to 1514 with --mode l3\n",
			o->frame);
		return -1;
	}
	if (o->puback_percentiles != NULL && (o->qos == 0 || o->mode != MODE_MQTT)) {
		fprintf(stderr, "pktgen: --puback-percentiles: nothing is acknowledged; expected "
				"with --qos 1 or 2 and --mode mqtt\n");
		return -1;
	}
	if (o->slots != NULL && (o->seconds > SLOTS_SECONDS || o->mode != MODE_MQTT)) {
		fprintf(stderr,
			"pktgen: --slots: expected with --mode mqtt, and --seconds %u at most\n",
			SLOTS_SECONDS);
		return -1;
	}
	if (o->mode != MODE_MQTT && o->queues > 1) {
		fprintf(stderr, "pktgen: --queues: '%u'; expected 1 with a --mode without state\n",
			o->queues);
		return -1;
	}
	if ((o->devices_queue != NET_BY_HASH && o->devices_queue >= o->queues) ||
	    (o->brokers_queue != NET_BY_HASH && o->brokers_queue >= o->queues)) {
		fprintf(stderr,
			"pktgen: --devices-queue, --brokers-queue: expected hash, or a number "
			"below --queues %u\n",
			o->queues);
		return -1;
	}
	if (o->silent + o->slow > 100) {
		fprintf(stderr,
			"pktgen: --silent and --slow: %u and %u percent; expected 100 at "
			"most together\n",
			o->silent, o->slow);
		return -1;
	}
	if (o->link == 0)
		o->link = o->clients.first;
	/* Half of the ports of an address, so that a device can come back by another one. */
	places = (uint64_t)net_range_size(&o->clients) * 32000;
	if (o->connections > places) {
		fprintf(stderr,
			"pktgen: --clients: %u addresses; expected one for each 32000 "
			"connections\n",
			net_range_size(&o->clients));
		return -1;
	}
	return 0;
}

int
options_read(struct options *o, int argc, char **argv, int *rest)
{
#define OPTION_LONG(id, name, arg, def, text) {name, required_argument, NULL, OPT_##id},
	static const struct option longs[] = {
		OPTIONS(OPTION_LONG){"help", no_argument, NULL, OPT_HELP},
		{"quiet", no_argument, NULL, OPT_QUIET},
		{"hold", no_argument, NULL, OPT_HOLD},
		{"yield", no_argument, NULL, OPT_YIELD},
		{NULL, 0, NULL, 0}};
	int opt, index;

	*o = (struct options){
		.frame = 64,
		.target = 0x0a4d0001, /* 10.77.0.1 */
		.target_port = 1883,
		.clients = {0x0a4d0101, 0x0a4d01fa},
		.broker = 0x0a4e000b, /* 10.78.0.11 */
		.broker_port = 1883,
		.brokers = 1,
		.queues = 1,
		.devices_queue = NET_BY_HASH,
		.brokers_queue = NET_BY_HASH,
		.connections = 100,
		.connect_rate = 20000,
		.keepalive = 60,
		.version = PW_MQTT_3_1_1,
		.topic = "load/%d",
		.size = {{64, 1}},
		.nb_sizes = 1,
		.per_segment = 1,
		.window = 2048,
		.inflight = 32,
		.warmup = 1,
		.seconds = 5,
		.buffers = 16384,
	};
	while ((opt = getopt_long(argc, argv, "+", longs, &index)) != -1) {
		if (opt == OPT_HELP) {
			help();
			return 1;
		}
		if (opt == OPT_QUIET)
			o->quiet = true;
		else if (opt == OPT_HOLD)
			o->hold = true;
		else if (opt == OPT_YIELD)
			o->yield = true;
		else if (opt == '?' || take(o, opt, longs[index].name, optarg) < 0)
			return -1;
	}
	if (optind < argc && strcmp(argv[optind - 1], "--") != 0) {
		fprintf(stderr, "pktgen: '%s'; expected an option, or -- and EAL arguments\n",
			argv[optind]);
		return -1;
	}
	*rest = optind;
	return check(o);
}
