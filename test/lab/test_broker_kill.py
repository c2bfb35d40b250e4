# SPDX-License-Identifier: BSD-3-Clause
"""Brokers that die under load. What a device was told is safe must be on every broker.

The recording broker writes a message down before it acknowledges it, so that the record is exactly
what it has acknowledged however it dies: nothing missing there can be excused by the broker's own loss.
mosquitto keeps no such record; what it acknowledged long before it was killed, and what was sent
once it was back, is compared instead."""

import collections
import os
import shutil
import signal
import tempfile
import time

import kit
from kit import LabCase, lab, net, proc
from publisher import Publisher


class Recorders:
    """Recording brokers, as processes of the lab."""

    def __init__(self, n=2, versions=(None, None)):
        self.versions = versions  # that each takes, None: both
        self.dir = tempfile.mkdtemp(prefix="pubwire-record-")
        self.n = n

    def name(self, i):
        return f"recorder-{i + 1}"

    def path(self, i):
        return os.path.join(self.dir, str(i))

    def start(self, i):
        proc.start(self.name(i), ["ip", "netns", "exec", net.namespace("brk"), "/usr/bin/python3",
                                  os.path.join(kit.HERE, "recording_broker.py"),
                                  net.broker_address(i), self.path(i)]
                   + ([str(self.versions[i])] if self.versions[i] else []))

    def wait(self, i):
        lab.wait_listen(self.name(i), net.broker_address(i))

    def kill(self, i):
        proc.stop(self.name(i), sig=signal.SIGKILL)

    def rows(self, i):
        """(client, pid, qos, dup, topic, sha1, "device/number", version) of every line."""
        with open(self.path(i), encoding="utf-8") as f:
            return [line.rstrip("\n").split("\t") for line in f if line.endswith("\n")]

    def stop(self):
        for i in range(self.n):
            proc.stop(self.name(i))
        shutil.rmtree(self.dir)


class Recorded:
    """Mixed into a case for each shape."""

    version = 4

    def setUp(self):
        self.recorders = Recorders()
        self.addCleanup(self.recorders.stop)
        for i in range(2):
            self.recorders.start(i)
        for i in range(2):
            self.recorders.wait(i)
        kit.brokers_up(2)
        super().setUp()

    def check_record(self, i, p, due=lambda key: True):
        """Every acknowledged message that is due there is on broker i; first copies in the order of each
        device."""
        firsts, seen = collections.defaultdict(list), set()
        for row in self.recorders.rows(i):
            if row[6] not in seen:
                seen.add(row[6])
                device, number = row[6].rsplit("/", 1)
                firsts[device].append(int(number))
        missing = [k for k in p.acked if due(k) and f"{p.name}{k[0]}/{k[1]}" not in seen]
        self.assertFalse(missing, f"broker {i + 1} misses {len(missing)} of {len(p.acked)} "
                         f"acknowledged messages: {missing[:3]}")
        for device, numbers in firsts.items():
            self.assertEqual(numbers, sorted(numbers), f"{device} is out of order on broker {i + 1}")

    def load(self, seconds, actions, **kw):
        p = Publisher(version=self.version, **kw)
        self.addCleanup(p.close)
        p.run(seconds, actions)
        self.assertFalse(p.lost, "pubwire closed devices while a broker was down")
        kit.brokers_up(2)
        self.assertTrue(p.drain(), "messages were never acknowledged: "
                        f"{sum(map(len, p.flying))} of {len(p.sent)}")
        self.assertEqual(p.duplicates, 0, "a message was acknowledged twice")
        self.assertGreater(len(p.acked), 500)
        for i in range(2):
            self.check_record(i, p)
        return p

    def test_no_failure_each_message_once(self):
        """Without a failure nothing is sent twice."""
        p = self.load(2, [])
        for i in range(2):
            rows = self.recorders.rows(i)
            self.assertEqual(len(rows), len(p.acked))
            self.assertFalse([r for r in rows if r[3] != "0"], "DUP without a cause")

    def test_one_killed_and_restarted(self):
        r = self.recorders
        self.load(6, [(1.5, lambda: r.kill(0)), (2.5, lambda: r.start(0))])

    def test_one_after_the_other(self):
        r = self.recorders
        self.load(8, [(1, lambda: r.kill(0)), (2, lambda: r.start(0)),
                      (4, lambda: r.kill(1)), (5, lambda: r.start(1))])

    def test_both_at_once(self):
        r = self.recorders

        def kill():
            r.kill(0)
            r.kill(1)

        def start():
            r.start(0)
            r.start(1)

        self.load(6, [(1.5, kill), (2.5, start)], size=2000)

    def test_killed_again_and_again(self):
        r = self.recorders
        actions = []
        for n in range(6):
            actions += [(0.6 + 1.1 * n, lambda: r.kill(0)), (0.9 + 1.1 * n, lambda: r.start(0))]
        self.load(8, actions, size=1000)

    def test_stopped_broker_that_goes_on(self):
        """A broker that hangs (SIGSTOP) and comes back is only slow."""
        r = self.recorders

        def signal_it(sig):
            os.kill(proc.read_pid(r.name(0)), sig)

        why = {}
        self.load(5, [(1, lambda: signal_it(signal.SIGSTOP)),
                      (2.5, lambda: why.update(kit.ask("/pubwire/why,P0"))),
                      (3, lambda: signal_it(signal.SIGCONT))])
        self.assertIn("waits for PUBACK of broker1", " ".join(map(str, why.values())))


class RecordedOneWorker(Recorded, LabCase):
    shape = dict(kit.SHAPES["one_worker"], no_brokers=True)


class RecordedTwoWorkers(Recorded, LabCase):
    shape = dict(kit.SHAPES["two_workers"], no_brokers=True)


class RecordedSplitV5(Recorded, LabCase):
    version = 5
    shape = dict(kit.SHAPES["split"], no_brokers=True)


class Mosquitto(LabCase):
    """mosquitto killed (-9) under load."""

    def test_killed_and_restarted(self):
        marks = {}

        def kill():
            marks["killed"] = time.monotonic()
            proc.stop("mosquitto-1", sig=signal.SIGKILL)

        def back():
            lab.start_broker(0)
            c.start(0, "again")
            marks["back"] = time.monotonic()

        with kit.Collectors(self.brokers, "kill/#") as c:
            p = Publisher(name="M")
            self.addCleanup(p.close)
            p.run(6, [(1.5, kill), (2.5, back)])
            self.assertFalse(p.lost)
            kit.brokers_up(2)
            self.assertTrue(p.drain(), "messages were never acknowledged")
            time.sleep(1)

            def seen(name):
                return c.got(name)

            def missing(name, when):
                have = seen(name)
                return [k for k in p.acked if when(k) and not have[self.key(p, k)]]

            self.assertFalse(missing("1", lambda k: True), "the broker that stayed misses some")
            # One second is ample for mosquitto to pass on what it had acknowledged.
            early = missing("0", lambda k: p.acked[k] < marks["killed"] - 1)
            late = missing("again", lambda k: p.sent[k] > marks["back"])
            self.assertFalse(early, f"{len(early)} of those acknowledged before are missing")
            self.assertFalse(late, f"{len(late)} of those sent after the restart are missing")

    @staticmethod
    def key(p, k):
        text = f"{p.name}{k[0]}/{k[1]} ".encode().ljust(p.size, b".")
        return kit.key(p.topic(k[0]), text)
