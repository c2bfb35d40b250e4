# SPDX-License-Identifier: BSD-3-Clause
"""Network devices on PCI: what each is, who drives it, what it is used for."""

import re

from . import pmd, routes
from .host import HostError

DEVICES = "/sys/bus/pci/devices"
DRIVERS = "/sys/bus/pci/drivers"
# Drivers of the kernel that DPDK works beside: nothing is bound, the interface stays.
BIFURCATED = ("mlx4_core", "mlx5_core", "mana")
DPDK = ("vfio-pci", "uio_pci_generic", "igb_uio")


class Nic:
    """A PCI network device at the time it was looked at."""

    def __init__(self, host, address):
        d = f"{DEVICES}/{address}"
        self.address = address
        self.vendor = host.number(f"{d}/vendor", 0)
        self.device = host.number(f"{d}/device", 0)
        self.driver = host.link(f"{d}/driver")
        self.node = node_of(host, address)
        self.group = host.link(f"{d}/iommu_group")
        self.is_vf = host.exists(f"{d}/physfn")
        self.interrupt = host.number(f"{d}/irq", 0)
        self.modalias = host.read(f"{d}/modalias", "")
        found = host.glob(f"{d}/net/*") + host.glob(f"{d}/virtio*/net/*")
        self.interfaces = [p.rsplit("/", 1)[1] for p in found]
        self.mac = host.read(found[0] + "/address", "") if found else ""
        self.link = self.speed = ""
        for p in found:
            # Neither can be read while the interface is down.
            self.link = {"1": "up", "0": "no link"}.get(host.read(p + "/carrier"), "down")
            speed = host.number(p + "/speed", -1)
            self.speed = f"{speed / 1000:g}G" if speed > 0 and self.link == "up" else ""
        self.pmd = self.refused = self.used = None

    @property
    def bifurcated(self):
        return self.driver in BIFURCATED

    @property
    def bound(self):
        return self.driver in DPDK

    @property
    def identity(self):
        return f"{self.vendor:04x}:{self.device:04x}"

    def __str__(self):
        return self.address + (f" ({', '.join(self.interfaces)})" if self.interfaces else "")


def node_of(host, address):
    """NUMA node of a device; None where the firmware does not say."""
    node = host.number(f"{DEVICES}/{address}/numa_node", -1)
    return node if node >= 0 else None


def nics(host):
    """All of them, with the PMD that knows each and what forbids to take it."""
    known, carry, use = pmd.table(host), routes.carriers(host), routes.in_use(host)
    found = []
    for address in host.list(DEVICES):
        if not host.read(f"{DEVICES}/{address}/class", "").startswith("0x02"):
            continue
        nic = Nic(host, address)
        nic.pmd = known.get((nic.vendor, nic.device), (None, ""))[0]
        for i in nic.interfaces:
            nic.refused = nic.refused or carry.get(i)
            nic.used = nic.used or (f"{i} {use[i]}" if i in use else None)
        found.append(nic)
    return found


def find(host, name):
    """The device that a person means: by address, with or without domain, or by interface."""
    there = nics(host)
    for nic in there:
        if name.lower() in (nic.address, nic.address[5:]) or name in nic.interfaces:
            return nic
    if re.fullmatch(r"([0-9a-f]{4}:)?[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]", name, re.I):
        raise HostError(f"{name} is no network device of this host: scripts/nics list shows them")
    if host.exists(f"{routes.NET}/{name}"):
        raise HostError(f"{name} is no PCI device, so there is nothing to bind: pubwire can open it by "
                        f"--vdev=net_af_packet0,iface={name}")
    raise HostError(f"'{name}' is neither a PCI address nor an interface of this host: scripts/nics "
                    "list shows them")
