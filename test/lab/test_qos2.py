# SPDX-License-Identifier: BSD-3-Clause
"""QoS 2 through real brokers that keep pubwire's session: each message once on each of them, whatever
happens to the connections."""

import subprocess
import time
import unittest

import kit
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
