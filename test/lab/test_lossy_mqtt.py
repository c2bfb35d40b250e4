# SPDX-License-Identifier: BSD-3-Clause
"""A device behind a bad cable: in a namespace of its own, reached through that of the other devices,

    pw-left  left0 10.77.9.1  ----  left0  lossy_wire  dev0  (pw-dev)  ----  pubwire

so that only its frames are lost. QoS 1 arrives all the same, once."""

import subprocess
import time

import kit
import lossy
from kit import LabCase, Plan, ask
from pwlab import net
from pwlab.process import sh

ADDRESS = "10.77.9.1"


class LossyMqtt(LabCase):
    shape = kit.SHAPES["one_worker"]
    settle_s = 20

    def setUp(self):
        super().setUp()
        self.far = lossy.LEFT
        self.addCleanup(lossy.down)
        lossy.down()
        sh("ip", "netns", "add", self.far)
        here = net.namespace("dev")
        sh("ip", "-n", here, "link", "add", "left0", "type", "veth", "peer", "name", "left0", "netns",
           self.far)
        # The namespace goes later than "ip netns del" returns; by then the next test wants the name.
        self.addCleanup(sh, "ip", "-n", here, "link", "del", "left0", check=False)
        for ns in (self.far, here):
            lossy.whole_frames(ns, "left0")
            sh("ip", "-n", ns, "link", "set", "left0", "up")
        sh("ip", "-n", self.far, "addr", "add", ADDRESS + "/16", "dev", "left0")

    def publish(self, wire, plan):
        """The plan by paho's C client at the far end; every broker must have it afterwards."""
        argv = ["ip", "netns", "exec", self.far, kit.helper("paho_c_pub"), kit.PUBWIRE, "4",
                plan.client, str(plan.count), str(plan.topics), ",".join(map(str, plan.sizes)),
                ",".join(map(str, plan.qos))]
        want = kit.expected(plan)
        ends = (net.inner("dev"), "left0")
        with kit.Collectors(self.brokers, "lab/#") as c:
            with lossy.cable(kit.helper("lossy_wire"), ends=ends, ns=net.namespace("dev"),
                             **wire) as counters:
                r = subprocess.run(argv, capture_output=True, text=True, timeout=90, check=False)
                self.assertEqual(r.returncode, 0, r.stdout[-500:] + r.stderr[-500:])
                c.wait(sum(want.values()))
                # What the client said last may have been lost, and only its kernel, over this cable,
                # says it again.
                self.wait_for_no_session()
            for b in self.brokers:
                self.assertEqual(c.got(b), want, f"broker {b + 1}")
        self.assertGreater(counters["left0"]["lost"], 0)

    def wait_for_no_session(self):
        end = time.monotonic() + self.settle_s
        while ask("/pubwire/pools")["sessions"] and time.monotonic() < end:
            time.sleep(0.05)

    def test_qos_1_at_a_loss_of_5_percent(self):
        self.publish({"l": 5, "s": 31, "d": 2}, Plan("far", 300, 20, (64, 900, 3000), (1,)))

    def test_qos_1_reordered_doubled_and_corrupted(self):
        self.publish({"l": 1, "o": 5, "u": 3, "c": 2, "s": 32, "d": 2},
                     Plan("farther", 300, 20, (64, 900, 3000), (1,)))
