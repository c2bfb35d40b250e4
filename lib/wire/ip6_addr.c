/* SPDX-License-Identifier: BSD-3-Clause */
/* IPv6 addresses that are made of others. */
#include "wire_pvt.h"

const struct pw_addr wire_ip6_unspecified;
const struct pw_addr wire_ip6_all_nodes = {.b = {0xff, 0x02, [15] = 1}};

struct pw_addr
wire_solicited_node(const struct pw_addr *a)
{
	struct pw_addr group = {.b = {0xff, 0x02, [11] = 1, [12] = 0xff}};

	memcpy(&group.b[13], &a->b[13], 3);
	return group;
}

struct rte_ether_addr
wire_group_mac(const struct pw_addr *group)
{
	struct rte_ether_addr mac = {{0x33, 0x33}};

	memcpy(&mac.addr_bytes[2], &group->b[12], 4);
	return mac;
}

struct pw_addr
wire_link_local_of(const struct rte_ether_addr *mac)
{
	const uint8_t *e = mac->addr_bytes;

	return (struct pw_addr){
		.b = {0xfe, 0x80, [8] = e[0] ^ 0x02, e[1], e[2], 0xff, 0xfe, e[3], e[4], e[5]}};
}
