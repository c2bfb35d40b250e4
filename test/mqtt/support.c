/* SPDX-License-Identifier: BSD-3-Clause */
#include <ctype.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "support.h"

static uint8_t
hex_digit(char c)
{
	CHECK(isxdigit((unsigned char)c));
	return (uint8_t)(isdigit((unsigned char)c) ? c - '0' : (c | 0x20) - 'a' + 10);
}

static uint32_t
put_varint(uint8_t *p, uint32_t v)
{
	uint32_t n = 0;

	do {
		p[n++] = (uint8_t)((v & 0x7F) | (v > 0x7F ? 0x80 : 0));
		v >>= 7;
	} while (v > 0);
	return n;
}

/* Put a length before the bytes from `at` to *n. */
static void
prefix(uint8_t *out, uint32_t at, uint32_t *n)
{
	uint8_t head[8];
	uint32_t len = put_varint(head, *n - at);

	memmove(out + at + len, out + at, *n - at);
	memcpy(out + at, head, len);
	*n += len;
}

uint32_t
notation(const char *t, uint8_t *out, uint32_t room)
{
	uint32_t n = 0, open = UINT32_MAX, star = UINT32_MAX;

	while (*t != '\0') {
		CHECK(n + 8 < room);
		if (*t == ' ') {
			t++;
		} else if (*t == '*') {
			star = n;
			t++;
		} else if (*t == '{') {
			open = n;
			t++;
		} else if (*t == '}') {
			CHECK(open != UINT32_MAX);
			prefix(out, open, &n);
			t++;
		} else if (*t == '\'' || *t == 'S') {
			bool len = *t == 'S';
			const char *end;

			t += len;
			CHECK(*t++ == '\'');
			end = strchr(t, '\'');
			CHECK(end != NULL && (uint32_t)(end - t) + 2 < room - n);
			if (len) {
				out[n++] = (uint8_t)((end - t) >> 8);
				out[n++] = (uint8_t)(end - t);
			}
			memcpy(out + n, t, (size_t)(end - t));
			n += (uint32_t)(end - t);
			t = end + 1;
		} else if (*t == 'x') {
			char *dot;
			uint32_t count = (uint32_t)strtoul(t + 1, &dot, 10);

			CHECK(*dot == '.' && count < room - n);
			memset(out + n, hex_digit(dot[1]) << 4 | hex_digit(dot[2]), count);
			n += count;
			t = dot + 3;
		} else {
			out[n++] = (uint8_t)(hex_digit(t[0]) << 4 | hex_digit(t[1]));
			t += 2;
		}
	}
	if (star != UINT32_MAX)
		prefix(out, star, &n);
	return n;
}

static void
frame_alloc(struct frame *f, uint32_t slices, uint32_t len)
{
	f->s = calloc(slices + 1, sizeof(*f->s));
	f->m = aligned_alloc(_Alignof(struct rte_mbuf), (slices + 1) * sizeof(*f->m));
	CHECK(f->s != NULL && f->m != NULL);
	memset(f->m, 0, (slices + 1) * sizeof(*f->m));
	f->buf = (struct pw_mqtt_buf){.s = f->s, .n = slices, .len = len};
}

void
frame_cut(struct frame *f, const uint8_t *bytes, uint32_t len, const uint16_t *sizes, uint32_t n)
{
	uint32_t slices = 0, off = 0, size;

	for (; off < len; slices++)
		off += sizes[slices % n];
	frame_alloc(f, slices, len);
	off = 0;
	for (uint32_t i = 0; i < slices; i++) {
		size = RTE_MIN((uint32_t)sizes[i % n], len - off);
		f->m[i].buf_addr = malloc(size > 0 ? size : 1);
		CHECK(f->m[i].buf_addr != NULL);
		memcpy(f->m[i].buf_addr, bytes + off, size);
		f->s[i] = (struct pw_slice){.mbuf = &f->m[i], .len = (uint16_t)size};
		off += size;
	}
}

/* The mapping is remembered in the mbuf that stands after the last. */
void
frame_guarded(struct frame *f, const uint8_t *bytes, uint32_t len)
{
	uint32_t page = (uint32_t)sysconf(_SC_PAGESIZE);
	uint32_t body = (len + page - 1) / page * page, slices = len / UINT16_MAX + 1, off = 0;
	uint8_t *map =
		mmap(NULL, body + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(map != MAP_FAILED);
	CHECK(mprotect(map + body, page, PROT_NONE) == 0);
	if (len > 0)
		memcpy(map + body - len, bytes, len);
	frame_alloc(f, slices, len);
	for (uint32_t i = 0; i < slices; i++) {
		f->m[i].buf_addr = map + body - len + off;
		f->s[i].mbuf = &f->m[i];
		f->s[i].len = (uint16_t)RTE_MIN((uint32_t)UINT16_MAX, len - off);
		off += f->s[i].len;
	}
	f->m[slices].buf_addr = map;
	f->m[slices].buf_iova = body + page;
}

void
frame_free(struct frame *f)
{
	if (f->m[f->buf.n].buf_addr != NULL) {
		CHECK(munmap(f->m[f->buf.n].buf_addr, f->m[f->buf.n].buf_iova) == 0);
	} else {
		for (uint32_t i = 0; i < f->buf.n; i++)
			free(f->m[i].buf_addr);
	}
	free(f->m);
	free(f->s);
}

static size_t
level(const char *p, size_t len)
{
	const char *slash = memchr(p, '/', len);

	return slash != NULL ? (size_t)(slash - p) : len;
}

bool
slow_match(const char *f, size_t flen, const char *t, size_t tlen)
{
	if (flen == 0 || tlen == 0 || (t[0] == '$' && (f[0] == '+' || f[0] == '#')))
		return false;
	for (;;) {
		size_t fl = level(f, flen), tl = level(t, tlen);

		if (fl == 1 && f[0] == '#')
			return true;
		if (!(fl == 1 && f[0] == '+') && !(fl == tl && memcmp(f, t, fl) == 0))
			return false;
		f += fl;
		flen -= fl;
		t += tl;
		tlen -= tl;
		if (tlen == 0)
			return flen == 0 || (flen == 2 && memcmp(f, "/#", 2) == 0);
		if (flen == 0)
			return false;
		f++;
		flen--;
		t++;
		tlen--;
	}
}
