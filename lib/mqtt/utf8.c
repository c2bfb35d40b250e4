/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include <pubwire/mqtt/frame.h>

#include "utf8_pvt.h"

#define ONES  UINT64_C(0x0101010101010101)
#define HIGHS UINT64_C(0x8080808080808080)

/* Bytes at p that are ASCII and not null, counted eight at a time: nearly all of every topic. */
static uint32_t
plain_run(const uint8_t *p, uint32_t n)
{
	uint32_t i = 0;

	for (; n - i >= sizeof(uint64_t); i += sizeof(uint64_t)) {
		uint64_t w;

		memcpy(&w, p + i, sizeof(w));
		/* subtracting one from a zero byte sets its high bit; a borrow comes only from a
		 * zero */
		if ((w | (w - ONES)) & HIGHS)
			break;
	}
	while (i < n && p[i] != 0 && p[i] < 0x80)
		i++;
	return i;
}

/* First byte of a character of several bytes: how many follow and what the next may be (RFC 3629
 * 4). */
static void
lead(struct pw_mqtt_utf8 *u, uint8_t c)
{
	u->lo = 0x80;
	u->hi = 0xBF;
	if (c >= 0xC2 && c <= 0xDF) {
		u->need = 1;
	} else if (c >= 0xE0 && c <= 0xEF) {
		u->need = 2;
		if (c == 0xE0)
			u->lo = 0xA0; /* overlong below */
		else if (c == 0xED)
			u->hi = 0x9F; /* surrogates above */
	} else if (c >= 0xF0 && c <= 0xF4) {
		u->need = 3;
		if (c == 0xF0)
			u->lo = 0x90; /* overlong below */
		else if (c == 0xF4)
			u->hi = 0x8F; /* beyond U+10FFFF above */
	} else {
		u->bad = true; /* null, a stray continuation, C0, C1, F5..FF */
	}
}

void
pw_mqtt_utf8_feed(struct pw_mqtt_utf8 *u, const uint8_t *p, uint32_t n)
{
	uint32_t i = 0;

	while (i < n && !u->bad) {
		if (u->need == 0) {
			i += plain_run(p + i, n - i);
			if (i < n)
				lead(u, p[i++]);
			continue;
		}
		if (p[i] < u->lo || p[i] > u->hi)
			u->bad = true;
		u->lo = 0x80;
		u->hi = 0xBF;
		u->need--;
		i++;
	}
}

bool
pw_mqtt_utf8(const uint8_t *p, uint32_t n)
{
	struct pw_mqtt_utf8 u = {0};

	pw_mqtt_utf8_feed(&u, p, n);
	return pw_mqtt_utf8_ok(&u);
}
