/* SPDX-License-Identifier: BSD-3-Clause */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

static void
blanks(struct text *t)
{
	while (*t->p == ' ' || *t->p == '\t')
		t->p++;
}

bool
text_end(struct text *t)
{
	blanks(t);
	return *t->p == '\0' || *t->p == '#';
}

bool
text_char(struct text *t, char c)
{
	blanks(t);
	if (*t->p != c)
		return false;
	t->p++;
	return true;
}

static size_t
word_len(const char *p)
{
	size_t n = 0;

	while (isalnum((unsigned char)p[n]) || p[n] == '_' || (p[n] == '-' && n > 0))
		n++;
	return n;
}

bool
text_word(struct text *t, char *buf, size_t size)
{
	size_t n;

	blanks(t);
	n = word_len(t->p);
	if (n == 0 || n >= size)
		return false;
	memcpy(buf, t->p, n);
	buf[n] = '\0';
	t->p += n;
	return true;
}

bool
text_is(struct text *t, const char *word)
{
	size_t n = strlen(word);

	blanks(t);
	if (word_len(t->p) != n || memcmp(t->p, word, n) != 0)
		return false;
	t->p += n;
	return true;
}

bool
text_int(struct text *t, int64_t *v)
{
	char *end;
	long long n;
	int base = 10;

	blanks(t);
	if (!isdigit((unsigned char)t->p[0]) &&
	    !(t->p[0] == '-' && isdigit((unsigned char)t->p[1])))
		return false;
	if (t->p[0] == '0' && t->p[1] == 'x')
		base = 16;
	n = strtoll(t->p, &end, base);
	if (end == t->p)
		return false;
	t->p = end;
	*v = n;
	return true;
}

bool
text_duration(struct text *t, uint64_t *ns)
{
	static const struct {
		const char *name;
		double ns;
	} unit[] = {
		{"ns", 1},     {"us", 1e3},   {"ms", 1e6},    {"s", 1e9},
		{"min", 6e10}, {"h", 3600e9}, {"d", 86400e9},
	};
	const char *before;
	char *end;
	double v;

	blanks(t);
	before = t->p;
	if (!isdigit((unsigned char)*t->p))
		return false;
	/* strtod() would take the dots of a range for a decimal point. */
	v = (double)strtoull(t->p, &end, 10);
	if (end[0] == '.' && isdigit((unsigned char)end[1])) {
		double digit = 1;

		for (end++; isdigit((unsigned char)*end); end++) {
			digit /= 10;
			v += digit * (*end - '0');
		}
	}
	t->p = end;
	for (size_t i = 0; i < sizeof(unit) / sizeof(unit[0]); i++) {
		if (text_is(t, unit[i].name)) {
			*ns = (uint64_t)(v * unit[i].ns + 0.5);
			return true;
		}
	}
	t->p = before;
	return false;
}

bool
text_expected(struct text *t, const char *what)
{
	if (!t->failed) {
		blanks(t);
		fprintf(stderr, "%s:%d:%d: expected %s\n  %s\n  %*s^\n", t->file, t->line,
			(int)(t->p - t->start) + 1, what, t->start, (int)(t->p - t->start), "");
	}
	t->failed = true;
	return false;
}

/* A number of a segment, or '*' where any will do. */
static bool
number(struct text *t, int64_t *v, bool *any)
{
	*any = text_char(t, '*');
	return *any || text_int(t, v);
}

static bool
option_value(struct text *t, struct pd_opt *o, const char *what)
{
	bool any;

	if (o->n == PD_VALUES || !number(t, &o->v[o->n], &any))
		return text_expected(t, what);
	if (any)
		o->any |= (uint8_t)(1u << o->n);
	o->n++;
	return true;
}

static bool
option_timestamps(struct text *t, struct pd_opt *o)
{
	o->kind = PD_OPT_TS;
	if (!text_is(t, "val")) {
		o->n = 2;
		o->any = 3;
		return true;
	}
	if (!option_value(t, o, "a timestamp or *"))
		return false;
	if (!text_is(t, "ecr"))
		return text_expected(t, "'ecr' and a timestamp");
	return option_value(t, o, "a timestamp or *");
}

static bool
option_sack(struct text *t, struct pd_opt *o)
{
	o->kind = PD_OPT_SACK;
	do {
		if (!option_value(t, o, "the left edge of a block"))
			return false;
		if (!text_char(t, ':'))
			return text_expected(t, "':' and the right edge of the block");
		if (!option_value(t, o, "the right edge of a block"))
			return false;
	} while (!text_char(t, ',') && !text_char(t, '>'));
	t->p--;
	return true;
}

static bool
option_raw(struct text *t, struct pd_opt *o)
{
	o->kind = PD_OPT_RAW;
	while (text_char(t, ' ') || isxdigit((unsigned char)*t->p)) {
		char byte[3] = {t->p[0], t->p[1], '\0'};

		if (!isxdigit((unsigned char)byte[1]) || o->n == PD_RAW)
			return text_expected(t, "pairs of hexadecimal digits");
		o->raw[o->n++] = (uint8_t)strtoul(byte, NULL, 16);
		t->p += 2;
	}
	return o->n > 0 || text_expected(t, "pairs of hexadecimal digits");
}

static bool
option(struct text *t, struct pd_opt *o)
{
	*o = (struct pd_opt){.kind = PD_OPT_NOP};
	if (text_is(t, "nop"))
		return true;
	if (text_is(t, "eol")) {
		o->kind = PD_OPT_END;
		return true;
	}
	if (text_is(t, "sackOK")) {
		o->kind = PD_OPT_SOK;
		return true;
	}
	if (text_is(t, "mss")) {
		o->kind = PD_OPT_MSS;
		return option_value(t, o, "a segment size or *");
	}
	if (text_is(t, "wscale")) {
		o->kind = PD_OPT_WS;
		return option_value(t, o, "a shift or *");
	}
	if (text_is(t, "TS"))
		return option_timestamps(t, o);
	if (text_is(t, "sack"))
		return option_sack(t, o);
	if (text_is(t, "bytes"))
		return option_raw(t, o);
	return text_expected(t, "mss, wscale, sackOK, sack, TS, nop, eol or bytes");
}

bool
text_options(struct text *t, struct pd_seg *s)
{
	s->has_opts = true;
	s->nb_opts = 0;
	if (!text_char(t, '<'))
		return text_expected(t, "'<' and options");
	if (text_char(t, '>'))
		return true;
	do {
		if (s->nb_opts == PD_OPTS)
			return text_expected(t, "no more than 12 options");
		if (!option(t, &s->opt[s->nb_opts++]))
			return false;
	} while (text_char(t, ','));
	return text_char(t, '>') || text_expected(t, "',' or '>'");
}

static bool
flags(struct text *t, struct pd_seg *s)
{
	static const char letter[] = "FSRP.U";

	blanks(t);
	if (*t->p == '0') {
		t->p++;
		return true;
	}
	for (const char *c; *t->p != '\0' && (c = strchr(letter, *t->p)) != NULL; t->p++)
		s->flags |= (uint8_t)(1u << (c - letter));
	return s->flags != 0 || text_expected(t, "flags (S F R P U . or 0)");
}

/* FIRST, FIRST(LEN), FIRST:END(LEN); the end excludes SYN and FIN. */
static bool
span(struct text *t, struct pd_seg *s)
{
	bool any, with_end;
	int64_t end = 0, len = 0;

	if (!number(t, &s->seq, &s->any_seq))
		return text_expected(t, "a sequence number or *");
	with_end = text_char(t, ':');
	if (with_end && !number(t, &end, &any))
		return text_expected(t, "the number after the last byte");
	if (text_char(t, '(')) {
		if (!text_int(t, &len) || len < 0 || len > 65535)
			return text_expected(t, "a length");
		if (!text_char(t, ')'))
			return text_expected(t, "')'");
	} else if (with_end) {
		return text_expected(t, "'(' and the length");
	}
	s->len = (uint32_t)len;
	if (with_end && end != s->seq + len)
		return text_expected(t, "a length that is the end less the beginning");
	return true;
}

bool
text_seg(struct text *t, struct pd_seg *s)
{
	int64_t win;

	*s = (struct pd_seg){.flags = 0};
	if (!flags(t, s) || !span(t, s))
		return false;
	if (text_is(t, "ack")) {
		if (!number(t, &s->ack, &s->any_ack))
			return text_expected(t, "an acknowledgement number or *");
	} else if (s->flags & PD_ACK) {
		return text_expected(t, "'ack' and a number, as the flags have a dot");
	}
	if (text_is(t, "win")) {
		if (!text_int(t, &win) || win < 0 || win > 65535)
			return text_expected(t, "a window of 0 to 65535");
		s->has_win = true;
		s->win = (uint32_t)win;
	}
	blanks(t);
	return *t->p != '<' || text_options(t, s);
}
