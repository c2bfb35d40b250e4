/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PUBWIRE_MQTT_TOPIC_H
#define PUBWIRE_MQTT_TOPIC_H

/**
 * @file
 * Topic names and topic filters (MQTT 5.0 4.7, 4.8.2). Any lcore; no state.
 */

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** True for a topic name: 1..65535 bytes, no wildcard, no null [MQTT-4.7.3-1]. UTF-8 is not
 * checked. */
bool pw_mqtt_topic_valid(const uint8_t *topic, uint32_t len);

/** True for a topic filter: wildcards whole levels, # last [MQTT-4.7.1-1]; $share/name/filter too.
 */
bool pw_mqtt_filter_valid(const uint8_t *filter, uint32_t len);

/**
 * True where a valid filter matches a valid topic. A filter that starts with a wildcard does not
 * match a topic that starts with $ [MQTT-4.7.2-1]. "$share/..." is the caller's to strip.
 */
bool pw_mqtt_topic_match(const uint8_t *filter, uint32_t filter_len, const uint8_t *topic,
			 uint32_t topic_len);

/**
 * Marks of the levels of a topic: bits that their place and their bytes choose. Of a filter only
 * those levels have marks that are no wildcards, nor "%c" or "%u", which rules of lib/forward put
 * names in place of. A filter that has a mark that a topic lacks does not match it, so most filters
 * are ruled out without a look at them. A few filters are looked at sooner than marks are made.
 */
#define PW_MQTT_MARKS_FEW 4
uint64_t pw_mqtt_topic_marks(const uint8_t *topic, uint32_t len);
uint64_t pw_mqtt_filter_marks(const uint8_t *filter, uint32_t len);

#ifdef __cplusplus
}
#endif

#endif
