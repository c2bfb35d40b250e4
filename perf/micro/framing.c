/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A PUBLISH out of the buffers in which it arrived, as a session reads it: its end found by the
 * first bytes, slices cut out of the chain, the frame decoded, its topic at hand. One message a
 * segment; 4096 bytes lie in three.
 */
#include <string.h>

#include <pubwire/base/pool.h>
#include <pubwire/mqtt/packet.h>

#include "micro.h"

#define TOPIC "plant/7/line/12/press/temperature"
#define MSS   1448

struct framing {
	struct rte_mbuf *chain[MICRO_BURST];
	uint8_t version;
	struct micro_figure *figure;
};

/* Segments as TCP keeps them: linked, each with its part of the frame. */
static struct rte_mbuf *
segments(struct pw_mem *mem, const uint8_t *bytes, uint32_t len)
{
	struct rte_mbuf *first = NULL, **link = &first;

	for (uint32_t at = 0; at < len; at += MSS) {
		uint16_t n = (uint16_t)RTE_MIN(len - at, (uint32_t)MSS);
		struct rte_mbuf *m = rte_pktmbuf_alloc(mem->pkt);

		if (m == NULL)
			micro_die("no buffer");
		memcpy(rte_pktmbuf_append(m, n), bytes + at, n);
		*link = m;
		link = &m->next;
	}
	return first;
}

static void
compose(struct framing *f, struct pw_mem *mem, uint32_t payload)
{
	uint8_t bytes[8192];
	int n = pw_mqtt_encode_publish(bytes, sizeof(bytes), f->version, false, 1, false,
				       (struct pw_mqtt_str){TOPIC, sizeof(TOPIC) - 1}, 1, NULL,
				       payload);

	if (n < 0)
		micro_die("the PUBLISH is too large");
	memset(bytes + n, 'x', payload);
	for (uint32_t i = 0; i < MICRO_BURST; i++)
		f->chain[i] = segments(mem, bytes, (uint32_t)n + payload);
}

static uint32_t
read_one(struct rte_mbuf *m, uint8_t version)
{
	enum pw_mqtt_error err = PW_MQTT_E_NONE;
	struct pw_slice slice[8];
	struct pw_mqtt_publish p;
	uint8_t head[5], scratch[64];
	uint32_t total;
	int n;

	memcpy(head, rte_pktmbuf_mtod(m, uint8_t *), sizeof(head));
	if (pw_mqtt_frame(head, sizeof(head), 0, &total, &err) < 0)
		micro_die("no frame");
	n = pw_slices_from_chain(m, 0, total, slice, RTE_DIM(slice));
	if (n < 0 || pw_mqtt_decode_publish(&(struct pw_mqtt_buf){slice, (uint32_t)n, total},
					    version, &p, &err) < 0)
		micro_die("a PUBLISH was refused");
	return *pw_mqtt_bytes(&(struct pw_mqtt_buf){slice, (uint32_t)n, total}, p.topic, scratch) +
	       p.payload.len;
}

static void
round_of(void *ctx)
{
	struct framing *f = ctx;
	uint64_t start = micro_time();
	uint32_t sum = 0;

	for (uint32_t i = 0; i < MICRO_BURST; i++)
		sum += read_one(f->chain[i], f->version);
	micro_round(f->figure, start, micro_time());
	if (sum == 0)
		micro_die("nothing was read");
}

void
micro_framing(void)
{
	struct pw_mem_conf conf = {.name = "framing",
				   .pkt = 1023,
				   .hdr = 31,
				   .ind = 31,
				   .cache = 32,
				   .socket = SOCKET_ID_ANY};
	static struct framing f[2 * RTE_DIM(micro_sizes)];
	struct micro_case c[RTE_DIM(f)];
	struct pw_mem mem;

	if (pw_mem_create(&mem, &conf) < 0)
		micro_die("no memory");
	for (uint32_t i = 0; i < RTE_DIM(f); i++) {
		uint32_t size = micro_sizes[i % RTE_DIM(micro_sizes)];

		f[i].version = i < RTE_DIM(micro_sizes) ? PW_MQTT_3_1_1 : PW_MQTT_5;
		compose(&f[i], &mem, size);
		f[i].figure = micro_figure("framing", "PUBLISH", "warm", size, MICRO_BURST, "%s",
					   f[i].version == PW_MQTT_5 ? "5.0" : "3.1.1");
		c[i] = (struct micro_case){round_of, &f[i], {f[i].figure}, 1};
	}
	micro_repeat(c, RTE_DIM(c));
	for (uint32_t i = 0; i < RTE_DIM(f); i++) {
		for (uint32_t k = 0; k < MICRO_BURST; k++)
			rte_pktmbuf_free(f[i].chain[k]);
	}
	if (!pw_mem_full(&mem))
		micro_die("framing: buffers are missing");
	pw_mem_destroy(&mem);
}
