/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any packet in any version: whole and in slices the same result, and no read beyond. Input:
 * version, how to cut, bytes of the packet. With the top bit of the version set, the bytes are the
 * first one of the packet and its body, and the remaining length is made right.
 */
#include "fuzz.h"

static char whole[DUMP_MAX], cut[DUMP_MAX];

static void
judge(const uint8_t *bytes, uint32_t len, uint8_t version, uint8_t pattern)
{
	static const uint16_t one = UINT16_MAX;
	uint16_t sizes[2];
	struct frame f;

	frame_cut(&f, bytes, len, &one, 1);
	dump(&f.buf, version, whole);
	frame_free(&f);
	fuzz_sizes(pattern, sizes);
	frame_cut(&f, bytes, len, sizes, 2);
	dump(&f.buf, version, cut);
	frame_free(&f);
	CHECK(strcmp(whole, cut) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum pw_mqtt_error err;
	uint32_t total;
	uint8_t version, pattern;
	uint8_t *p;
	int rc;

	if (size < 3)
		return 0;
	version = PW_MQTT_3_1 + (data[0] & 0x7F) % 3;
	pattern = data[1];
	if (data[0] & 0x80) {
		p = fuzz_packet(data[2], data + 3, (uint32_t)size - 3, &total);
		judge(p, total, version, pattern);
		free(p);
		return 0;
	}
	rc = pw_mqtt_frame(data + 2, (uint32_t)size - 2, 0, &total, &err);
	if (rc > 0 && total <= size - 2)
		judge(data + 2, total, version, pattern);
	else /* what is there of it, as if it were all */
		judge(data + 2, (uint32_t)size - 2, version, pattern);
	return 0;
}
