/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An attacker off the path, and a network that remembers. It knows addresses and ports, guesses
 * numbers (or, to spare us 2^32 attempts, is told the window but never the exact place), and lies
 * by ICMP. Packets of the past come back. None of it may end, change or stop a connection.
 */
#include <netinet/in.h>
#include <string.h>

#include <rte_common.h>

#include "world.h"

#define STRANGER 200	    /* hosts that are not there: from here on */
#define LINGERS	 (20 * SEC) /* after the wires have calmed down */

static uint32_t
dice(struct world *w, uint32_t n)
{
	return sim_rng_below(&w->dice, n);
}

static uint32_t
any(struct world *w)
{
	return (uint32_t)sim_rng_next(&w->dice);
}

/* Put a segment on the wire in the name of the peer of an end. */
static void
forge(struct end *to, const struct seg *s)
{
	struct conn *c = to->conn;
	struct end *from = &c->end[!to->side];
	uint8_t frame[FRAME_MAX], dst[6], src[6];
	struct packet p;
	uint8_t tcp[256];
	uint32_t n = seg_build(s, tcp), at;

	host_mac(to->host->id, dst);
	host_mac(from->host->id, src);
	at = packet_head(frame, dst, src, &from->host->addr[c->v6], &to->host->addr[c->v6],
			 IPPROTO_TCP, n);
	memcpy(frame + at, tcp, n);
	if (packet_parse(frame, at + n, &p) == 0)
		packet_sum(frame, &p);
	c->w->tally->forged++;
	link_send(c->w, from->host->id, frame, at + n, FRAME_FORGED, NULL);
}

static struct seg
blank(const struct end *to)
{
	const struct conn *c = to->conn;

	return (struct seg){.sport = to->side == 0 ? c->server : c->port,
			    .dport = to->side == 0 ? c->port : c->server,
			    .win = 1000};
}

/* Numbers drawn blindly. */
static void
blind(struct world *w, struct end *to)
{
	static const uint8_t flags[] = {F_RST, F_RST | F_ACK, F_SYN,	    F_SYN | F_ACK,
					F_ACK, F_ACK | F_PSH, F_FIN | F_ACK};
	struct seg s = blank(to);
	struct aim aim;

	s.flags = flags[dice(w, RTE_DIM(flags))];
	/* A SYN that meets one in SYN_SENT is a simultaneous open, whoever sent it (RFC 9293 3.5).
	 */
	if (s.flags == F_SYN && (to->side == 0 || to->conn->both_open) &&
	    !(inside_aim(to, &aim) && aim.synchronized))
		return;
	s.seq = any(w);
	s.ack = any(w);
	s.len = s.flags & F_PSH ? 1 + dice(w, 100) : 0;
	forge(to, &s);
}

/* RFC 5961: inside the window but not exact; RST and SYN are challenged, data needs a good ACK. */
static void
near(struct world *w, struct end *to)
{
	struct seg s = blank(to);
	uint32_t beyond, room;
	struct aim aim;

	if (!inside_aim(to, &aim) || !aim.synchronized)
		return;
	/* Behind all that the peer will ever send: it never becomes the exact number. */
	beyond = to->conn->view[!to->side].iss + app_total(&to->conn->end[!to->side]) + 3;
	if ((int32_t)(aim.rcv_nxt + aim.rcv_wnd - beyond) < 2)
		return;
	room = aim.rcv_nxt + aim.rcv_wnd - beyond;
	s.seq = beyond + dice(w, room);
	s.ack = aim.snd_max + 1 + dice(w, 1u << 30);
	switch (dice(w, 4)) {
	case 0:
		s.flags = F_RST;
		break;
	case 1:
		s.flags = F_SYN;
		break;
	case 2:
		s.flags = F_FIN | F_ACK;
		break;
	default:
		s.flags = F_ACK | F_PSH;
		s.len = 1 + dice(w, RTE_MIN(100u, room - 1));
	}
	forge(to, &s);
}

/* A request by a host that is not there. */
static void
flood(struct world *w)
{
	uint32_t victim = dice(w, w->nb_hosts), at;
	struct seg s = {.sport = (uint16_t)any(w),
			.dport = FIRST_PORT,
			.seq = any(w),
			.flags = F_SYN,
			.win = 65535,
			.mss = 1460};
	struct pw_addr from = w->host[victim].addr[0];
	uint8_t frame[FRAME_MAX], dst[6], src[6], tcp[64];
	uint32_t n = seg_build(&s, tcp);
	struct packet p;

	from.b[15] = (uint8_t)(STRANGER + dice(w, 3));
	host_mac(victim, dst);
	host_mac(from.b[15], src);
	at = packet_head(frame, dst, src, &from, &w->host[victim].addr[0], IPPROTO_TCP, n);
	memcpy(frame + at, tcp, n);
	if (packet_parse(frame, at + n, &p) == 0)
		packet_sum(frame, &p);
	w->tally->forged++;
	link_send(w, (victim + 1) % w->nb_hosts, frame, at + n, FRAME_FORGED, NULL);
}

/* RFC 5927: an error about a segment that was never sent. */
static void
lie(struct world *w, struct end *to)
{
	struct conn *c = to->conn;
	struct end *peer = &c->end[!to->side];
	struct seg s = blank(peer);
	uint8_t quoted[FRAME_MAX], frame[FRAME_MAX], mac[6], src[6], tcp[64];
	struct packet p;
	uint32_t n, at;

	s.seq = any(w);
	s.flags = F_ACK;
	n = seg_build(&s, tcp);
	host_mac(to->host->id, mac);
	host_mac(peer->host->id, src);
	at = packet_head(quoted, src, mac, &to->host->addr[c->v6], &peer->host->addr[c->v6],
			 IPPROTO_TCP, n);
	memcpy(quoted + at, tcp, n);
	if (packet_parse(quoted, at + n, &p) < 0)
		return;
	n = packet_icmp(frame, mac, src, &peer->host->addr[c->v6], quoted, &p,
			dice(w, 2) != 0 ? 0 : (uint16_t)(68 + dice(w, 1400)));
	w->tally->forged++;
	link_send(w, peer->host->id, frame, n, FRAME_FORGED, NULL);
}

void
attack(struct world *w)
{
	struct conn *c = &w->conn[dice(w, w->nb_conns)];
	struct end *to = &c->end[dice(w, 2)];

	w->attack_at = w->now + 1 + sim_rng_next(&w->dice) % w->plan.attack_every;
	if (w->attack_at > w->plan.calm_at + LINGERS)
		w->attack_at = NEVER;
	if (c->port == 0 || c->over)
		return;
	switch (dice(w, 5)) {
	case 0:
		blind(w, to);
		break;
	case 1:
	case 2:
		near(w, to);
		break;
	case 3:
		flood(w);
		break;
	default:
		lie(w, to);
	}
}
