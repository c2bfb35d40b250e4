/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PUBWIRE_MANAGE_KERNEL_H
#define PUBWIRE_MANAGE_KERNEL_H

/**
 * @file
 * The kernel's side of an interface beside a port: its sysctls, addresses and state, by rtnetlink.
 * Main lcore only; the calls wait for the kernel.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_ether.h>

#include <pubwire/wire/wire.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What an interface is to have: what the port beside it has. */
struct pw_kernel_link {
	const char *interface;
	struct rte_ether_addr mac;
	uint16_t mtu;
	const struct pw_wire_addr *addr;
	uint32_t nb_addrs;
	struct pw_addr link_local; /**< of IPv6; all zero: the port speaks no IPv6 */
};

/**
 * Say how an interface is to behave, before it is up: it answers ARP for its own addresses only,
 * takes no router's word, and makes itself no IPv6 address where it is given some. What can't be
 * set is a warning. Does nothing where the interface is not there yet.
 */
void pw_kernel_link_tame(const struct pw_kernel_link *l);

/**
 * Give an interface the port's Ethernet address, MTU and addresses, and bring it up. By the
 * prefixes of the addresses the kernel routes the port's networks through it.
 *
 * @param index  receives the interface's index
 * @param err    receives one line that says what failed
 * @return       0 or -errno
 */
int pw_kernel_link_set_up(const struct pw_kernel_link *l, unsigned int *index, char *err,
			  size_t err_len) __attribute__((warn_unused_result));

/** True while an interface has this index in our network namespace. */
bool pw_kernel_link_is_there(unsigned int index);

#ifdef __cplusplus
}
#endif

#endif
