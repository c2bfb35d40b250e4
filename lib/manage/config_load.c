/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Loading a configuration: the order of the checks, how a refusal is written, and the converters
 * from text that the sections share.
 */

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_common.h>

#include "config_pvt.h"

static int
refuse_at(struct config_loader *l, const char *path, bool key, const char *fmt, va_list args)
{
	size_t line, column, at;

	config_yaml_locate(l, path, key, &line, &column);
	at = snprintf(l->err, l->err_len, "%s:%zu:%zu: %s: ", l->file, line, column,
		      *path != '\0' ? path : "(top)");
	if (at < l->err_len)
		vsnprintf(l->err + at, l->err_len - at, fmt, args);
	/* One line, whatever a value quoted in it holds. */
	for (char *c = l->err; *c != '\0'; c++)
		if (iscntrl((unsigned char)*c))
			*c = '?';
	return -EINVAL;
}

int
config_refuse(struct config_loader *l, const char *path, const char *fmt, ...)
{
	va_list args;
	int rc;

	va_start(args, fmt);
	rc = refuse_at(l, path, false, fmt, args);
	va_end(args);
	return rc;
}

int
config_refuse_key(struct config_loader *l, const char *path, const char *fmt, ...)
{
	va_list args;
	int rc;

	va_start(args, fmt);
	rc = refuse_at(l, path, true, fmt, args);
	va_end(args);
	return rc;
}

/* A suffix and what it multiplies by; ended by a NULL suffix. */
struct suffix {
	const char *text;
	uint64_t factor;
};

static const struct suffix no_suffix[] = {{"", 1}, {NULL, 0}};
static const struct suffix byte_suffix[] = {
	{"", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {NULL, 0}};
static const struct suffix ms_suffix[] = {{"", 1},	    {"ms", 1},		{"s", 1000},
					  {"m", 60 * 1000}, {"h", 3600 * 1000}, {NULL, 0}};
static const struct suffix s_suffix[] = {{"", 1}, {"s", 1}, {"m", 60}, {"h", 3600}, {NULL, 0}};
static const struct suffix us_suffix[] = {{"", 1}, {"us", 1}, {"ms", 1000}, {NULL, 0}};

static const struct {
	const struct suffix *suffix;
	const char *unit;
} num_kinds[] = {
	[NUM_COUNT] = {no_suffix, ""},
	[NUM_BYTES] = {byte_suffix, " bytes (or KiB, MiB, GiB)"},
	[NUM_MS] = {ms_suffix, " milliseconds (or ms, s, m, h)"},
	[NUM_SECONDS] = {s_suffix, " seconds (or s, m, h)"},
	[NUM_US] = {us_suffix, " microseconds (or us, ms)"},
};

const char *
config_number_suffix(enum num_kind kind, uint32_t i)
{
	return num_kinds[kind].suffix[i].text;
}

/* Decimal digits and a suffix; false where it is anything else or too large to count. */
static bool
parse_number(const char *text, const struct suffix *suffix, uint64_t *out)
{
	uint64_t v = 0;
	const char *p = text;

	for (; isdigit((unsigned char)*p); p++) {
		if (p - text > 12)
			return false;
		v = v * 10 + (*p - '0');
	}
	/* "010" would be eight to some and ten to others. */
	if (p == text || (*text == '0' && p - text > 1))
		return false;
	for (; suffix->text != NULL; suffix++) {
		if (strcmp(p, suffix->text) == 0) {
			*out = v * suffix->factor;
			return true;
		}
	}
	return false;
}

int
config_number(struct config_loader *l, const char *path, const char *text, const struct num_key *k,
	      uint64_t *out)
{
	const char *unit = num_kinds[k->kind].unit;
	bool whole = parse_number(text, num_kinds[k->kind].suffix, out);

	if (!whole || *out < (uint64_t)k->min || *out > (uint64_t)k->max)
		return config_refuse(
			l, path,
			"'%.40s' is %s; expected a whole number from %" PRId64 " to %" PRId64 "%s",
			text, whole ? "out of range" : "not such a number", k->min, k->max, unit);
	return 0;
}

uint64_t
config_number_get(const struct num_key *k, const void *dst)
{
	const uint8_t *p = (const uint8_t *)dst + k->dst_off;
	uint16_t v16;
	uint32_t v32;

	if (k->dst_size == sizeof(v16)) {
		memcpy(&v16, p, sizeof(v16));
		return v16;
	}
	memcpy(&v32, p, sizeof(v32));
	return v32;
}

static void
number_set(const struct num_key *k, void *dst, uint64_t v)
{
	uint8_t *p = (uint8_t *)dst + k->dst_off;
	uint16_t v16 = v;
	uint32_t v32 = v;

	if (k->dst_size == sizeof(v16))
		memcpy(p, &v16, sizeof(v16));
	else
		memcpy(p, &v32, sizeof(v32));
}

int
config_numbers(struct config_loader *l, const char *section, const struct num_key *keys,
	       const void *raw, void *dst)
{
	char path[CONFIG_PATH_LEN];

	for (const struct num_key *k = keys; k->key != NULL; k++) {
		uint64_t v;
		char *value;
		int rc;

		memcpy(&value, (const uint8_t *)raw + k->raw_off, sizeof(value));
		if (value == NULL)
			continue;
		snprintf(path, sizeof(path), "%s.%s", section, k->key);
		rc = config_number(l, path, value, k, &v);
		if (rc != 0)
			return rc;
		number_set(k, dst, v);
	}
	return 0;
}

int
config_word(struct config_loader *l, const char *path, const char *text, const char *const *words,
	    uint32_t *out)
{
	char list[256];
	size_t at = 0;

	for (uint32_t i = 0; words[i] != NULL; i++) {
		if (strcmp(text, words[i]) == 0) {
			*out = i;
			return 0;
		}
	}
	list[0] = '\0';
	for (uint32_t i = 0; words[i] != NULL && at < sizeof(list); i++)
		at += snprintf(list + at, sizeof(list) - at, "%s%s", i > 0 ? ", " : "", words[i]);
	return config_refuse(l, path, "'%.40s' is unknown; expected one of %s", text, list);
}

/* Names appear in telemetry, metric labels and client identifiers: letters that are safe in all of
 * them. */
int
config_name(struct config_loader *l, const char *path, const char *text, char *dst)
{
	static const char safe[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";

	if (text == NULL)
		return config_refuse(l, path, "missing; expected a name");
	if (text[0] == '\0' || strlen(text) >= PW_FORWARD_NAME_LEN ||
	    text[strspn(text, safe)] != '\0')
		return config_refuse(l, path,
				     "'%.40s' is no name; expected 1 to %d of A-Z a-z 0-9 _ . -",
				     text, PW_FORWARD_NAME_LEN - 1);
	snprintf(dst, PW_FORWARD_NAME_LEN, "%s", text);
	return 0;
}

void
pw_config_defaults(struct pw_config *c)
{
	memset(c, 0, sizeof(*c));
	pw_forward_defaults(&c->forward);
	snprintf(c->forward.instance, sizeof(c->forward.instance), "pubwire");
	c->forward.lanes = (1u << PW_LANE_3) | (1u << PW_LANE_5);
	for (uint32_t i = 0; i < PW_FORWARD_MAX_LISTENERS; i++)
		c->forward.listener[i].port = 1883;
	for (uint32_t i = 0; i < PW_FORWARD_MAX_BROKERS; i++)
		c->forward.broker[i].port = 1883;
	for (uint32_t i = 0; i < PW_CONFIG_MAX_PORTS; i++) {
		c->port[i].mtu = 1500;
		c->port[i].kernel.rate = 5000;
	}
	c->access.allow_anonymous = true;
	c->http.address = pw_addr_v4(rte_cpu_to_be_32(0x7f000001)); /* 127.0.0.1 */
	c->http.port = 9883;
	c->main_cpu = -1;
	c->idle = PW_IDLE_ADAPTIVE;
	c->idle_sleep_us = PW_IDLE_SLEEP_US;
	c->pkt_buffers = 8192;
	c->hdr_buffers = 4096;
	c->ind_buffers = 8192;
	c->fragments = 64;
	c->tcp.max_tx_slices = 16384;
	c->tcp.rx_window = 262144;
	c->tcp.tx_queue_bytes = 262144;
	c->tcp.max_ooo = 64;
	c->tcp.rx_copy_break = 256;
	c->tcp.msl_ms = 30000;
	c->tcp.min_rto_ms = 200;
	c->tcp.max_rto_ms = 60000;
	c->tcp.syn_retries = 5;
	c->tcp.user_timeout_ms = 120000;
	c->tcp.keepalive_ms = 0;
	c->tcp.delack_ms = 40;
	snprintf(c->log_level, sizeof(c->log_level), "info");
}

static int
take(struct config_loader *l)
{
	static int (*const section[])(struct config_loader *) = {
		config_take_eal,     config_take_workers, config_take_ports,  config_take_listeners,
		config_take_brokers, config_take_limits,  config_take_routes, config_size,
		config_take_access,  config_take_http,
	};

	for (uint32_t i = 0; i < RTE_DIM(section); i++) {
		int rc = section[i](l);

		if (rc != 0)
			return rc;
	}
	return 0;
}

int
pw_config_load_as(struct pw_config *c, const char *path, uint32_t flags, char *err, size_t err_len)
{
	struct config_loader l = {
		.file = path, .flags = flags, .c = c, .err = err, .err_len = err_len};
	struct raw_config *raw = NULL;
	int rc;

	pw_config_defaults(c);
	err[0] = '\0';
	rc = config_yaml_open(&l);
	if (rc != 0)
		goto out;
	rc = config_raw_load(&l, &raw);
	if (rc != 0)
		goto out;
	l.raw = raw;
	rc = take(&l);
	config_raw_free(raw);
out:
	config_yaml_close(&l);
	return rc;
}

int
pw_config_load(struct pw_config *c, const char *path, char *err, size_t err_len)
{
	return pw_config_load_as(c, path, 0, err, err_len);
}

void
pw_config_where(const char *file, const char *path, char *buf, size_t len)
{
	char ignored[256];
	struct config_loader l = {.file = file, .err = ignored, .err_len = sizeof(ignored)};
	size_t line, column;

	if (config_yaml_open(&l) == 0) {
		config_yaml_locate(&l, path, false, &line, &column);
		snprintf(buf, len, "%s:%zu:%zu: %s", file, line, column, path);
	} else {
		snprintf(buf, len, "%s: %s", file, path);
	}
	config_yaml_close(&l);
}
