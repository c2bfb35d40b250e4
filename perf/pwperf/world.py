# SPDX-License-Identifier: BSD-3-Clause
"""Devices, a forwarder and brokers on one machine, as hosts of their own in the kernel's network.

    NAME-dev  host 10.77.0.2  ----  devices 10.77.0.1 | NAME-fwd | brokers 10.78.0.1  ----  host 10.78.0.11...  NAME-brk
              straight 10.79.0.2  ---------------------------------------------------  straight 10.79.0.11

The kernel handles a packet of a virtual link on the CPU that sent it: each end does what the other's TCP has to do with it.
With steer=True it is handled on the CPU of the host that it arrives at (receive packet steering), which each packet to a CPU that is not
yet at it interrupts. With frames=True the forwarder's interfaces have no addresses, and frames on the links are whole, no longer than the
MTU and summed, for who reads them himself."""

import os
import re
import shutil
import subprocess

from .bench import Failed, Lacking

NAME = re.compile(r"pwpeers(\d+)[a-z]-(dev|fwd|brk)$")


def sh(*argv, check=True):
    r = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if check and r.returncode:
        raise Failed(f"{' '.join(argv)}: {r.stdout.strip()}")
    return r.stdout


def lacking():
    """Why there can be no world here; None where there can."""
    for tool in ("ip", "ethtool", "taskset", "sysctl"):
        if shutil.which(tool) is None:
            return f"{tool} is not installed: scripts/deps lab"
    if os.geteuid() != 0:
        return "network namespaces need root"
    return None


def sweep():
    """Remove what a run that was killed has left."""
    if not os.path.isdir("/run/netns"):
        return
    for name in os.listdir("/run/netns"):
        m = NAME.match(name)
        if m and not os.path.exists(f"/proc/{m[1]}"):
            sh("ip", "netns", "del", name, check=False)


class World:
    """Exists between enter and exit."""

    def __init__(self, cpus, frames=False, steer=False):
        why = lacking()
        if why:
            raise Lacking(why)
        self.cpus = cpus
        self.frames = frames
        self.steer = steer
        base = f"pwpeers{os.getpid()}{'f' if frames else 'k'}"
        self.dev, self.fwd, self.brk = (f"{base}-{host}" for host in ("dev", "fwd", "brk"))

    def __enter__(self):
        try:
            self.make()
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(self, *unused):
        self.remove()

    def remove(self):
        for ns in (self.dev, self.fwd, self.brk):
            if os.path.exists("/run/netns/" + ns):
                sh("ip", "netns", "del", ns, check=False)

    def make(self):
        for ns in (self.dev, self.fwd, self.brk):
            made = subprocess.run(["ip", "netns", "add", ns], capture_output=True, text=True, check=False)
            if made.returncode:
                raise Lacking(f"network namespaces: {made.stderr.strip()}")
            # A thousand connections a trial: those that ended must not keep the ports from the next.
            sh("ip", "netns", "exec", ns, "sysctl", "-eqw", "net.ipv6.conf.default.disable_ipv6=1",
               "net.ipv4.tcp_tw_reuse=1", "net.ipv4.ip_local_port_range=1024 65000")
            sh("ip", "-n", ns, "link", "set", "lo", "up")
        forwarder = None if self.frames else ["10.77.0.1/16"], None if self.frames else ["10.78.0.1/16"]
        brokers = [f"10.78.0.{11 + i}/16" for i in range(16)]
        self.link((self.dev, "host", ["10.77.0.2/16"]), (self.fwd, "devices", forwarder[0]))
        self.link((self.brk, "host", brokers), (self.fwd, "brokers", forwarder[1]))
        self.link((self.dev, "straight", ["10.79.0.2/24"]), (self.brk, "straight", ["10.79.0.11/24"]))

    def link(self, a, b):
        try:
            sh("ip", "-n", a[0], "link", "add", a[1], "type", "veth", "peer", "name", b[1], "netns", b[0])
        except Failed as e:
            raise Lacking(f"virtual links: {e}") from e
        for ns, dev, addresses in (a, b):
            for address in addresses or []:
                sh("ip", "-n", ns, "addr", "add", address, "dev", dev)
            if self.frames:
                sh("ip", "netns", "exec", ns, "ethtool", "-K", dev, "tx", "off", "sg", "off", "tso", "off", "gso",
                   "off", "gro", "off")
            sh("ip", "-n", ns, "link", "set", dev, "up")
            if self.steer:
                self.steer_to(ns, dev, self.cpus[0 if ns == self.fwd else 1])

    @staticmethod
    def steer_to(ns, dev, cpu):
        # 32 bits a word, the highest first.
        mask = f"{1 << cpu:x}"
        mask = mask.rjust(-(-len(mask) // 8) * 8, "0")
        words = ",".join(mask[i:i + 8] for i in range(0, len(mask), 8))
        sh("ip", "netns", "exec", ns, "sh", "-c", f"echo {words} > /sys/class/net/{dev}/queues/rx-0/rps_cpus")

    def inside(self, ns, cpu, argv):
        """The command line that runs argv as a host of this world."""
        return ["ip", "netns", "exec", ns, "taskset", "-c", str(cpu), *argv]
