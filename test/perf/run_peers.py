#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""perf/peers: what it understands, a job for a moment, and that nothing of it is left.

  run_peers.py BUILD-DIRECTORY"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

REPO = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
sys.path.insert(0, os.path.join(REPO, "perf"))
from pwperf import bench, world  # noqa: E402

PROGRAM = os.path.join(REPO, "perf", "peers")
DEADLINE = 60
BUILD = ""


def peers(*argv):
    return [PROGRAM, "--build", BUILD, "--no-huge", *argv]


def left(pid):
    """Network namespaces of a run."""
    names = os.listdir("/run/netns") if os.path.isdir("/run/netns") else []
    return [n for n in names if n.startswith(f"pwpeers{pid}")]


class Usage(unittest.TestCase):
    def test_what_is_not_understood_is_refused(self):
        for argv, expected in ((["no-such"], "no such scenario"), (["qos2-256"], "QoS 2"), (["mixed"], "not among"),
                               (["--only", "apache"], "haproxy"), (["--rounds", "0"], "at least 1"), (["--rates", "0"], "usage")):
            r = subprocess.run(peers(*argv), capture_output=True, text=True, check=False)
            self.assertEqual(r.returncode, 64, r.stderr)
            self.assertIn(expected, r.stderr)

    def test_list_names_the_jobs(self):
        r = subprocess.run([PROGRAM, "--list"], capture_output=True, text=True, check=False)
        self.assertEqual(r.returncode, 0)
        self.assertIn("qos1-256", r.stdout)


class Worlds(unittest.TestCase):
    def test_packets_are_steered_where_that_is_asked_for(self):
        if world.lacking():
            self.skipTest(world.lacking())
        cpus = sorted(os.sched_getaffinity(0))[:2]
        if len(cpus) < 2:
            self.skipTest("two CPUs are needed")
        for steer, expected in ((False, {0}), (True, {1 << c for c in cpus})):
            try:
                with world.World(cpus, steer=steer) as w:
                    masks = {int(self.inside(ns, dev).replace(",", ""), 16)
                             for ns, dev in ((w.fwd, "devices"), (w.fwd, "brokers"), (w.dev, "host"), (w.brk, "host"))}
            except bench.Lacking as e:
                self.skipTest(str(e))
            self.assertEqual(masks, expected)
            self.assertEqual(left(os.getpid()), [])

    @staticmethod
    def inside(ns, dev):
        return world.sh("ip", "netns", "exec", ns, "cat", f"/sys/class/net/{dev}/queues/rx-0/rps_cpus").strip()

    def test_what_a_killed_run_has_left_is_swept(self):
        if world.lacking():
            self.skipTest(world.lacking())
        gone = subprocess.Popen(["true"])
        gone.wait()
        name = f"pwpeers{gone.pid}k-dev"
        if subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False).returncode:
            self.skipTest("there are no network namespaces here")
        world.sweep()
        self.assertEqual(left(gone.pid), [])


class Run(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.addCleanup(self.dir.cleanup)

    def need(self, *programs):
        for p in programs:
            if shutil.which(p, path="/usr/sbin:/usr/bin:/sbin:/bin") is None:
                self.skipTest(f"{p} is not installed: scripts/deps perf")

    def start(self, *argv):
        self.out = os.path.join(self.dir.name, "out")
        with open(self.out, "w", encoding="utf-8") as f:
            p = subprocess.Popen(peers(*argv), stdout=f, stderr=subprocess.STDOUT, start_new_session=True)
        self.addCleanup(p.wait)
        self.addCleanup(p.kill)
        return p

    def said(self):
        with open(self.out, encoding="utf-8") as f:
            return f.read()

    def end(self, p):
        p.wait(DEADLINE)
        self.assertEqual(left(p.pid), [])
        if p.returncode == 77:
            self.skipTest(self.said().strip().splitlines()[-1])
        return p.returncode

    def test_a_job_gives_figures_of_each_and_leaves_nothing(self):
        self.need("haproxy")
        out = os.path.join(self.dir.name, "json")
        p = self.start("connections-100", "--rounds", "1", "--seconds", "0.2", "--only", "pubwire,haproxy", "--json", out)
        self.assertEqual(self.end(p), 0, self.said())
        with open(out, encoding="utf-8") as f:
            job = json.load(f)["jobs"]["connections-100"]
        for name in ("pubwire", "haproxy"):
            self.assertGreater(job["rows"][name]["per_cpu_second"]["median"], 0)
            self.assertEqual(job["rows"][name]["lost"], 0)
        self.assertEqual(job["best_peer"], "haproxy")
        self.assertGreater(job["ratio"]["pubwire"], 0)
        cost = job["rows"]["haproxy"]["trials"][0]["cost"]
        self.assertGreater(cost["processes_s"], 0)
        self.assertGreaterEqual(cost["wall_s"], cost["busy_s"])

    def test_latency_at_a_rate_is_that_of_each_and_of_none(self):
        self.need("nginx")
        out = os.path.join(self.dir.name, "json")
        p = self.start("connections-100", "--rounds", "1", "--seconds", "0.2", "--only", "nginx", "--rates", "1000",
                       "--steer", "--json", out)
        self.assertEqual(self.end(p), 0, self.said())
        with open(out, encoding="utf-8") as f:
            result = json.load(f)
        self.assertTrue(result["steer"])
        rows = result["latency"]["connections-100"]["1000"]
        if "skipped" not in self.said():
            self.assertGreater(rows["nginx"]["p50"]["median"], 0)
        self.assertGreater(rows["none"]["p99_9"]["median"], 0)

    def test_interrupted_it_takes_everything_away(self):
        self.need("haproxy")
        p = self.start("connections-100", "--seconds", "30", "--only", "haproxy")
        end = time.monotonic() + DEADLINE
        while p.poll() is None and not any(self.haproxies(n) for n in left(p.pid)):
            self.assertLess(time.monotonic(), end)
            time.sleep(0.02)
        children = [q for n in left(p.pid) for q in self.haproxies(n)]
        p.send_signal(signal.SIGINT)
        self.assertEqual(self.end(p), 128 + signal.SIGINT, self.said())
        self.assertFalse([q for q in children if os.path.exists(f"/proc/{q}")])

    @staticmethod
    def haproxies(namespace):
        r = subprocess.run(["ip", "netns", "pids", namespace], capture_output=True, text=True, check=False)
        return r.stdout.split()


if __name__ == "__main__":
    BUILD = sys.argv.pop(1)
    unittest.main()
