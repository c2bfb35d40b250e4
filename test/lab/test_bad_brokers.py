# SPDX-License-Identifier: BSD-3-Clause
"""Two brokers are well; the third of each route reads 1 KB a second, answers nothing, resets its
connections, or refuses: devices and the two do not notice.

Everything happens side by side in one pubwire, as in test_failing: each bad broker listens on a port
for each policy, so that every pair (way, policy) is a set of brokers with a log of its own."""

import os
import time

import kit
from fleet import Device, Fleet, Record
from kit import LabCase, lab, net, proc
from test_failing import maximum_qos

HEALTHY = (0, 1)
# Way to be bad: what bad_broker.py is told, and what counts it in 5.0.
WAYS = {"slow": (["slow"], None), "mute": (["mute"], None),
        "reset_at_once": (["reset", "0"], "connect_failures"),
        "reset_after_connack": (["reset", "1"], "disconnects"),
        "reset_after_messages": (["reset", "6"], "disconnects"),
        "refuse": (["refuse", "0x87"], "connect_failures"),
        "not_authorized": (["answer", "0x87"], "refused"),
        "over_quota": (["answer", "0x97"], "quota_exceeded"),
        "payload_invalid": (["answer", "0x99"], "refused")}
# Policy: acknowledgement, when_full, what may be held for the bad broker.
POLICIES = {"drop": ("quorum:2", "drop", 8), "detach": ("quorum:2", "detach", 8),
            "block": ("any", "block", 0)}
PORTS = {policy: 1883 + i for i, policy in enumerate(POLICIES)}
SECONDS, RATE = 10, 8
SOON = 2.0  # a machine that does other work, too


def address(way):
    return net.broker_address(len(HEALTHY) + list(WAYS).index(way))


def forwarding():
    common = "connect_timeout: 1s, ack_timeout: 2s, restart_timeout: [50ms, 500ms]"
    brokers = [f"  - {{name: healthy{i + 1}, address: {net.broker_address(i)}, {common}}}\n"
               for i in HEALTHY]
    routes = []
    for way in WAYS:
        for policy, (ack, full, hold) in POLICIES.items():
            bound = f", hold: {{messages: {hold}}}" if hold else ""
            brokers.append(f"  - {{name: {way}_{policy}, address: {address(way)}, "
                           f"port: {PORTS[policy]}, {common}{bound}}}\n")
            routes.append(f"  - {{name: {way}_{policy}, filter: \"bad/{way}/{policy}/#\", "
                          f"brokers: [healthy1, healthy2, {way}_{policy}], ack: \"{ack}\", "
                          f"when_full: {{qos0: drop, qos1: {full}}}}}\n")
    return "brokers:\n" + "".join(brokers) + "routes:\n" + "".join(routes)


def start(way, argv):
    """A bad broker, on all its ports."""
    prog = os.path.join(kit.REPO, "perf", "bad_broker.py")
    proc.start(f"bad-{way}", ["ip", "netns", "exec", net.namespace("brk"), "/usr/bin/python3", prog,
                              address(way), *argv, "--ports", ",".join(map(str, PORTS.values()))])
    lab.wait_listen(f"bad-{way}", address(way), max(PORTS.values()))


class BadBrokers(LabCase):
    shape = dict(kit.SHAPES["one_worker"], no_brokers=True, brokers=len(HEALTHY) + len(WAYS),
                 forwarding=forwarding(), sections="limits: {max_queued_messages: 2048}\n")
    logs = 2 * len(WAYS) * len(POLICIES)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for b in HEALTHY:
            lab.start_broker(b)
        for way, (argv, _) in WAYS.items():
            start(way, argv)
        cls.wait_for_healthy()
        cls.remember_pools()
        cls.qos = maximum_qos()
        cls.devices = [Device(f"{way}-{policy}-{qos}-{version}",
                              f"bad/{way}/{policy}/{qos}-{version}", qos, version, RATE)
                       for way in WAYS for policy in POLICIES for qos in range(1, cls.qos + 1)
                       for version in (4, 5)]
        collectors = kit.Collectors(HEALTHY, "bad/#")
        with collectors as c:
            cls.load(c)
            cls.records = [Record(c.rows(b), cls.devices) for b in HEALTHY]

    @classmethod
    def wait_for_healthy(cls):
        end = time.monotonic() + 20
        while time.monotonic() < end:
            rows = [r for r in lab.broker_rows() if r["broker"].startswith("healthy")]
            if len(rows) == 2 * cls.logs and all(r["state"] == "up" for r in rows):
                return
            time.sleep(0.05)
        raise AssertionError("the brokers that are well are not up")

    @classmethod
    def load(cls, collectors):
        fleet = Fleet(cls.devices)
        try:
            fleet.run(SECONDS)
            cls.drained = fleet.drain(5.0)
            cls.rows = lab.broker_rows()
        finally:
            fleet.close()
        # They get well, so that nothing is left.
        for way in WAYS:
            proc.stop(f"bad-{way}")
            start(way, ["well"])
        end = time.monotonic() + 20
        while time.monotonic() < end and any(r["lag"] or r["inflight"] for r in lab.broker_rows()):
            time.sleep(0.1)
        collectors.wait(sum(len(d.sent) for d in cls.devices), timeout=1.0)

    def check(self, way, policy, qos):
        if qos > self.qos:
            self.skipTest(f"CONNACK says Maximum QoS {self.qos}")
        devices = [d for d in self.devices if d.topic.startswith(f"bad/{way}/{policy}/{qos}-")]
        self.assertEqual(len(devices), 2)
        for d in devices:
            self.assertFalse(d.lost, f"{d.name} was closed")
            self.assertFalse(d.refused, f"{d.name}: refused: {d.refused}")
            self.assertFalse(d.flying, f"{d.name}: never acknowledged: {sorted(d.flying.values())[:5]}")
            self.assertGreater(len(d.sent), SECONDS * RATE / 2, f"{d.name} could not send")
            took = max(d.acked[n] - d.sent[n] for n in d.sent)
            self.assertLess(took, SOON, f"{d.name} waited {took:.1f} s for an acknowledgement")
            for b in HEALTHY:
                self.check_healthy(b, d)
        self.check_counter(way, policy)

    def check_healthy(self, b, d):
        """All of it, once each, in order."""
        times = self.records[b].times[d]
        missing = [n for n in d.sent if n not in times]
        self.assertFalse(missing, f"{d.name}: broker {b + 1} misses {missing[:9]}")
        self.assertFalse([n for n in times if times[n] > 1], f"{d.name}: twice on broker {b + 1}")
        self.assertEqual(list(times), sorted(times), f"{d.name} is out of order on broker {b + 1}")

    def check_counter(self, way, policy):
        name = WAYS[way][1]
        if name is not None:
            rows = [r for r in self.rows if r["broker"] == f"{way}_{policy}" and r["protocol"] == "5.0"]
            self.assertGreater(sum(r[name] for r in rows), 0, name)

    def test_nothing_else_arrived(self):
        self.assertTrue(self.drained)
        for b, record in zip(HEALTHY, self.records):
            self.assertFalse(record.strange, f"broker {b + 1}: {record.strange[:3]}")


def _test(way, policy, qos):
    return lambda self: self.check(way, policy, qos)


for _way in WAYS:
    for _policy in POLICIES:
        for _qos in (1, 2):
            setattr(BadBrokers, f"test_{_way}_{_policy}_qos{_qos}", _test(_way, _policy, _qos))
