# SPDX-License-Identifier: BSD-3-Clause
"""Namespaces, links and addresses.

    pw-dev  dev0 10.77.0.2/16  ----  pubwire 10.77.0.1 | 10.78.0.1  ----  pw-brk  brk0 10.78.0.11...
                 fd77::2/64                  fd77::1   | fd78::1                       fd78::11...

IPv6 is there where the kernel has it. With af_packet and af_xdp a link is a veth pair whose other end, pwl-dev or pwl-brk, stays in the
root namespace for pubwire; with tap pubwire makes the interface and it moves afterwards."""

import os
import time

from .process import SUFFIX, LabError, sh

SIDES = ("dev", "brk")
BROKER_FIRST = 11
MAX_BROKERS = 32
PUBWIRE = {"dev": "10.77.0.1", "brk": "10.78.0.1"}
PUBWIRE6 = {"dev": "fd77::1", "brk": "fd78::1"}


def namespace(side):
    return "pw-" + side + SUFFIX


def inner(side):
    """The interface in the namespace."""
    return side + "0"


def outer(side):
    """The interface that pubwire opens, in the root namespace."""
    return "pwl-" + side + SUFFIX


def has_ipv6():
    """True where the kernel speaks IPv6."""
    return os.path.exists("/proc/sys/net/ipv6/conf/all/disable_ipv6")


def broker_address(i, v6=False):
    return f"fd78::{BROKER_FIRST + i}" if v6 else f"10.78.0.{BROKER_FIRST + i}"


def addresses(side, brokers):
    """Those in a namespace, with the lengths of their prefixes."""
    four, six = ["10.77.0.2"], ["fd77::2"]
    if side == "brk":
        four = [broker_address(i) for i in range(max(brokers, 1))]
        six = [broker_address(i, v6=True) for i in range(max(brokers, 1))]
    return [a + "/16" for a in four] + ([a + "/64" for a in six] if has_ipv6() else [])


def exists(side):
    return os.path.exists("/run/netns/" + namespace(side))


def _sysctl(path, value, ns=None):
    cmd = ["sysctl", "-qw", f"{path}={value}"]
    # A kernel without IPv6 has no such key, and needs none.
    sh(*(["ip", "netns", "exec", ns] if ns else []), *cmd, check=False)


def _whole_frames(dev, ns=None):
    """No offloads: what crosses the link has its checksum and is no longer than the MTU."""
    cmd = ["ethtool", "-K", dev, "tx", "off", "sg", "off", "tso", "off", "gso", "off", "gro", "off"]
    sh(*(["ip", "netns", "exec", ns] if ns else []), *cmd)


def _set_up_inner(side, brokers):
    ns, dev = namespace(side), inner(side)
    _whole_frames(dev, ns)
    for a in addresses(side, brokers):
        # Nobody else is there to have the address: brokers bind to it at once.
        sh("ip", "-n", ns, "addr", "add", a, "dev", dev, *(["nodad"] if ":" in a else []))
    sh("ip", "-n", ns, "link", "set", dev, "up")


def make_namespaces():
    for side in SIDES:
        ns = namespace(side)
        sh("ip", "netns", "add", ns)
        # No router solicitations between the tests' packets, no waiting for link-local addresses.
        _sysctl("net.ipv6.conf.default.router_solicitations", 0, ns)
        _sysctl("net.ipv6.conf.default.accept_ra", 0, ns)
        _sysctl("net.ipv6.conf.default.accept_dad", 0, ns)
        sh("ip", "-n", ns, "link", "set", "lo", "up")


def make_veth(brokers, queues):
    """veth pairs for both sides, up, with addresses inside."""
    for side in SIDES:
        ns, near, far = namespace(side), outer(side), inner(side)
        q = ["numtxqueues", str(queues), "numrxqueues", str(queues)]
        sh("ip", "link", "add", near, *q, "type", "veth", "peer", "name", far, *q, "netns", ns)
        _sysctl(f"net.ipv6.conf.{near}.disable_ipv6", 1)
        # The host sees the frames too: it must not route them.
        _sysctl(f"net.ipv4.conf.{near}.forwarding", 0)
        _whole_frames(near)
        _set_up_inner(side, brokers)
        sh("ip", "link", "set", near, "up")


def adopt_taps(brokers, patience=40.0, alive=lambda: True):
    """Move the TAP interfaces of pubwire into the namespaces, once they are there."""
    for side in SIDES:
        end = time.monotonic() + patience
        while not os.path.exists("/sys/class/net/" + outer(side)):
            if time.monotonic() > end or not alive():
                raise LabError(f"pubwire did not make the TAP interface {outer(side)}")
            time.sleep(0.05)
    # Only when the port is started: the driver talks to the interface by name until then.
    for side in SIDES:
        end = time.monotonic() + patience
        while not _is_up(outer(side)):
            if time.monotonic() > end or not alive():
                raise LabError(f"pubwire did not start the port of {outer(side)}")
            time.sleep(0.05)
    time.sleep(0.2)
    for side in SIDES:
        ns = namespace(side)
        sh("ip", "link", "set", outer(side), "netns", ns, "name", inner(side))
        _set_up_inner(side, brokers)


def _is_up(dev):
    try:
        with open(f"/sys/class/net/{dev}/flags", encoding="ascii") as f:
            return int(f.read(), 16) & 1
    except OSError:
        return False


def remove():
    """Take away what make_* made, as much of it as there is."""
    for side in SIDES:
        if os.path.exists("/sys/class/net/" + outer(side)):
            sh("ip", "link", "del", outer(side), check=False)
        if exists(side):
            sh("ip", "netns", "del", namespace(side), check=False)


def processes_inside(side):
    """PIDs that live in the namespace."""
    if not exists(side):
        return []
    return [int(p) for p in sh("ip", "netns", "pids", namespace(side), check=False).split()]
