/* SPDX-License-Identifier: BSD-3-Clause */
/* ARP and the neighbour table: asking, answering, holding, forgetting, conflicts. */
#include <errno.h>
#include <string.h>

#include "eal.h"
#include "rig.h"

static const struct rte_ether_addr nobody = {{0}};
static const struct rte_ether_addr other = {{2, 0, 0, 0, 0, 0x55}};
static const struct rte_ether_addr third = {{2, 0, 0, 0, 0, 0x33}};

static struct pw_addr
v4(uint32_t host)
{
	return pw_addr_v4(rte_cpu_to_be_32(host));
}

/* Sent frame i is an ARP packet with these fields. */
static void
assert_arp(const struct rig *r, uint32_t i, uint16_t op, const struct rte_ether_addr *dst,
	   uint32_t sip, uint32_t tip)
{
	struct frame f;

	rig_sent(r, i, &f);
	assert_int_equal(get16(&f, f.l3 - 2), 0x0806);
	assert_memory_equal(f.b, dst, 6);
	assert_memory_equal(f.b + 6, &rig_mac[r->sent_iface[i]], 6);
	assert_memory_equal(f.b + f.l3, "\x00\x01\x08\x00\x06\x04", 6);
	assert_int_equal(get16(&f, f.l3 + 6), op);
	assert_memory_equal(f.b + f.l3 + 8, &rig_mac[r->sent_iface[i]], 6);
	assert_int_equal(get32(&f, f.l3 + 14), sip);
	assert_int_equal(get32(&f, f.l3 + 24), tip);
}

/* Sent frame i is an IPv4 packet to this Ethernet address. */
static void
assert_ip_to(const struct rig *r, uint32_t i, const struct rte_ether_addr *dst)
{
	struct frame f;

	rig_sent(r, i, &f);
	assert_int_equal(get16(&f, f.l3 - 2), 0x0800);
	assert_memory_equal(f.b, dst, 6);
}

static int
send_to(struct rig *r, uint32_t dst)
{
	return rig_send(r, dst, rig_segment(r, NULL, 0));
}

static void
hear(struct rig *r, const struct rte_ether_addr *dst, uint16_t op, const struct rte_ether_addr *sha,
     uint32_t sip, uint32_t tip)
{
	struct frame f;

	frame_arp(&f, dst, op, sha, sip, op == 2 ? &rig_mac[0] : &nobody, tip);
	assert_null(rig_in(r, 0, &f));
}

static void
test_frame_waits_for_the_answer(void **state)
{
	struct rig r;

	(void)state;
	rig_default(&r);
	assert_int_equal(send_to(&r, PEER), 0);
	assert_int_equal(r.nb_sent, 1);
	assert_arp(&r, 0, 1, &rig_everybody, OURS0, PEER);
	assert_int_equal(send_to(&r, PEER), 0);
	assert_int_equal(r.nb_sent, 1); /* asked once */
	hear(&r, &rig_mac[0], 2, &rig_peer, PEER, OURS0);
	assert_int_equal(r.nb_sent, 3);
	assert_ip_to(&r, 1, &rig_peer);
	assert_ip_to(&r, 2, &rig_peer);
	assert_int_equal(send_to(&r, PEER), 0);
	assert_int_equal(r.nb_sent, 4);
	assert_int_equal(r.nb_learnt, 1);
	assert_memory_equal(&r.learnt_mac, &rig_peer, 6);
	assert_int_equal(counter(&r, arp_requests_out), 1);
	assert_int_equal(counter(&r, arp_replies_in), 1);
	assert_int_equal(counter(&r, neigh_learnt), 1);
	assert_int_equal(counter(&r, frames_out), 4);
	assert_int_equal(counter(&r, bytes_out), 42 + 3 * 54);
	rig_down(&r);
}

static void
test_held_frames_are_freed_with_the_instance(void **state)
{
	struct rig r;

	(void)state;
	rig_default(&r);
	assert_int_equal(send_to(&r, PEER), 0);
	assert_int_equal(send_to(&r, PEER + 1), 0);
	rig_down(&r);
}

static void
test_full_hold_queue_refuses(void **state)
{
	struct rig r;

	(void)state;
	rig_default(&r);
	assert_int_equal(send_to(&r, PEER), 0);
	assert_int_equal(send_to(&r, PEER), 0);
	assert_int_equal(send_to(&r, PEER), -ENOBUFS);
	assert_int_equal(counter(&r, drop_hold_full), 1);
	rig_down(&r);
}

static void
test_silence_is_asked_three_times_a_second_apart(void **state)
{
	struct rig r;

	(void)state;
	rig_default(&r);
	assert_int_equal(send_to(&r, PEER), 0);
	assert_int_equal(send_to(&r, PEER), 0);
	rig_wait(&r, 999 * MS);
	assert_int_equal(r.nb_sent, 1);
	rig_wait(&r, 1 * MS);
	assert_int_equal(r.nb_sent, 2);
	rig_wait(&r, 1 * SEC);
	assert_int_equal(r.nb_sent, 3);
	assert_int_equal(counter(&r, drop_unresolved), 0);
	rig_wait(&r, 1 * SEC);
	assert_int_equal(r.nb_sent, 3);
	assert_int_equal(counter(&r, arp_requests_out), 3);
	assert_int_equal(counter(&r, drop_unresolved), 2);
	/* Refused for a moment, then asked again. */
	assert_int_equal(send_to(&r, PEER), -EHOSTUNREACH);
	assert_int_equal(counter(&r, drop_unresolved), 3);
	rig_wait(&r, 1 * SEC);
	assert_int_equal(counter(&r, neigh_expired), 1);
	assert_int_equal(send_to(&r, PEER), 0);
	assert_int_equal(r.nb_sent, 4);
	rig_down(&r);
}

static void
test_request_for_us_is_answered_and_teaches(void **state)
{
	struct rig r;

	(void)state;
	rig_default(&r);
	hear(&r, &rig_everybody, 1, &rig_peer, PEER, OURS0);
	assert_int_equal(r.nb_sent, 1);
	assert_arp(&r, 0, 2, &rig_peer, OURS0, PEER);
	assert_int_equal(counter(&r, arp_requests_in), 1);
	assert_int_equal(counter(&r, arp_replies_out), 1);
	assert_int_equal(r.nb_learnt, 1);
	/* Known, though not confirmed: the frame goes, and the neighbour is asked directly. */
	assert_int_equal(send_to(&r, PEER), 0);
	assert_int_equal(r.nb_sent, 3);
	assert_arp(&r, 1, 1, &rig_peer, OURS0, PEER);
	assert_ip_to(&r, 2, &rig_peer);
	rig_down(&r);
}

static void
test_request_for_others_teaches_nothing_new(void **state)
{
	struct rig r;

	(void)state;
	rig_default(&r);
	hear(&r, &rig_everybody, 1, &rig_peer, PEER, PEER + 7);
	assert_int_equal(r.nb_sent, 0);
	assert_int_equal(r.nb_learnt, 0);
	assert_int_equal(send_to(&r, PEER), 0);
	assert_arp(&r, 0, 1, &rig_everybody, OURS0, PEER);
	rig_down(&r);
}

static void
test_gratuitous_changes_only_what_is_known(void **state)
{
	struct rig r;

	(void)state;
	rig_default(&r);
	hear(&r, &rig_everybody, 1, &other, PEER, PEER);
	assert_int_equal(counter(&r, neigh_learnt), 0);
	rig_know(&r, 0, PEER, &rig_peer);
	hear(&r, &rig_everybody, 1, &other, PEER, PEER); /* as a request */
	assert_int_equal(counter(&r, neigh_learnt), 2);
	assert_int_equal(send_to(&r, PEER), 0);
	assert_ip_to(&r, r.nb_sent - 1, &other);
	hear(&r, &rig_everybody, 2, &third, PEER, PEER); /* as a reply */
	assert_int_equal(counter(&r, neigh_learnt), 3);
	assert_int_equal(send_to(&r, PEER), 0);
	assert_ip_to(&r, r.nb_sent - 1, &third);
	assert_memory_equal(&r.learnt_mac, &third, 6);
	rig_down(&r);
}

static void
test_neighbour_ages_and_is_forgotten(void **state)
{
	struct rig r;

	(void)state;
	rig_default(&r);
	rig_know(&r, 0, PEER, &rig_peer);
	rig_wait(&r, 59 * SEC);
	assert_int_equal(send_to(&r, PEER), 0);
	assert_int_equal(r.nb_sent, 1); /* fresh: no question */
	rig_wait(&r, 601 * SEC);	/* a minute fresh, ten stale */
	assert_int_equal(counter(&r, neigh_expired), 1);
	assert_int_equal(r.nb_sent, 1);
	assert_int_equal(send_to(&r, PEER), 0);
	assert_arp(&r, 1, 1, &rig_everybody, OURS0, PEER);
	rig_down(&r);
}

static void
test_stale_neighbour_is_asked_when_used(void **state)
{
	struct rig r;

	(void)state;
	rig_default(&r);
	rig_know(&r, 0, PEER, &rig_peer);
	rig_wait(&r, 61 * SEC);
	assert_int_equal(send_to(&r, PEER), 0);
	assert_int_equal(r.nb_sent, 2);
	assert_arp(&r, 0, 1, &rig_peer, OURS0, PEER);
	assert_ip_to(&r, 1, &rig_peer);
	hear(&r, &rig_mac[0], 2, &rig_peer, PEER, OURS0);
	rig_wait(&r, 59 * SEC);
	assert_int_equal(send_to(&r, PEER), 0);
	assert_int_equal(r.nb_sent, 3);
	/* Silent this time: two direct questions, one to everybody, then it is gone. */
	rig_wait(&r, 2 * SEC);
	assert_int_equal(send_to(&r, PEER), 0);
	rig_wait(&r, 3 * SEC);
	assert_int_equal(r.nb_sent, 7);
	assert_arp(&r, 3, 1, &rig_peer, OURS0, PEER);
	assert_ip_to(&r, 4, &rig_peer);
	assert_arp(&r, 5, 1, &rig_peer, OURS0, PEER);
	assert_arp(&r, 6, 1, &rig_everybody, OURS0, PEER);
	assert_int_equal(send_to(&r, PEER), -EHOSTUNREACH);
	rig_down(&r);
}

static void
test_full_table_gives_up_the_oldest_idle(void **state)
{
	struct rig r;

	(void)state;
	rig_default(&r); /* room for 8 */
	for (uint32_t i = 0; i < 8; i++)
		rig_know(&r, 0, PEER + i, &rig_peer);
	/* All fresh: nobody is given up, neither for a speaker nor for a packet. */
	hear(&r, &rig_everybody, 1, &other, PEER + 8, OURS0);
	assert_int_equal(counter(&r, neigh_table_full), 1);
	assert_int_equal(r.nb_sent, 1); /* answered all the same */
	assert_int_equal(send_to(&r, PEER + 9), -ENOBUFS);
	assert_int_equal(counter(&r, neigh_table_full), 2);
	assert_int_equal(counter(&r, drop_hold_full), 1);
	rig_wait(&r, 61 * SEC);
	assert_int_equal(send_to(&r, PEER), 0);
	hear(&r, &rig_mac[0], 2, &rig_peer, PEER, OURS0); /* the first is fresh again */
	hear(&r, &rig_everybody, 1, &other, PEER + 8, OURS0);
	assert_int_equal(counter(&r, neigh_table_full), 2);
	assert_int_equal(counter(&r, neigh_expired), 1);
	rig_forget_sent(&r);
	assert_int_equal(send_to(&r, PEER), 0);
	assert_ip_to(&r, 0, &rig_peer);
	assert_int_equal(send_to(&r, PEER + 8), 0);
	assert_ip_to(&r, 2, &other);
	assert_int_equal(send_to(&r, PEER + 1), 0); /* it was the oldest */
	assert_arp(&r, 3, 1, &rig_everybody, OURS0, PEER + 1);
	rig_down(&r);
}

static void
test_full_table_gives_up_a_question_before_what_is_known(void **state)
{
	struct rig r;

	(void)state;
	rig_default(&r); /* room for 8 */
	rig_know(&r, 0, PEER, &rig_peer);
	rig_wait(&r, 61 * SEC); /* stale */
	for (uint32_t i = 1; i < 8; i++)
		assert_int_equal(send_to(&r, PEER + i), 0); /* a sweep: nobody answers */
	assert_int_equal(send_to(&r, PEER + 1), 0);
	assert_int_equal(counter(&r, drop_unresolved), 0);
	assert_int_equal(send_to(&r, PEER + 8), 0);
	assert_int_equal(counter(&r, neigh_expired), 1);
	assert_int_equal(counter(&r, drop_unresolved), 2); /* the frames that the oldest held */
	assert_int_equal(counter(&r, neigh_table_full), 0);
	rig_forget_sent(&r);
	assert_int_equal(send_to(&r, PEER), 0);
	assert_ip_to(&r, 1, &rig_peer); /* behind the question that stale entries are asked */
	/* A silent one goes before one that is still being asked. */
	rig_wait(&r, 3 * SEC);
	assert_int_equal(counter(&r, drop_unresolved), 2 + 7);
	assert_int_equal(send_to(&r, PEER + 20), 0);
	assert_int_equal(send_to(&r, PEER + 21), 0);
	assert_int_equal(counter(&r, drop_unresolved), 2 + 7);
	rig_down(&r);
}

static void
test_full_table_never_gives_up_the_gateway(void **state)
{
	static const struct rte_ether_addr router = {{2, 0, 0, 0, 0, 0xfe}};
	struct rig r;
	struct frame f;

	(void)state;
	rig_default(&r);
	rig_know(&r, 1, GATEWAY, &router);
	rig_wait(&r, 61 * SEC); /* stale, and the oldest that is */
	for (uint32_t i = 0; i < 40; i++) {
		frame_arp(&f, &rig_everybody, 1, &rig_peer, PEER + i, &nobody, OURS0);
		assert_null(rig_in(&r, 0, &f));
	}
	for (uint32_t i = 0; i < 40; i++)
		assert_int_equal(send_to(&r, PEER + 100 + i), 0);
	rig_forget_sent(&r);
	assert_int_equal(send_to(&r, IP(192, 0, 2, 1)), 0);
	assert_ip_to(&r, 1, &router);
	rig_down(&r);
}

static void
test_answer_to_no_question_is_hearsay(void **state)
{
	struct rig r;

	(void)state;
	rig_default(&r);
	/* Of one that is not known: nothing is learnt here, but another instance may have asked. */
	hear(&r, &rig_mac[0], 2, &other, PEER, OURS0);
	assert_int_equal(counter(&r, neigh_learnt), 0);
	assert_int_equal(r.nb_learnt, 1);
	assert_int_equal(send_to(&r, PEER), 0);
	assert_arp(&r, 0, 1, &rig_everybody, OURS0, PEER);
	hear(&r, &rig_mac[0], 2, &rig_peer, PEER, OURS0);
	rig_forget_sent(&r);
	/* Of one that is: its address may have changed, so it is asked there when it is used. */
	hear(&r, &rig_mac[0], 2, &other, PEER, OURS0);
	assert_int_equal(send_to(&r, PEER), 0);
	assert_int_equal(r.nb_sent, 2);
	assert_arp(&r, 0, 1, &other, OURS0, PEER);
	assert_ip_to(&r, 1, &other);
	hear(&r, &rig_mac[0], 2, &other, PEER, OURS0); /* this one was asked for */
	assert_int_equal(send_to(&r, PEER), 0);
	assert_int_equal(r.nb_sent, 3);
	/* Nor does it keep one fresh that says the same. */
	rig_wait(&r, 30 * SEC);
	hear(&r, &rig_mac[0], 2, &other, PEER, OURS0);
	rig_wait(&r, 31 * SEC);
	assert_int_equal(send_to(&r, PEER), 0);
	assert_int_equal(r.nb_sent, 5);
	assert_arp(&r, 3, 1, &other, OURS0, PEER);
	rig_down(&r);
}

/* Every address found, none twice, through many additions and removals. */
static void
test_table_finds_all_it_holds_through_churn(void **state)
{
	struct rig r;
	uint32_t seed = 1;

	(void)state;
	rig_plan(&r);
	r.conf.neighbours = 64;
	rig_up(&r);
	for (uint32_t round = 0; round < 4000; round++) {
		uint32_t ip = IP(10, 77, 3, 0) + (seed = seed * 1103515245 + 12345) / 65536 % 96;
		struct rte_ether_addr mac = {{2, 1, 0, 0, 0, ip & 0xff}};
		struct pw_addr a = v4(ip);

		pw_wire_learn(r.w, 0, &a, &mac, r.now);
		assert_int_equal(send_to(&r, ip), 0);
		assert_ip_to(&r, r.nb_sent - 1, &mac);
		rig_forget_sent(&r);
		r.now += 2 * SEC;
		pw_wire_advance(r.w, r.now);
		rig_forget_sent(&r);
	}
	assert_true(counter(&r, neigh_expired) > 100);
	rig_down(&r);
}

static void
test_told_by_another_instance(void **state)
{
	struct pw_addr a = v4(PEER);
	struct rig r;

	(void)state;
	rig_default(&r);
	assert_int_equal(send_to(&r, PEER), 0);
	pw_wire_learn(r.w, 0, &a, &rig_peer, r.now);
	assert_int_equal(r.nb_sent, 2);
	assert_ip_to(&r, 1, &rig_peer);
	assert_int_equal(r.nb_learnt, 0); /* not told back */
	assert_int_equal(send_to(&r, PEER), 0);
	assert_int_equal(r.nb_sent, 3);
	rig_down(&r);
}

static void
test_answer_is_told_even_where_nothing_changed(void **state)
{
	struct rig r;

	(void)state;
	rig_default(&r);
	rig_know(&r, 0, PEER, &rig_peer);
	rig_wait(&r, 1 * SEC);
	rig_know(&r, 0, PEER, &rig_peer);
	assert_int_equal(r.nb_learnt, 2);
	assert_int_equal(counter(&r, neigh_learnt), 1);
	rig_down(&r);
}

static void
test_nonsense_is_counted(void **state)
{
	static const struct {
		uint32_t off; /* in the ARP packet */
		uint8_t value;
	} row[] = {{1, 6}, {2, 0x86}, {4, 8}, {5, 16}, {7, 3}, {7, 0}, {8, 1}};
	static const uint32_t senders[] = {IP(127, 0, 0, 1), IP(224, 0, 0, 1), UINT32_MAX,
					   IP(10, 77, 255, 255)};
	struct rig r;
	struct frame f;

	(void)state;
	rig_default(&r);
	for (uint32_t i = 0; i < RTE_DIM(row); i++) {
		frame_arp(&f, &rig_everybody, 1, &rig_peer, PEER, &nobody, OURS0);
		f.b[f.l3 + row[i].off] = row[i].value;
		assert_null(rig_in(&r, 0, &f));
		assert_int_equal(counter(&r, arp_invalid), i + 1);
	}
	for (uint32_t i = 0; i < RTE_DIM(senders); i++)
		hear(&r, &rig_everybody, 1, &rig_peer, senders[i], OURS0);
	assert_int_equal(counter(&r, arp_invalid), RTE_DIM(row) + RTE_DIM(senders));
	hear(&r, &rig_everybody, 1, &nobody, PEER, OURS0);
	hear(&r, &rig_everybody, 1, &rig_mac[0], OURS0, PEER); /* our own frame, back */
	hear(&r, &rig_mac[0], 2, &rig_peer, 0, OURS0);
	assert_int_equal(counter(&r, arp_invalid), RTE_DIM(row) + RTE_DIM(senders) + 3);
	frame_arp(&f, &rig_everybody, 1, &rig_peer, PEER, &nobody, OURS0);
	f.len--;
	assert_dropped(&r, 0, &f, drop_runt);
	assert_int_equal(r.nb_sent, 0);
	assert_int_equal(r.nb_learnt, 0);
	rig_down(&r);
}

static void
test_probe_for_our_address_is_answered_not_learnt(void **state)
{
	struct rig r;

	(void)state;
	rig_default(&r);
	hear(&r, &rig_everybody, 1, &rig_peer, 0, OURS0);
	assert_int_equal(r.nb_sent, 1);
	assert_arp(&r, 0, 2, &rig_peer, OURS0, 0);
	assert_int_equal(counter(&r, neigh_learnt), 0);
	rig_down(&r);
}

/* The kernel's end of a TAP has the Ethernet address of the port. */
static void
test_neighbour_with_our_ethernet_address_is_spoken_to(void **state)
{
	struct rig r;

	(void)state;
	rig_default(&r);
	hear(&r, &rig_everybody, 1, &rig_mac[0], PEER, OURS0);
	assert_arp(&r, 0, 2, &rig_mac[0], OURS0, PEER);
	assert_int_equal(send_to(&r, PEER), 0);
	assert_ip_to(&r, 2, &rig_mac[0]);
	assert_int_equal(counter(&r, arp_conflicts), 0);
	rig_down(&r);
}

static void
test_off_link_sender_is_not_learnt(void **state)
{
	struct rig r;

	(void)state;
	rig_default(&r);
	hear(&r, &rig_everybody, 1, &rig_peer, IP(192, 0, 2, 1), OURS0);
	assert_int_equal(counter(&r, neigh_learnt), 0);
	rig_down(&r);
}

static void
test_conflict_is_counted_and_defended_seldom(void **state)
{
	struct rig r;

	(void)state;
	rig_default(&r);
	hear(&r, &rig_everybody, 1, &other, OURS0, OURS0);
	assert_int_equal(counter(&r, arp_conflicts), 1);
	assert_int_equal(r.nb_sent, 1);
	assert_arp(&r, 0, 1, &rig_everybody, OURS0, OURS0);
	hear(&r, &rig_mac[0], 2, &other, OURS0, OURS0);
	assert_int_equal(counter(&r, arp_conflicts), 2);
	assert_int_equal(r.nb_sent, 1);
	rig_wait(&r, 10 * SEC);
	hear(&r, &rig_everybody, 1, &other, OURS0, OURS0);
	assert_int_equal(r.nb_sent, 2);
	assert_int_equal(counter(&r, neigh_learnt), 0);
	rig_down(&r);
}

static void
test_announcement_is_made_twice(void **state)
{
	struct rig r;

	(void)state;
	rig_default(&r);
	pw_wire_announce(r.w, r.now);
	assert_int_equal(r.nb_sent, 2);
	assert_arp(&r, 0, 1, &rig_everybody, OURS0, OURS0);
	assert_arp(&r, 1, 1, &rig_everybody, OURS1, OURS1);
	assert_int_equal(r.sent_iface[1], 1);
	rig_wait(&r, 5 * SEC);
	assert_int_equal(r.nb_sent, 4);
	assert_arp(&r, 3, 1, &rig_everybody, OURS1, OURS1);
	rig_down(&r);
}

static void
test_no_buffer_for_a_question(void **state)
{
	struct rte_mbuf *all[2 * 255], *m;
	struct rig r;
	uint32_t n = 0;

	(void)state;
	rig_default(&r);
	m = rig_segment(&r, NULL, 0);
	while ((all[n] = rte_pktmbuf_alloc(r.mem.hdr)) != NULL)
		n++;
	while (n < RTE_DIM(all) && (all[n] = rte_pktmbuf_alloc(r.mem.pkt)) != NULL)
		n++;
	assert_int_equal(rig_send(&r, PEER, m), 0); /* held: asked again in a second */
	assert_int_equal(counter(&r, drop_no_buffer), 1);
	rte_pktmbuf_free_bulk(all, n);
	rig_wait(&r, 1 * SEC);
	assert_arp(&r, 0, 1, &rig_everybody, OURS0, PEER);
	rig_down(&r);
}

static void
test_vlan_port_tags_its_questions(void **state)
{
	struct rig r;
	struct frame f;

	(void)state;
	rig_plan(&r);
	r.port[0].vlan = 42;
	rig_up(&r);
	assert_int_equal(send_to(&r, PEER), 0);
	rig_sent(&r, 0, &f);
	assert_int_equal(get16(&f, 12), 0x8100);
	assert_int_equal(get16(&f, 14), 42);
	assert_arp(&r, 0, 1, &rig_everybody, OURS0, PEER);
	rig_down(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frame_waits_for_the_answer),
		cmocka_unit_test(test_held_frames_are_freed_with_the_instance),
		cmocka_unit_test(test_full_hold_queue_refuses),
		cmocka_unit_test(test_silence_is_asked_three_times_a_second_apart),
		cmocka_unit_test(test_request_for_us_is_answered_and_teaches),
		cmocka_unit_test(test_request_for_others_teaches_nothing_new),
		cmocka_unit_test(test_gratuitous_changes_only_what_is_known),
		cmocka_unit_test(test_neighbour_ages_and_is_forgotten),
		cmocka_unit_test(test_stale_neighbour_is_asked_when_used),
		cmocka_unit_test(test_full_table_gives_up_the_oldest_idle),
		cmocka_unit_test(test_full_table_gives_up_a_question_before_what_is_known),
		cmocka_unit_test(test_full_table_never_gives_up_the_gateway),
		cmocka_unit_test(test_answer_to_no_question_is_hearsay),
		cmocka_unit_test(test_table_finds_all_it_holds_through_churn),
		cmocka_unit_test(test_told_by_another_instance),
		cmocka_unit_test(test_answer_is_told_even_where_nothing_changed),
		cmocka_unit_test(test_nonsense_is_counted),
		cmocka_unit_test(test_probe_for_our_address_is_answered_not_learnt),
		cmocka_unit_test(test_neighbour_with_our_ethernet_address_is_spoken_to),
		cmocka_unit_test(test_off_link_sender_is_not_learnt),
		cmocka_unit_test(test_conflict_is_counted_and_defended_seldom),
		cmocka_unit_test(test_announcement_is_made_twice),
		cmocka_unit_test(test_no_buffer_for_a_question),
		cmocka_unit_test(test_vlan_port_tags_its_questions),
	};

	test_eal_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
