/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kernel's interfaces beside the ports: a device of DPDK that makes each, opened as a port for
 * one worker without offloads, so that whole frames cross; and a look now and then whether they are
 * still there.
 */

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <rte_dev.h>

#include <pubwire/base/log.h>
#include <pubwire/manage/kernel.h>

#include "app.h"
#include "options.h"

#define VHOST_NET      "/dev/vhost-net"
#define TAP_DESC       64
#define VIRTIO_DESC    256 /* the ring of a virtio_user device has one length both ways */
#define WATCH_INTERVAL UINT64_C(1000000000) /* ns */

static bool
vhost_net_is_there(void)
{
	return access(VHOST_NET, R_OK | W_OK) == 0;
}

/* What can be sent through the port: docs/wire.md. */
static uint16_t
sendable_mtu(const struct pw_port *port, const struct pw_mem *mem)
{
	uint32_t room = rte_pktmbuf_data_room_size(mem->pkt) - RTE_PKTMBUF_HEADROOM;

	return (uint16_t)RTE_MIN((uint32_t)port->mtu, room * RTE_MAX(port->max_segs, 1) -
							      RTE_ETHER_HDR_LEN - RTE_VLAN_HLEN);
}

/* Make the device and open it. 0 or -errno with err. */
static int
open_device(struct app *a, uint32_t i, bool vhost, uint16_t mtu, char *err, size_t err_len)
{
	const struct pw_config_port *p = &a->config.port[i];
	struct app_kernel *k = &a->kernel[i];
	const struct rte_ether_addr *mac = &a->port[i].mac;
	struct pw_port_conf conf = {
		.device = k->device,
		.nb_workers = 1,
		.rx_desc = vhost ? VIRTIO_DESC : TAP_DESC,
		.tx_desc = vhost ? VIRTIO_DESC : TAP_DESC,
		.mtu = mtu,
		.disable_caps = UINT32_MAX,
		.rx_interrupts = a->config.idle != PW_IDLE_POLL,
	};
	char args[160];
	int rc;

	snprintf(k->device, sizeof(k->device), vhost ? "net_virtio_user_pw%u" : "net_tap_pw%u", i);
	if (vhost)
		snprintf(args, sizeof(args),
			 "path=" VHOST_NET
			 ",queues=1,queue_size=%u,iface=%s,mac=" RTE_ETHER_ADDR_PRT_FMT,
			 VIRTIO_DESC, p->kernel.interface, RTE_ETHER_ADDR_BYTES(mac));
	else
		snprintf(args, sizeof(args), "iface=%s,mac=" RTE_ETHER_ADDR_PRT_FMT,
			 p->kernel.interface, RTE_ETHER_ADDR_BYTES(mac));
	rc = rte_eal_hotplug_add("vdev", k->device, args);
	if (rc < 0) {
		snprintf(err, err_len, "%s does not make it: %s; this needs CAP_NET_ADMIN and %s",
			 vhost ? "net_virtio_user" : "net_tap", strerror(-rc),
			 vhost ? VHOST_NET : "/dev/net/tun");
		return rc;
	}
	pw_kernel_link_tame(&k->link);
	rc = pw_port_open(&k->port, &conf, &a->mem, err, err_len);
	if (rc < 0) {
		(void)rte_eal_hotplug_remove("vdev", k->device);
		return rc;
	}
	k->open = true;
	return 0;
}

static void
close_device(struct app_kernel *k)
{
	pw_port_close(&k->port);
	k->open = false;
}

static int
try_driver(struct app *a, uint32_t i, bool vhost, char *err, size_t err_len)
{
	struct app_kernel *k = &a->kernel[i];
	int rc = open_device(a, i, vhost, k->link.mtu, err, err_len);

	if (rc == 0)
		rc = pw_kernel_link_set_up(&k->link, &k->index, err, err_len);
	if (rc < 0 && k->open)
		close_device(k);
	return rc;
}

static int
open_one(struct app *a, uint32_t i)
{
	const struct pw_config_port *p = &a->config.port[i];
	struct pw_wire_iface *iface = &a->fleet_conf.iface[i];
	struct app_kernel *k = &a->kernel[i];
	bool vhost = p->kernel.driver == PW_CONFIG_TAP_VIRTIO_USER ||
		     (p->kernel.driver == PW_CONFIG_TAP_AUTO && vhost_net_is_there());
	char err[256] = "";
	int rc;

	k->link = (struct pw_kernel_link){
		.interface = p->kernel.interface,
		.mac = a->port[i].mac,
		.mtu = sendable_mtu(&a->port[i], &a->mem),
		.addr = p->addr,
		.nb_addrs = p->nb_addrs,
		.link_local = pw_wire_link_local(iface),
	};
	if (if_nametoindex(p->kernel.interface) != 0) {
		fprintf(stderr,
			"pubwire: port '%s': kernel interface %s: there is one of this name; "
			"expected "
			"one that is not taken (ip link shows those that are)\n",
			p->name, p->kernel.interface);
		return APP_EXIT_FATAL;
	}
	rc = try_driver(a, i, vhost, err, sizeof(err));
	if (rc < 0 && vhost && p->kernel.driver == PW_CONFIG_TAP_AUTO) {
		PW_LOG(app, WARNING, "port %s: kernel interface %s: %s; a TAP takes its place",
		       p->name, p->kernel.interface, err);
		rc = try_driver(a, i, false, err, sizeof(err));
	}
	if (rc < 0) {
		fprintf(stderr, "pubwire: port '%s': kernel interface %s: %s\n", p->name,
			p->kernel.interface, err);
		return APP_EXIT_FATAL;
	}
	a->kernel_name[i] = p->kernel.interface;
	pw_port_all_groups(&a->port[i]);
	iface->kernel = p->kernel.icmp == PW_CONFIG_ICMP_KERNEL ? PW_WIRE_KERNEL_AND_ECHO
								: PW_WIRE_KERNEL_REST;
	a->fleet_conf.kernel[i].port = &k->port;
	a->fleet_conf.kernel[i].rate = p->kernel.rate;
	return APP_EXIT_OK;
}

int
app_kernel_open(struct app *a)
{
	int status = APP_EXIT_OK;

	for (uint32_t i = 0; i < a->config.nb_ports && status == APP_EXIT_OK; i++) {
		if (a->config.port[i].kernel.interface[0] != '\0')
			status = open_one(a, i);
	}
	return status;
}

void
app_kernel_close(struct app *a)
{
	for (uint32_t i = 0; i < RTE_DIM(a->kernel); i++) {
		if (a->kernel[i].open)
			close_device(&a->kernel[i]);
	}
}

void
app_kernel_watch(struct app *a)
{
	uint64_t now = pw_clock_now();

	if (now < a->kernel_due)
		return;
	a->kernel_due = now + WATCH_INTERVAL;
	for (uint32_t i = 0; i < a->config.nb_ports; i++) {
		struct app_kernel *k = &a->kernel[i];

		if (!k->open || k->missed || pw_kernel_link_is_there(k->index))
			continue;
		k->missed = true;
		pw_fleet_kernel_gone(a->fleet, i);
		PW_LOG(app, ERR,
		       "port %s: the kernel's interface %s was deleted or taken to another network "
		       "namespace: what is for the host is dropped and counted "
		       "(drop_kernel_refused) until a restart makes it anew",
		       a->config.port[i].name, k->link.interface);
	}
}
