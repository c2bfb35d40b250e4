/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Descriptors of net_af_packet's queues: readable where frames are, and only there. On the loopback
 * interface of a network namespace of this process.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_dev.h>
#include <rte_ethdev.h>

#include <pubwire/wire/port.h>

#include "eal.h"

#define QUEUES	2
#define SKIPPED 77 /* meson's */

static struct pw_mem mem;

static int
set_up(void **state)
{
	const struct pw_mem_conf conf = {
		.name = "port", .pkt = 4095, .hdr = 255, .ind = 255, .socket = -1};

	(void)state;
	return pw_mem_create(&mem, &conf);
}

static int
tear_down(void **state)
{
	(void)state;
	pw_mem_destroy(&mem);
	return 0;
}

static void
open_port(struct pw_port *port, const char *device, const char *args)
{
	struct pw_port_conf conf = {.device = device, .nb_workers = QUEUES, .rx_interrupts = true};
	char err[256] = "";

	assert_int_equal(rte_eal_hotplug_add("vdev", device, args), 0);
	if (pw_port_open(port, &conf, &mem, err, sizeof(err)) < 0)
		fail_msg("%s", err);
}

static void
close_port(struct pw_port *port)
{
	pw_port_close(port);
	(void)rte_eal_hotplug_remove("vdev", port->device);
}

/* Where datagrams go: to nobody, ICMP would answer, and all of that by one queue. */
static const struct sockaddr_in sink = {
	.sin_family = AF_INET, .sin_port = 0x0a0a, .sin_addr.s_addr = RTE_BE32(INADDR_LOOPBACK)};

static int
udp(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	assert_true(fd >= 0);
	return fd;
}

/* A datagram of a flow of its own. */
static void
send_one(void)
{
	int fd = udp();

	assert_int_equal(sendto(fd, "x", 1, 0, (const struct sockaddr *)&sink, sizeof(sink)), 1);
	close(fd);
}

static bool
readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, 0) == 1 && (p.revents & POLLIN);
}

static uint32_t
take_all(const struct pw_port *port, uint16_t queue)
{
	struct rte_mbuf *m[32];
	uint32_t all = 0, n;

	while ((n = rte_eth_rx_burst(port->id, queue, m, RTE_DIM(m))) > 0) {
		rte_pktmbuf_free_bulk(m, n);
		all += n;
	}
	return all;
}

static void
a_queue_is_readable_while_it_has_frames(void **state)
{
	uint32_t with[QUEUES] = {0}, without[QUEUES] = {0};
	struct pw_port port;
	int fd[QUEUES], receiver = udp();

	(void)state;
	assert_int_equal(bind(receiver, (const struct sockaddr *)&sink, sizeof(sink)), 0);
	open_port(&port, "net_af_packet_a", "iface=lo,qpairs=2");
	assert_int_equal(port.nb_rxq, QUEUES);
	assert_int_equal(port.rx_interrupts, PW_PORT_INTR_ALWAYS);
	for (uint16_t q = 0; q < QUEUES; q++) {
		fd[q] = pw_port_rx_fd(&port, q);
		assert_true(fd[q] >= 0);
	}
	for (uint16_t i = 0; i < 200; i++) {
		send_one();
		for (uint16_t q = 0; q < QUEUES; q++) {
			bool said = readable(fd[q]);
			uint32_t got = take_all(&port, q);

			assert_int_equal(said, got > 0);
			assert_false(readable(fd[q]));
			if (got > 0)
				with[q]++;
			else
				without[q]++;
		}
	}
	for (uint16_t q = 0; q < QUEUES; q++)
		assert_true(with[q] > 0 && without[q] > 0);
	close(receiver);
	close_port(&port);
	assert_true(pw_mem_full(&mem));
}

static void
two_ports_on_an_interface_can_not_be_told_apart(void **state)
{
	struct pw_port a, b;

	(void)state;
	open_port(&a, "net_af_packet_a", "iface=lo,qpairs=2");
	assert_int_equal(pw_port_rx_fd(&a, QUEUES), -ENOTSUP);
	open_port(&b, "net_af_packet_b", "iface=lo,qpairs=1");
	assert_int_equal(pw_port_rx_fd(&a, 0), -ENOTSUP);
	assert_int_equal(pw_port_rx_fd(&b, 0), -ENOTSUP);
	close_port(&b);
	assert_true(pw_port_rx_fd(&a, 0) >= 0);
	close_port(&a);
	assert_true(pw_mem_full(&mem));
}

/* 0 or -errno. */
static int
own_network(void)
{
	struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
	int fd, rc;

	if (unshare(CLONE_NEWNET) != 0)
		return -errno;
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	rc = fd < 0 || ioctl(fd, SIOCSIFFLAGS, &lo) != 0 ? -errno : 0;
	if (fd >= 0)
		close(fd);
	return rc;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_queue_is_readable_while_it_has_frames),
		cmocka_unit_test(two_ports_on_an_interface_can_not_be_told_apart),
	};
	int rc = own_network();

	if (rc < 0) {
		printf("skipped: no network namespace of its own: %s\n", strerror(-rc));
		return SKIPPED;
	}
	test_eal_init();
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
