/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include <pubwire/mqtt/topic.h>

#include "topic_pvt.h"

#define TOPIC_MAX 65535u /* 5.0 1.5.4: the length field of a string */

static const char share_prefix[] = "$share/"; /* 5.0 4.8.2 */
#define SHARE_LEN (sizeof(share_prefix) - 1)

bool
pw_mqtt_topic_valid(const uint8_t *topic, uint32_t len)
{
	return len > 0 && len <= TOPIC_MAX && memchr(topic, '+', len) == NULL &&
	       memchr(topic, '#', len) == NULL && memchr(topic, 0, len) == NULL;
}

/* Next byte of the share name: at least one character, no wildcard [MQTT-4.8.2-1], [MQTT-4.8.2-2].
 */
static void
name_byte(struct pw_mqtt_filter_check *c, uint8_t ch)
{
	if (ch == '/') {
		c->bad |= c->len == 0;
		c->in_name = false;
		c->len = 0;
		c->level_open = false;
		return;
	}
	c->bad |= ch == '+' || ch == '#';
	c->len++;
}

/* Next byte of a filter: # alone in the last level, + alone in its level [MQTT-4.7.1-1], [-2]. */
static void
filter_byte(struct pw_mqtt_filter_check *c, uint8_t ch)
{
	c->len++;
	if (c->wild == '#' || ch == 0) {
		c->bad = true;
	} else if (ch == '/') {
		c->level_open = false;
		c->wild = 0;
	} else if (ch == '+' || ch == '#') {
		c->bad |= c->level_open;
		c->level_open = true;
		c->wild = ch;
	} else {
		c->bad |= c->wild != 0;
		c->level_open = true;
	}
}

void
pw_mqtt_filter_feed(struct pw_mqtt_filter_check *c, const uint8_t *p, uint32_t n)
{
	for (uint32_t i = 0; i < n && !c->bad; i++) {
		if (c->in_name) {
			name_byte(c, p[i]);
			continue;
		}
		if (!c->plain && !c->shared && c->prefix == c->len && c->len < SHARE_LEN &&
		    p[i] == (uint8_t)share_prefix[c->prefix] && ++c->prefix == SHARE_LEN) {
			c->shared = true;
			c->in_name = true;
			c->len = 0;
			continue;
		}
		filter_byte(c, p[i]);
	}
}

bool
pw_mqtt_filter_valid(const uint8_t *filter, uint32_t len)
{
	struct pw_mqtt_filter_check c = {0};

	if (len > TOPIC_MAX)
		return false;
	pw_mqtt_filter_feed(&c, filter, len);
	return pw_mqtt_filter_ok(&c);
}

bool
pw_mqtt_topic_match(const uint8_t *filter, uint32_t filter_len, const uint8_t *topic,
		    uint32_t topic_len)
{
	const uint8_t *f = filter, *f_end = filter + filter_len;
	const uint8_t *t = topic, *t_end = topic + topic_len;

	if (filter_len == 0 || topic_len == 0)
		return false;
	if ((*f == '+' || *f == '#') && *t == '$') /* [MQTT-4.7.2-1] */
		return false;
	/* one level a turn */
	for (;;) {
		if (f < f_end && *f == '#')
			return true;
		if (f < f_end && *f == '+') {
			f++;
			while (t < t_end && *t != '/')
				t++;
		} else {
			while (f < f_end && t < t_end && *f == *t && *f != '/') {
				f++;
				t++;
			}
		}
		/* 4.7.1.2: "a/#" matches "a", the parent, too */
		if (t == t_end)
			return f == f_end || (f_end - f == 2 && f[0] == '/' && f[1] == '#');
		if (f == f_end || *f != '/' || *t != '/')
			return false;
		f++;
		t++;
	}
}

/* Two bits of 64 for a level: six levels leave a filter that differs in one a chance of 1 in 28. */
static uint64_t
mark(uint64_t level, uint32_t depth)
{
	level = (level + depth) * UINT64_C(0x9E3779B97F4A7C15); /* 2^64 over the golden ratio */
	return UINT64_C(1) << (level >> 58) | UINT64_C(1) << (level >> 52 & 63);
}

static bool
stands_for_another(const uint8_t *level, const uint8_t *end)
{
	if (end - level == 1)
		return *level == '+' || *level == '#';
	return end - level == 2 && level[0] == '%' && (level[1] == 'c' || level[1] == 'u');
}

static uint64_t
marks(const uint8_t *p, uint32_t len, bool filter)
{
	const uint8_t *end = p + len, *level = p;
	uint64_t all = 0, bytes = 0;
	uint32_t depth = 1;

	for (;; p++) {
		if (p < end && *p != '/') {
			bytes = (bytes << 7 | bytes >> 57) ^ *p;
			continue;
		}
		if (!filter || !stands_for_another(level, p))
			all |= mark(bytes, depth);
		if (p == end)
			return all;
		level = p + 1;
		bytes = 0;
		depth++;
	}
}

uint64_t
pw_mqtt_topic_marks(const uint8_t *topic, uint32_t len)
{
	return marks(topic, len, false);
}

uint64_t
pw_mqtt_filter_marks(const uint8_t *filter, uint32_t len)
{
	return marks(filter, len, true);
}
