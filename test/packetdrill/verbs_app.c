/* SPDX-License-Identifier: BSD-3-Clause */
/* What the application does, and what happens to the stack from below. */
#include <errno.h>
#include <string.h>

#include "script.h"

static bool
connected(const struct pd_world *w)
{
	if (w->conn != NULL)
		return true;
	return pd_wrong("there is no connection: %s",
			w->ended ? pw_tcp_end_str(w->why) : "none has been established");
}

static bool
run_listen(struct pd_world *w, const struct step *s)
{
	(void)s;
	return pd_world_listen(w) == 0 || pd_wrong("the port is in use");
}

static bool
run_connect(struct pd_world *w, const struct step *s)
{
	int rc = pd_world_connect(w);

	(void)s;
	pd_world_act(w);
	return rc == 0 || pd_wrong("the connection can't be opened: %s", strerror(-rc));
}

static bool
parse_write(struct text *t, struct step *s)
{
	if (!text_int(t, &s->n[0]) || s->n[0] < 1)
		return text_expected(t, "a number of bytes");
	s->flag = text_is(t, "copy");
	if (!text_is(t, "refused"))
		return true;
	if (text_is(t, "EPIPE"))
		s->n[1] = -EPIPE;
	else if (text_is(t, "EAGAIN"))
		s->n[1] = -EAGAIN;
	else if (text_is(t, "ENOBUFS"))
		s->n[1] = -ENOBUFS;
	else
		return text_expected(t, "EPIPE, EAGAIN or ENOBUFS");
	return true;
}

static bool
run_write(struct pd_world *w, const struct step *s)
{
	int rc;

	if (!connected(w))
		return false;
	rc = pd_world_write(w, (uint32_t)s->n[0], s->flag);
	if (rc != s->n[1])
		return pd_wrong("the stack answers %s", rc == 0 ? "yes" : strerror(-rc));
	pd_world_act(w);
	return true;
}

static bool
parse_read(struct text *t, struct step *s)
{
	s->flag = text_is(t, "all");
	return s->flag || (text_int(t, &s->n[0]) && s->n[0] > 0) ||
	       text_expected(t, "a number of bytes or 'all'");
}

static bool
run_read(struct pd_world *w, const struct step *s)
{
	if (!connected(w))
		return false;
	pd_world_read(w, s->flag ? pw_tcp_rx_len(w->conn) : (uint32_t)s->n[0]);
	pd_world_act(w);
	return true;
}

static bool
parse_on(struct text *t, struct step *s)
{
	s->flag = text_is(t, "on");
	return s->flag || text_is(t, "off") || text_expected(t, "'on' or 'off'");
}

static bool
run_autoread(struct pd_world *w, const struct step *s)
{
	w->auto_read = s->flag;
	return true;
}

static bool
run_cork(struct pd_world *w, const struct step *s)
{
	w->corked = s->flag;
	pd_world_act(w);
	return true;
}

static bool
run_refuse(struct pd_world *w, const struct step *s)
{
	w->refuse = s->flag;
	return true;
}

static bool
parse_number(struct text *t, struct step *s)
{
	return (text_int(t, &s->n[0]) && s->n[0] >= 0) || text_expected(t, "a number");
}

static bool
run_reply(struct pd_world *w, const struct step *s)
{
	w->reply = (uint32_t)s->n[0];
	return true;
}

static bool
run_close(struct pd_world *w, const struct step *s)
{
	(void)s;
	if (!connected(w))
		return false;
	pw_tcp_close(w->t, w->conn, w->now);
	pd_world_act(w);
	return true;
}

static bool
run_shutdown(struct pd_world *w, const struct step *s)
{
	(void)s;
	if (!connected(w))
		return false;
	pw_tcp_shutdown(w->t, w->conn, w->now);
	pd_world_act(w);
	return true;
}

static bool
run_abort(struct pd_world *w, const struct step *s)
{
	struct pw_tcp_conn *c = w->conn;

	(void)s;
	if (!connected(w))
		return false;
	w->conn = NULL;
	w->ended = true;
	w->why = PW_TCP_END_ABORTED;
	pw_tcp_abort(w->t, c, w->now);
	pd_world_act(w);
	return true;
}

/* icmp too-big N mtu M | icmp unreachable N [code C]: N as a sequence number of the stack. */
static bool
parse_icmp(struct text *t, struct step *s)
{
	s->flag = text_is(t, "too-big");
	if (!s->flag && !text_is(t, "unreachable"))
		return text_expected(t, "'too-big' or 'unreachable'");
	if (!text_int(t, &s->n[0]))
		return text_expected(t, "the sequence number that it quotes");
	if (s->flag && (!text_is(t, "mtu") || !text_int(t, &s->n[1]) || s->n[1] < 1))
		return text_expected(t, "'mtu' and a number of bytes");
	s->op = s->flag ? 4 : 1;
	if (!s->flag && text_is(t, "code")) {
		if (!text_int(t, &s->n[1]) || s->n[1] < 0 || s->n[1] > 15)
			return text_expected(t, "a code of 0 to 15");
		s->op = (uint8_t)s->n[1];
		s->n[1] = 0;
	}
	return true;
}

static bool
run_icmp(struct pd_world *w, const struct step *s)
{
	struct pw_flow flow = pd_world_flow(w);

	pd_trace(w, "< ICMP %s", s->text);
	pw_tcp_icmp_error(w->t, &flow, w->iss + (uint32_t)s->n[0], (uint16_t)s->n[1], s->op,
			  w->now);
	pd_world_act(w);
	return true;
}

static bool
run_pressure(struct pd_world *w, const struct step *s)
{
	pw_tcp_set_pressure(w->t, (uint32_t)s->n[0]);
	pd_world_act(w);
	return true;
}

/* route gone|back, driver full|free: what lies below answers so. */
static bool
parse_route(struct text *t, struct step *s)
{
	s->flag = text_is(t, "gone");
	return s->flag || text_is(t, "back") || text_expected(t, "'gone' or 'back'");
}

static bool
run_route(struct pd_world *w, const struct step *s)
{
	w->path_rc = w->output_rc = s->flag ? -EHOSTUNREACH : 0;
	return true;
}

static bool
parse_driver(struct text *t, struct step *s)
{
	s->flag = text_is(t, "full");
	return s->flag || text_is(t, "free") || text_expected(t, "'full' or 'free'");
}

static bool
run_driver(struct pd_world *w, const struct step *s)
{
	w->output_rc = s->flag ? -ENOBUFS : 0;
	return true;
}

static bool
parse_tolerance(struct text *t, struct step *s)
{
	return text_duration(t, &s->ns) || text_expected(t, "a time such as 5ms");
}

static bool
run_tolerance(struct pd_world *w, const struct step *s)
{
	w->tolerance = s->ns;
	return true;
}

const struct verb verbs_app[] = {
	{"listen", VERB_ACT, NULL, run_listen, NULL},
	{"connect", VERB_ACT, NULL, run_connect, NULL},
	{"write", VERB_ACT, parse_write, run_write, NULL},
	{"read", VERB_ACT, parse_read, run_read, NULL},
	{"autoread", VERB_ACT, parse_on, run_autoread, NULL},
	{"cork", VERB_ACT, parse_on, run_cork, NULL},
	{"refuse", VERB_ACT, parse_on, run_refuse, NULL},
	{"reply", VERB_ACT, parse_number, run_reply, NULL},
	{"close", VERB_ACT, NULL, run_close, NULL},
	{"shutdown", VERB_ACT, NULL, run_shutdown, NULL},
	{"abort", VERB_ACT, NULL, run_abort, NULL},
	{"icmp", VERB_ACT, parse_icmp, run_icmp, NULL},
	{"pressure", VERB_ACT, parse_number, run_pressure, NULL},
	{"route", VERB_ACT, parse_route, run_route, NULL},
	{"driver", VERB_ACT, parse_driver, run_driver, NULL},
	{"tolerance", VERB_CHECK, parse_tolerance, run_tolerance, NULL},
	{NULL, VERB_ACT, NULL, NULL, NULL},
};
