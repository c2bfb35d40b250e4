/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <rte_common.h>

#include "mqtt_end.h"

#define PIECE 1024

bool
mqtt_end_next(const struct pw_tcp_conn *c, struct mqtt_end_frame *f)
{
	uint32_t have = pw_tcp_rx_len(c), total;
	enum pw_mqtt_error err;
	uint8_t head[5];
	int n;

	if (have < 2)
		return false;
	n = pw_slices_from_chain(pw_tcp_rx_chain(c), 0, RTE_MIN(have, 5u), f->s, MQTT_END_SLICES);
	assert_true(n > 0);
	pw_slices_copy(f->s, (uint32_t)n, 0, head, RTE_MIN(have, 5u));
	n = pw_mqtt_frame(head, RTE_MIN(have, 5u), 0, &total, &err);
	assert_int_not_equal(n, -EBADMSG);
	if (n < 0 || have < total)
		return false;
	n = pw_slices_from_chain(pw_tcp_rx_chain(c), 0, total, f->s, MQTT_END_SLICES);
	assert_true(n > 0);
	f->buf = (struct pw_mqtt_buf){.s = f->s, .n = (uint32_t)n, .len = total};
	f->type = head[0] >> 4;
	return true;
}

void
mqtt_end_send(struct pw_tcp *t, struct pw_tcp_conn *c, const void *data, uint32_t len)
{
	const uint8_t *p = data;

	while (len > 0) {
		uint32_t n = RTE_MIN(len, (uint32_t)PIECE);

		assert_int_equal(pw_tcp_send_copy(t, c, p, n), 0);
		p += n;
		len -= n;
	}
}
