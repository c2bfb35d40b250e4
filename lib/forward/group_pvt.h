/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PW_FORWARD_GROUP_PVT_H
#define PW_FORWARD_GROUP_PVT_H

/*
 * The frames of a group, one after the other: each says by its fixed header, which has one or two
 * bytes of Remaining Length, where the next one begins.
 */

#include <stdint.h>

#define PW_GROUP_FIRST 0x30u /* PUBLISH, QoS 0, no flag: the first byte of each */

/* Bytes of a frame, of which three can be read; *head: of them, those of the fixed header. */
static inline uint32_t
pw_group_frame(const uint8_t *p, uint32_t *head)
{
	*head = p[1] & 0x80 ? 3 : 2;
	return *head + (p[1] & 0x80 ? (p[1] & 0x7Fu) | (uint32_t)p[2] << 7 : p[1]);
}

#endif
