/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The capture of a history: pcapng (draft-ietf-opsawg-pcapng), an interface for each host, virtual
 * time in ns. Each frame stands where it left its host and again where it arrived; a comment says
 * what the wire did to it. In Wireshark, frame.interface_name == "host0" shows one host's view.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

#define BLOCK_SECTION	0x0a0d0d0a
#define BLOCK_INTERFACE 1
#define BLOCK_PACKET	6
#define ORDER_MAGIC	0x1a2b3c4d
#define OPT_COMMENT	1
#define OPT_IF_NAME	2
#define OPT_EPB_FLAGS	2
#define OPT_TSRESOL	9
#define ETHERNET	1

struct trace {
	FILE *f;
};

struct block {
	uint32_t len;
	uint8_t b[FRAME_MAX + 256];
};

static void
put(struct block *k, const void *p, uint32_t n)
{
	memcpy(k->b + k->len, p, n);
	k->len += n;
}

static void
put32(struct block *k, uint32_t v)
{
	put(k, &v, 4);
}

static void
pad(struct block *k)
{
	while (k->len % 4 != 0)
		k->b[k->len++] = 0;
}

static void
option(struct block *k, uint16_t code, const void *p, uint16_t n)
{
	put(k, &code, 2);
	put(k, &n, 2);
	if (n != 0)
		put(k, p, n);
	pad(k);
}

static void
begin(struct block *k, uint32_t type)
{
	k->len = 0;
	put32(k, type);
	put32(k, 0);
}

static void
finish(struct trace *t, struct block *k)
{
	uint32_t total = k->len + 4;

	memcpy(k->b + 4, &total, 4);
	put32(k, total);
	(void)fwrite(k->b, k->len, 1, t->f);
}

static void
section(struct trace *t)
{
	struct block k;
	uint64_t unknown = UINT64_MAX;
	uint16_t version[2] = {1, 0};

	begin(&k, BLOCK_SECTION);
	put32(&k, ORDER_MAGIC);
	put(&k, version, 4);
	put(&k, &unknown, 8);
	finish(t, &k);
}

static void
interface(struct trace *t, uint32_t host)
{
	struct block k;
	uint16_t link[2] = {ETHERNET, 0};
	uint8_t resolution = 9;
	char name[16];

	snprintf(name, sizeof(name), "host%u", host);
	begin(&k, BLOCK_INTERFACE);
	put(&k, link, 4);
	put32(&k, FRAME_MAX);
	option(&k, OPT_IF_NAME, name, (uint16_t)strlen(name));
	option(&k, OPT_TSRESOL, &resolution, 1);
	option(&k, 0, NULL, 0);
	finish(t, &k);
}

struct trace *
trace_open(const char *path, uint32_t nb_hosts)
{
	struct trace *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->f = fopen(path, "wb");
	if (t->f == NULL) {
		free(t);
		return NULL;
	}
	section(t);
	for (uint32_t i = 0; i < nb_hosts; i++)
		interface(t, i);
	return t;
}

void
trace_frame(struct trace *t, uint32_t host, bool in, uint64_t now, const uint8_t *b, uint32_t n,
	    const char *comment)
{
	struct block k;
	uint32_t direction = in ? 1 : 2;

	if (t == NULL)
		return;
	begin(&k, BLOCK_PACKET);
	put32(&k, host);
	put32(&k, (uint32_t)(now >> 32));
	put32(&k, (uint32_t)now);
	put32(&k, n);
	put32(&k, n);
	put(&k, b, n);
	pad(&k);
	option(&k, OPT_EPB_FLAGS, &direction, 4);
	if (comment[0] != '\0')
		option(&k, OPT_COMMENT, comment, (uint16_t)strlen(comment));
	option(&k, 0, NULL, 0);
	finish(t, &k);
}

int
trace_close(struct trace *t)
{
	int rc;

	if (t == NULL)
		return 0;
	rc = fclose(t->f);
	free(t);
	return rc;
}
