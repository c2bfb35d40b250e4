# SPDX-License-Identifier: BSD-3-Clause
"""Bindings that hold after a restart.

driverctl keeps them where it is installed. Else a list of ours, /etc/pubwire/nics, and a unit that runs
`nics restore` before the network is configured. A udev rule alone would come too late: an initramfs has
loaded the NICs' drivers before udev reads /etc."""

import os
import sys

from . import boot, pci
from .host import HostError

LIST = "/etc/pubwire/nics"
UNIT = "pubwire-nics.service"
MODPROBE = "/etc/modprobe.d/pubwire-vfio.conf"
HEAD = "# Bound at boot by pubwire-nics.service; scripts/nics bind --persistent and unbind write it.\n" \
       "# address driver vendor:device driver-before MAC\n"


class Entry:
    def __init__(self, address, driver, identity, before="-", mac="-"):
        self.address, self.driver, self.identity = address, driver, identity
        self.before, self.mac = before, mac

    def line(self):
        return " ".join((self.address, self.driver, self.identity, self.before, self.mac))


def entries(host):
    found = {}
    for n, line in enumerate(host.read(LIST, "").splitlines(), 1):
        words = line.split("#")[0].split()
        if words and not 3 <= len(words) <= 5:
            raise HostError(f"{LIST}:{n}: expected: address driver vendor:device")
        if words:
            found[words[0]] = Entry(*words)
    return found


def kept(host):
    """Addresses of all that are bound at boot, by us or by driverctl."""
    prefix = "/etc/driverctl.d/pci-"
    return set(entries(host)) | {p[len(prefix):] for p in host.glob(prefix + "*")}


def by_driverctl(host):
    return host.which("driverctl") is not None


def keep(host, nic, driver, before, executable):
    """Bind this device at every boot."""
    if by_driverctl(host):
        if host.read(f"/etc/driverctl.d/pci-{nic.address}") != driver:
            host.run(["driverctl", "set-override", nic.address, driver])
        return
    there = entries(host)
    # MAC and driver of a NIC that is bound already are known from the time before only.
    old = there.get(nic.address)
    there[nic.address] = Entry(nic.address, driver, nic.identity, before or (old.before if old else "-"),
                               nic.mac or (old.mac if old else "-"))
    _write(host, there)
    news = boot.unit(host, UNIT, _unit(executable), "multi-user.target")
    if news and not executable.startswith(("/usr/", "/opt/")):
        host.say(f"note: {UNIT} runs {executable}: install pubwire before you remove that tree")


def keep_unsafe_mode(host):
    host.file(MODPROBE, "# VFIO without an IOMMU: written by pubwire's scripts/nics.\n"
                        "options vfio enable_unsafe_noiommu_mode=1\n")


def forget(host, nic):
    """No longer at boot. True where it was."""
    if by_driverctl(host) and host.exists(f"/etc/driverctl.d/pci-{nic.address}"):
        host.run(["driverctl", "unset-override", nic.address])
        return True
    there = entries(host)
    if there.pop(nic.address, None) is None:
        return False
    _write(host, there)
    if not there:
        host.remove(MODPROBE)
        boot.remove_unit(host, UNIT)
    return True


def _write(host, there):
    if there:
        host.file(LIST, HEAD + "".join(e.line() + "\n" for _, e in sorted(there.items())))
    else:
        host.remove(LIST)


def check(entry, nic):
    """Why the device at the address is not the one that was bound; "" where it is."""
    if nic is None:
        return "no network device is there"
    if nic.identity != entry.identity:
        return f"a {nic.identity} is there, and {entry.identity} was bound"
    if entry.mac != "-" and nic.mac and nic.mac != entry.mac:
        return f"a NIC with the address {nic.mac} is there, and {entry.mac} was bound"
    return ""


def _unit(executable):
    return ("# Written by pubwire's scripts/nics.\n"
            "[Unit]\nDescription=NICs for pubwire\n"
            "After=systemd-modules-load.service\nBefore=network-pre.target pubwire.service\n"
            f"Wants=network-pre.target\nConditionPathExists={LIST}\n\n"
            f"[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart={executable} restore\n\n"
            "[Install]\nWantedBy=multi-user.target\n")


def executable(name):
    """The script that a unit runs: the installed one's own name, not what its link points to."""
    path = os.path.abspath(sys.argv[0])
    return path if os.path.basename(path).endswith(name) else \
        os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), name)


def present(host):
    return {n.address: n for n in pci.nics(host)}
