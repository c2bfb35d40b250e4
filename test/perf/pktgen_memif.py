#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""pktgen against pubwire over memif, without hugepages, for a moment: what is whole is found whole,
and what is missing is found missing.

  pktgen_memif.py PUBWIRE PKTGEN"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "..", "scripts"))
from pwlab.telemetry import socket_path  # noqa: E402

PUBWIRE, PKTGEN = "", ""
DEADLINE = 60

# Messages of device 3 go to broker a alone, all others to both.
CONFIG = """
eal: ["--no-pci", "--no-huge", "-m", "256", "--no-telemetry", "--file-prefix={prefix}pw",
      "--vdev=net_memif0,role=server,id=0,socket={prefix}",
      "--vdev=net_memif1,role=server,id=1,socket={prefix}"]
instance: generated
workers: {{lcores: [{cpu}]}}
ports:
  - {{name: devices, device: net_memif0, addresses: [10.77.0.1/16]}}
  - {{name: brokers, device: net_memif1, addresses: [10.78.0.1/16]}}
listeners: [{{name: mqtt, address: 10.77.0.1}}]
brokers: [{{name: a, address: 10.78.0.11}}, {{name: b, address: 10.78.0.12}}]
routes: [{{filter: half/0000003, brokers: [a]}}, {{filter: "#", brokers: [a, b]}}]
"""


class Memif(unittest.TestCase):
    def setUp(self):
        cpus = sorted(os.sched_getaffinity(0))
        if len(cpus) < 2:
            self.skipTest("pubwire and pktgen need a CPU each")
        self.cpu = cpus[-1]
        self.dir = tempfile.TemporaryDirectory()
        self.addCleanup(self.dir.cleanup)
        self.prefix = f"pktgen{os.getpid()}"
        for name in ("pw", "pg"):
            self.addCleanup(shutil.rmtree, os.path.dirname(socket_path(self.prefix + name)), ignore_errors=True)
        config = os.path.join(self.dir.name, "pubwire.yaml")
        with open(config, "w", encoding="utf-8") as f:
            f.write(CONFIG.format(prefix=self.prefix, cpu=cpus[0]))
        self.config = config
        self.log = os.path.join(self.dir.name, "log")

    def start_pubwire(self):
        with open(self.log, "wb") as log:
            self.pubwire = subprocess.Popen([PUBWIRE, "--config", self.config], stdout=log, stderr=log)
        self.addCleanup(self.kill, self.pubwire)
        end = time.monotonic() + DEADLINE
        while "is running" not in self.said():
            self.assertIsNone(self.pubwire.poll(), self.said())
            self.assertLess(time.monotonic(), end, self.said())
            time.sleep(0.05)

    def said(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return f.read()

    @staticmethod
    def kill(p):
        if p.poll() is None:
            p.kill()
            p.wait()

    def generate(self, *options):
        """A pubwire, and pktgen against it. pubwire ends first, while pktgen polls no more: the driver of memif
        unmaps what is polled when the other end goes."""
        self.start_pubwire()
        out = os.path.join(self.dir.name, "json")
        words = os.path.join(self.dir.name, "words")
        with open(words, "w", encoding="utf-8") as f:
            p = subprocess.Popen(
                [PKTGEN, "--devices-port", "net_memif0", "--brokers-port", "net_memif1", "--quiet", "--hold",
                 "--brokers", "2", "--warmup", "0.1", "--buffers", "8192", "--json", out, *options, "--",
                 "--no-pci", "--no-huge", "-m", "256", "--no-telemetry", f"--file-prefix={self.prefix}pg",
                 "-l", str(self.cpu),
                 f"--vdev=net_memif0,role=client,id=0,socket={self.prefix}",
                 f"--vdev=net_memif1,role=client,id=1,socket={self.prefix}"],
                stdin=subprocess.PIPE, stdout=f, stderr=f)
        self.addCleanup(self.kill, p)
        end = time.monotonic() + DEADLINE
        while p.poll() is None and time.monotonic() < end:
            with open(words, encoding="utf-8") as f:
                if "holds the ports" in f.read():
                    break
            time.sleep(0.02)
        self.pubwire.send_signal(signal.SIGTERM)
        self.assertEqual(self.pubwire.wait(DEADLINE), 0, self.said())
        self.assertIn("0 packet, 0 header, 0 indirect", self.said())
        p.stdin.close()
        p.wait(DEADLINE)
        with open(words, encoding="utf-8") as f:
            self.assertIn(p.returncode, (0, 2), f.read() + self.said())
        with open(out, encoding="utf-8") as f:
            return p.returncode, json.load(f)

    def test_whole_is_found_whole_and_missing_missing(self):
        hgrm = os.path.join(self.dir.name, "hgrm")
        for tcp in ("full", "light"):
            rc, whole = self.generate("--connections", "20", "--rate", "2000", "--qos", "2",
                                      "--payload", "64:3,4096", "--churn", "20", "--slow", "30",
                                      "--silent", "10", "--seconds", "0.5",
                                      "--protocol", "5.0", "--tcp", tcp, "--puback-percentiles", hgrm)
            self.assertEqual(rc, 0, whole)
            self.assertTrue(whole["clean"])
            self.assertEqual(whole["settings"]["tcp"], tcp)
            self.assertGreater(whole["devices"]["messages"], 100)
            self.assertEqual(whole["sink"]["messages"], 2 * whole["devices"]["messages"])
            self.assertRegex(self.said(), rf"sent to brokers +{whole['sink']['messages']} \(")
            self.assertGreater(whole["devices"]["halves"], 0)
            self.assertGreater(whole["latency_us"]["count"], 100)
            self.assertGreater(whole["latency_us"]["p50"], 0)
            # Of the same messages; the slow ones say the rest a tenth of a second after it was due.
            self.assertEqual(2 * whole["puback_us"]["count"], whole["latency_us"]["count"])
            self.assertGreater(whole["puback_us"]["p50"], 0)
            self.assertGreater(whole["puback_us"]["max"], 100000)
            with open(hgrm, encoding="utf-8") as f:
                self.assertIn(f"Total count    = {whole['puback_us']['count']:>12}]", f.read())
        rc, syn = self.generate("--mode", "syn", "--rate", "2000", "--seconds", "0.3")
        self.assertEqual(rc, 0, syn)
        self.assertGreater(syn["came_per_second"], 0)
        self.assertEqual(syn["strange"], 0)
        rc, half = self.generate("--connections", "5", "--per-segment", "full", "--topic", "half/%d",
                                 "--seconds", "0.3", "--window", "256")
        self.assertEqual(rc, 2, half)
        self.assertFalse(half["clean"])
        self.assertNotIn("puback_us", half)
        sent = half["devices"]["messages"]
        self.assertEqual(half["lost"], 2 * sent - half["sink"]["messages"])
        self.assertAlmostEqual(half["lost"] / sent, 0.2, delta=0.15)
        self.assertEqual(half["order"], {"missing": 0, "late": 0, "duplicate": 0, "stale": 0})


if __name__ == "__main__":
    PUBWIRE, PKTGEN = sys.argv[1:3]
    unittest.main(argv=sys.argv[:1])
