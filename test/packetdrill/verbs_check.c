/* SPDX-License-Identifier: BSD-3-Clause */
/* What is looked at: upcalls, state, what a connection says of itself, counters. And the setup. */
#include <stddef.h>
#include <string.h>

#include "script.h"

static bool
hear(struct pd_world *w, enum pd_event what, const char *name)
{
	if (w->heard == w->nb_told)
		return pd_wrong("the application was not told '%s'", name);
	if (w->told[w->heard % PD_EVENTS].what != what)
		return pd_wrong("the application was told something else than '%s'", name);
	w->heard++;
	return true;
}

static bool
run_accepted(struct pd_world *w, const struct step *s)
{
	return hear(w, PD_EV_ACCEPTED, s->verb->name);
}

static bool
run_connected(struct pd_world *w, const struct step *s)
{
	return hear(w, PD_EV_CONNECTED, s->verb->name);
}

#define END_ROW(e, text) #e,
#define STATE_ROW(s)	 #s,

static bool
parse_name(struct text *t, struct step *s, const char *const *name, uint32_t n, const char *what)
{
	const char *before;
	char word[32];

	(void)text_end(t);
	before = t->p;
	if (!text_word(t, word, sizeof(word)))
		return text_expected(t, what);
	for (s->at = 0; s->at < n; s->at++)
		if (strcmp(word, name[s->at]) == 0)
			return true;
	t->p = before;
	return text_expected(t, what);
}

static bool
parse_gone(struct text *t, struct step *s)
{
	static const char *const name[] = {PW_TCP_ENDS(END_ROW)};

	return parse_name(t, s, name, RTE_DIM(name),
			  "CLOSED, RESET, ABORTED, REFUSED, TIMEOUT, UNREACHABLE or NO_BUFFER");
}

static bool
run_gone(struct pd_world *w, const struct step *s)
{
	if (!hear(w, PD_EV_GONE, "gone"))
		return false;
	return w->why == s->at || pd_wrong("it was told '%s'", pw_tcp_end_str(w->why));
}

static bool
parse_state(struct text *t, struct step *s)
{
	static const char *const name[] = {PW_TCP_STATES(STATE_ROW)};

	return parse_name(t, s, name, RTE_DIM(name), "a state of RFC 9293 3.3.2");
}

static bool
run_state(struct pd_world *w, const struct step *s)
{
	enum pw_tcp_state is = w->conn != NULL ? pw_tcp_state(w->conn) : PW_TCP_CLOSED;

	return is == s->at || pd_wrong("it is %s", pw_tcp_state_str(is));
}

static bool
run_eof(struct pd_world *w, const struct step *s)
{
	bool eof = w->conn != NULL && pw_tcp_eof(w->conn);

	return eof == s->flag || pd_wrong("the peer's side is %s", eof ? "closed" : "open");
}

static bool
parse_eof(struct text *t, struct step *s)
{
	s->flag = !text_is(t, "not-yet");
	return true;
}

/* NAME OP NUMBER */
enum op { OP_EQ, OP_NE, OP_LT, OP_LE, OP_GT, OP_GE };

static const char *const op_text[] = {[OP_EQ] = "==", [OP_NE] = "!=", [OP_LE] = "<=",
				      [OP_GE] = ">=", [OP_LT] = "<",  [OP_GT] = ">"};

static bool
parse_comparison(struct text *t, struct step *s)
{
	static const uint8_t order[] = {OP_EQ, OP_NE, OP_LE, OP_GE, OP_LT, OP_GT};

	(void)text_end(t);
	for (uint32_t i = 0; i < RTE_DIM(order); i++) {
		size_t n = strlen(op_text[order[i]]);

		if (strncmp(t->p, op_text[order[i]], n) != 0)
			continue;
		t->p += n;
		s->op = order[i];
		return text_int(t, &s->n[0]) || text_expected(t, "a number");
	}
	return text_expected(t, "== != < <= > or >=");
}

static bool
compare(const struct step *s, int64_t v)
{
	const bool holds[] = {
		[OP_EQ] = v == s->n[0],
		[OP_NE] = v != s->n[0],
		[OP_LT] = v<s->n[0], [OP_LE] = v <= s->n[0], [OP_GT] = v> s->n[0],
		[OP_GE] = v >= s->n[0],
	};

	return holds[s->op] || pd_wrong("%s is %lld", s->word, (long long)v);
}

#define FIELD(f)                                                                                   \
	{                                                                                          \
#f, offsetof(struct pw_tcp_info, f), sizeof(((struct pw_tcp_info *)0)->f)          \
	}

static const struct {
	const char *name;
	uint32_t at;
	uint32_t size;
} field[] = {
	FIELD(sacked),	FIELD(lost),	  FIELD(pipe),	      FIELD(min_rtt_us), FIELD(srtt_us),
	FIELD(rto_ms),	FIELD(cwnd),	  FIELD(ssthresh),    FIELD(snd_wnd),	 FIELD(rcv_wnd),
	FIELD(unacked), FIELD(rx_queued), FIELD(retransmits), FIELD(mss),
};

static bool
parse_info(struct text *t, struct step *s)
{
	if (!text_word(t, s->word, sizeof(s->word)))
		return text_expected(t, "a field of struct pw_tcp_info");
	for (s->at = 0; s->at < RTE_DIM(field); s->at++)
		if (strcmp(s->word, field[s->at].name) == 0)
			return parse_comparison(t, s);
	t->p -= strlen(s->word);
	return text_expected(t, "a field of struct pw_tcp_info");
}

static bool
run_info(struct pd_world *w, const struct step *s)
{
	const uint8_t *p;
	struct pw_tcp_info info;
	uint32_t v32;
	uint16_t v16;

	if (w->conn == NULL)
		return pd_wrong("there is no connection");
	pw_tcp_info(w->t, w->conn, &info);
	p = (const uint8_t *)&info + field[s->at].at;
	if (field[s->at].size == sizeof(v32)) {
		memcpy(&v32, p, sizeof(v32));
		return compare(s, v32);
	}
	memcpy(&v16, p, sizeof(v16));
	return compare(s, v16);
}

static bool
parse_count(struct text *t, struct step *s)
{
	if (!text_word(t, s->word, sizeof(s->word)))
		return text_expected(t, "the name of a counter");
	for (s->at = 0; pw_tcp_counters_desc[s->at].name != NULL; s->at++)
		if (strcmp(s->word, pw_tcp_counters_desc[s->at].name) == 0)
			return parse_comparison(t, s);
	t->p -= strlen(s->word);
	return text_expected(t, "the name of a counter");
}

static bool
run_count(struct pd_world *w, const struct step *s)
{
	return compare(s, (int64_t)pw_counter_read(pw_tcp_counters(w->t), s->at));
}

static bool
run_conns(struct pd_world *w, const struct step *s)
{
	uint32_t n = pw_tcp_conns(w->t);

	return n == s->n[0] || pd_wrong("there are %u connections in the table", n);
}

static bool
parse_conns(struct text *t, struct step *s)
{
	return text_int(t, &s->n[0]) || text_expected(t, "a number of connections");
}

/* Buffers out of a pool: 'pinned pkt <= 3'. */
static bool
parse_pinned(struct text *t, struct step *s)
{
	static const char *const name[] = {"pkt", "hdr", "ind"};

	if (!parse_name(t, s, name, RTE_DIM(name), "pkt, hdr or ind"))
		return false;
	strcpy(s->word, name[s->at]);
	return parse_comparison(t, s);
}

static bool
run_pinned(struct pd_world *w, const struct step *s)
{
	struct rte_mempool *const pool[] = {w->mem->pkt, w->mem->hdr, w->mem->ind};

	return compare(s, rte_mempool_in_use_count(pool[s->at]));
}

const struct verb verbs_check[] = {
	{"accepted", VERB_CHECK, NULL, run_accepted, NULL},
	{"connected", VERB_CHECK, NULL, run_connected, NULL},
	{"gone", VERB_CHECK, parse_gone, run_gone, NULL},
	{"state", VERB_CHECK, parse_state, run_state, NULL},
	{"eof", VERB_CHECK, parse_eof, run_eof, NULL},
	{"info", VERB_CHECK, parse_info, run_info, NULL},
	{"count", VERB_CHECK, parse_count, run_count, NULL},
	{"conns", VERB_CHECK, parse_conns, run_conns, NULL},
	{"pinned", VERB_CHECK, parse_pinned, run_pinned, NULL},
	{NULL, VERB_CHECK, NULL, NULL, NULL},
};

/* The setup. */

#define CONF(f)                                                                                    \
	{                                                                                          \
#f, offsetof(struct pw_tcp_conf, f)                                                \
	}

static const struct {
	const char *name;
	size_t at;
} conf[] = {
	CONF(max_conns),     CONF(max_time_wait),   CONF(reserve_active), CONF(max_tx_slices),
	CONF(rx_window),     CONF(tx_queue_bytes),  CONF(max_ooo),	  CONF(max_ooo_total),
	CONF(rx_copy_break), CONF(msl_ms),	    CONF(min_rto_ms),	  CONF(max_rto_ms),
	CONF(syn_retries),   CONF(user_timeout_ms), CONF(keepalive_ms),	  CONF(delack_ms),
	CONF(rx_buffers),
};

static bool
parse_conf(struct text *t, struct step *s)
{
	if (!text_word(t, s->word, sizeof(s->word)))
		return text_expected(t, "a field of struct pw_tcp_conf");
	for (s->at = 0; s->at < RTE_DIM(conf); s->at++)
		if (strcmp(s->word, conf[s->at].name) == 0)
			return text_int(t, &s->n[0]) || text_expected(t, "a number");
	t->p -= strlen(s->word);
	return text_expected(t, "a field of struct pw_tcp_conf");
}

static void
setup_conf(struct pd_setup *setup, const struct step *s)
{
	uint32_t v = (uint32_t)s->n[0];

	memcpy((uint8_t *)&setup->conf + conf[s->at].at, &v, sizeof(v));
}

static bool
parse_value(struct text *t, struct step *s)
{
	return text_int(t, &s->n[0]) || text_expected(t, "a number");
}

static void
setup_mtu(struct pd_setup *setup, const struct step *s)
{
	setup->mtu = (uint16_t)s->n[0];
}

static void
setup_segs(struct pd_setup *setup, const struct step *s)
{
	setup->max_segs = (uint16_t)s->n[0];
}

static void
setup_isn(struct pd_setup *setup, const struct step *s)
{
	setup->peer_isn = (uint32_t)s->n[0];
}

static void
setup_v6(struct pd_setup *setup, const struct step *s)
{
	(void)s;
	setup->v6 = true;
}

const struct verb verbs_setup[] = {
	{"conf", VERB_SETUP, parse_conf, NULL, setup_conf},
	{"mtu", VERB_SETUP, parse_value, NULL, setup_mtu},
	{"segs", VERB_SETUP, parse_value, NULL, setup_segs},
	{"isn", VERB_SETUP, parse_value, NULL, setup_isn},
	{"ipv6", VERB_SETUP, NULL, NULL, setup_v6},
	{NULL, VERB_SETUP, NULL, NULL, NULL},
};
