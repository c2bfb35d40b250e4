/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "text_pvt.h"

void
text_reset(struct text *t)
{
	t->at = 0;
	t->cut = false;
}

static void
put(struct text *t, const char *s, size_t n)
{
	if (t->cut || n > t->room - t->at) {
		t->cut = true;
		return;
	}
	memcpy(t->buf + t->at, s, n);
	t->at += n;
}

void
text_put(struct text *t, const char *s)
{
	put(t, s, strlen(s));
}

/* Digits of v, at least so many; a page of counters is mostly this. */
static void
digits(struct text *t, uint64_t v, size_t least)
{
	char d[20];
	size_t at = sizeof(d);

	do {
		d[--at] = (char)('0' + v % 10);
		v /= 10;
	} while (v != 0 || sizeof(d) - at < least);
	put(t, d + at, sizeof(d) - at);
}

void
text_u64(struct text *t, uint64_t v)
{
	digits(t, v, 1);
}

void
text_seconds(struct text *t, uint64_t ns)
{
	digits(t, ns / 1000000000u, 1);
	put(t, ".", 1);
	digits(t, ns % 1000000000u, 9);
}

void
text_json(struct text *t, const char *s)
{
	put(t, "\"", 1);
	for (; *s != '\0'; s++) {
		if (*s == '"' || *s == '\\')
			put(t, "\\", 1);
		put(t, *s >= 0x20 && *s < 0x7f ? s : "?", 1);
	}
	put(t, "\"", 1);
}
