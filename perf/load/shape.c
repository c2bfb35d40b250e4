/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <string.h>

#include <rte_common.h>
#include <rte_debug.h>

#include <pubwire/mqtt/packet.h>

#include "payload.h"
#include "shape.h"

#define DIGITS 7
#define TURNS  1024

static struct shape shape[SHAPE_SIZES];
static uint8_t turn[TURNS]; /* shapes, by weight, shuffled */
static uint32_t next_turn;
static uint32_t largest;

static void
build(struct shape *s, uint8_t version, uint8_t qos, const char *name, uint32_t payload)
{
	char topic[128];
	const char *mark = strstr(name, "%d");
	int n;

	*s = (struct shape){.payload = payload, .filler_check = payload_filler_check(payload)};
	if (mark != NULL)
		snprintf(topic, sizeof(topic), "%.*s%0*d%s", (int)(mark - name), name, DIGITS, 0,
			 mark + 2);
	else
		snprintf(topic, sizeof(topic), "%s", name);
	n = pw_mqtt_encode_publish(s->head, sizeof(s->head), version, false, qos, false,
				   (struct pw_mqtt_str){topic, (uint32_t)strlen(topic)}, 1, NULL,
				   payload);
	RTE_VERIFY(n > 0); /* topics have 100 bytes at most */
	s->head_len = (uint16_t)n;
	s->total = (uint32_t)n + payload;
	/* The topic ends where the identifier and, in 5.0, the length of no properties stand. */
	n -= version == PW_MQTT_5 ? 1 : 0;
	if (qos > 0) {
		n -= 2;
		s->id_at = (uint16_t)n;
	}
	if (mark != NULL)
		s->digits_at = (uint16_t)(n - (int)strlen(topic) + (mark - name));
}

void
shapes_init(uint8_t version, uint8_t qos, const char *topic, const struct shape_size *size,
	    uint32_t n)
{
	uint32_t sum = 0, at = 0, x = 1;

	largest = 0;
	for (uint32_t i = 0; i < n; i++) {
		build(&shape[i], version, qos, topic, size[i].bytes);
		largest = RTE_MAX(largest, shape[i].total);
		sum += size[i].weight;
	}
	for (uint32_t i = 0, upto = 0; i < n; i++) {
		upto += size[i].weight;
		for (; at < (uint64_t)upto * TURNS / sum; at++)
			turn[at] = (uint8_t)i;
	}
	for (uint32_t i = TURNS - 1; i > 0; i--) {
		x = x * 1664525 + 1013904223; /* Knuth, TAOCP 2 3.3.4 table 1 */
		RTE_SWAP(turn[i], turn[(x >> 16) % (i + 1)]);
	}
}

uint16_t
shape_turn(void)
{
	return (uint16_t)(next_turn % TURNS);
}

const struct shape *
shape_at(uint32_t number)
{
	return &shape[turn[number % TURNS]];
}

void
shape_took(uint32_t n)
{
	next_turn += n;
}

const struct shape *
shape_next(void)
{
	const struct shape *s = shape_at(next_turn);

	shape_took(1);
	return s;
}

uint32_t
shapes_largest(void)
{
	return largest;
}

uint8_t *
shape_write(const struct shape *s, uint8_t *p, uint32_t device, uint16_t id, uint32_t seq,
	    uint64_t sent)
{
	memcpy(p, s->head, s->head_len);
	if (s->digits_at != 0) {
		uint32_t n = device;

		for (uint32_t i = DIGITS; i-- > 0; n /= 10)
			p[s->digits_at + i] = (uint8_t)('0' + n % 10);
	}
	if (s->id_at != 0) {
		p[s->id_at] = (uint8_t)(id >> 8);
		p[s->id_at + 1] = (uint8_t)id;
	}
	payload_write(p + s->head_len, s->payload, s->filler_check, device, seq, sent);
	return p + s->total;
}
