/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a frame wakes of a port that receives by sockets of the kernel.
 *
 * net_af_packet has a packet socket for each queue pair and no function that tells which. They are
 * descriptors of this process like others: bound to the port's interface, with rings of the second
 * version. It opens one after the other and closes none in between, so their order is that of the
 * queues. Where there are not as many as the port has queues (another port on the same interface)
 * which is which can't be told. Whoever waits for one may not read it: the driver does, by its
 * ring.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <linux/if_packet.h>

#include <rte_ethdev.h>

#include <pubwire/wire/port.h>

#include "port_pvt.h"

#define MAX_QUEUES 64

static bool
is_ring_of(int fd, uint32_t ifindex)
{
	struct sockaddr_storage ss;
	const struct sockaddr_ll *ll = (const struct sockaddr_ll *)&ss;
	socklen_t len = sizeof(ss), version_len;
	int version = -1;

	if (getsockname(fd, (struct sockaddr *)&ss, &len) != 0 || ss.ss_family != AF_PACKET ||
	    ll->sll_ifindex != (int)ifindex)
		return false;
	version_len = sizeof(version);
	return getsockopt(fd, SOL_PACKET, PACKET_VERSION, &version, &version_len) == 0 &&
	       version == TPACKET_V2;
}

static int
by_number(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* Rings of an interface, in order; how many there are may be more than room. */
static uint32_t
rings_of(uint32_t ifindex, int *fds, uint32_t room)
{
	const struct dirent *e;
	uint32_t n = 0;
	DIR *d = opendir("/proc/self/fd");

	if (d == NULL)
		return 0;
	while ((e = readdir(d)) != NULL) {
		char *end;
		long fd = strtol(e->d_name, &end, 10);

		if (end == e->d_name || *end != '\0' || !is_ring_of((int)fd, ifindex))
			continue;
		if (n < room)
			fds[n] = (int)fd;
		n++;
	}
	closedir(d);
	qsort(fds, RTE_MIN(n, room), sizeof(fds[0]), by_number);
	return n;
}

int
wire_port_packet_socket(uint16_t port, uint16_t queue)
{
	struct rte_eth_dev_info info;
	int fds[MAX_QUEUES];
	int rc = rte_eth_dev_info_get(port, &info);

	if (rc != 0)
		return rc;
	if (info.if_index == 0 || queue >= info.max_rx_queues || info.max_rx_queues > MAX_QUEUES ||
	    rings_of(info.if_index, fds, MAX_QUEUES) != info.max_rx_queues)
		return -ENOTSUP;
	return fds[queue];
}

int
pw_port_rx_fd(const struct pw_port *port, uint16_t queue)
{
	const struct port_quirk *quirk = wire_port_quirk(port->driver);
	int fd = quirk->rx_fd == NULL ? -1 : quirk->rx_fd(port->id, queue);

	/* DPDK's own says -1 for whatever it is. */
	return fd == -1 ? -ENOTSUP : fd;
}
