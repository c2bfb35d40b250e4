#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""perf/micro for a moment: every bench runs, says what it measured, and gives its buffers back.

  run_micro.py MICRO"""

import json
import os
import subprocess
import sys
import tempfile
import unittest

MICRO = ""


def run(*args, **more):
    return subprocess.run([MICRO, *args], capture_output=True, text=True, timeout=100, check=False, **more)


class All(unittest.TestCase):
    """One run of everything, looked at from several sides."""

    @classmethod
    def setUpClass(cls):
        with tempfile.TemporaryDirectory() as d:
            path = os.path.join(d, "micro.json")
            cls.done = run("--short", "--small-pages", "--json", path)
            if cls.done.returncode != 0:
                raise AssertionError(cls.done.stderr + cls.done.stdout)
            with open(path, encoding="utf-8") as f:
                cls.out = json.load(f)

    def test_the_conditions_are_named(self):
        c = self.out["conditions"]
        for key in ("cpu", "cpus", "compiler", "build", "dpdk"):
            self.assertTrue(c[key], key)
        self.assertGreater(c["tsc_hz"], 1e6)
        self.assertGreater(c["page_bytes"], 0)
        self.assertIs(c["short"], True)

    def test_every_figure_is_whole_and_greater_than_zero(self):
        for r in self.out["results"]:
            for unit in ("cycles", "ns"):
                v = r[unit]
                self.assertLess(0, v["least"], r)
                self.assertLessEqual(v["least"], v["p10"], r)
                self.assertLessEqual(v["p10"], v["median"], r)
                self.assertLessEqual(v["median"], v["p90"], r)
                self.assertLessEqual(v["p90"], v["greatest"], r)
            self.assertEqual(r["repetitions"], 2, r)
            self.assertIn(r["cache"], ("warm", "cold", "random"))
            self.assertTrue(r["size"] is None or r["size"] > 0)
            self.assertNotEqual(r["param"], "")
            hz = self.out["conditions"]["tsc_hz"]
            self.assertAlmostEqual(r["ns"]["median"], r["cycles"]["median"] * 1e9 / hz, delta=0.01)

    def test_name_size_and_param_name_a_figure(self):
        keys = [(r["name"], r["size"], r["param"]) for r in self.out["results"]]
        self.assertEqual(len(keys), len(set(keys)))

    def test_every_bench_has_figures_or_says_why_not(self):
        listed = {line.split()[0] for line in run("--list").stdout.splitlines()}
        seen = {r["bench"] for r in self.out["results"]} | {s["name"] for s in self.out["skipped"]}
        self.assertEqual(listed, seen)

    def test_copy_and_reference_are_compared_for_each_number_of_brokers(self):
        said = [n["text"] for n in self.out["notes"] if n["bench"] == "copy-break"]
        self.assertEqual([t.split(":")[0] for t in said], ["1 broker", "2 brokers", "4 brokers", "8 brokers"])
        for text in said:
            self.assertIn("\n  " + text, self.done.stdout)

    def test_the_table_has_a_line_for_each_figure(self):
        for r in self.out["results"]:
            self.assertIn("\n" + r["name"] + " ", self.done.stdout)


class Options(unittest.TestCase):
    def test_benches_are_chosen_by_the_beginning_of_their_names(self):
        out = run("--short", "--small-pages", "--only", "framing").stdout
        self.assertIn("\nframing ", out)
        self.assertNotIn("timer", out)

    def test_what_is_unknown_is_refused_and_what_was_expected_is_said(self):
        for args, words in (
            (["--only", "nonsense"], "--list names them"),
            (["--repetitions", "0"], "--repetitions: '0'; expected 1 to"),
            (["--rounds", "9x"], "--rounds: '9x'; expected 1 to"),
            (["nonsense"], "usage:"),
        ):
            p = run(*args)
            self.assertEqual(p.returncode, 64, args)
            self.assertIn(words, p.stderr)

    def test_the_programs_beside_it_refuse_what_they_do_not_understand(self):
        for name, args, words in (
            ("micro_forward", ["here"], "'here'; expected options"),
            ("micro_forward", ["-s", "-p", "0"], "-p: '0'; expected 1 to"),
            ("micro_forward", ["-s", "-p", "64x"], "-p: '64x'; expected 1 to"),
            ("micro_forward", ["-s", "-p", "64", "-q", "3"], "-q: '3'; expected 0 to 2"),
            ("micro_forward", ["-s", "-q", "1"], "expected -p"),
            ("micro_forward", ["-x"], "usage:"),
            ("micro_wait", ["-x"], "expected -s"),
            ("micro_wait", ["-s", "-s"], "expected -s alone"),
        ):
            p = subprocess.run([os.path.join(os.path.dirname(MICRO), name), *args], capture_output=True, text=True, timeout=100,
                               check=False)
            self.assertEqual(p.returncode, 64, (name, args, p.stderr))
            self.assertIn(words, p.stderr)

    def test_with_one_cpu_nothing_hops_and_it_says_so(self):
        cpu = min(os.sched_getaffinity(0))
        with tempfile.TemporaryDirectory() as d:
            path = os.path.join(d, "micro.json")
            p = run("--short", "--small-pages", "--only", "hop", "framing", "--json", path,
                    preexec_fn=lambda: os.sched_setaffinity(0, {cpu}))
            self.assertEqual(p.returncode, 0, p.stderr)
            with open(path, encoding="utf-8") as f:
                out = json.load(f)
        self.assertEqual([s["name"] for s in out["skipped"]], ["hop"])
        self.assertIn("one CPU", out["skipped"][0]["why"])
        self.assertEqual({r["bench"] for r in out["results"]}, {"framing"})

    def test_a_file_that_cannot_be_written_is_an_error(self):
        p = run("--short", "--small-pages", "--only", "framing", "--json", "/nonexistent/micro.json")
        self.assertEqual(p.returncode, 1)
        self.assertIn("/nonexistent/micro.json", p.stderr)


if __name__ == "__main__":
    MICRO = sys.argv.pop(1)
    unittest.main()
