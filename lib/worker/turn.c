/* SPDX-License-Identifier: BSD-3-Clause */
/* One turn: everything that stands at the ports, in the rings and on the clock, once. */
#include <pubwire/base/stage.h>

#include "worker_pvt.h"

#define WIRE_INTERVAL	   UINT64_C(10000000)	/* ns; the wire wants 100 ms at most */
#define LINK_INTERVAL	   UINT64_C(1000000000) /* ns */
#define PRESSURE_TURNS	   256			/* the count walks all lcores' caches */
#define PRESSURE_INTERVAL  UINT64_C(10000000)	/* ns; turns may be rare */
#define SCARCE_PERCENT	   50			/* what waits for long is copied together */
#define PRESSURE_1_PERCENT 75			/* devices are not read */
#define PRESSURE_2_PERCENT 85			/* connection requests are refused */

void
worker_input(struct worker *w, uint32_t iface, struct rte_mbuf **frames, uint32_t n, uint64_t now)
{
	struct rte_mbuf *tcp[WORKER_BURST];
	uint32_t was = pw_stage_enter(PW_STAGE_WIRE_IN), nb_tcp;

	nb_tcp = pw_wire_input(w->wire, iface, frames, n, tcp, now);
	(void)pw_stage_enter(PW_STAGE_TCP_IN);
	if (nb_tcp > 0)
		pw_tcp_input(w->tcp, tcp, nb_tcp, now);
	pw_stage_leave(was);
}

static uint32_t
receive(struct worker *w, uint64_t now)
{
	struct rte_mbuf *frames[WORKER_BURST];
	uint32_t total = 0, was = pw_stage_enter(PW_STAGE_RX_BURST);

	for (uint32_t i = 0; i < w->fleet->nb_ifaces; i++) {
		const struct pw_port *port = w->fleet->port[i];
		uint32_t n, mine;

		if (w->index >= port->nb_rxq)
			continue;
		n = rte_eth_rx_burst(port->id, (uint16_t)w->index, frames, WORKER_BURST);
		if (n == 0)
			continue;
		total += n;
		mine = worker_steer(w, i, frames, n);
		if (mine > 0)
			worker_input(w, i, frames, mine, now);
	}
	pw_stage_leave(was);
	if (total > 0)
		count_add(&w->count.rx_frames, total);
	return total;
}

/* Addresses are announced at the start and when a link has come up, by one worker for all. */
static void
watch_links(struct worker *w, uint64_t now)
{
	uint32_t up = 0;

	if (w->index != 0 || now < w->link_due)
		return;
	w->link_due = now + LINK_INTERVAL;
	for (uint32_t i = 0; i < w->fleet->nb_ifaces; i++) {
		struct rte_eth_link link;

		if (rte_eth_link_get_nowait(w->fleet->port[i]->id, &link) == 0 &&
		    link.link_status == RTE_ETH_LINK_UP)
			up |= UINT32_C(1) << i;
	}
	if (!w->announced || (up & ~w->links_up) != 0)
		pw_wire_announce(w->wire, now);
	w->announced = true;
	w->links_up = up;
}

/* Share of the buffers in use, of those that receive queues do not hold empty. */
static uint32_t
used_percent(const struct pw_fleet *f)
{
	uint32_t used = rte_mempool_in_use_count(f->mem->pkt);

	used -= RTE_MIN(used, f->posted);
	return (uint32_t)((uint64_t)used * 100 / (f->mem->pkt->size - f->posted));
}

static void
watch_pressure(struct worker *w, uint64_t now)
{
	uint32_t used, level;

	if (w->count.loops % PRESSURE_TURNS != 0 && now < w->pressure_due)
		return;
	w->pressure_due = now + PRESSURE_INTERVAL;
	used = used_percent(w->fleet);
	pw_forward_set_scarce(w->forward, used >= SCARCE_PERCENT);
	level = used >= PRESSURE_2_PERCENT ? 2 : used >= PRESSURE_1_PERCENT ? 1 : 0;
	if (level != w->pressure) {
		w->pressure = level;
		pw_wire_set_pressure(w->wire, level);
		pw_tcp_set_pressure(w->tcp, level);
		pw_forward_set_pressure(w->forward, level);
	}
}

static void
watch_drain(struct worker *w, uint64_t now)
{
	/* Pairs with the release in pw_fleet_drain(). */
	if (!__atomic_load_n(&w->fleet->draining, __ATOMIC_ACQUIRE))
		return;
	if (!w->drain_told) {
		w->drain_told = true;
		pw_forward_drain(w->forward, now);
	}
	/* Pairs with the acquire in pw_fleet_drained(). */
	if (!w->drained && pw_forward_drained(w->forward))
		__atomic_store_n(&w->drained, true, __ATOMIC_RELEASE);
}

/* What worker 0 hears of our addresses holds for all: each word is whole, and the last one counts.
 */
static void
share_standing(struct worker *w)
{
	for (uint32_t i = 0; i < w->fleet->nb_ifaces; i++) {
		uint32_t *shared = &w->fleet->standing[i];
		uint32_t known = __atomic_load_n(shared, __ATOMIC_RELAXED);
		uint32_t mine = pw_wire_standing(w->wire, i);

		if (known == mine)
			continue;
		if (w->index == 0)
			__atomic_store_n(shared, mine, __ATOMIC_RELAXED);
		else
			pw_wire_set_standing(w->wire, i, known);
	}
}

static void
advance(struct worker *w, uint64_t now)
{
	pw_tcp_advance(w->tcp, now);
	pw_forward_advance(w->forward, now);
	if (now >= w->wire_due) {
		w->wire_due = now + WIRE_INTERVAL;
		pw_wire_advance(w->wire, now);
		share_standing(w);
	}
}

uint32_t
pw_worker_turn(struct pw_fleet *f, uint32_t i, uint64_t now)
{
	struct worker *w = f->worker[i];
	uint64_t later;
	uint32_t work;
	bool fires = f->bells && f->apart && worker_next_timer(w) <= now;

	w->refused = false;
	worker_renew(w, now);
	watch_pressure(w, now);
	watch_drain(w, now);
	watch_links(w, now);
	work = worker_read_messages(w, now);
	work += worker_read_answers(w, now);
	work += worker_read_frames(w, now);
	work += receive(w, now);
	work += worker_kernel_poll(w, now);
	(void)pw_stage_enter(PW_STAGE_SESSION);
	pw_tcp_dispatch(w->tcp, now);
	(void)pw_stage_enter(PW_STAGE_TIMERS);
	/* Timers before the flush: what they queue leaves in this turn. */
	advance(w, now);
	/* A second reading, or a message that came and went in one turn would count as instant. */
	later = work > 0 && f->live ? pw_clock_now() : now;
	(void)pw_stage_enter(PW_STAGE_PULL);
	work += pw_forward_poll(w->forward, later);
	(void)pw_stage_enter(PW_STAGE_TCP_OUT);
	pw_tcp_flush(w->tcp, later);
	(void)pw_stage_enter(PW_STAGE_TX_BURST);
	worker_tx_flush(w);
	worker_kernel_flush(w);
	worker_tx_cleanup(w, now);
	if (f->bells)
		worker_ring(w, work > 0 || fires);
	count_add(&w->count.loops, 1);
	if (work > 0)
		count_add(&w->count.busy_loops, 1);
	pw_stage_turn(work > 0);
	return work;
}
