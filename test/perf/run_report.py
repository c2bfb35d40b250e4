#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""perf/report: page and pictures from results that are made up, and what it does about those that are missing.

  run_report.py BUILD-DIRECTORY"""

import json
import os
import re
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree as ET

REPO = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
sys.path.insert(0, os.path.join(REPO, "perf"))
from pwperf import page, results, svg, targets  # noqa: E402

BUILD = ""
CONDITIONS = {"cpu": "A CPU", "cpus": 2, "mhz": 2000, "kernel": "6.1", "compiler": "gcc 12", "build": "buildtype=release", "dpdk": "22.11",
              "revision": "abc", "date": "2026-01-02 03:04 UTC", "program": "p", "machine": "m", "command": "perf/report --rounds 2",
              "plans": {"100": {"total": 60e6, "each": 504}, "1000000": {"total": 1300e6, "each": 504}, "default": {"total": 37e6, "each": 504}}}
LATENCY = {"p50": 10.0, "p90": 20.0, "p99": 40.0, "p99_9": 400.0, "max": 900.0}


def run(name, messages, wire=10e6, cycles=1000, copies=1, **more):
    """A result of perf/run."""
    return {"scenario": name, "about": f"about {name}", "hugepages": True, "load_before": 0.5,
            "wire": {"pps_64": wire, "pps_same": wire / 2}, "wire_after": {"pps_64": wire, "pps_same": wire / 2},
            "window": {"delivered_per_second": messages * copies, "sent_per_second": messages, "copies": copies, "cycles": cycles,
                       "window_full_share": 0.9, "connected": 1000, "pubwire_busy_share": 0.02, "latency_us": LATENCY}, **more}


def idle(each):
    """Of a run of idle connections that take so many bytes."""
    r = {**run("idle-1000000", 0), "wire": None, "wire_after": None}
    r["window"]["bytes_per_connection"] = each
    return r


def spread(v):
    return {"median": v, "min": v * 0.9, "max": v * 1.1, "values": [v]}


def peers(job, pubwire, haproxy):
    rows = {n: {"per_cpu_second": spread(v), "per_second": spread(v), "busy": spread(1.0), "limit": ["forwarder"]}
            for n, v in (("pubwire", pubwire), ("haproxy", haproxy))}
    return {"jobs": {job: {"rows": rows, "ratio": {"pubwire": pubwire / haproxy}, "best_peer": "haproxy"}}, "latency": {}}


def micro(name, cycles, size=None, param=None, bench=None):
    return {"bench": bench or name, "name": name, "operation": "message", "size": size, "param": param, "cache": "warm",
            "cycles": {"median": cycles, "least": cycles, "greatest": cycles}, "repetitions": 5}


class Made(unittest.TestCase):
    """A directory of results."""

    def setUp(self):
        d = tempfile.TemporaryDirectory()
        self.addCleanup(d.cleanup)
        self.dir = results.Directory(os.path.join(d.name, "results"))
        os.mkdir(self.dir.path)
        self.page = os.path.join(d.name, "performance.md")
        with open(self.page, "w", encoding="utf-8") as f:
            f.write(f"# By hand\n{page.BEGINS}\nold\n{page.ENDS}\n## By hand too\n")
        self.dir.write("conditions", CONDITIONS)

    def fill(self):
        for n, messages in ((1, 2.6e6), (2, 2.8e6)):
            self.dir.write(f"run-one-64-{n}", run("one-64", messages))
        self.dir.write("run-one-1024-1", run("one-1024", 1e6))
        self.dir.write("run-full-64-1", run("full-64", 9e6))
        self.dir.write("run-brokers-1-1", run("brokers-1", 2e6, cycles=1000))
        self.dir.write("run-brokers-4-1", run("brokers-4", 1e6, cycles=1600, copies=4))
        self.dir.write("run-connections-100000-1", run("connections-100000", 1.35e6))
        self.dir.write("run-idle-1000000-1", idle(508.6))
        self.dir.write("run-latency-1", run("latency", 2e6, latency=[
            {"rate": r, "lost": 0, **LATENCY, **({"floor_us": {"p99": 31.5, "p99_9": 3456.7}, "apart_us": {"p99": 11.5, "left_out_share": 0.125}}
                                                 if r < 1e6 else {})}
            for r in (180000, 900000, 1620000, 10000)]))
        self.dir.write("peers-one-64", peers("one-64", 2.6e6, 1e5))
        at = {"pubwire": {p: spread(8.0) for p in ("p50", "p99", "p99_9")}, "none": {p: spread(60.0) for p in ("p50", "p99", "p99_9")}}
        self.dir.write("peers-latency", {"jobs": {}, "latency": {"latency": {"10000": at}}})
        self.dir.write("micro", {"conditions": {}, "results": [
            micro("hop-put", 30, param="log", bench="hop"), micro("hop-get", 32, param="log", bench="hop"), micro("framing", 50, 64, "3.1.1"),
            *[micro(n, c, s, "1 broker", "copy-break") for s, c in ((64, 100), (1024, 300)) for n in ("by-copy", "by-reference")]]})

    def results(self):
        return results.Results(self.dir)

    def write(self):
        jobs = results.jobs("build/release", 2, 1, 5)
        drawn = page.write(self.results(), jobs, self.page)
        with open(self.page, encoding="utf-8") as f:
            return drawn, f.read()


class Figures(Made):
    def test_ratios_are_of_the_wire_before_and_after_in_the_same_run(self):
        r = run("one-64", 3e6, wire=8e6)
        r["wire_after"]["pps_64"] = 12e6
        self.assertAlmostEqual(results.of_wire(r), 0.3)
        self.assertIsNone(results.of_wire({**r, "wire": None, "wire_after": None}))
        self.assertEqual(results.rate(run("brokers-4", 1e6, copies=4)), 1e6)

    def test_rounds_give_the_median_and_its_ends(self):
        self.fill()
        s = self.results().stat("one-64", results.of_wire)
        self.assertEqual((round(s.median, 3), s.least, s.greatest), (0.27, 0.26, 0.28))
        self.assertEqual(s.words(), "0.270 (0.260..0.280)")
        self.assertIsNone(self.results().stat("no-such", results.rate))

    def test_targets_say_what_is_reached_and_what_is_not(self):
        self.fill()
        rows = {r.job: r.reached() for r in targets.table(self.results())}

        def row(word):
            return next(v for k, v in rows.items() if word in k)
        words, good = row("64 B, QoS 0")
        self.assertTrue(good)
        self.assertIn("0.270", words)
        self.assertIn("26.0 x haproxy", words)
        words, good = row("segments full")
        self.assertIsNone(good)
        self.assertIn("0.900 of wire (wanted: at least 1.5)", words)
        self.assertIn("best peer: not measured", words)
        # At the same size of frames: 1M to 5M.
        self.assertIn("0.200 of wire (wanted: at least 0.25)", row("1024 B")[0])
        words, good = row("4 brokers")
        self.assertFalse(good)
        self.assertIn("1.60 x", words)
        self.assertEqual(row("10,000")[1], True)
        words, good = row("half of the found maximum")
        self.assertEqual(good, True)
        self.assertEqual(row("a million idle"), ("509 bytes a connection in all, 504 of them its own; 2.0 % of the core", True))
        words, good = row("100,000 and")
        self.assertIsNone(good)
        self.assertIn("100,000: 0.50 (wanted: at least 0.6)", words)
        self.assertTrue(row("idle")[1])
        self.assertIn("2.0 % of the core", row("idle")[0])
        self.assertTrue(row("memory")[1])
        self.assertIn("62 cycles", row("a hop")[0])


class Page(Made):
    def test_all_of_it_is_written_between_the_comments_and_nothing_else(self):
        self.fill()
        drawn, text = self.write()
        self.assertEqual(drawn, [n for n, _, _ in page.PICTURES])
        self.assertTrue(text.startswith(f"# By hand\n{page.BEGINS}\n"))
        self.assertTrue(text.endswith(f"{page.ENDS}\n## By hand too\n"))
        self.assertNotIn("old", text)
        for words in ("A CPU", "gcc 12", "perf/report --rounds 2", "perf/run SCENARIO --seconds 1", "| one-64 | about one-64 | 2,700,000 (2,",
                      "0.270 (0.260..0.280)", "| floor p99, us |", "| 31.5 | 3,456.7 | 11.5 |  | 12.5% |", "| 0 |  |  |  |  |  |", "**not yet**", "**reached**", "* run-full-256-1: not measured"):
            self.assertIn(words, text)
        for name in re.findall(r"\]\((perf/[^)]+)\)", text):
            self.assertTrue(os.path.exists(os.path.join(os.path.dirname(self.page), name)), name)
        # Tables have as many columns in each row as in their heads.
        for table in re.findall(r"(?:^\|.*\n)+", text, re.M):
            self.assertEqual(len({line.count("|") for line in table.splitlines()}), 1, table)
        again = self.write()[1]
        self.assertEqual(text, again)

    def test_nothing_measured_still_makes_a_page_that_says_so(self):
        drawn, text = self.write()
        self.assertEqual(drawn, ["memory"])
        self.assertIn("* peers-one-64: not measured", text)
        self.assertIn("**open**", text)
        self.assertFalse(os.path.exists(os.path.join(os.path.dirname(self.page), "perf", "latency.svg")))

    def test_pictures_of_what_is_no_longer_measured_are_taken_away(self):
        self.fill()
        self.write()
        os.unlink(self.dir.file("run-latency-1.json"))
        self.assertNotIn("latency.svg", self.write()[1])
        self.assertFalse(os.path.exists(os.path.join(os.path.dirname(self.page), "perf", "latency.svg")))

    def test_a_page_without_the_comments_is_left_alone(self):
        with open(self.page, "w", encoding="utf-8") as f:
            f.write("# By hand\n")
        with self.assertRaises(page.Bad):
            self.write()
        self.assertFalse(os.path.exists(os.path.join(os.path.dirname(self.page), "perf")))

    def test_the_page_of_the_repository_has_the_comments(self):
        with open(os.path.join(REPO, "docs", "performance.md"), encoding="utf-8") as f:
            self.assertIn("x", page.replace(f.read(), "x"))


class Pictures(Made):
    def texts(self, xml):
        root = ET.fromstring(xml)
        return [(float(t.get("x")), float(t.get("y")), t.get("text-anchor", "start"), t.text)
                for t in root.iter("{http://www.w3.org/2000/svg}text")]

    def test_no_text_leaves_the_picture_or_lies_on_another(self):
        self.fill()
        for name, draw, _ in page.PICTURES:
            xml = draw(self.results())
            root = ET.fromstring(xml)
            boxes = []
            for x, y, anchor, text in self.texts(xml):
                w = svg.wide(text)
                left = x - w * {"start": 0, "middle": 0.5, "end": 1}[anchor]
                self.assertGreaterEqual(left, 0, (name, text))
                self.assertLessEqual(left + w, svg.WIDTH + 1, (name, text))
                self.assertLessEqual(y, float(root.get("height")), (name, text))
                boxes.append((left, left + w, y - 10, y + 2, text))
            for i, a in enumerate(boxes):
                for b in boxes[i + 1:]:
                    self.assertFalse(a[0] < b[1] and b[0] < a[1] and a[2] < b[3] and b[2] < a[3], (name, a, b))
            self.assertLess(len(xml), 12000, name)

    def test_steps_and_decades_hold_what_is_drawn(self):
        for v in (0.07, 1, 3, 9.9, 2.5e6, 1e9):
            s = svg.steps(v)
            self.assertEqual(s[0], 0)
            self.assertGreaterEqual(s[-1] * 1.0000001, v)
            self.assertLessEqual(len(s), 12)
        self.assertEqual(svg.decades(3, 400), [1, 10, 100, 1000])
        self.assertEqual(svg.decades(10, 10), [10, 100])
        self.assertEqual([svg.short(v) for v in (2850000, 940, 12.34, 0.5, 999600)], ["2.85 M", "940", "12.3", "0.5", "1 M"])

    def test_names_at_the_ends_of_curves_keep_apart(self):
        self.assertEqual(svg.ladder([10, 12, 50], 16, 0, 100), [10, 26, 50])
        self.assertEqual(svg.ladder([99, 98, 97], 16, 0, 100), [100, 84, 68])


class Program(Made):
    def job(self, name, script):
        return results.Job(name, ["/bin/sh", "-c", script, "sh"], 1)

    def test_results_that_are_there_are_kept_and_what_failed_says_why(self):
        good = self.job("good", 'echo \'{"a": 1}\' > "$2"')
        self.assertEqual(self.dir.measure(good)[0], 0)
        self.assertEqual(self.dir.read("good"), {"a": 1})
        bad = self.job("bad", "echo it broke; exit 1")
        self.assertEqual(self.dir.measure(bad)[:2], (1, "it broke"))
        self.assertIsNone(self.dir.read("bad"))
        self.assertEqual(self.dir.why_not("bad"), "failed: it broke")
        self.dir.measure(self.job("lacking", "echo 'skipped: one CPU'; exit 77"))
        self.assertEqual(self.dir.why_not("lacking"), "one CPU")
        self.assertEqual(self.dir.measure(results.Job("absent", ["perf/no-such"], 1))[:2], (77, "there is no perf/no-such"))
        self.dir.measure(self.job("bad", 'echo \'{}\' > "$2"'))
        self.assertEqual(self.dir.why_not("bad"), "not measured")

    def test_results_of_another_build_are_refused(self):
        with self.assertRaises(results.Bad) as e:
            self.dir.begin(BUILD, "perf/report")
        self.assertIn("--no-run", str(e.exception))
        os.unlink(self.dir.file("conditions.json"))
        self.dir.begin(BUILD, "perf/report")
        self.dir.begin(BUILD, "another command")
        c = self.dir.read("conditions")
        self.assertEqual(c["command"], "perf/report")
        self.assertGreater(c["plans"]["1000000"]["total"], c["plans"]["100"]["total"])

    def test_it_writes_the_page_of_what_is_there(self):
        self.fill()
        argv = [os.path.join(REPO, "perf", "report"), "--results", self.dir.path, "--page", self.page, "--no-run"]
        r = subprocess.run(argv, capture_output=True, text=True, check=False)
        self.assertEqual(r.returncode, 0, r.stdout + r.stderr)
        self.assertIn("throughput-payload", r.stdout)
        for wrong, rc, word in ((["--only", "no-such"], 64, "run-one-64-1"), (["--rounds", "0"], 64, "at least 1")):
            r = subprocess.run([*argv, *wrong], capture_output=True, text=True, check=False)
            self.assertEqual(r.returncode, rc)
            self.assertIn(word, r.stderr)
        with open(self.dir.file("micro.json"), "w", encoding="utf-8") as f:
            f.write("{")
        r = subprocess.run(argv, capture_output=True, text=True, check=False)
        self.assertEqual(r.returncode, 1)
        self.assertIn("micro.json", r.stderr)

    def test_all_scenarios_and_peers_named_are_there(self):
        names = [j.name for j in results.jobs("build/release", 2, 1, 5)]
        self.assertEqual(len(names), len(set(names)))
        known = {f.removesuffix(".toml") for f in os.listdir(os.path.join(REPO, "perf", "scenarios"))}
        self.assertLessEqual({*results.OFTEN, *results.ONCE, *results.PEERS}, known)
        self.assertLess(sum(j.seconds for j in results.jobs("build/release", 2, 1, 6)), 720)


if __name__ == "__main__":
    BUILD = sys.argv.pop(1)
    unittest.main()
