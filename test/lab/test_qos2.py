# SPDX-License-Identifier: BSD-3-Clause
"""QoS 2 through real brokers that keep pubwire's session: each message once on each of them, whatever
happens to the connections."""

import subprocess
import time
import unittest

import kit
import mqttraw as mq
from kit import LabCase, Plan, net


def cut(broker):
    """End pubwire's connections to a broker, by the kernel of the broker's side."""
    r = subprocess.run(["ip", "netns", "exec", net.namespace("brk"), "ss", "-K", "state", "established",
                        "src", net.broker_address(broker), "sport", "=", ":1883", "dst", net.PUBWIRE["brk"]],
                       capture_output=True, text=True, check=False)
    return r.returncode == 0 and r.stdout.count("\n") > 1


class Cut(LabCase):
    """Paho publishes while connections to a broker are cut."""

    def exactly_once(self, version):
        plan = Plan(f"qos2-{version}", 3000, 20, (8, 300, 1500), (2,))
        want = kit.expected(plan)
        with kit.Collectors(self.brokers, "lab/#") as c:
            p = kit.start_client("paho_py", version, plan)
            cuts = 0
            while p.poll() is None:
                time.sleep(0.7)
                cuts += cut(0)
            self.assertEqual(p.returncode, 0, p.stdout.read()[-300:])
            p.stdout.close()
            if cuts == 0:
                raise unittest.SkipTest("the kernel cannot end connections (ss -K)")
            c.wait(sum(want.values()))
            for b in self.brokers:
                got = c.got(b)
                self.assertFalse(want - got, f"broker {b + 1} misses some")
                self.assertFalse(got - want, f"broker {b + 1} has some twice")
        kit.brokers_up(4)
        rows = [r for r in kit.lab.broker_rows() if r["broker"] == "broker1"]
        self.assertGreater(sum(int(r["sessions_resumed"]) for r in rows), 0)
        self.assertEqual(sum(int(r["sessions_lost"]) for r in rows), 0)

    def test_3_1_1(self):
        self.exactly_once(4)

    def test_5_0(self):
        self.exactly_once(5)


class Moves(LabCase):
    """Clients that lose their connections at any packet of an exchange and come back, by the port of the
    new connection, on either worker, and with another protocol version."""

    shape = kit.SHAPES["two_workers"]

    @staticmethod
    def come_back(name, version):
        """A connection that goes on with the session, and whether there is one. What is in flight may have
        to be answered first."""
        props = b"\x11\0\0\0\x64" if version == 5 else b""
        for _ in range(5):
            d = kit.device()
            present, code = d.connect(name, version=version, clean=False, props=props)
            if code == 0:
                return d, present
            d.close()
        raise AssertionError(f"CONNECT is refused: {code}")

    def exchange(self, name, version, i, cut):
        """One message of QoS 2, its connection lost at a place: before PUBLISH, PUBREC, PUBREL, PUBCOMP."""
        payload = b"%d" % i

        def publish(d, dup):
            d.send(mq.publish(f"lab/{name}", payload, 2, 7, version, dup))

        d, present = self.come_back(name, version)
        self.assertFalse(present)
        if cut == 0:
            d.reset()
            d, present = self.come_back(name, version)
        publish(d, False)
        if cut == 1:
            d.reset()
            version ^= i & 1
            d, present = self.come_back(name, version)
            publish(d, True)
        self.assertEqual(d.read()[0], 0x50)
        if cut == 2:
            d.reset()
            version ^= i & 1
            d, present = self.come_back(name, version)
            self.assertTrue(present)
        d.send(mq.ack(mq.PUBREL, 7))
        if cut == 3:
            d.reset()
            version ^= i & 1
            d, present = self.come_back(name, version)
            d.send(mq.ack(mq.PUBREL, 7))
        self.assertEqual(d.read()[0], 0x70)
        d.close()

    def test_each_message_once_wherever_the_client_comes_back(self):
        with kit.Collectors(self.brokers, "lab/#") as c:
            for i in range(64):
                self.exchange("mover", 4 + (i >> 2 & 1), i, i % 4)
            c.wait(64)
            want = {kit.key("lab/mover", b"%d" % i): 1 for i in range(64)}
            for b in self.brokers:
                self.assertEqual(c.got(b), want)
        n = kit.ask("/pubwire/counters")["forward"]
        self.assertGreater(n["sessions_resumed"], 30)
        self.assertEqual(n["sessions_not_kept"], 0)
