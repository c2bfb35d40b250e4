# SPDX-License-Identifier: BSD-3-Clause
"""Real clients as devices, every message on every broker, hash-checked."""

import os
import subprocess
import tempfile

import kit
from kit import LabCase, Plan

SMALL = (0, 1, 64, 255, 256, 257, 1000, 1448, 1500, 2900, 4096)
LARGE = (16384, 65536, 65537, 262144, 1048576)


class Clients:
    """Mixed into a case for each shape."""

    def publish(self, kind, version, plan, timeout=90):
        p = kit.start_client(kind, version, plan)
        try:
            out = p.communicate(timeout=timeout)[0]
        except subprocess.TimeoutExpired:
            p.kill()
            self.fail(f"{kind} did not end in {timeout} s: " + p.communicate()[0][-500:])
        self.assertEqual(p.returncode, 0, out[-500:])

    def check(self, c, want):
        c.wait(sum(want.values()))
        for b in self.brokers:
            got = c.got(b)
            self.assertFalse(want - got, f"broker {b + 1} misses {sum((want - got).values())} "
                             f"of {sum(want.values())}: {list(want - got)[:3]}")
            self.assertFalse(got - want, f"broker {b + 1} has too many: {list(got - want)[:3]}")

    def small_and_large(self, kind, version):
        name = f"{kind}-{version}"
        plans = [Plan(name + "-s", 600, 200, SMALL, (0, 1, 2)), Plan(name + "-l", 20, 4, LARGE, (1, 2, 1, 0))]
        with kit.Collectors(self.brokers, "lab/#") as c:
            want = kit.expected(plans[0])
            for plan in plans:
                self.publish(kind, version, plan)
            want += kit.expected(plans[1])
            self.check(c, want)

    def mosquitto(self, version):
        """mosquitto_pub has a topic a process: lines, an empty message, files."""
        flag = "mqttv5" if version == 5 else "mqttv311"
        base = ["mosquitto_pub", "-h", kit.PUBWIRE, "-V", flag]
        want = kit.collections.Counter()
        with kit.Collectors(self.brokers, "lab/#") as c, tempfile.TemporaryDirectory() as d:
            for t in range(8):
                topic, qos = f"lab/mosq/{t}", t % 2
                lines = [kit.content(f"m{t}", i, 20 + 150 * (i % 12)) for i in range(100)]
                p = kit.inside("dev", base + ["-t", topic, "-q", str(qos), "-l"],
                               stdin=subprocess.PIPE)
                out = p.communicate(b"\n".join(lines).decode() + "\n", timeout=60)[0]
                self.assertEqual(p.returncode, 0, out)
                want.update(kit.key(topic, line) for line in lines)
            for i, size in enumerate((0,) + LARGE):
                payload = kit.content("file", i, size)
                path = os.path.join(d, "payload")
                with open(path, "wb") as f:
                    f.write(payload)
                how = ["-f", path] if size else ["-n"]
                p = kit.inside("dev", base + ["-t", f"lab/file/{i}", "-q", "1"] + how)
                out = p.communicate(timeout=60)[0]
                self.assertEqual(p.returncode, 0, out)
                want[kit.key(f"lab/file/{i}", payload)] += 1
            self.check(c, want)

    def test_hundred_mosquitto_pub_at_once(self):
        """100 processes connect and publish 20 lines each at the same time."""
        want = kit.collections.Counter()
        with kit.Collectors(self.brokers, "lab/#") as c:
            procs = []
            for n in range(100):
                p = kit.inside("dev", ["mosquitto_pub", "-h", kit.PUBWIRE, "-t", f"lab/many/{n}", "-q",
                                       str(n % 2), "-l"], stdin=subprocess.PIPE)
                lines = [kit.content(f"n{n}", i, 10 + 40 * i) for i in range(20)]
                want.update(kit.key(f"lab/many/{n}", line) for line in lines)
                procs.append((p, b"\n".join(lines).decode() + "\n"))
            for p, text in procs:
                p.stdin.write(text)
                p.stdin.close()
            for p, _ in procs:
                out = p.stdout.read()
                p.stdout.close()
                self.assertEqual(p.wait(timeout=60), 0, out)
            self.check(c, want)

    def test_hundred_connections_that_stay(self):
        """100 connections stay open and each publishes in turn."""
        peers = [kit.device(f"stay-{n}") for n in range(100)]
        want = kit.collections.Counter()
        with kit.Collectors(self.brokers, "lab/#") as c:
            for i in range(10):
                for n, peer in enumerate(peers):
                    payload = kit.content(f"s{n}", i, 100)
                    peer.send(kit.mq.publish(f"lab/stay/{n}", payload, qos=1, pid=i + 1))
                    want[kit.key(f"lab/stay/{n}", payload)] += 1
                for peer in peers:
                    self.assertEqual(peer.read(10)[0], 0x40)
            self.check(c, want)
        for peer in peers:
            peer.send(b"\xe0\x00")
            peer.close()


def _add_tests():
    for version, text in ((4, "3_1_1"), (5, "5_0")):
        def mosquitto(self, v=version):
            self.mosquitto(v)
        setattr(Clients, f"test_mosquitto_pub_{text}", mosquitto)
        for kind in ("paho_c", "paho_py", "mqttjs"):
            def run(self, k=kind, v=version):
                self.small_and_large(k, v)
            setattr(Clients, f"test_{kind}_{text}", run)


_add_tests()


class OneWorker(Clients, LabCase):
    shape = kit.SHAPES["one_worker"]


class TwoWorkers(Clients, LabCase):
    shape = kit.SHAPES["two_workers"]


class Split(Clients, LabCase):
    shape = kit.SHAPES["split"]
