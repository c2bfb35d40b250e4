# SPDX-License-Identifier: BSD-3-Clause
"""scripts/sizing: what it says follows from docs/performance.md, and pubwire takes what it prints."""

import io
import json
import os
import re
import tempfile
import unittest
from contextlib import redirect_stderr

from made_up import REPO
from pages import tables
from pwhost import program, sizing
from pwhost.host import Host

PUBWIRE = os.environ.get("PUBWIRE")


def size(*argv):
    """(status, what it printed, what it complained of)"""
    host = Host(dry_run=False, root="/", out=io.StringIO())
    with redirect_stderr(io.StringIO()) as err:
        try:
            status = sizing.main(list(argv) + (["--pubwire", PUBWIRE] if PUBWIRE else []), host)
        except SystemExit as e:
            status = e.code
    return status, host.out.getvalue(), err.getvalue()


def sized(**asked):
    argv = ["--json"]
    for k, v in asked.items():
        argv += ["--" + k.replace("_", "-"), str(v)]
    status, out, err = size(*argv)
    assert status == 0, err
    return json.loads(out)


class Figures(unittest.TestCase):
    def test_cycles_are_those_of_the_page(self):
        with open(f"{REPO}/docs/performance.md", encoding="utf-8") as f:
            page = f.read()
        found = {}
        for _, columns, rows in tables(page):
            if columns[0].startswith("fleet:"):
                self.assertEqual([int(re.match(r"\d+", c)[0]) for c in columns[2:6]], list(sizing.BROKERS))
                for row in rows:
                    version, qos = row[0].split(", ")
                    if version == "3.1.1":
                        median = tuple(int(c.split()[0].replace(",", "")) for c in row[2:6])
                        found.setdefault(int(qos), {})[int(row[1].replace(",", ""))] = median
        self.assertEqual(found, sizing.CYCLES)

    def test_buffers_that_wait_are_those_of_the_page(self):
        with open(f"{REPO}/docs/performance.md", encoding="utf-8") as f:
            rows = next(rows for _, columns, rows in tables(f.read()) if columns[1] == "packet buffers")
        found = []
        for payload, buffers, _ in rows:
            bytes_each = [int(n.replace(",", "")) * (1024 if "KiB" in payload else 1)
                          for n in re.findall(r"[\d,]+", payload)]
            found += [(n, float(buffers)) for n in bytes_each]
        self.assertEqual(tuple(found), sizing.KEPT)

    def test_bounds_are_those_of_the_program(self):
        def defined(path, name):
            with open(f"{REPO}/{path}", encoding="utf-8") as f:
                return int(re.search(rf"#define {name}\s+(\d+)", f.read())[1])
        self.assertEqual(defined("include/pubwire/forward/conf.h", "PW_FORWARD_MAX_WORKERS"), sizing.MOST_WORKERS)
        self.assertEqual(defined("include/pubwire/forward/conf.h", "PW_FORWARD_MAX_POOL"), sizing.MOST_POOL)
        self.assertEqual(defined("include/pubwire/forward/conf.h", "PW_FORWARD_MAX_BROKERS"), sizing.MOST_BROKERS)
        self.assertEqual(defined("lib/forward/info.c", "NOT_MANY"), sizing.EACH_HAS_ITS_PLACE)

    def test_between_measured_points_and_beyond(self):
        one = sizing.CYCLES[1]
        self.assertEqual(sizing.cycles(1, 256, 1), one[256][0])
        self.assertEqual(sizing.cycles(0, 256, 4), sizing.CYCLES[0][256][2])
        self.assertTrue(one[256][0] < sizing.cycles(1, 700, 1) < one[1448][0])
        self.assertTrue(one[256][2] < sizing.cycles(1, 256, 6) < one[256][3])
        self.assertGreater(sizing.cycles(1, 100000, 1), 5 * one[16384][0])
        self.assertEqual(sizing.cycles(1, 1, 1), one[64][0])


@unittest.skipUnless(PUBWIRE, "PUBWIRE names no program")
class Sizes(unittest.TestCase):
    def test_pubwire_takes_every_configuration(self):
        for asked in ({"connections": 1, "rate": 0}, {"connections": 50000, "rate": 20000, "payload": 200},
                      {"connections": 2000, "rate": 5000, "payload": 1400, "brokers": 3, "fan_out": 2, "hold": 60},
                      {"connections": 200000, "rate": 1000000, "payload": 100, "hold": 1},
                      {"connections": 10, "rate": 10, "payload": 268000000, "qos": 0, "brokers": 32, "hold": 0},
                      {"connections": 5000, "rate": 3000, "qos": 2, "brokers": 8, "fan_out": 1}):
            with self.subTest(asked=asked):
                found = sized(**asked)
                self.assertGreater(found["bytes"], 1 << 20, found["unplanned"])
                self.assertGreater(found["pages_2m"] * (2 << 20), found["bytes"])

    def test_more_of_anything_takes_no_less(self):
        base = {"connections": 20000, "rate": 200000, "payload": 256, "brokers": 2, "hold": 5}
        least = sized(**base)
        for more in ({"connections": 400000}, {"rate": 900000}, {"payload": 4096}, {"brokers": 8}, {"hold": 8}):
            found = sized(**dict(base, **more))
            for key in ("lcores", "bytes"):
                self.assertGreaterEqual(found[key], least[key], more)
            self.assertNotEqual({k: found[k] for k in ("lcores", "bytes")}, {k: least[k] for k in ("lcores", "bytes")}, more)

    def test_devices_with_a_will_or_qos_2_have_their_places(self):
        base = {"connections": 100000, "rate": 100, "hold": 0}
        self.assertIsNone(sized(**base)["max_extras"])
        for asked in ({"qos": 2}, {"extras": 100000}):
            found = sized(**base, **asked)
            self.assertEqual(found["max_extras"], 100000)
            self.assertIn("max_extras: 100000", found["configuration"])
            # 404 bytes and 68 for each that has none else.
            self.assertGreater(found["bytes"] - sized(**{**base, "qos": asked.get("qos", 1)}, extras=17000)["bytes"], 83000 * 470)

    def test_an_outage_fits_the_logs_and_the_buffers(self):
        found = sized(connections=1000, rate=1000, payload=1448, hold=30)
        # docs/performance.md: 30 s at 1,000 messages a second of 1,448 bytes.
        self.assertEqual(found["kept_buffers"], 30000)
        self.assertGreater(found["packet_buffers"], 4 * 30000)
        self.assertGreaterEqual(found["max_queued_messages"] * found["pool_size"], 30000)
        # QoS 0 may have half of a log.
        found = sized(connections=1000, rate=1000, payload=1448, hold=30, qos=0)
        self.assertGreaterEqual(found["max_queued_messages"] * found["pool_size"], 60000)

    def test_output_is_a_file_that_is_fine(self):
        with tempfile.TemporaryDirectory() as d:
            path = os.path.join(d, "pubwire.yaml")
            status, out, err = size("--connections", "100", "--rate", "10", "--output", path)
            self.assertEqual((status, err), (0, ""))
            self.assertNotIn("listeners:", out)
            host = Host(dry_run=True, root="/")
            self.assertGreater(program.plan(host, PUBWIRE, path, ("--", "--lcores=0-1")).total, 1 << 20)


class Refused(unittest.TestCase):
    def test_wrong_numbers_are_named(self):
        for argv, why in ((["--connections", "0", "--rate", "1"], "--connections 0: expected 1"),
                          (["--connections", "1", "--rate", "1", "--fan-out", "2"], "--fan-out 2: expected 1 to 1"),
                          (["--connections", "1", "--rate", "1", "--brokers", "33"], "expected 1 to 32"),
                          (["--connections", "1", "--rate", "1", "--extras", "2"], "--extras 2: expected 0 to 1"),
                          (["--connections", "1", "--rate", "x"], "invalid float"),
                          (["--rate", "1"], "--connections")):
            with self.subTest(argv=argv):
                status, _, err = size(*argv)
                self.assertEqual(status, 64)
                self.assertIn(why, err)

    def test_what_one_pubwire_cannot_is_said(self):
        status, _, err = size("--connections", "1", "--rate", "1000000000")
        self.assertEqual(status, 1)
        self.assertIn("share the devices among several", err)

    def test_without_a_program_nothing_is_made_up(self):
        host = Host(dry_run=False, root="/", out=io.StringIO())
        with redirect_stderr(io.StringIO()) as err:
            status = sizing.main(["--connections", "1", "--rate", "1", "--pubwire", "/nonexistent"], host)
        self.assertEqual((status, err.getvalue()), (0, ""))
        self.assertIn("not planned: --pubwire: no program /nonexistent", host.out.getvalue())
