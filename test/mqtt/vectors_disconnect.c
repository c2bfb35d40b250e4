/* SPDX-License-Identifier: BSD-3-Clause */
#include <rte_common.h>

#include "vectors.h"

/* PINGREQ, PINGRESP, DISCONNECT, AUTH (5.0 3.12 to 3.15). */
const struct vector vectors_disconnect[] = {
	{3, "C000", "PINGREQ"},
	{4, "C000", "PINGREQ"},
	{5, "C000", "PINGREQ"},
	{4, "D000", "PINGRESP"},
	{5, "D000", "PINGRESP"},
	{4, "C100", "error FLAGS"},
	{4, "D200", "error FLAGS"},
	{4, "C001 00", "error TRAILING"},
	{4, "D001 00", "error TRAILING"},
	{4, "C001", "error TRUNCATED"},

	{3, "E000", "DISCONNECT reason=00"},
	{4, "E000", "DISCONNECT reason=00"},
	{4, "E001 00", "error TRAILING"},
	{4, "E100", "error FLAGS"},
	{4, "E08000", "DISCONNECT reason=00"},
	{5, "E000", "DISCONNECT reason=00"},
	{5, "E001 00", "DISCONNECT reason=00"},
	{5, "E001 04", "DISCONNECT reason=04"},
	{5, "E001 8E", "DISCONNECT reason=8e"},
	{5, "E002 00 00", "DISCONNECT reason=00"},
	{5, "E0 * 9C {11 0000000A 1F S'bye' 1C S'b2' 26 S'k' S'v'}",
	 "DISCONNECT reason=9c { SESSION_EXPIRY=10 SERVER_REFERENCE=b2 REASON_STRING=bye "
	 "USER_PROPERTY=k x1 }"},
	{5, "E001 01", "error REASON_CODE"},
	{5, "E001 84", "error REASON_CODE"},
	{5, "E001 FF", "error REASON_CODE"},
	{5, "E0 * 00 {21 0001}", "error PROPERTY"},
	{5, "E0 * 00 {11 00000001 11 00000001}", "error PROPERTY_TWICE"},
	{5, "E0 * 00 {11 0000}", "error TRUNCATED"},
	{5, "E0 * 00 {} 00", "error TRAILING"},
	{5, "E0 * 00 80", "error TRUNCATED"},
	{5, "E800", "error FLAGS"},
	{5, "E08000", "error REMAINING_LENGTH"},

	{3, "F000", "error TYPE"},
	{4, "F000", "error TYPE"},
	{4, "F001 18", "error TYPE"},
	{5, "F000", "AUTH reason=00"},
	{5, "F0 * 18 {15 S'm'}", "AUTH reason=18 { AUTH_METHOD=m }"},
	{5, "F0 * 19 {15 S'm' 16 0003 000102 1F S'again' 26 S'k' S'v'}",
	 "AUTH reason=19 { AUTH_METHOD=m AUTH_DATA=\\00\\01\\02 REASON_STRING=again "
	 "USER_PROPERTY=k x1 }"},
	{5, "F0 * 00 {15 S'm'}", "AUTH reason=00 { AUTH_METHOD=m }"},
	{5, "F0 * 18 00", "error PROPERTY_MISSING"},
	{5, "F0 * 18 {16 0001 00}", "error PROPERTY_MISSING"},
	{5, "F0 * 18 {1F S'x'}", "error PROPERTY_MISSING"},
	{5, "F001 18", "error TRUNCATED"},
	{5, "F0 * 01 {15 S'm'}", "error REASON_CODE"},
	{5, "F0 * 80 {15 S'm'}", "error REASON_CODE"},
	{5, "F0 * 18 {15 S'm' 15 S'm'}", "error PROPERTY_TWICE"},
	{5, "F0 * 18 {15 S'm' 21 0001}", "error PROPERTY"},
	{5, "F100", "error FLAGS"},
};
const uint32_t nb_vectors_disconnect = RTE_DIM(vectors_disconnect);
