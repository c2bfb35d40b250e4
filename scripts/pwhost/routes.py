# SPDX-License-Identifier: BSD-3-Clause
"""Which interfaces the host itself is reached by."""

import ipaddress
import os

NET = "/sys/class/net"


def table(host):
    """(network, interface) of every route: all of IPv6, the main table of IPv4, and what `ip` adds."""
    found = []
    for line in host.read("/proc/net/route", "").splitlines()[1:]:
        f = line.split()
        if len(f) >= 8 and int(f[3], 16) & 1:  # RTF_UP
            found.append((_network4(f[1], f[7]), f[0]))
    for line in host.read("/proc/net/ipv6_route", "").splitlines():
        f = line.split()
        if len(f) < 10 or int(f[8], 16) & 0x200:  # RTF_REJECT
            continue
        net = ipaddress.ip_network((int(f[0], 16).to_bytes(16, "big"), int(f[1], 16)), strict=False)
        found.append((net, f[9]))
    return found + _policy(host)


def _network4(destination, mask):
    address = ipaddress.IPv4Address(int(destination, 16).to_bytes(4, "little"))
    length = bin(int(mask, 16)).count("1")
    return ipaddress.ip_network((address, length), strict=False)


def _policy(host):
    """Default routes of other tables than main, which /proc does not show."""
    program = host.which("ip")
    if program is None:
        return []
    found = []
    status, text = host.ask([program, "-4", "-o", "route", "show", "table", "all"])
    for line in text.splitlines() if status == 0 else []:
        words = line.split()
        for word, following in zip(words, words[1:]):
            if words[0] == "default" and word == "dev":
                found.append((ipaddress.ip_network("0.0.0.0/0"), following))
    return found


def _plain(network):
    """Neither loopback, nor link-local, nor multicast, which every IPv6 interface has."""
    a = network.network_address
    return not (a.is_loopback or a.is_link_local or a.is_multicast)


def below(host, interface, depth=8):
    """The interface and those that carry it: of a bond, a bridge, a VLAN."""
    found = {interface}
    for name in host.list(f"{NET}/{interface}") if depth else []:
        if name.startswith("lower_"):
            found |= below(host, name[len("lower_"):], depth - 1)
    # The bridge and bond drivers name their members by brif and the members' `master` too.
    for port in host.glob(f"{NET}/*/master") if depth else []:
        member = port.split("/")[-2]
        if host.link(port) == interface and member not in found:
            found |= below(host, member, depth - 1)
    return found


def carriers(host):
    """{interface: why} of those that the host must not lose."""
    found = {}
    routes = table(host)
    for net, dev in routes:
        if net.prefixlen == 0 and dev != "lo":
            for lower in below(host, dev):
                found[lower] = "carries your default route"
    # SSH_CONNECTION: address and port of the client, then of this host.
    client = os.environ.get("SSH_CONNECTION", "").split()[:1]
    dev = lookup(host, client[0], routes) if client else None
    for lower in below(host, dev) if dev and dev != "lo" else []:
        found.setdefault(lower, "carries your SSH session")
    return found


def in_use(host):
    """{interface: why} of those that have addresses or serve another interface."""
    found = {}
    for net, dev in table(host):
        if dev != "lo" and _plain(net):
            for lower in below(host, dev):
                found[lower] = f"has a route to {net}"
    for path in host.glob(f"{NET}/*/master"):
        found.setdefault(path.split("/")[-2], f"belongs to {host.link(path)}")
    return found


def lookup(host, address, routes=None):
    """Interface of the longest route to an address; None where there is none."""
    try:
        a = ipaddress.ip_address(address.split("%")[0])
    except ValueError:
        return None
    best, dev = -1, None
    for net, name in table(host) if routes is None else routes:
        if net.version == a.version and a in net and net.prefixlen > best:
            best, dev = net.prefixlen, name
    return dev
