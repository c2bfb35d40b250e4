/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PW_MQTT_VARINT_PVT_H
#define PW_MQTT_VARINT_PVT_H

#include <stdint.h>

#include <pubwire/mqtt/frame.h>

#define PW_MQTT_VARINT_BYTES 4u /* 5.0 1.5.5 */

/*
 * Variable byte integer at p, of which n bytes are there.
 * Returns bytes read (1..4); -EAGAIN more needed; -EBADMSG a fifth would follow. A padded number
 * (81 00 for 1) is read; whether it may stand is the caller's question.
 */
int pw_mqtt_varint(const uint8_t *p, uint32_t n, uint32_t *value);

#endif
