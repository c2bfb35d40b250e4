# SPDX-License-Identifier: BSD-3-Clause
"""The guest's surroundings: a namespace for devices, one for the broker, and a TAP in each for every NIC model.

    pwvm-dev  10.77.0.2/16 fd77::2/64 -- NIC -- guest: pubwire -- NIC -- pwvm-brk  10.78.0.11/16 fd78::11/64

The addresses move to the TAPs of the model whose turn it is."""

import fcntl
import os
import struct
import subprocess
import time

SIDES = ("dev", "brk")
DEVICE = {"dev": "10.77.0.2/16", "brk": "10.78.0.11/16"}
DEVICE6 = {"dev": "fd77::2/64", "brk": "fd78::11/64"}
PUBWIRE = {"dev": "10.77.0.1", "brk": "10.78.0.1"}
PUBWIRE6 = {"dev": "fd77::1", "brk": "fd78::1"}
# linux/if_tun.h
TUNSETIFF, IFF_TAP, IFF_NO_PI, IFF_VNET_HDR, IFF_MULTI_QUEUE = 0x400454ca, 0x0002, 0x1000, 0x4000, 0x0100


def ip(*argv, check=True):
    r = subprocess.run(["ip", *argv], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if check and r.returncode:
        raise RuntimeError(f"ip {' '.join(argv)}: {r.stdout.strip()}")
    return r.stdout


def namespace(side):
    return "pwvm-" + side


def inside(side, *argv):
    """Command line of a program in a namespace."""
    return ["ip", "netns", "exec", namespace(side), *argv]


def up():
    for side in SIDES:
        ns = namespace(side)
        ip("netns", "add", ns)
        for key in ("accept_ra", "accept_dad", "router_solicitations"):
            subprocess.run(inside(side, "sysctl", "-qw", f"net.ipv6.conf.default.{key}=0"), check=False,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        ip("-n", ns, "link", "set", "lo", "up")


def down():
    for side in SIDES:
        if os.path.exists("/run/netns/" + namespace(side)):
            ip("netns", "del", namespace(side), check=False)


def tap_name(model, side):
    return f"pwvm-{model}"[:12] + "-" + side[0]


def open_tap(name, side, queues):
    """Descriptors of a new TAP, one a queue, in the side's namespace."""
    flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | (IFF_MULTI_QUEUE if queues > 1 else 0)
    fds = []
    for _ in range(queues):
        fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), flags))
        os.set_inheritable(fd, True)
        fds.append(fd)
    ip("link", "set", name, "netns", namespace(side))
    return fds


def give_turn(model, mtu):
    """The addresses to the TAPs of this model."""
    for side in SIDES:
        ns, mine = namespace(side), tap_name(model, side)
        for line in ip("-n", ns, "-o", "link").splitlines():
            dev = line.split(":")[1].strip()
            if dev.startswith("pwvm-") and dev != mine:
                ip("-n", ns, "addr", "flush", "dev", dev)
                ip("-n", ns, "link", "set", dev, "down")
        ip("-n", ns, "link", "set", mine, "up", "mtu", str(mtu))
        ip("-n", ns, "addr", "replace", DEVICE[side], "dev", mine)
        ip("-n", ns, "addr", "replace", DEVICE6[side], "dev", mine, "nodad")


def counters(side):
    """{name: value} of what the namespace's TCP and IP have seen."""
    text = subprocess.run(inside(side, "cat", "/proc/net/snmp"), stdout=subprocess.PIPE, text=True,
                          check=True).stdout.splitlines()
    found = {}
    for names, values in zip(text[::2], text[1::2]):
        kind = names.split(":")[0]
        found.update({f"{kind}.{n}": int(v) for n, v in zip(names.split()[1:], values.split()[1:])})
    return found


def wait(what, condition, patience=60.0, alive=lambda: True):
    """What the condition returns, once that is true."""
    end = time.monotonic() + patience
    while True:
        found = condition()
        if found:
            return found
        if not alive():
            raise RuntimeError(f"{what}: the guest is gone")
        if time.monotonic() > end:
            raise RuntimeError(f"{what}: not within {patience:.0f} s")
        time.sleep(0.1)
