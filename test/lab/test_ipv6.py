# SPDX-License-Identifier: BSD-3-Clause
"""Devices and brokers over IPv6, alone and beside IPv4."""

import collections
import json
import unittest

import kit
import mqttraw as mq
from kit import LabCase, Plan, net

UDP = """
import socket, sys
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.settimeout(5)
s.connect((sys.argv[1], 9))
s.send(bytes(4000))
try:
    s.recv(1)
except ConnectionRefusedError:
    print("refused")
"""


@unittest.skipUnless(net.has_ipv6(), "this kernel has no IPv6")
class BothFamilies(LabCase):
    """Broker 1 over IPv4, broker 2 over IPv6."""

    shape = dict(kit.SHAPES["two_workers"], ipv6_brokers=1)
    settle_s = 20

    def ping(self, side, *args):
        p = kit.inside(side, ["ping", "-6", "-n", "-i", "0.05", "-W", "2"] + list(args)
                       + [net.PUBWIRE6[side]])
        out = p.communicate(timeout=30)[0]
        self.assertEqual(p.returncode, 0, out)
        self.assertIn(" 0% packet loss", out)

    def test_ping_from_both_sides(self):
        self.ping("dev", "-c", "10")
        self.ping("brk", "-c", "10")

    def test_ping_of_a_full_frame(self):
        self.ping("dev", "-c", "5", "-s", "1452", "-M", "do")

    def test_ping_after_the_neighbour_was_forgotten(self):
        for side in net.SIDES:
            kit.inside(side, ["ip", "-6", "neigh", "flush", "all"]).communicate()
            self.ping(side, "-c", "2")

    def test_fragments_of_the_kernel_are_put_together(self):
        """A datagram to a port that is nobody's is whole before it is refused."""
        before = kit.ask("/pubwire/counters")["wire"]["frag_joined"]
        p = kit.inside("dev", ["/usr/bin/python3", "-c", UDP, kit.PUBWIRE6])
        self.assertEqual(p.communicate(timeout=20)[0].strip(), "refused")
        self.assertEqual(kit.ask("/pubwire/counters")["wire"]["frag_joined"], before + 1)

    def test_a_closed_port_refuses(self):
        for side in net.SIDES:
            with self.assertRaises(ConnectionRefusedError):
                kit.connect_from(side, net.PUBWIRE6[side], 1884)

    def test_address_added_by_hand(self):
        """All of fd77::/64 is on-link."""
        link = ["dev", net.inner("dev"), "nodad"]
        kit.inside("dev", ["ip", "addr", "add", "fd77::cafe/64"] + link).communicate()
        s = kit.connect_from("dev", kit.PUBWIRE6, source=("fd77::cafe", 0))
        self.assertEqual(mq.Peer(s).connect("elsewhere"), (0, 0))
        rows = [r for w in range(len(self.shape["lcores"]))
                for r in kit.ask(f"/pubwire/devices,{w},0").values() if isinstance(r, dict)]
        self.assertIn(("elsewhere", "fd77::cafe"), [(r["client_id"], r["address"]) for r in rows])
        s.close()
        kit.inside("dev", ["ip", "addr", "del", "fd77::cafe/64"] + link[:2]).communicate()

    def test_mosquitto_pub(self):
        for version in ("mqttv311", "mqttv5"):
            with kit.Collectors(self.brokers) as c:
                p = kit.inside("dev", ["mosquitto_pub", "-h", kit.PUBWIRE6, "-V", version, "-q", "1",
                                       "-t", "lab/six", "-m", version])
                self.assertEqual(p.wait(20), 0, p.stdout.read())
                p.stdout.close()
                c.wait(1)
                for b in self.brokers:
                    self.assertEqual(c.got(b), collections.Counter(
                        [kit.key("lab/six", version.encode())]))

    def publish(self, version, families):
        """A client of each family publishes; every broker has every message once."""
        sizes, qos = (1, 300, 1400, 1500, 70000, 2), (1, 0, 1)
        plans = [Plan(f"py-{version}-{n}", 300, 7, sizes, qos) for n in range(len(families))]
        with kit.Collectors(self.brokers) as c:
            running = [kit.start_client("paho_py", version, plan, address=a)
                       for plan, a in zip(plans, families)]
            for p in running:
                out = p.communicate(timeout=60)[0]
                self.assertEqual(p.returncode, 0, out)
            want = sum((kit.expected(plan) for plan in plans), collections.Counter())
            c.wait(sum(want.values()))
            for b in self.brokers:
                self.assertEqual(c.got(b), want)

    def test_publishers_of_both_families(self):
        for version in (4, 5):
            self.publish(version, (kit.PUBWIRE, kit.PUBWIRE6, kit.PUBWIRE6))

    def test_burst(self):
        n = 50000
        p = kit.inside("dev", [kit.helper("flood"), "-c", "32", "-n", "64", "-s", "300", "-m", str(n),
                               "-d", "90", kit.PUBWIRE6])
        out = p.communicate(timeout=120)[0]
        self.assertEqual(p.returncode, 0, out)
        self.assertEqual(json.loads(out.splitlines()[-1])["acked"], n)


class SixAlone(BothFamilies):
    """Both brokers over IPv6, devices and brokers on workers of their own."""

    shape = dict(kit.SHAPES["split"], ipv6_brokers=2)


class SixOnTap(BothFamilies):
    shape = dict(kit.SHAPES["one_worker"], ipv6_brokers=2, driver="tap")
