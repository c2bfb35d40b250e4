#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""sockgen with nothing between its devices and brokers, and with something that spoils messages.

  run_sockgen.py SOCKGEN"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

SOCKGEN = ""
BROKER = "127.83.0.1"
FORWARDER = "127.83.0.2"


def free_port():
    with socket.socket() as s:
        s.bind((BROKER, 0))
        return s.getsockname()[1]


def packets(data):
    """Whole packets at the beginning of some bytes, and what is left."""
    out = []
    while len(data) >= 2:
        rest, shift, at = 0, 0, 1
        while at < len(data):
            rest |= (data[at] & 0x7f) << shift
            at += 1
            if not data[at - 1] & 0x80:
                break
            shift += 7
        else:
            break
        if len(data) < at + rest:
            break
        out.append(data[:at + rest])
        data = data[at + rest:]
    return out, data


class Spoiler:
    """A proxy of one connection, for which spoil(n, packet) says what goes on of the n-th PUBLISH."""

    def __init__(self, port, spoil):
        self.port, self.spoil = port, spoil
        self.listener = socket.create_server((FORWARDER, port))
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def back(self, a, b):
        try:
            while data := b.recv(65536):
                a.sendall(data)
        except OSError:
            pass

    def serve(self):
        a, _ = self.listener.accept()
        b = socket.create_connection((BROKER, self.port))
        threading.Thread(target=self.back, args=(a, b), daemon=True).start()
        n, rest = 0, b""
        try:
            while data := a.recv(65536):
                whole, rest = packets(rest + data)
                for p in whole:
                    if p[0] >> 4 == 3:
                        p = self.spoil(n, p)
                        n += 1
                    b.sendall(p)
        except OSError:
            pass
        finally:
            a.close()
            b.close()

    def close(self):
        self.listener.close()
        self.thread.join()


class Sockgen(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.addCleanup(self.dir.cleanup)
        self.port = free_port()

    def generate(self, target, *options):
        out = os.path.join(self.dir.name, "json")
        r = subprocess.run([SOCKGEN, "--quiet", "--proxied", "--target", f"{target}:{self.port}", "--broker",
                            f"{BROKER}:{self.port}", "--warmup", "0.1", "--seconds", "0.2", "--json", out, *options],
                           capture_output=True, text=True, check=False, timeout=60)
        self.assertIn(r.returncode, (0, 2), r.stdout + r.stderr)
        with open(out, encoding="utf-8") as f:
            return r.returncode, json.load(f)

    def spoiled(self, spoil, *options):
        s = Spoiler(self.port, spoil)
        try:
            return self.generate(FORWARDER, "--connections", "1", "--rate", "500", *options)
        finally:
            s.close()

    def test_what_comes_whole_is_found_whole(self):
        rc, r = self.generate(BROKER, "--connections", "50", "--qos", "1", "--payload", "5000", "--window", "200",
                              "--busy-cpu", "0", "--pids", str(os.getpid()))
        self.assertEqual(rc, 0, r)
        self.assertTrue(r["clean"])
        self.assertGreater(r["devices"]["messages"], 100)
        self.assertEqual(r["devices"]["settled"], r["devices"]["messages"])
        self.assertEqual(r["sink"]["messages"], r["devices"]["messages"])
        self.assertEqual(r["sink"]["connects"], 50)
        self.assertGreater(r["latency_us"]["p50"], 0)
        self.assertGreater(r["forwarder"]["wall_s"], 0.1)
        self.assertLessEqual(r["forwarder"]["busy_s"], r["forwarder"]["wall_s"])

    def test_writes_that_are_full_hold_more_than_fourteen_messages(self):
        rc, r = self.generate(BROKER, "--connections", "3", "--per-segment", "full", "--rate", "20000")
        self.assertEqual(rc, 0, r)
        self.assertAlmostEqual(r["sent_per_second"], 20000, delta=6000)

    def test_a_lost_one_is_lost(self):
        rc, r = self.spoiled(lambda n, p: b"" if n == 20 else p)
        self.assertEqual((rc, r["lost"], r["order"]["missing"], r["sink"]["corrupt"]), (2, 1, 1, 0), r)

    def test_one_that_comes_twice_is_a_duplicate(self):
        rc, r = self.spoiled(lambda n, p: p + p if n == 20 else p)
        self.assertEqual((rc, r["lost"], r["order"]["duplicate"]), (2, 0, 1), r)

    def test_a_wrong_byte_is_corruption(self):
        rc, r = self.spoiled(lambda n, p: p[:-1] + bytes([p[-1] ^ 1]) if n == 20 else p)
        self.assertEqual((rc, r["sink"]["corrupt"], r["lost"]), (2, 1, 1), r)

    def test_bad_usage_is_named(self):
        for argv, expected in ((["--payload", "3"], "24 to 65536"), (["--qos", "2"], "0 to 1"),
                               (["--target", "here"], "IPv4"), (["--topic", "a/#"], "wildcards"), (["x"], "options")):
            r = subprocess.run([SOCKGEN, *argv], capture_output=True, text=True, check=False)
            self.assertEqual(r.returncode, 64, argv)
            self.assertIn(expected, r.stderr)
        r = subprocess.run([SOCKGEN, "--brokers-netns", "no-such"], capture_output=True, text=True, check=False)
        self.assertEqual(r.returncode, 1)
        self.assertIn("no-such", r.stderr)


if __name__ == "__main__":
    SOCKGEN = sys.argv.pop(1)
    unittest.main()
