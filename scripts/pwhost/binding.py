# SPDX-License-Identifier: BSD-3-Clause
"""Gives a NIC to a driver that DPDK can use, and back to the kernel's."""

import os

from . import iommu, pci
from .host import HostError

MODULES = {"vfio-pci": "vfio-pci", "uio_pci_generic": "uio_pci_generic"}


def refuse(host, nic, driver, no_iommu=False, force=False, together=()):
    """HostError where the device must not, or cannot, be bound to this driver. together: addresses of
    those that are bound in the same go."""
    if nic.refused:
        raise HostError(f"{nic} {nic.refused}: refused. Give pubwire another one, or move the route first")
    running = holders(host, nic)
    if running:
        raise HostError(f"{nic}: {', '.join(running)} has it open: end that first")
    if nic.used and not force:
        raise HostError(f"{nic} is in use: {nic.used}. Take it out of use (ip addr flush dev "
                        f"{(nic.interfaces or ['IFACE'])[0]}, and remove it from /etc/network/interfaces), or "
                        "--force if nobody needs it")
    if driver == "vfio-pci":
        _refuse_vfio(host, nic, no_iommu, together)
    else:
        _refuse_uio(host, nic)


def _refuse_vfio(host, nic, no_iommu, together):
    if no_iommu:
        if iommu.works(host):
            raise HostError("this host has an IOMMU: leave --no-iommu out")
        if iommu.locked_down(host):
            raise HostError("Secure Boot forbids devices without an IOMMU: " + iommu.how(host))
        return
    if not iommu.works(host):
        raise HostError(
            f"{nic}: this host has no IOMMU that works, which vfio-pci needs. Best: {iommu.how(host)}. Without: "
            "--driver uio_pci_generic, or --no-iommu where the kernel has that mode (Debian's has "
            "not); either lets the NIC write anywhere in memory")
    if not nic.group:
        raise HostError(f"{nic} is in no IOMMU group, though the host has some: its bus is not behind the "
                        "IOMMU; --driver uio_pci_generic may do")
    others = [(a, d) for a, d in iommu.others_in_group(host, nic) if a not in together]
    if others:
        named = ", ".join(f"{a} ({d})" for a, d in others)
        raise HostError(f"{nic} shares IOMMU group {nic.group} with {named}: a group is given away as a "
                        "whole. Bind those too, in the same command, or put the card into another slot")


def _refuse_uio(host, nic):
    if nic.is_vf:
        raise HostError(f"{nic} is a virtual function: it has no legacy interrupt, which uio_pci_generic "
                        "needs; use vfio-pci")
    if iommu.locked_down(host):
        raise HostError("Secure Boot forbids uio_pci_generic: use vfio-pci with an IOMMU")
    if iommu.works(host) and nic.group and \
            not host.read(f"{iommu.GROUPS}/{nic.group}/type", "identity").startswith("identity"):
        raise HostError(f"{nic} is behind an IOMMU that translates its addresses, which DPDK cannot tell it "
                        "through uio_pci_generic: use vfio-pci (or boot with iommu=pt)")


def load_module(host, driver, no_iommu):
    if not host.isdir(f"{pci.DRIVERS}/{driver}"):
        text = host.run(["modprobe", driver], check=False)
        if not host.dry_run and not host.isdir(f"{pci.DRIVERS}/{driver}"):
            raise HostError(f"the kernel has no {driver}: {text or 'modprobe did not help'}. Debian's "
                            "linux-image-amd64 has it; kernels of clouds may lack it")
    if no_iommu and driver == "vfio-pci" and not (host.dry_run and iommu.unsafe_mode(host) is None):
        if iommu.unsafe_mode(host) is None:
            raise HostError("this kernel's VFIO has no mode without an IOMMU (CONFIG_VFIO_NOIOMMU; "
                            "Debian's has not): --driver uio_pci_generic, or " + iommu.how(host))
        if not iommu.unsafe_mode(host):
            host.put(iommu.UNSAFE, "1", "VFIO without an IOMMU")


def bind(host, nic, driver, force=False):
    """Bind, and see that it is bound."""
    devbind = host.which("dpdk-devbind.py")
    if devbind and host.which("lspci"):
        # It leaves what has routes alone, and ends with 0 then; we have asked about that.
        text = host.run(["dpdk-devbind.py", f"--bind={driver}"] + (["--force"] if force else []) +
                        [nic.address])
    else:
        text = ""
        _bind_by_hand(host, nic, driver)
    if host.dry_run:
        return
    now = host.link(f"{pci.DEVICES}/{nic.address}/driver")
    if now != driver:
        raise HostError(f"{nic.address} is not bound to {driver} but to {now or 'no driver'}"
                        + (f": {text}" if text else "") + ". dmesg | tail may say why")


def _bind_by_hand(host, nic, driver):
    host.put(f"{pci.DEVICES}/{nic.address}/driver_override", driver)
    if nic.driver:
        host.poke(f"{pci.DRIVERS}/{nic.driver}/unbind", nic.address)
    host.poke(f"{pci.DRIVERS}/{driver}/bind", nic.address)


def holders(host, nic):
    """["name (PID n)"] of programs that have the device open: to unbind it would wait for them."""
    device = pci.DEVICES + "/" + nic.address
    files = {f"/dev/vfio/{nic.group}", f"/dev/vfio/noiommu-{nic.group}"} if nic.group else set()
    files |= {"/dev/" + n for n in host.list(device + "/uio")}
    found = []
    for fd in host.glob("/proc/[0-9]*/fd/*"):
        try:
            open_file = os.readlink(host.path(fd))
        except OSError:
            continue
        pid = fd.split("/")[2]
        if open_file in files and not any(f.endswith(f" {pid})") for f in found):
            found.append(f"{host.read(f'/proc/{pid}/comm', '?')} (PID {pid})")
    return found


def give_back(host, nic, driver=None):
    """To the kernel's driver: that one, or the one that the kernel finds. Which it is then."""
    d = f"{pci.DEVICES}/{nic.address}"
    # A blank line takes an override away.
    if host.read(f"{d}/driver_override", "(null)") not in ("(null)", ""):
        host.poke(f"{d}/driver_override", "\n")
    if nic.driver:
        host.poke(f"{pci.DRIVERS}/{nic.driver}/unbind", nic.address)
    if driver and host.isdir(f"{pci.DRIVERS}/{driver}"):
        host.poke(f"{pci.DRIVERS}/{driver}/bind", nic.address)
    else:
        if nic.modalias and host.which("modprobe"):
            host.run(["modprobe", "-q", nic.modalias], check=False)
        # Loading the driver has bound it already, where that was what lacked.
        if host.link(f"{d}/driver") is None:
            host.poke("/sys/bus/pci/drivers_probe", nic.address)
    return driver if host.dry_run else host.link(f"{d}/driver")
