/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>

#include "varint_pvt.h"

int
pw_mqtt_varint(const uint8_t *p, uint32_t n, uint32_t *value)
{
	uint32_t v = 0;

	for (uint32_t i = 0; i < PW_MQTT_VARINT_BYTES; i++) {
		if (i == n)
			return -EAGAIN;
		v |= (uint32_t)(p[i] & 0x7F) << (7 * i);
		if (!(p[i] & 0x80)) {
			*value = v;
			return (int)i + 1;
		}
	}
	return -EBADMSG;
}

uint32_t
pw_mqtt_varint_size(uint32_t value)
{
	return 1 + (value > 0x7F) + (value > 0x3FFF) + (value > 0x1FFFFF);
}

uint8_t *
pw_mqtt_varint_put(uint8_t *p, uint32_t value)
{
	while (value > 0x7F) {
		*p++ = (uint8_t)(value | 0x80);
		value >>= 7;
	}
	*p++ = (uint8_t)value;
	return p;
}
