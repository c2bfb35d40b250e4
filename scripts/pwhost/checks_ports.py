# SPDX-License-Identifier: BSD-3-Clause
"""What scripts/doctor looks at for each port and broker of the configuration."""

import errno
import ipaddress
import os
import socket

from . import cpus, iommu, routes
from .table import BAD, OK, SKIP, WARN, Row

VDEVS = {"net_af_packet": "iface", "net_af_xdp": "iface"}
CONNECT_SECONDS = 2.0


def ports(host, config, found):
    """found: {address: pci.Nic}."""
    pci_ports = dict(config.pci_ports())
    for p in config.ports:
        name = f"port {p['name']}"
        if p["name"] in pci_ports:
            yield from _pci(host, config, name, pci_ports[p["name"]], found)
        else:
            yield from _virtual(host, config, name, str(p.get("device", "")))


def _pci(host, config, name, address, found):
    nic = found.get(address)
    if nic is None:
        yield Row(name, BAD, f"there is no NIC at {address}", "scripts/nics list shows those there are")
        return
    if nic.refused:
        yield Row(name, BAD, f"{nic} {nic.refused}: pubwire must not have it", "choose another NIC")
        return
    if not nic.pmd:
        yield Row(name, BAD, f"no driver of DPDK knows {nic} ({nic.identity})",
                  "apt install librte-meta-net (all drivers of Debian's DPDK), or take another NIC")
    elif nic.bifurcated:
        yield Row(name, OK, f"{nic}: {nic.driver}, works beside DPDK")
    elif not nic.bound:
        yield Row(name, BAD, f"{nic} is with {nic.driver or 'no driver'}, not with DPDK",
                  "scripts/nics bind --persistent " + ("" if iommu.works(host) else "--driver uio_pci_generic ")
                  + address)
    else:
        yield Row(name, OK, f"{nic}: {nic.driver}, {nic.pmd}")
    if nic.driver == "vfio-pci":
        others = iommu.others_in_group(host, nic)
        if others:
            yield Row(name, BAD, f"its IOMMU group {nic.group} is shared with "
                      + ", ".join(f"{a} ({d})" for a, d in others), "bind those too, or use another slot")
    if "--no-pci" in config.eal:
        yield Row(name, BAD, "--no-pci in eal hides every PCI device", f"write --allow={address} instead")
    elif config.eal_value("--allow") is None and config.eal_value("-a") is None:
        yield Row(name, WARN, "eal allows every NIC that is bound to DPDK: two pubwires would both take them",
                  f"--allow={address} in eal, one for each port")
    yield from _node(host, config, name, nic)


def _node(host, config, name, nic):
    if nic.node is None or len(cpus.nodes(host)) < 2:
        return
    far = [c for c in config.workers if cpus.node(host, c) != nic.node]
    if far:
        near = [c for c in cpus.online(host) if cpus.node(host, c) == nic.node]
        yield Row(name, WARN, f"on node {nic.node}; the workers on CPU {cpus.text(far)} are on another, so every "
                  "packet crosses between them", f"choose workers of {cpus.text(near)}, or a slot of their node")


def _virtual(host, config, name, device):
    vdev = next((v for v in config.eal_values("--vdev") if v.split(",")[0] == device), None)
    driver = device.rstrip("0123456789")
    if driver == "net_tap" and not host.exists("/dev/net/tun"):
        yield Row(name, BAD, f"{device} needs /dev/net/tun", "modprobe tun")
        return
    if vdev is None:
        yield Row(name, WARN, f"{device} is no PCI address, and no --vdev of eal makes it",
                  f"--vdev={device},... in eal, or on the command line")
        return
    options = dict(o.partition("=")[::2] for o in vdev.split(",")[1:])
    interface = options.get(VDEVS.get(driver, ""), None)
    if interface is None:
        yield Row(name, OK, f"{device}, virtual")
        return
    if not host.isdir(f"{routes.NET}/{interface}"):
        yield Row(name, BAD, f"{device} wants the interface {interface}, which is not there", "ip link shows them")
        return
    flags = host.number(f"{routes.NET}/{interface}/flags", 0)
    if not flags & 1:
        yield Row(name, BAD, f"{interface} is down", f"ip link set {interface} up")
    elif interface in routes.carriers(host):
        yield Row(name, WARN, f"{interface} {routes.carriers(host)[interface]}: the kernel answers on it too",
                  "give pubwire an interface of its own")
    else:
        yield Row(name, OK, f"{device} on {interface}")


def beside(host, config, runs):
    """The kernel's interfaces beside ports. runs: a pubwire with this configuration has them."""
    for p in config.ports:
        kernel = p.get("kernel") or {}
        if not kernel.get("interface"):
            continue
        name, driver = f"kernel interface {kernel['interface']}", kernel.get("driver", "auto")
        if runs:
            yield Row(name, OK, "pubwire has it")
            continue
        virtio = driver == "virtio-user" or driver == "auto" and host.exists("/dev/vhost-net")
        lacking = []
        if driver == "virtio-user" and not host.exists("/dev/vhost-net"):
            lacking.append(("/dev/vhost-net", "modprobe vhost-net"))
        # virtio_user makes its interface by it, too.
        if not host.exists("/dev/net/tun"):
            lacking.append(("/dev/net/tun", "modprobe tun"))
        for device, how in lacking:
            yield Row(name, BAD, f"there is no {device}, by which pubwire makes it for port {p['name']}",
                      f"{how}; in a container: give it the device")
        if host.isdir(f"{routes.NET}/{kernel['interface']}"):
            yield Row(name, BAD, "there is one of this name, and pubwire makes its own",
                      "another name in kernel of the port, or ip link delete where it is left over")
        elif not lacking:
            yield Row(name, OK, "made by pubwire's start, " + ("by virtio_user" if virtio else "as a TAP"))


def brokers(host, config, connect):
    """Plain TCP from this host: says something where the host has a way of its own to the broker."""
    for b in config.brokers:
        address, port = str(b["address"]), int(b.get("port", 1883))
        name = f"broker {b['name']}"
        port_name = _on_link(config, address)
        dev = routes.lookup(host, address)
        if dev is None:
            yield Row(name, SKIP, f"not tried: the host has no route to {address}; pubwire reaches it by its port "
                      + (port_name or "and gateway"))
            continue
        direct = any(dev == d and n.prefixlen > 0 and ipaddress.ip_address(address) in n
                     for n, d in routes.table(host) if n.version == ipaddress.ip_address(address).version)
        if port_name and not direct:
            yield Row(name, SKIP, f"not tried: {address} is on the link of port {port_name}, where the host has no "
                      "interface")
            continue
        why = connect(address, port)
        if not why:
            yield Row(name, OK, f"{address} port {port} answers the host by {dev} (pubwire goes by its own port)")
        else:
            yield Row(name, WARN, f"{address} port {port} does not answer the host by {dev}: {why}. pubwire goes by "
                      "its own port and address, which may do better",
                      "look whether the broker runs and listens there, and at firewalls")


def page(config, runs, listen):
    """The section http: its address is one of the host's, and its port nobody else's. runs: a pubwire with
    this configuration has it."""
    http = config.values.get("http")
    if not http:
        return
    address, port = str(http["address"]), int(http["port"])
    where = f"{address} port {port}"
    if runs:
        yield Row("http", OK, f"{where}: pubwire has it")
        return
    code = listen(address, port)
    if not code:
        yield Row("http", OK, f"{where} is free")
    elif code == errno.EADDRINUSE:
        yield Row("http", BAD, f"{where} is another program's", "another port in http; "
                  f"ss -ltnp 'sport = :{port}' says whose it is")
    elif code == errno.EADDRNOTAVAIL:
        yield Row("http", BAD, f"{address} is no address of this host: the page is served by the kernel's TCP, not by "
                  "pubwire's ports", "an address of `ip address`, or 127.0.0.1, in http")
    elif code == errno.EACCES:
        yield Row("http", SKIP, f"{where} may only be tried by root")
    else:
        yield Row("http", BAD, f"{where}: {os.strerror(code)}", "another address or port in http")


def listen(address, port):
    """errno of taking a port for a moment; 0 where that went well."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as s:
            # As the page does: connections of before that have ended are in nobody's way.
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            s.bind((address, port))
            s.listen(1)
    except OSError as e:
        return e.errno
    return 0


def _on_link(config, address):
    """Name of the port in whose network the address is."""
    for p in config.ports:
        for a in p.get("addresses") or []:
            net = ipaddress.ip_interface(str(a)).network
            if ipaddress.ip_address(address) in net:
                return p["name"]
    return None


def tcp(address, port):
    """Why no connection came about; "" where one did."""
    try:
        socket.create_connection((address, port), CONNECT_SECONDS).close()
    except socket.timeout:
        return f"no answer within {CONNECT_SECONDS:g} s"
    except OSError as e:
        return e.strerror or str(e)
    return ""
