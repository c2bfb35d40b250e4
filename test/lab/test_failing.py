# SPDX-License-Identifier: BSD-3-Clause
"""One of three mosquittos fails under load, in four ways, and routes have five policies.

Everything happens side by side in one pubwire: two brokers stay healthy; four others fail at the same time,
each in its way, and each listens on a port for each policy, so that every pair (way, policy) is a set
of brokers with a log of its own. The load runs once, for the class; each test looks at one pair."""

import os
import signal
import time

import kit
import mqttraw as mq
from firewall import cut, mend, needed, shut
from fleet import Device, Fleet, Record
from kit import LabCase, lab, net, proc

HEALTHY = (0, 1)
# Way to fail: which broker, when it fails and when it is well again, in seconds of the load.
WAYS = {"kill": (2, 2, 5), "restart": (3, 2, 9), "firewall": (4, 2, 12), "stop": (5, 2, 22)}
SECONDS = 25
# Policy: acknowledgement, when_full, what may be held for the broker that fails, brokers that must
# have a message when it was acknowledged.
POLICIES = {"all": ("all", "block", 0, 3), "quorum": ("quorum:2", "block", 0, 2),
            "any": ("any", "block", 0, 1), "detach": ("all", "detach", 8, 2),
            "drop": ("quorum:2", "drop", 16, 2)}
PORTS = {policy: 1883 + i for i, policy in enumerate(POLICIES)}
RATE = 12


def forwarding():
    common = "connect_timeout: 2s, ack_timeout: 5s, restart_timeout: [100ms, 1s]"
    brokers = [f"  - {{name: healthy{i + 1}, address: {net.broker_address(i)}, {common}}}\n"
               for i in HEALTHY]
    routes = []
    for way, (broker, _, _) in WAYS.items():
        for policy, (ack, full, hold, _) in POLICIES.items():
            # A small window too: what is on the wire is not given up.
            small = f", hold: {{messages: {hold}}}, max_inflight_messages: 8" if hold else ""
            brokers.append(f"  - {{name: {way}_{policy}, address: {net.broker_address(broker)}, "
                           f"port: {PORTS[policy]}, {common}{small}}}\n")
            routes.append(f"  - {{name: {way}_{policy}, filter: \"fail/{way}/{policy}/#\", "
                          f"brokers: [healthy1, healthy2, {way}_{policy}], ack: \"{ack}\", "
                          f"when_full: {{qos0: block, qos1: {full}}}}}\n")
    return "brokers:\n" + "".join(brokers) + "routes:\n" + "".join(routes)


def maximum_qos():
    """What CONNACK of 5.0 says; 2 where it says nothing (3.2.2.3.4)."""
    peer = mq.Peer(kit.connect_from("dev", kit.PUBWIRE))
    peer.send(mq.connect("asks", version=5))
    body = peer.read()[1]
    peer.send(b"\xe0\x00")
    peer.close()
    sizes = {0x11: 4, 0x13: 2, 0x21: 2, 0x22: 2, 0x24: 1, 0x25: 1, 0x27: 4, 0x28: 1, 0x29: 1, 0x2a: 1}
    pos = 3
    while pos < len(body):
        if body[pos] == 0x24:
            return body[pos + 1]
        pos += 1 + sizes[body[pos]]
    return 2


class Failing(LabCase):
    shape = dict(kit.SHAPES["one_worker"], no_brokers=True, brokers=2 + len(WAYS),
                 forwarding=forwarding(), sections="limits: {max_queued_messages: 2048}\n")
    logs = 2 * len(WAYS) * len(POLICIES)

    @classmethod
    def setUpClass(cls):
        needed()
        super().setUpClass()
        for b in cls.brokers:
            cls.start(b)
        kit.brokers_up(3 * cls.logs)
        cls.remember_pools()
        cls.qos = maximum_qos()
        cls.collectors = kit.Collectors(HEALTHY, "fail/#")
        with cls.collectors as c:
            for b, _, _ in WAYS.values():
                c.start(b, client_id="collector")
            cls.load()

    @classmethod
    def start(cls, b):
        # What is told to stop keeps its sessions.
        ports = (1883,) if b in HEALTHY else PORTS.values()
        lab.start_broker(b, persistence=b == WAYS["restart"][0], ports=tuple(ports))

    @classmethod
    def load(cls):
        devices = [Device(f"{way}-{policy}-{qos}-{version}", f"fail/{way}/{policy}/{qos}-{version}",
                          qos, version, RATE)
                   for way in WAYS for policy in POLICIES for qos in range(1, cls.qos + 1)
                   for version in (4, 5)]
        fleet = Fleet(devices)
        try:
            cls.marks = {}
            fleet.run(SECONDS, cls.actions())
            kit.brokers_up(3 * cls.logs)
            cls.drained = fleet.drain()
            cls.settle(devices)
            cls.rows = lab.broker_rows()
        finally:
            fleet.close()
        cls.devices = devices
        cls.records = [Record(cls.collectors.rows(b), devices) for b in cls.brokers]

    @classmethod
    def actions(cls):
        def mark(way, which, step):
            def go():
                step()
                cls.marks[way, which] = time.monotonic()
            return go

        def signalled(way, sig):
            return lambda: os.kill(proc.read_pid(f"mosquitto-{WAYS[way][0] + 1}"), sig)

        def stopped(way, sig):
            return lambda: proc.stop(f"mosquitto-{WAYS[way][0] + 1}", sig=sig)

        def again(way):
            # pubwire is let in when the collector is there: nothing is acknowledged unseen.
            b = WAYS[way][0]
            shut(b)
            cls.start(b)
            cls.collectors.ready(b)
            mend(b)

        steps = {"kill": (stopped("kill", signal.SIGKILL), lambda: again("kill")),
                 "restart": (stopped("restart", signal.SIGTERM), lambda: again("restart")),
                 "firewall": (lambda: cut(WAYS["firewall"][0]), lambda: mend(WAYS["firewall"][0])),
                 "stop": (signalled("stop", signal.SIGSTOP), signalled("stop", signal.SIGCONT))}
        out = [(3, lambda: again("restart")), (8, stopped("restart", signal.SIGTERM))]
        for way, (_, fails, well) in WAYS.items():
            out += [(fails, mark(way, "fails", steps[way][0])),
                    (well, mark(way, "well", steps[way][1]))]
        return out

    @classmethod
    def settle(cls, devices, timeout=15.0):
        """Until nothing waits for a broker, and collectors have what brokers had."""
        end = time.monotonic() + timeout
        while time.monotonic() < end and any(r["lag"] or r["inflight"] for r in lab.broker_rows()):
            time.sleep(0.1)
        cls.collectors.wait(sum(len(d.sent) for d in devices), timeout=1.0)

    def counter(self, way, policy, name):
        return sum(r[name] for r in self.rows if r["broker"] == f"{way}_{policy}")

    def lost_with_mosquitto(self, way, d, n):
        """True where mosquitto, killed, may have had a message and not passed it on."""
        killed = self.marks[way, "fails"]
        return way == "kill" and d.sent[n] < killed and d.acked[n] > killed - 1

    def check(self, way, policy, qos):
        if qos > self.qos:
            self.skipTest(f"CONNACK says Maximum QoS {self.qos}")
        devices = [d for d in self.devices if d.topic.startswith(f"fail/{way}/{policy}/{qos}-")]
        self.assertEqual(len(devices), 2)
        for d in devices:
            self.check_device(way, d)
            for b in HEALTHY:
                self.check_healthy(b, d)
            self.check_failed(way, policy, d)
            if policy != "all":
                self.check_went_on(way, d)
        if policy in ("drop", "detach") and way != "restart":
            given_up = {"drop": "dropped_hold", "detach": "dropped_detached"}[policy]
            self.assertGreater(self.counter(way, policy, given_up), 0, given_up)

    def check_device(self, way, d):
        self.assertFalse(d.lost, f"{d.name} was closed")
        self.assertFalse(d.refused, f"{d.name}: {len(d.refused)} refused")
        self.assertFalse(d.flying, f"{d.name}: never acknowledged: {sorted(d.flying.values())[:5]}")
        self.assertEqual(set(d.acked), set(d.sent))
        well = self.marks[way, "well"]
        self.assertTrue([n for n in d.acked if d.sent[n] > well], "nothing was sent afterwards")

    def check_order(self, b, d):
        firsts = list(self.records[b].times[d])
        self.assertEqual(firsts, sorted(firsts), f"{d.name} is out of order on broker {b + 1}")

    def check_healthy(self, b, d):
        """All that was acknowledged, once each, by the rule or behind it."""
        times = self.records[b].times[d]
        missing = [n for n in d.acked if n not in times]
        self.assertFalse(missing, f"{d.name}: broker {b + 1} misses {len(missing)} of {len(d.acked)}")
        self.assertFalse([n for n in times if times[n] > 1], f"{d.name}: twice on broker {b + 1}")
        self.check_order(b, d)

    def check_failed(self, way, policy, d):
        b = WAYS[way][0]
        times = self.records[b].times[d]
        self.check_order(b, d)
        missing = [n for n in d.acked
                   if n not in times and not self.lost_with_mosquitto(way, d, n)]
        given_up = sum(self.counter(way, policy, f"dropped_{why}") for why in ("hold", "unanswered", "detached"))
        if POLICIES[policy][2] == 0:
            self.assertEqual(given_up, 0)
        self.assertLessEqual(len(missing), given_up, f"{d.name}: broker {b + 1} misses {missing[:9]}")
        if d.qos == 2 and self.keeps_sessions(way, policy, d):
            twice = [n for n in times if times[n] > 1]
            self.assertFalse(twice, f"{d.name}: QoS 2 twice on broker {b + 1}: {twice[:9]}")

    def keeps_sessions(self, way, policy, d):
        """Exactly once needs the broker's session (docs/delivery.md): where it was lost, or messages
        that were half sent were given up, QoS 2 is delivered at least once."""
        lost = sum(r["sessions_lost"] for r in self.rows if r["broker"] == f"{way}_{policy}"
                   and r["protocol"] == ("5.0" if d.version == 5 else "3.1.1"))
        if way != "kill":
            self.assertEqual(lost, 0, f"{way}_{policy} lost its session")
        return lost == 0 and POLICIES[policy][2] == 0

    def check_went_on(self, way, d):
        """Devices are acknowledged while the broker is away."""
        fails, well = (self.marks[way, which] for which in ("fails", "well"))
        done = [n for n in d.acked if fails < d.sent[n] and d.acked[n] < well]
        self.assertGreater(len(done), (well - fails) * RATE / 3, f"{d.name} did not go on")

    def test_nothing_else_arrived(self):
        self.assertTrue(self.drained)
        for b, record in enumerate(self.records):
            self.assertFalse(record.strange, f"broker {b + 1}: {record.strange[:3]}")


def _test(way, policy, qos):
    return lambda self: self.check(way, policy, qos)


for _way in WAYS:
    for _policy in POLICIES:
        for _qos in (1, 2):
            setattr(Failing, f"test_{_way}_{_policy}_qos{_qos}", _test(_way, _policy, _qos))
