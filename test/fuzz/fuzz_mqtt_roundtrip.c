/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What decodes as CONNECT or PUBLISH, encoded again, decodes to the same. Input: version, first
 * byte of the packet (the type is made one of the two), body.
 */
#include "fuzz.h"

static char before[DUMP_MAX], after[DUMP_MAX];

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint16_t one = UINT16_MAX;
	uint8_t version, first;
	uint8_t *packet, *again;
	uint32_t len, again_len;
	struct frame f, g;

	if (size < 2)
		return 0;
	version = PW_MQTT_3_1 + data[0] % 3;
	first = data[1] & 0x10 ? PW_MQTT_CONNECT << 4 : PW_MQTT_PUBLISH << 4 | (data[1] & 0x0F);
	packet = fuzz_packet(first, data + 2, (uint32_t)size - 2, &len);
	frame_cut(&f, packet, len, &one, 1);
	free(packet);
	dump(&f.buf, version, before);
	if (strncmp(before, "error", 5) != 0) {
		again = encoded_again(&f.buf, version, &again_len);
		frame_cut(&g, again, again_len, &one, 1);
		free(again);
		dump(&g.buf, version, after);
		frame_free(&g);
		CHECK(strcmp(before, after) == 0);
	}
	frame_free(&f);
	return 0;
}
