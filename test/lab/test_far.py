# SPDX-License-Identifier: BSD-3-Clause
"""Hosts behind a router whose link carries less: what it cuts is put together, what it refuses to
carry is sent in smaller segments. The router is pw-dev or pw-brk, the host is pw-far."""

import collections
import os
import shutil
import subprocess
import tempfile
import time
import unittest

import kit
from kit import LabCase, net
from pwlab.process import sh

FAR = net.namespace("far")


class Far:
    """The namespace pw-far behind a side, at addresses of that side's networks."""

    def __init__(self, side, four, six, mtu):
        """mtu: of the router's end of the link."""
        self.ns, self.dev, self.six = net.namespace(side), net.inner(side), six
        sh("ip", "netns", "add", FAR)
        sh("ip", "-n", self.ns, "link", "add", "far-r", "type", "veth", "peer", "name", "far0",
           "netns", FAR)
        for ns, dev, n in ((self.ns, "far-r", 1), (FAR, "far0", 2)):
            net._whole_frames(dev, ns)
            sh("ip", "-n", ns, "addr", "add", f"10.99.0.{n}/24", "dev", dev)
            sh("ip", "-n", ns, "link", "set", dev, "up")
        sh("ip", "-n", FAR, "link", "set", "lo", "up")
        sh("ip", "-n", self.ns, "link", "set", "far-r", "mtu", str(mtu))
        self.sysctl("ipv4.ip_forward", 1)
        self.sysctl(f"ipv4.conf.{self.dev}.proxy_arp", 1)
        self.sysctl(f"ipv4.neigh.{self.dev}.proxy_delay", 0)
        sh("ip", "-n", self.ns, "route", "add", four + "/32", "dev", "far-r")
        sh("ip", "-n", FAR, "addr", "add", four + "/32", "dev", "far0")
        sh("ip", "-n", FAR, "route", "add", "default", "via", "10.99.0.1", "src", four)
        if six:
            self.add_ipv6()

    def add_ipv6(self):
        for ns, dev, n in ((self.ns, "far-r", 1), (FAR, "far0", 2)):
            sh("ip", "-n", ns, "addr", "add", f"fd99::{n}/64", "dev", dev, "nodad")
        self.sysctl("ipv6.conf.all.forwarding", 1)
        self.sysctl(f"ipv6.conf.{self.dev}.proxy_ndp", 1)
        self.sysctl(f"ipv6.neigh.{self.dev}.proxy_delay", 0)
        sh("ip", "-n", self.ns, "-6", "neigh", "add", "proxy", self.six, "dev", self.dev)
        sh("ip", "-n", self.ns, "-6", "route", "add", self.six + "/128", "dev", "far-r")
        sh("ip", "-n", FAR, "addr", "add", self.six + "/128", "dev", "far0", "nodad")
        sh("ip", "-n", FAR, "-6", "route", "add", "default", "via", "fd99::1")

    def sysctl(self, key, value):
        net._sysctl("net." + key, value, self.ns)

    def remove(self):
        self.sysctl("ipv4.ip_forward", 0)
        self.sysctl(f"ipv4.conf.{self.dev}.proxy_arp", 0)
        if self.six:
            sh("ip", "-n", self.ns, "-6", "neigh", "del", "proxy", self.six, "dev", self.dev,
               check=False)
            self.sysctl("ipv6.conf.all.forwarding", 0)
        sh("ip", "-n", self.ns, "link", "del", "far-r", check=False)
        sh("ip", "netns", "del", FAR, check=False)


def wire(name):
    return kit.ask("/pubwire/counters")["wire"][name]


class DeviceBehindARouter(LabCase):
    # AF_PACKET would not show them: its fan-out has the kernel put IPv4 fragments together.
    shape = dict(kit.SHAPES["one_worker"], driver="tap")

    def test_segments_cut_by_a_router_arrive(self):
        """The device's kernel sends without DF, as old ones do; the router cuts to 1300 bytes."""
        far = Far("dev", "10.77.9.9", None, 1500)
        self.addCleanup(far.remove)
        net._sysctl("net.ipv4.ip_no_pmtu_disc", 1, FAR)
        link = ["ip", "-n", net.namespace("dev"), "link", "set", net.inner("dev"), "mtu"]
        sh(*link, "1300")
        self.addCleanup(sh, *link, "1500")
        before = wire("frag_joined")
        payload = kit.content("far", 0, 20000)
        with kit.Collectors(self.brokers) as c:
            for n in range(10):
                p = kit.inside("far", ["mosquitto_pub", "-h", kit.PUBWIRE, "-q", "1", "-t",
                                       f"lab/far/{n}", "-s"], stdin=subprocess.PIPE)
                self.assertEqual((p.communicate(payload.decode(), timeout=30)[0], p.returncode),
                                 ("", 0))
            c.wait(10)
            for b in self.brokers:
                self.assertEqual(c.got(b), collections.Counter(
                    kit.key(f"lab/far/{n}", payload) for n in range(10)))
        self.assertGreater(wire("frag_joined"), before + 100)


CONFIG = """
instance: far
workers: {{lcores: [{lcore}]}}
ports:
  - {{name: devices, device: net_af_packet0, addresses: [10.77.0.1/16, "fd77::1/64"]}}
  - {{name: brokers, device: net_af_packet1, addresses: [10.78.0.1/16, "fd78::1/64"]}}
listeners: [{{name: mqtt, address: 10.77.0.1}}]
brokers:
  - {{name: four, address: {four}, restart_timeout: [100ms, 1s]}}
  - {{name: six, address: "{six}", restart_timeout: [100ms, 1s]}}
routes: [{{filter: "#", brokers: [four, six]}}]
"""


@unittest.skipUnless(net.has_ipv6(), "this kernel has no IPv6")
class BrokerBehindARouter(LabCase):
    """The router's link to the broker carries 1300 bytes, and the broker does not know: its MSS is
    that of a whole Ethernet."""

    four, six = "10.78.9.11", "fd78::9:11"
    shape = kit.SHAPES["one_worker"]

    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.mkdtemp(prefix="pubwire-far-")
        cls.addClassCleanup(shutil.rmtree, cls.dir)
        path = os.path.join(cls.dir, "pubwire.yaml")
        with open(path, "w", encoding="utf-8") as f:
            f.write(CONFIG.format(lcore=kit.SHAPES["one_worker"]["lcores"][0], four=cls.four,
                                  six=cls.six))
        cls.shape = dict(cls.shape, config=path, no_brokers=True)
        super().setUpClass()
        # The next case has another configuration, and this one's is gone by then.
        cls.addClassCleanup(kit.lab.down)

    def start_broker(self, address):
        conf = os.path.join(self.dir, address.replace(":", ".") + ".conf")
        with open(conf, "w", encoding="utf-8") as f:
            f.write(f"listener 1883 {address}\nallow_anonymous true\nuser root\n"
                    "max_queued_messages 0\n")
        prog = shutil.which("mosquitto", path=os.environ["PATH"] + ":/usr/sbin")
        p = kit.inside("far", [prog, "-c", conf], stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        self.addCleanup(p.wait)
        self.addCleanup(p.terminate)

    def collect(self, address):
        out = os.path.join(self.dir, "got-" + address.replace(":", "."))
        p = kit.inside("far", ["/usr/bin/python3", os.path.join(kit.HERE, "collector.py"), address,
                               "#", out])
        self.addCleanup(p.stdout.close)
        self.addCleanup(p.wait)
        self.addCleanup(p.terminate)
        self.assertEqual(p.stdout.readline().strip(), "ready")
        return out

    def test_segments_shrink_to_the_path(self):
        far = Far("brk", self.four, self.six, 1300)
        self.addCleanup(far.remove)
        for address in (self.four, self.six):
            self.start_broker(address)
        kit.brokers_up(4)
        out = [self.collect(address) for address in (self.four, self.six)]
        before = wire("icmp_errors_in")
        payload = kit.content("path", 0, 100000)
        began = time.monotonic()
        for n in range(10):
            p = kit.inside("dev", ["mosquitto_pub", "-h", kit.PUBWIRE, "-q", "1", "-t", "lab/path",
                                   "-s"], stdin=subprocess.PIPE)
            self.assertEqual((p.communicate(payload.decode(), timeout=30)[0], p.returncode),
                             ("", 0))
        # A PUBACK came when both brokers had it; without the router's word that takes timeouts.
        self.assertLess(time.monotonic() - began, 5)
        self.assertGreaterEqual(wire("icmp_errors_in"), before + 2)
        want = [[str(x) for x in kit.key("lab/path", payload)]] * 10
        for path in out:
            end = time.monotonic() + 10
            rows = []
            while len(rows) < 10 and time.monotonic() < end:
                with open(path, encoding="utf-8") as f:
                    rows = [line.split("\t")[:3] for line in f if line.endswith("\n")]
                time.sleep(0.05)
            self.assertEqual(rows, want)
