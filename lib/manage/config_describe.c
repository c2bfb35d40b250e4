/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What may stand in the file, as JSON Schema (2020-12), for editors and for the check of
 * docs/configuration.md. It follows from the tables by which files are read: keys from libcyaml's
 * schema, ranges and units from the tables of numbers, defaults from pw_config_defaults(). Only
 * what texts may be is said here, and a row too many or too few is found by a test.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <rte_common.h>

#include "config_pvt.h"

/* A key that is no number. Paths of list items end in "[]". */
struct text_key {
	const char *path;
	const char *const *words; /* NULL: any text */
	const char *def;	  /* as JSON; NULL: none */
	const char *also;	  /* more members of the JSON object */
	uint16_t longest;	  /* bytes; 0: not said here */
	uint16_t least, most;	  /* items of a list */
	bool required;
};

#define NAME_MAX_LEN (PW_FORWARD_NAME_LEN - 1)
#define NAME_ALSO    "\"pattern\": \"^[A-Za-z0-9_.-]*$\""
#define STR_MAX_LEN  (PW_FORWARD_STR_LEN - 1)
#define LCORES_MOST  PW_FORWARD_MAX_WORKERS
#define TIMES_ALSO                                                                                 \
	"\"x-unit\": \"ms\", \"x-minimum\": " RTE_STR(                                             \
		CONFIG_RESTART_LEAST_MS) ", "                                                      \
					 "\"x-maximum\": " RTE_STR(CONFIG_RESTART_MOST_MS)

static const struct text_key texts[] = {
	{.path = "eal", .most = PW_CONFIG_MAX_EAL},
	{.path = "eal[]", .longest = sizeof(((struct pw_config *)0)->eal[0]) - 1},
	{.path = "instance", .def = "\"pubwire\"", .longest = NAME_MAX_LEN, .also = NAME_ALSO},
	{.path = "clientid_prefix",
	 .def = "\"pubwire\"",
	 .longest = NAME_MAX_LEN,
	 .also = NAME_ALSO},
	{.path = "server_reference", .longest = STR_MAX_LEN},
	{.path = "log.level", .words = config_level_words, .def = "\"info\""},
	{.path = "workers",
	 .required = true,
	 .also = "\"anyOf\": [{\"required\": [\"lcores\"]}, "
		 "{\"required\": [\"devices\", \"brokers\"]}]"},
	{.path = "workers.lcores", .most = LCORES_MOST},
	{.path = "workers.lcores[]"},
	{.path = "workers.devices", .most = LCORES_MOST},
	{.path = "workers.devices[]"},
	{.path = "workers.brokers", .most = LCORES_MOST},
	{.path = "workers.brokers[]"},
	{.path = "workers.main_cpu", .def = "\"auto\""},
	{.path = "workers.idle", .words = config_idle_words, .def = "\"adaptive\""},
	{.path = "ports", .required = true, .least = 1, .most = PW_CONFIG_MAX_PORTS},
	{.path = "ports[].name", .required = true, .longest = NAME_MAX_LEN, .also = NAME_ALSO},
	{.path = "ports[].device",
	 .required = true,
	 .longest = sizeof(((struct pw_config_port *)0)->device) - 1},
	{.path = "ports[].addresses", .required = true, .least = 1, .most = PW_WIRE_MAX_ADDRS},
	{.path = "ports[].addresses[]"},
	{.path = "ports[].gateway"},
	{.path = "ports[].gateway6"},
	{.path = "ports[].disable_offloads"},
	{.path = "ports[].disable_offloads[]", .words = config_offload_words},
	{.path = "ports[].kernel.interface",
	 .required = true,
	 .longest = sizeof(((struct pw_config_kernel *)0)->interface) - 1,
	 .also = "\"pattern\": \"^[A-Za-z0-9_.-]*$\""},
	{.path = "ports[].kernel.icmp", .words = config_icmp_words, .def = "\"pubwire\""},
	{.path = "ports[].kernel.driver", .words = config_tap_words, .def = "\"auto\""},
	{.path = "listeners", .required = true, .least = 1, .most = PW_FORWARD_MAX_LISTENERS},
	{.path = "listeners[].name", .required = true, .longest = NAME_MAX_LEN, .also = NAME_ALSO},
	{.path = "listeners[].address", .required = true},
	{.path = "brokers", .required = true, .least = 1, .most = PW_FORWARD_MAX_BROKERS},
	{.path = "brokers[].name", .required = true, .longest = NAME_MAX_LEN, .also = NAME_ALSO},
	{.path = "brokers[].address", .required = true},
	{.path = "brokers[].username", .longest = STR_MAX_LEN},
	{.path = "brokers[].password", .longest = STR_MAX_LEN},
	{.path = "brokers[].protocol", .words = config_protocol_words, .def = "\"auto\""},
	{.path = "brokers[].strict", .words = config_bool_words, .def = "false"},
	{.path = "brokers[].restart_timeout", .def = "[500, 30000]", .least = 2, .most = 2},
	{.path = "brokers[].restart_timeout[]", .also = TIMES_ALSO},
	{.path = "routes", .required = true, .least = 1, .most = PW_FORWARD_MAX_ROUTES},
	{.path = "routes[].name", .longest = NAME_MAX_LEN, .also = NAME_ALSO},
	{.path = "routes[].filter",
	 .required = true,
	 .longest = sizeof(((struct pw_route_conf *)0)->filter) - 1},
	{.path = "routes[].brokers", .required = true, .least = 1, .most = PW_FORWARD_MAX_BROKERS},
	{.path = "routes[].brokers[]"},
	{.path = "routes[].fanout", .words = config_fanout_words, .def = "\"all\""},
	{.path = "routes[].hash_by", .words = config_hash_by_words, .def = "\"client_id\""},
	{.path = "routes[].ack", .words = config_ack_words, .def = "\"all\""},
	{.path = "routes[].when_full.qos0", .words = config_when_full_words, .def = "\"drop\""},
	{.path = "routes[].when_full.qos1", .words = config_when_full_words, .def = "\"block\""},
	{.path = "routes[].topic_prefix.remove", .longest = STR_MAX_LEN},
	{.path = "routes[].topic_prefix.add", .longest = STR_MAX_LEN},
	{.path = "authentication.password_file", .longest = PW_CONFIG_FILE_LEN - 1},
	{.path = "authentication.acl_file", .longest = PW_CONFIG_FILE_LEN - 1},
	{.path = "authentication.allow_anonymous", .words = config_bool_words},
	{.path = "http.address", .def = "\"127.0.0.1\""},
	{.path = "protocols", .def = "[\"3.1.1\", \"5.0\"]", .least = 1, .most = 2},
	{.path = "protocols[]", .words = config_lane_words},
};

/* Numbers of which 0 means something of its own, and the rest begins later than at 1. */
static const struct {
	const char *path;
	uint64_t least;
} zero_or[] = {
	{"listeners[].max_packet_size", CONFIG_LEAST_PACKET},
	{"listeners[].connect_deadline", CONFIG_LEAST_DEADLINE},
	{"brokers[].max_packet_size", CONFIG_LEAST_PACKET},
	{"limits.neighbours", CONFIG_LEAST_NEIGHBOURS},
	{"tcp.keepalive", CONFIG_LEAST_KEEPALIVE},
};

/* A number of which only powers of two will do. */
#define POWER_OF_TWO "limits.max_queued_messages"

static const char *const kind_text[] = {
	[NUM_COUNT] = "a number",
	[NUM_BYTES] = "bytes, or a number with KiB, MiB, GiB",
	[NUM_MS] = "milliseconds, or a number with ms, s, m, h",
	[NUM_SECONDS] = "seconds, or a number with s, m, h",
	[NUM_US] = "microseconds, or a number with us, ms",
};
static const char *const kind_unit[] = {[NUM_COUNT] = NULL,
					[NUM_BYTES] = "bytes",
					[NUM_MS] = "ms",
					[NUM_SECONDS] = "s",
					[NUM_US] = "us"};

struct describer {
	FILE *out;
	const struct pw_config *defaults;
	uint32_t depth;
	uint32_t used;	  /* rows of texts[] */
	uint32_t unknown; /* keys that no table has */
};

static void describe(struct describer *d, const char *path, const cyaml_schema_value_t *v);

static void
line(struct describer *d)
{
	fprintf(d->out, "\n%*s", (int)d->depth * 2, "");
}

static const struct text_key *
find_text(const char *path)
{
	for (uint32_t i = 0; i < RTE_DIM(texts); i++)
		if (strcmp(texts[i].path, path) == 0)
			return &texts[i];
	return NULL;
}

/* The row of a number, and where its default lies. */
static const struct num_key *
find_number(const struct describer *d, const char *path, const void **dst)
{
	const struct pw_config *c = d->defaults;
	const struct pw_forward_settings *s = &c->forward;
	const struct {
		const char *section;
		const struct num_key *keys;
		const void *dst;
	} tables[] = {
		{"workers", config_worker_keys, c},
		{"memory", config_memory_keys, c},
		{"ports[]", config_port_keys, &c->port[0]},
		{"ports[].kernel", config_kernel_keys, &c->port[0].kernel},
		{"listeners[]", config_listener_keys, &s->listener[0]},
		{"brokers[]", config_broker_keys, &s->broker[0]},
		{"brokers[].hold", config_hold_keys, &s->broker[0]},
		{"routes[]", config_route_keys, &s->route[0]},
		{"limits", config_limit_keys, &s->limits},
		{"limits", config_wire_keys, c},
		{"http", config_http_keys, &c->http},
		{"tcp", config_tcp_keys, &c->tcp},
	};
	const char *dot = strrchr(path, '.');
	size_t len = dot != NULL ? (size_t)(dot - path) : 0;

	for (uint32_t i = 0; i < RTE_DIM(tables) && len > 0; i++) {
		if (strlen(tables[i].section) != len || memcmp(tables[i].section, path, len) != 0)
			continue;
		for (const struct num_key *k = tables[i].keys; k->key != NULL; k++) {
			if (strcmp(k->key, dot + 1) == 0) {
				*dst = tables[i].dst;
				return k;
			}
		}
	}
	return NULL;
}

/* What YAML takes for a number or a truth unless it is quoted: "5.0", "true", not "3.1.1". */
static bool
is_bare(const char *word)
{
	const char *dot = strchr(word, '.');

	if (strcmp(word, "true") == 0 || strcmp(word, "false") == 0)
		return true;
	return word[strspn(word, "0123456789.")] == '\0' && dot != NULL &&
	       strchr(dot + 1, '.') == NULL;
}

/* The words; one such as "quorum:K" stands for a number after the colon. */
static void
describe_words(struct describer *d, const char *const *words)
{
	const char *sep = "", *counted = NULL;

	for (uint32_t i = 0; words[i] != NULL; i++)
		if (strstr(words[i], ":K") != NULL)
			counted = words[i];
	fputs(counted != NULL ? "\"anyOf\": [{\"enum\": [" : "\"enum\": [", d->out);
	for (uint32_t i = 0; words[i] != NULL; i++) {
		if (words[i] == counted)
			continue;
		fprintf(d->out, "%s\"%s\"", sep, words[i]);
		sep = ", ";
		if (is_bare(words[i]))
			fprintf(d->out, "%s%s", sep, words[i]);
	}
	fputs("]", d->out);
	if (counted != NULL)
		fprintf(d->out, "}, {\"type\": \"string\", \"pattern\": \"^%.*s[1-9][0-9]*$\"}]",
			(int)strlen(counted) - 1, counted);
}

static void
describe_text(struct describer *d, const struct text_key *t)
{
	fputs("{", d->out);
	if (t->words != NULL)
		describe_words(d, t->words);
	else
		fputs("\"type\": [\"string\", \"number\"]", d->out);
	if (t->longest != 0)
		fprintf(d->out, ", \"maxLength\": %u", t->longest);
	if (t->def != NULL)
		fprintf(d->out, ", \"default\": %s", t->def);
	if (t->also != NULL)
		fprintf(d->out, ", %s", t->also);
	fputs("}", d->out);
}

/* As numbers and as texts, which the file may quote. */
static void
describe_powers(struct describer *d, uint64_t least, uint64_t most)
{
	fputs(", \"enum\": [", d->out);
	for (uint64_t v = least; v <= most; v *= 2)
		fprintf(d->out, "%s%" PRIu64 ", \"%" PRIu64 "\"", v > least ? ", " : "", v, v);
	fputs("]", d->out);
}

static void
describe_number(struct describer *d, const char *path, const struct num_key *k, const void *dst)
{
	uint64_t least = (uint64_t)k->min;
	bool zero = false;

	for (uint32_t i = 0; i < RTE_DIM(zero_or); i++) {
		if (strcmp(zero_or[i].path, path) == 0) {
			least = zero_or[i].least;
			zero = true;
		}
	}
	fputs("{\"type\": [\"integer\", \"string\"], \"pattern\": \"^(0|[1-9][0-9]*)", d->out);
	for (uint32_t i = 1; config_number_suffix(k->kind, i) != NULL; i++)
		fprintf(d->out, "%s%s", i == 1 ? "(" : "|", config_number_suffix(k->kind, i));
	fprintf(d->out, "%s$\"", config_number_suffix(k->kind, 1) != NULL ? ")?" : "");
	if (zero)
		fprintf(d->out, ", \"anyOf\": [{\"const\": 0}, {\"minimum\": %" PRIu64 "}]", least);
	else
		fprintf(d->out, ", \"minimum\": %" PRIu64, least);
	if (strcmp(path, POWER_OF_TWO) == 0)
		describe_powers(d, least, (uint64_t)k->max);
	fprintf(d->out, ", \"maximum\": %" PRId64 ", \"default\": %" PRIu64, k->max,
		config_number_get(k, dst));
	if (kind_unit[k->kind] != NULL)
		fprintf(d->out, ", \"x-unit\": \"%s\"", kind_unit[k->kind]);
	fprintf(d->out, ", \"description\": \"%s\"}", kind_text[k->kind]);
}

static void
describe_mapping(struct describer *d, const char *path, const cyaml_schema_field_t *fields,
		 const struct text_key *t)
{
	char below[CONFIG_PATH_LEN];
	const char *sep = "";

	fputs("{\"type\": \"object\", \"additionalProperties\": false", d->out);
	if (t != NULL && t->also != NULL)
		fprintf(d->out, ", %s", t->also);
	fputs(", \"required\": [", d->out);
	for (const cyaml_schema_field_t *f = fields; f->key != NULL; f++) {
		const struct text_key *of;

		snprintf(below, sizeof(below), "%s%s%s", path, path[0] != '\0' ? "." : "", f->key);
		of = find_text(below);
		if (of == NULL || !of->required)
			continue;
		fprintf(d->out, "%s\"%s\"", sep, f->key);
		sep = ", ";
	}
	fputs("],", d->out);
	d->depth++;
	line(d);
	fputs("\"properties\": {", d->out);
	d->depth++;
	sep = "";
	for (const cyaml_schema_field_t *f = fields; f->key != NULL; f++, sep = ",") {
		snprintf(below, sizeof(below), "%s%s%s", path, path[0] != '\0' ? "." : "", f->key);
		fputs(sep, d->out);
		line(d);
		fprintf(d->out, "\"%s\": ", f->key);
		describe(d, below, &f->value);
	}
	d->depth--;
	line(d);
	fputs("}", d->out);
	d->depth--;
	line(d);
	fputs("}", d->out);
}

static void
describe_list(struct describer *d, const char *path, const cyaml_schema_value_t *entry,
	      const struct text_key *t)
{
	char below[CONFIG_PATH_LEN];

	snprintf(below, sizeof(below), "%s[]", path);
	fputs("{\"type\": \"array\"", d->out);
	if (t != NULL && t->least != 0)
		fprintf(d->out, ", \"minItems\": %u", t->least);
	if (t != NULL && t->most != 0)
		fprintf(d->out, ", \"maxItems\": %u", t->most);
	if (t != NULL && t->def != NULL)
		fprintf(d->out, ", \"default\": %s", t->def);
	fputs(", \"items\": ", d->out);
	describe(d, below, entry);
	fputs("}", d->out);
}

/* One value; recursion is as deep as the tables, three levels of lists and mappings. */
static void
describe(struct describer *d, const char *path, const cyaml_schema_value_t *v)
{
	const struct text_key *t = find_text(path);
	const struct num_key *k;
	const void *dst;

	d->used += t != NULL;
	if (v->type == CYAML_MAPPING) {
		describe_mapping(d, path, v->mapping.fields, t);
	} else if (v->type == CYAML_SEQUENCE) {
		d->unknown += t == NULL;
		describe_list(d, path, v->sequence.entry, t);
	} else if (t != NULL) {
		describe_text(d, t);
	} else {
		k = find_number(d, path, &dst);
		if (k != NULL)
			describe_number(d, path, k, dst);
		else
			fputs("{}", d->out);
		d->unknown += k == NULL;
	}
}

int
pw_config_print_schema(struct pw_config *scratch, FILE *out)
{
	struct describer d = {.out = out, .defaults = scratch};
	const struct text_key root = {.also = "\"$schema\": "
					      "\"https://json-schema.org/draft/2020-12/schema\", "
					      "\"title\": \"Configuration of pubwire\""};

	pw_config_defaults(scratch);
	describe_mapping(&d, "", config_schema.mapping.fields, &root);
	fputs("\n", out);
	return d.unknown == 0 && d.used == RTE_DIM(texts) ? 0 : -ENOENT;
}
