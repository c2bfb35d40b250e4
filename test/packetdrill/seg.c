/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "seg.h"

#define HEADER	   20
#define HEADER_MAX 60

static uint32_t
get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void
put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void
put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v);
}

/* Text that grows; what does not fit is left out. */
struct line {
	char *p;
	size_t left;
};

static void __attribute__((format(printf, 2, 3))) add(struct line *l, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(l->p, l->left, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= l->left)
		n = l->left > 0 ? (int)l->left - 1 : 0;
	l->p += n;
	l->left -= (size_t)n;
}

static void
add_value(struct line *l, const char *before, const struct pd_opt *o, uint32_t i)
{
	if (o->any & 1u << i)
		add(l, "%s*", before);
	else
		add(l, "%s%lld", before, (long long)o->v[i]);
}

static void
add_option(struct line *l, const struct pd_opt *o)
{
	switch (o->kind) {
	case PD_OPT_END:
		add(l, "eol");
		break;
	case PD_OPT_NOP:
		add(l, "nop");
		break;
	case PD_OPT_MSS:
		add_value(l, "mss ", o, 0);
		break;
	case PD_OPT_WS:
		add_value(l, "wscale ", o, 0);
		break;
	case PD_OPT_SOK:
		add(l, "sackOK");
		break;
	case PD_OPT_SACK:
		add(l, "sack");
		for (uint32_t i = 0; i + 1 < o->n; i += 2) {
			add_value(l, " ", o, i);
			add_value(l, ":", o, i + 1);
		}
		break;
	case PD_OPT_TS:
		add_value(l, "TS val ", o, 0);
		add_value(l, " ecr ", o, 1);
		break;
	default:
		add(l, "bytes ");
		for (uint32_t i = 0; i < o->n; i++)
			add(l, "%02x", o->raw[i]);
	}
}

const char *
pd_seg_str(const struct pd_seg *s, char *buf, size_t size)
{
	static const struct {
		uint8_t bit;
		char c;
	} flag[] = {{PD_SYN, 'S'}, {PD_FIN, 'F'}, {PD_RST, 'R'},
		    {PD_PSH, 'P'}, {PD_URG, 'U'}, {PD_ACK, '.'}};
	struct line l = {buf, size};
	bool first = true;

	*buf = '\0';
	for (size_t i = 0; i < sizeof(flag) / sizeof(flag[0]); i++)
		if (s->flags & flag[i].bit)
			add(&l, "%c", flag[i].c);
	if (s->flags == 0)
		add(&l, "0");
	if (s->any_seq)
		add(&l, " *(%u)", s->len);
	else
		add(&l, " %lld:%lld(%u)", (long long)s->seq, (long long)s->seq + s->len, s->len);
	if (s->flags & PD_ACK && s->any_ack)
		add(&l, " ack *");
	else if (s->flags & PD_ACK)
		add(&l, " ack %lld", (long long)s->ack);
	if (s->has_win)
		add(&l, " win %u", s->win);
	if (!s->has_opts)
		return buf;
	add(&l, " <");
	for (uint32_t i = 0; i < s->nb_opts; i++) {
		if (!first)
			add(&l, ",");
		first = false;
		add_option(&l, &s->opt[i]);
	}
	add(&l, ">");
	return buf;
}

const struct pd_opt *
pd_seg_opt(const struct pd_seg *s, uint8_t kind)
{
	for (uint32_t i = 0; i < s->nb_opts; i++)
		if (s->opt[i].kind == kind)
			return &s->opt[i];
	return NULL;
}

/* A timestamp of 0 stands for none (RFC 7323 3.2: the echo in a segment without ACK). */
static uint32_t
ts_raw(int64_t v, uint32_t base)
{
	return v == 0 ? 0 : (uint32_t)v + base;
}

static int64_t
ts_relative(uint32_t raw, uint32_t base)
{
	return raw == 0 ? 0 : (int64_t)(uint32_t)(raw - base);
}

/* Bytes of an option at p, where room are left; 0 where it does not fit. */
static uint32_t
build_option(const struct pd_opt *o, const struct pd_base *b, uint8_t *p, uint32_t room)
{
	uint32_t n;

	switch (o->kind) {
	case PD_OPT_END:
	case PD_OPT_NOP:
		n = 1;
		break;
	case PD_OPT_MSS:
		n = 4;
		break;
	case PD_OPT_WS:
		n = 3;
		break;
	case PD_OPT_SOK:
		n = 2;
		break;
	case PD_OPT_TS:
		n = 10;
		break;
	case PD_OPT_SACK:
		n = 2 + 4u * o->n;
		break;
	default:
		if (o->n > room)
			return 0;
		memcpy(p, o->raw, o->n);
		return o->n;
	}
	if (n > room)
		return 0;
	p[0] = o->kind;
	if (n > 1)
		p[1] = (uint8_t)n;
	if (o->kind == PD_OPT_MSS) {
		put16(p + 2, (uint32_t)o->v[0]);
	} else if (o->kind == PD_OPT_WS) {
		p[2] = (uint8_t)o->v[0];
	} else if (o->kind == PD_OPT_TS) {
		put32(p + 2, ts_raw(o->v[0], b->ts_mine));
		put32(p + 6, ts_raw(o->v[1], b->ts_theirs));
	} else if (o->kind == PD_OPT_SACK) {
		for (uint32_t i = 0; i < o->n; i++)
			put32(p + 2 + 4 * i, (uint32_t)o->v[i] + b->theirs);
	}
	return n;
}

uint32_t
pd_seg_build(const struct pd_seg *s, const struct pd_base *b, uint16_t sport, uint16_t dport,
	     const uint8_t *payload, uint8_t *p, size_t size)
{
	uint32_t head = HEADER;

	if (size < HEADER_MAX || s->len > size - HEADER_MAX)
		return 0;
	memset(p, 0, HEADER_MAX);
	for (uint32_t i = 0; i < s->nb_opts; i++) {
		uint32_t n = build_option(&s->opt[i], b, p + head, HEADER_MAX - head);

		if (n == 0)
			return 0;
		head += n;
	}
	head = (head + 3) / 4 * 4;
	put16(p, sport);
	put16(p + 2, dport);
	put32(p + 4, (uint32_t)s->seq + b->mine);
	put32(p + 8, s->flags & PD_ACK ? (uint32_t)s->ack + b->theirs : 0);
	p[12] = (uint8_t)(head / 4 << 4);
	p[13] = s->flags;
	put16(p + 14, s->win);
	if (s->len > 0)
		memcpy(p + head, payload, s->len);
	return head + s->len;
}

static bool
parse_option(struct pd_opt *o, const struct pd_base *b, const uint8_t *p, uint32_t n)
{
	static const uint8_t size[] = {
		[PD_OPT_MSS] = 4, [PD_OPT_WS] = 3, [PD_OPT_SOK] = 2, [PD_OPT_TS] = 10};

	*o = (struct pd_opt){.kind = p[0]};
	if (p[0] < sizeof(size) && size[p[0]] != 0 && n != size[p[0]])
		return false;
	switch (p[0]) {
	case PD_OPT_MSS:
		o->v[0] = p[2] << 8 | p[3];
		o->n = 1;
		return true;
	case PD_OPT_WS:
		o->v[0] = p[2];
		o->n = 1;
		return true;
	case PD_OPT_SOK:
		return true;
	case PD_OPT_TS:
		o->v[0] = ts_relative(get32(p + 2), b->ts_mine);
		o->v[1] = ts_relative(get32(p + 6), b->ts_theirs);
		o->n = 2;
		return true;
	case PD_OPT_SACK:
		o->n = (uint8_t)((n - 2) / 4);
		if (n % 8 != 2 || o->n > PD_VALUES)
			return false;
		for (uint32_t i = 0; i < o->n; i++)
			o->v[i] = (int32_t)(get32(p + 2 + 4 * i) - b->theirs);
		return true;
	default:
		o->kind = PD_OPT_RAW;
		o->n = (uint8_t)n;
		memcpy(o->raw, p, n);
		return true;
	}
}

uint32_t
pd_seg_parse(struct pd_seg *out, const struct pd_base *b, const uint8_t *p, uint32_t n)
{
	uint32_t head, i;

	*out = (struct pd_seg){.has_win = true, .has_opts = true};
	if (n < HEADER)
		return 0;
	head = (uint32_t)(p[12] >> 4) * 4;
	if (head < HEADER || head > n)
		return 0;
	out->seq = (int32_t)(get32(p + 4) - b->mine);
	out->ack = (int32_t)(get32(p + 8) - b->theirs);
	out->flags = p[13];
	out->win = (uint32_t)(p[14] << 8 | p[15]);
	out->len = n - head;
	for (i = HEADER; i < head && p[i] != PD_OPT_END;) {
		if (p[i] == PD_OPT_NOP) {
			i++;
			continue;
		}
		if (head - i < 2 || p[i + 1] < 2 || p[i + 1] > head - i || out->nb_opts == PD_OPTS)
			return 0;
		if (!parse_option(&out->opt[out->nb_opts++], b, p + i, p[i + 1]))
			return 0;
		i += p[i + 1];
	}
	return head;
}

static bool
same_option(const struct pd_opt *want, const struct pd_opt *got)
{
	if (want->kind != got->kind || want->n != got->n)
		return false;
	if (want->kind == PD_OPT_RAW)
		return memcmp(want->raw, got->raw, want->n) == 0;
	for (uint32_t i = 0; i < want->n; i++)
		if (!(want->any & 1u << i) && want->v[i] != got->v[i])
			return false;
	return true;
}

/* Options in any order; padding does not count. */
static bool
same_options(const struct pd_seg *want, const struct pd_seg *got)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < want->nb_opts; i++) {
		const struct pd_opt *w = &want->opt[i], *g;

		if (w->kind == PD_OPT_NOP || w->kind == PD_OPT_END)
			continue;
		n++;
		g = pd_seg_opt(got, w->kind);
		if (g == NULL || !same_option(w, g))
			return false;
	}
	return n == got->nb_opts;
}

const char *
pd_seg_differs(const struct pd_seg *want, const struct pd_seg *got)
{
	/* PSH is a hint: it is compared where the script writes it. */
	uint8_t mask = want->flags & PD_PSH ? 0xff : (uint8_t)~PD_PSH;

	if ((want->flags & mask) != (got->flags & mask))
		return "flags";
	if (!want->any_seq && want->seq != got->seq)
		return "sequence number";
	if (want->len != got->len)
		return "length";
	if (want->flags & PD_ACK && !want->any_ack && want->ack != got->ack)
		return "acknowledgement number";
	if (want->has_win && want->win != got->win)
		return "window";
	if (want->has_opts && !same_options(want, got))
		return "options";
	return NULL;
}
