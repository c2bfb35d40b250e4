/* SPDX-License-Identifier: BSD-3-Clause */
/* Segments: what the peer sends, what the stack is to send, and a whole handshake in one line. */
#include <stdio.h>

#include "script.h"

static bool
parse_seg(struct text *t, struct step *s)
{
	int64_t n;
	const char *before = t->p;

	if (text_int(t, &n) && text_char(t, '*')) {
		if (n < 1 || n > PD_OUT)
			return text_expected(t, "a number of repetitions");
		s->times = (uint32_t)n;
	} else {
		t->p = before;
	}
	return text_seg(t, &s->seg);
}

static bool
inject(struct pd_world *w, const struct step *s, bool more)
{
	struct pd_seg seg = s->seg;

	for (uint32_t i = 0; i < s->times; i++) {
		if (!pd_world_inject(w, &seg, more))
			return pd_wrong("%s", w->fault);
		seg.seq += seg.len;
	}
	return true;
}

static bool
run_inject(struct pd_world *w, const struct step *s)
{
	return inject(w, s, false);
}

static bool
run_inject_more(struct pd_world *w, const struct step *s)
{
	return inject(w, s, true);
}

/* Time until which a step may wait, and since when it counts. */
static uint64_t
latest(const struct pd_world *w, const struct step *s)
{
	return w->clock + s->when.hi + (s->when.range ? 0 : w->tolerance);
}

static uint64_t
earliest(const struct pd_world *w, const struct step *s)
{
	uint64_t at = w->clock + s->when.lo;

	return s->when.range || at < w->clock + w->tolerance ? at : at - w->tolerance;
}

static bool
take(struct pd_world *w, const struct pd_seg *want)
{
	const struct pd_sent *o;
	const char *differs;
	char text[160];

	if (w->taken == w->nb_out) {
		pd_wrong("wanted  %s", pd_seg_str(want, text, sizeof(text)));
		return pd_wrong("sent    nothing");
	}
	o = &w->out[w->taken % PD_OUT];
	differs = pd_seg_differs(want, &o->seg);
	if (differs != NULL) {
		pd_wrong("another %s:", differs);
		pd_wrong("wanted  %s", pd_seg_str(want, text, sizeof(text)));
		return pd_wrong("sent    %s, at %.6f s", pd_seg_str(&o->seg, text, sizeof(text)),
				(double)(o->at - w->start) / 1e9);
	}
	w->taken++;
	return true;
}

static bool
run_expect(struct pd_world *w, const struct step *s)
{
	struct pd_seg want = s->seg;
	uint64_t lo = earliest(w, s), hi = latest(w, s);

	if (s->when.given) {
		while (w->taken == w->nb_out && w->now < hi)
			(void)pd_world_step(w, hi);
		if (w->taken != w->nb_out && w->out[w->taken % PD_OUT].at < lo) {
			char text[160];
			const struct pd_sent *o = &w->out[w->taken % PD_OUT];

			return pd_wrong("too early, by %.3f ms: %s", (double)(lo - o->at) / 1e6,
					pd_seg_str(&o->seg, text, sizeof(text)));
		}
	}
	for (uint32_t i = 0; i < s->times; i++) {
		if (!take(w, &want))
			return false;
		want.seq += want.len;
	}
	if (s->when.given)
		w->clock = w->now;
	return true;
}

static bool
run_nothing(struct pd_world *w, const struct step *s)
{
	(void)s;
	return pd_all_taken(w);
}

static bool
run_skip(struct pd_world *w, const struct step *s)
{
	while (s->when.given && w->now < w->clock + s->when.lo)
		(void)pd_world_step(w, w->clock + s->when.lo);
	w->clock = w->now;
	w->taken = w->nb_out;
	return true;
}

/* open passive|active [rtt TIME] [win N] [<options of the peer's SYN>] */
static bool
parse_open(struct text *t, struct step *s)
{
	int64_t win = 65535;

	s->flag = text_is(t, "active");
	if (!s->flag && !text_is(t, "passive"))
		return text_expected(t, "'passive' or 'active'");
	if (text_is(t, "rtt") && !text_duration(t, &s->ns))
		return text_expected(t, "a time such as 100ms");
	if (text_is(t, "win") && (!text_int(t, &win) || win < 0 || win > 65535))
		return text_expected(t, "a window of 0 to 65535");
	s->seg.win = (uint32_t)win;
	s->seg.has_win = true;
	s->seg.has_opts = true;
	return text_end(t) || text_options(t, &s->seg);
}

static bool
next_told(struct pd_world *w, enum pd_event what)
{
	if (w->heard == w->nb_told || w->told[w->heard % PD_EVENTS].what != what)
		return pd_wrong("the handshake is not complete");
	w->heard++;
	return true;
}

static bool
open_passive(struct pd_world *w, const struct step *s)
{
	struct pd_seg syn = s->seg, want = {.flags = PD_SYN | PD_ACK, .ack = 1};
	struct pd_seg ack = {.flags = PD_ACK, .seq = 1, .ack = 1, .has_win = true};

	syn.flags = PD_SYN;
	ack.win = s->seg.win;
	if (pd_world_listen(w) < 0)
		return pd_wrong("the port is in use");
	if (!pd_world_inject(w, &syn, false) || !take(w, &want))
		return false;
	return pd_pass(w, w->now + s->ns) && pd_world_inject(w, &ack, false) &&
	       next_told(w, PD_EV_ACCEPTED);
}

static bool
open_active(struct pd_world *w, const struct step *s)
{
	struct pd_seg reply = s->seg, want = {.flags = PD_SYN};
	struct pd_seg ack = {.flags = PD_ACK, .seq = 1, .ack = 1};

	reply.flags = PD_SYN | PD_ACK;
	reply.ack = 1;
	if (pd_world_connect(w) < 0)
		return pd_wrong("the connection can't be opened");
	pd_world_act(w);
	return take(w, &want) && pd_pass(w, w->now + s->ns) && pd_world_inject(w, &reply, false) &&
	       next_told(w, PD_EV_CONNECTED) && take(w, &ack);
}

static bool
run_open(struct pd_world *w, const struct step *s)
{
	/* From here on the peer speaks timestamps where both sides have agreed to. */
	w->peer_ts_used = pd_seg_opt(&s->seg, PD_OPT_TS) != NULL;
	if (!(s->flag ? open_active(w, s) : open_passive(w, s)))
		return false;
	if (w->conn == NULL || pw_tcp_state(w->conn) != PW_TCP_ESTABLISHED)
		return pd_wrong("the connection is not established");
	w->clock = w->now;
	return true;
}

/* The flow begins anew: the next SYN of the stack gives the numbers. */
static bool
run_renumber(struct pd_world *w, const struct step *s)
{
	w->iss_known = false;
	w->offer_known = false;
	w->edge_known = false;
	w->peer_ts_used = false;
	w->later = s->flag;
	w->written = 0;
	w->consumed = 0;
	w->peer_isn += (uint32_t)s->n[0];
	return true;
}

static bool
parse_renumber(struct text *t, struct step *s)
{
	if (text_is(t, "peer") && !text_int(t, &s->n[0]))
		return text_expected(t, "how far the peer's numbers move");
	s->flag = text_is(t, "later");
	return true;
}

const struct verb verbs_seg[] = {
	{"<<", VERB_ACT, parse_seg, run_inject_more, NULL},
	{"<", VERB_ACT, parse_seg, run_inject, NULL},
	{">", VERB_AWAIT, parse_seg, run_expect, NULL},
	{"nothing", VERB_CHECK, NULL, run_nothing, NULL},
	{"skip", VERB_AWAIT, NULL, run_skip, NULL},
	{"open", VERB_ACT, parse_open, run_open, NULL},
	{"renumber", VERB_ACT, parse_renumber, run_renumber, NULL},
	{NULL, VERB_ACT, NULL, NULL, NULL},
};
