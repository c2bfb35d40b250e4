# SPDX-License-Identifier: BSD-3-Clause
"""Idle policies: messages come through after silence, and silence leaves the CPU to others.

How fast and how little is measured by perf/idle, on a machine with nothing else to do; what holds
anywhere is tested here."""

import time

import kit
from kit import LabCase, net

SILENCE = 0.3  # seconds; longer than any ladder takes to its deepest step
WATCHED = 1.0
MOST_CPU = 0.25  # of an idle worker that sleeps; ten times what it should take


class Idle(LabCase):
    shape = dict(kit.SHAPES["one_worker"], idle="adaptive")
    in_force = ["adaptive"]

    def workers(self):
        rows = kit.ask("/pubwire/workers")
        return [rows[str(i)] for i in range(len(self.shape["lcores"]))]

    def test_messages_come_through_after_silence(self):
        self.assertEqual([w["idle"] for w in self.workers()], self.in_force)
        for policy, w in zip(self.in_force, self.workers()):
            self.assertEqual(w["woken_by_ports"], policy != "poll")
        kit.brokers_up(len(self.brokers))
        before = self.workers()
        devices = [kit.device(f"idle-{i}") for i in range(4)]
        for i in range(4):
            time.sleep(SILENCE)
            for d in devices:
                d.send(kit.mq.publish("lab/idle", b"x", qos=1, pid=i + 1))
            for d in devices:
                self.assertEqual(d.read(), (0x40, bytes([0, i + 1])))
        for d in devices:
            d.close()
        for policy, w, old in zip(self.in_force, self.workers(), before):
            self.assertEqual(w["sleeps"] > old["sleeps"], policy != "poll")
            self.assertEqual(w["wakeups"] > old["wakeups"], policy != "poll")

    def test_silence_leaves_the_cpu_to_others(self):
        kit.brokers_up(len(self.brokers))
        time.sleep(SILENCE)
        before, began = self.workers(), time.monotonic()
        time.sleep(WATCHED)
        took = time.monotonic() - began
        for policy, w, old in zip(self.in_force, self.workers(), before):
            cpu = (w["cpu_ns"] - old["cpu_ns"]) / 1e9 / took
            asleep = (w["sleep_cycles"] - old["sleep_cycles"]) / (w["total_cycles"] - old["total_cycles"])
            print(f"     {policy}: {100 * cpu:.1f} % of a CPU, asleep {100 * asleep:.0f} %")
            self.assertGreater(cpu, 0)
            if policy == "poll":
                self.assertEqual(asleep, 0)
            else:
                self.assertLess(cpu, MOST_CPU)
                self.assertGreater(asleep, 0.5)


class IdleAfterLinkDown(Idle):
    """A socket whose interface went down is readable by its error: nobody may wait beside that."""

    test_messages_come_through_after_silence = None

    def setUp(self):
        super().setUp()
        for state in ("down", "up"):
            net.sh("ip", "link", "set", net.outer("dev"), state)


class IdleAdaptiveTap(Idle):
    shape = dict(kit.SHAPES["one_worker"], idle="adaptive", driver="tap")


class IdleTwoQueues(Idle):
    """Each worker waits for a queue of its own."""

    shape = dict(kit.SHAPES["two_workers"], idle="adaptive")
    in_force = ["adaptive", "adaptive"]


class IdlePoll(Idle):
    shape = dict(kit.SHAPES["one_worker"], idle="poll")
    in_force = ["poll"]


class IdleInterrupt(Idle):
    shape = dict(kit.SHAPES["one_worker"], idle="interrupt", driver="tap")
    in_force = ["interrupt"]


class IdleInterruptSplit(Idle):
    """The worker of brokers has no queue of the ports: the other one wakes it."""

    shape = dict(kit.SHAPES["split"], idle="interrupt", driver="tap")
    in_force = ["interrupt", "interrupt"]
