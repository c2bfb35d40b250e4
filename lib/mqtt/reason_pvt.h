/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PW_MQTT_REASON_PVT_H
#define PW_MQTT_REASON_PVT_H

#include <stdbool.h>
#include <stdint.h>

/* True where a packet of that type and version may carry the code. */
bool pw_mqtt_reason_ok(uint8_t type, uint8_t version, uint8_t code);

#endif
