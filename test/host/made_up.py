# SPDX-License-Identifier: BSD-3-Clause
"""A made-up host: /sys, /proc and /etc in a directory, and a kernel that reacts to what is written there."""

import io
import os
import shutil
import stat
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
REPO = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
SCRIPTS = os.path.join(REPO, "scripts")
sys.path.insert(0, SCRIPTS)
from pwhost.host import Host  # noqa: E402

MEM = "/sys/devices/system/node/node{}/hugepages/hugepages-{}kB/"
NIC = "/sys/bus/pci/devices/"
DRV = "/sys/bus/pci/drivers/"
UP = "0003"


class MadeUpHost(Host):
    """What the kernel does when its files are written."""

    def __init__(self, root):
        super().__init__(root=root, out=io.StringIO())
        self.room = {}  # file: most pages that there is memory for
        self.stuck = set()  # files that take no write
        self.written = []

    # Building it.

    def add(self, path, text):
        full = self.path(path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as f:
            f.write(str(text) + "\n")

    def add_dir(self, path):
        os.makedirs(self.path(path), exist_ok=True)

    def add_link(self, path, target):
        full = self.path(path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        if os.path.lexists(full):
            os.unlink(full)
        os.symlink(target, full)

    def add_program(self, name, script):
        """A program of the host; $PUBWIRE_HOST_ROOT is its root."""
        self.add(f"/usr/sbin/{name}", "#!/bin/sh\n" + script)
        os.chmod(self.path(f"/usr/sbin/{name}"), 0o755)

    def add_pages(self, node, kb, total, free=None, room=None):
        d = MEM.format(node, kb)
        self.add(d + "nr_hugepages", total)
        self.add(d + "free_hugepages", total if free is None else free)
        self.add(d + "surplus_hugepages", 0)
        if room is not None:
            self.room[d + "nr_hugepages"] = room
        return d + "nr_hugepages"

    def add_nic(self, address, driver="e1000e", interface=None, device="0x10d3", vendor="0x8086", node=0,
                group=None):
        d = NIC + address
        for name, value in (("class", "0x020000"), ("vendor", vendor), ("device", device),
                            ("numa_node", node), ("irq", 11), ("driver_override", "(null)"),
                            ("modalias", f"pci:v{vendor}d{device}")):
            self.add(f"{d}/{name}", value)
        if driver:
            self.add_dir(DRV + driver)
            self.add_link(d + "/driver", "../../../bus/pci/drivers/" + driver)
        if group is not None:
            self.add_group(address, group)
        if interface:
            self.add(f"{d}/net/{interface}/address", "52:54:00:00:00:01")
            self.add(f"{d}/net/{interface}/carrier", 1)
            self.add(f"{d}/net/{interface}/speed", 10000)
            self.add(f"/sys/class/net/{interface}/flags", "0x1003")

    def add_group(self, address, group):
        d = f"/sys/kernel/iommu_groups/{group}"
        self.add(d + "/type", "DMA")
        self.add_link(f"{d}/devices/{address}", f"../../../../bus/pci/devices/{address}")
        self.add_link(f"{NIC}{address}/iommu_group", f"../../../../kernel/iommu_groups/{group}")

    def add_routes(self, *rows):
        """(interface, destination, mask), in hexadecimal as the kernel has them."""
        self.add("/proc/net/route", "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\n" + "".join(
            f"{i}\t{d}\t00000000\t{UP}\t0\t0\t0\t{m}\t0\t0\t0\n" for i, d, m in rows))

    def add_pmd(self):
        path = self.path("/usr/lib/x/dpdk/pmds-23.0/librte_net_e1000.so.23.0")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(b'\0PMD_INFO_STRING= {"name": "net_e1000_em", "kmod": "* vfio-pci", '
                    b'"pci_ids": [[32902, 4307, 65535, 65535]]}\0more')

    # The kernel.

    def _write(self, path, value):
        self.written.append((path, value))
        if path in self.stuck:
            raise OSError(5, "Input/output error")
        name = os.path.basename(path)
        if name == "nr_hugepages":
            self._set_pages(path, int(value))
        elif path.startswith(DRV) and name in ("bind", "unbind"):
            self._bind(path.split("/")[-2], value, name == "bind")
        elif name == "drivers_probe":
            self._bind("e1000e", value, True)
        else:
            self.add(path, value.strip() or "(null)")

    def _set_pages(self, path, wanted):
        free = path.replace("nr_", "free_")
        used = self.number(path) - self.number(free)
        got = max(used, min(wanted, self.room.get(path, wanted)))
        self.add(path, got)
        self.add(free, got - used)

    def _bind(self, driver, address, to):
        link = self.path(f"{NIC}{address}/driver")
        if os.path.lexists(link):
            if to:
                raise OSError(16, "Device or resource busy")
            os.unlink(link)
        if to:
            if self.read(f"{NIC}{address}/driver_override") not in (driver, "(null)"):
                raise OSError(19, "No such device")
            self.add_link(f"{NIC}{address}/driver", "../../../bus/pci/drivers/" + driver)
            if driver in ("vfio-pci", "uio_pci_generic"):
                shutil.rmtree(self.path(f"{NIC}{address}/net"), ignore_errors=True)

    # Looking at it.

    def said(self):
        text = self.out.getvalue()
        self.out.seek(0)
        self.out.truncate()
        self.changes = 0
        return text

    def snapshot(self):
        """Every file, link and mode."""
        found = {}
        for base, dirs, files in os.walk(self.root):
            for n in dirs + files:
                p = os.path.join(base, n)
                st = os.lstat(p)
                if stat.S_ISLNK(st.st_mode):
                    found[p] = os.readlink(p)
                elif stat.S_ISREG(st.st_mode):
                    with open(p, "rb") as f:
                        found[p] = (st.st_mode, f.read())
                else:
                    found[p] = st.st_mode
        return found


class HostTest(unittest.TestCase):
    """A test with a host of two nodes, four CPUs and 2 MB pages, where nothing is amiss or set up."""

    def setUp(self):
        # In memory where that is possible: a tree has a hundred directories.
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK | os.X_OK) else None
        self.dir = tempfile.mkdtemp(prefix="pwhost-", dir=memory)
        self.addCleanup(shutil.rmtree, self.dir)
        h = self.host = MadeUpHost(self.dir)
        for node, cpus in ((0, "0-1"), (1, "2-3")):
            h.add(f"/sys/devices/system/node/node{node}/cpulist", cpus)
            h.add_pages(node, 2048, 0)
        h.add("/sys/devices/system/cpu/online", "0-3")
        h.add("/sys/devices/system/cpu/isolated", "")
        h.add("/proc/meminfo", "Hugepagesize:       2048 kB")
        h.add("/proc/cmdline", "quiet")
        h.add("/proc/mounts", "nodev /dev/hugepages hugetlbfs rw,relatime,pagesize=2M 0 0")
        h.add_dir("/dev/hugepages")
        h.add_routes()
        saved = os.environ.pop("SSH_CONNECTION", None)
        if saved is not None:
            self.addCleanup(os.environ.__setitem__, "SSH_CONNECTION", saved)

    def run_tool(self, module, *argv):
        """(status, what it said, the line of its error)."""
        err, sys.stderr = sys.stderr, io.StringIO()
        try:
            status = module.main(list(argv), self.host)
            return status, self.host.said(), sys.stderr.getvalue()
        finally:
            sys.stderr = err

    def assert_changes_nothing(self, module, *argv):
        before, self.host.written = self.host.snapshot(), []
        status, said, error = self.run_tool(module, *argv)
        self.assertEqual(before, self.host.snapshot(), f"{argv} changed something")
        self.assertEqual([], self.host.written)
        return status, said, error
