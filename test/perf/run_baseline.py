#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""perf/baseline and perf/compare: what they say of figures that are made up, and one comparison for a moment.

  run_baseline.py BUILD-DIRECTORY"""

import contextlib
import importlib.machinery
import importlib.util
import io
import os
import random
import subprocess
import sys
import tempfile
import unittest

REPO = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
sys.path.insert(0, os.path.join(REPO, "perf"))
from pwperf import baseline, bench, machine, rounds, stats  # noqa: E402

BUILD = ""
# Two rounds beside a wire of a million, and one beside one of five million.
ENTRY = {"ratio": 0.2, "ratios": [0.19, 0.21, 0.06], "wires": [1e6, 1.1e6, 5e6]}


def share(ratio, quiet=True):
    """A round of made-up rates; testpmd's is 1,000,000 in the mean."""
    return rounds.Share(ratio * 1e6, 1e6 * (1 if quiet else 0.6), 1e6 * (1 if quiet else 1.4))


class Statistics(unittest.TestCase):
    def test_tails_are_those_of_the_tables(self):
        # Critical values of the signed-rank sum, two-sided 0.05: 0 for 6, 3 for 8, 8 for 10, 25 for 15.
        for n, greatest in ((6, 0), (8, 3), (10, 8), (15, 25)):
            self.assertEqual(sum(2 * p <= 0.05 for p in stats.tail(n)) - 1, greatest, n)
        self.assertIsNone(stats.interval([1.0] * 5))
        self.assertEqual(stats.least_rounds(0.05), 6)
        self.assertEqual(stats.least_rounds(0.01), 8)

    def test_interval_of_known_values(self):
        # Walsh averages of 1..6 are 1, 1.5, ... 6: with 6 values none of them may be cut off.
        self.assertEqual(stats.interval([1, 2, 3, 4, 5, 6]), (1, 6))
        # Of ten, the ninth from either end: 1 1.5 2 2 2.5 2.5 3 3 3.
        self.assertEqual(stats.interval(list(range(1, 11))), (3, 8))

    def test_equal_things_differ_in_one_of_twenty_cases_at_most(self):
        rnd, called = random.Random(7), 0
        for _ in range(400):
            a, b = [], []
            for _ in range(10):
                mood = rnd.choice((1, 1, 1, 2.5))
                a.append(mood * rnd.lognormvariate(0, 0.1) * rnd.choice((1, 1, 1, 1, 0.5)))
                b.append(mood * rnd.lognormvariate(0, 0.1) * rnd.choice((1, 1, 1, 1, 0.5)))
            called += stats.Change(a, b).outside != 0
        self.assertLess(called, 400 * 0.05 * 1.8)

    def test_a_difference_is_seen_through_moods_that_are_larger(self):
        rnd, seen = random.Random(3), 0
        for _ in range(100):
            moods = [rnd.choice((1, 2, 3)) for _ in range(10)]
            a = [m * rnd.lognormvariate(0, 0.03) for m in moods]
            b = [m * 1.08 * rnd.lognormvariate(0, 0.03) for m in moods]
            c = stats.Change(a, b)
            self.assertLess(abs(c.ratio - 1.08), 0.08)
            seen += c.outside == 1
        self.assertGreater(seen, 90)

    def test_one_round_that_went_wrong_changes_little(self):
        a = [100, 101, 99, 100, 102, 98, 100, 101]
        b = [110, 111, 109, 110, 112, 10, 110, 111]
        self.assertAlmostEqual(stats.Change(a, b).ratio, 1.1, delta=0.01)

    def test_too_few_rounds_and_figures_of_nothing_are_told_apart(self):
        self.assertIsNone(stats.Change([1] * 5, [2] * 5).outside)
        self.assertEqual(stats.Change([1] * 6, [2] * 6).outside, 1)
        self.assertEqual(stats.Change([2] * 6, [1] * 6).outside, -1)
        self.assertEqual(stats.Change([2] * 6, [2] * 6).outside, 0)
        for a, b in (([], []), ([1], [1, 2]), ([0], [1]), ([1], [0])):
            with self.assertRaises(ValueError):
                stats.Change(a, b)


class Judged(unittest.TestCase):
    def what(self, *tries, own=True, more=True):
        return baseline.Judgement(ENTRY, list(tries), own, more).what

    def test_within_the_baselines_rounds_is_ok_and_below_warns(self):
        self.assertEqual(self.what(share(0.2)), "ok")
        self.assertEqual(self.what(share(0.5)), "ok")
        self.assertEqual(self.what(share(0.175)), "ok")
        self.assertEqual(self.what(share(0.165)), "warn")
        self.assertEqual(self.what(share(0.11)), "warn")

    def test_a_round_is_held_against_those_with_a_wire_like_its_own(self):
        fast = rounds.Share(0.06 * 5e6, 5e6, 5e6)
        self.assertEqual(self.what(fast), "ok")
        self.assertEqual(self.what(rounds.Share(0.029 * 5e6, 5e6, 5e6)), "again")
        # Where none is alike, against the least.
        self.assertEqual(self.what(rounds.Share(0.06 * 2.5e6, 2.5e6, 2.5e6)), "ok")
        self.assertEqual(self.what(rounds.Share(0.029 * 2.5e6, 2.5e6, 2.5e6)), "again")
        # The best of several is the best beside its own rounds.
        self.assertEqual(self.what(share(0.09), fast), "ok")

    def test_worse_than_half_is_measured_three_times_more_before_it_fails(self):
        bad = share(0.09)
        for n in (1, 2, 3):
            self.assertEqual(self.what(*[bad] * n), "again")
        self.assertEqual(self.what(*[bad] * 4), "fail")
        self.assertEqual(self.what(*[bad] * 4, more=False), "fail")
        self.assertEqual(self.what(bad, bad, bad, share(0.11)), "warn")
        self.assertEqual(self.what(bad, share(0.2)), "ok")

    def test_noise_only_warns(self):
        bad, wild = share(0.09), share(0.09, quiet=False)
        self.assertEqual(self.what(bad, wild, wild, wild), "warn")
        self.assertEqual(self.what(bad, bad, wild, wild), "fail")
        self.assertEqual(self.what(bad, more=False), "warn")
        self.assertEqual(self.what(*[bad] * 4, own=False), "warn")


class Files(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.addCleanup(self.dir.cleanup)
        self.file = os.path.join(self.dir.name, "some", "machine.toml")

    def kind(self, ratio, **more):
        return {"date": "today", **more, "scenarios": {"one-64": {**ENTRY, "ratios": [ratio] * 3}}}

    def test_saving_replaces_its_pages_and_leaves_the_others(self):
        baseline.save(self.file, "pages-4K", self.kind(0.1, command='a "quoted" \\ one'))
        baseline.save(self.file, "pages-2M", self.kind(0.2))
        baseline.save(self.file, "pages-2M", self.kind(0.3))
        read = baseline.load(self.file)
        self.assertEqual(read["pages-2M"]["scenarios"]["one-64"]["ratios"], [0.3] * 3)
        self.assertEqual(read["pages-4K"]["scenarios"]["one-64"]["ratios"], [0.1] * 3)
        self.assertEqual(read["pages-4K"]["command"], 'a "quoted" \\ one')
        self.assertEqual(os.listdir(os.path.dirname(self.file)), ["machine.toml"])

    def test_a_file_that_says_something_else_is_refused(self):
        self.assertEqual(baseline.load(self.file), {})
        os.makedirs(os.path.dirname(self.file))
        for text in ("x", "[pages-1G]", "[pages-2M]", "[pages-2M.scenarios.one-64]\nratios = [0]\nwires = [1]",
                     "[pages-2M.scenarios.one-64]\nratios = [1]\nwires = [1, 2]", "[pages-2M.scenarios.one-64]\nratios = [1]",
                     "[pages-2M.scenarios.one-64]\nratios = []\nwires = []"):
            with open(self.file, "w", encoding="utf-8") as f:
                f.write(text)
            with self.assertRaises(baseline.Bad):
                baseline.load(self.file)

    def test_an_entry_has_its_rounds_and_those_that_were_there(self):
        trials = [{"cycles": c, "latency_us": {"p50": c / 10, "p99": c}} for c in (900, 1000, 1500)]
        e = baseline.entry(trials, [share(0.1), share(0.3), share(0.2)])
        self.assertEqual((e["ratio"], e["ratios"], e["cycles"], e["p50_us"]), (0.2, [0.1, 0.3, 0.2], 1000, 100.0))
        self.assertEqual((e["messages_per_second"], e["wires"]), (200000, [1000000] * 3))
        e = baseline.entry(trials[:1], [share(0.4)], e)
        self.assertEqual((e["ratio"], e["ratios"], e["cycles"]), (0.25, [0.1, 0.3, 0.2, 0.4], 900))

    def test_those_in_the_repository_are_read_and_name_what_they_were_taken_with(self):
        files = [f for f in os.listdir(baseline.DIR) if f.endswith(".toml")]
        self.assertTrue(files)
        for f in files:
            for pages, kind in baseline.load(os.path.join(baseline.DIR, f)).items():
                self.assertLessEqual(set(baseline.SCENARIOS), set(kind["scenarios"]), (f, pages))
                for key in ("cpu", "compiler", "dpdk", "kernel", "revision", "date", "command"):
                    self.assertTrue(kind.get(key), (f, pages, key))


def made_up(**values):
    """compare's program, with figures of two sides."""
    loader = importlib.machinery.SourceFileLoader("compare", os.path.join(REPO, "perf", "compare"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("compare", loader))
    loader.exec_module(module)
    figures = module.Figures()
    for name, (a, b) in values.items():
        for side, numbers in (("a", a), ("b", b)):
            for n in numbers:
                figures.add(name.replace("_", ": ").replace("rate", "messages/s"), side, n)
    return module, figures


class Compared(unittest.TestCase):
    def table(self, rounds, **values):
        _, figures = made_up(**values)
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            out = figures.table(rounds)
        return out, said.getvalue()

    def test_sides_take_turns(self):
        module, _ = made_up()
        self.assertEqual(list(module.turns(3)), [(0, "a"), (0, "b"), (1, "b"), (1, "a"), (2, "a"), (2, "b")])

    def test_more_is_better_for_rates_and_worse_for_cycles(self):
        low, high = [100 + i for i in range(8)], [120 + i for i in range(8)]
        out, said = self.table(8, one_rate=(low, high), one_cycles=(low, high))
        self.assertEqual([f["outside"] for f in out.values()], [1, 1])
        self.assertRegex(said, r"one: messages/s .* B has more: better")
        self.assertRegex(said, r"one: cycles .* B has more: worse")
        self.assertIn("97.5% interval", said)

    def test_few_rounds_for_many_figures_say_how_many_it_takes(self):
        same = [100, 101, 102, 103, 104, 105]
        _, said = self.table(6, one_cycles=(same, [2 * v for v in same]))
        self.assertIn("B has more: worse", said)
        out, said = self.table(6, **{f"f{i}_cycles": (same, [2 * v for v in same]) for i in range(3)})
        self.assertIn("7 rounds are the least that could tell", said)
        self.assertEqual({f["outside"] for f in out.values()}, {None})

    def test_what_one_side_lacks_is_not_compared(self):
        out, said = self.table(2, one_cycles=([1, 2], [1]), two_cycles=([1, 2], [0, 1]))
        self.assertEqual(out, {})
        self.assertIn("one: cycles: only one of them has it", said)

    def test_unknown_revisions_and_scenarios_are_usage(self):
        for args in ([], ["HEAD"], ["HEAD", "no-such-revision"], [".", ".", "--scenario", "no"], [".", ".", "--rounds", "0"]):
            r = subprocess.run([os.path.join(REPO, "perf", "compare"), *args], capture_output=True, text=True, check=False)
            self.assertEqual(r.returncode, 64, r.stdout + r.stderr)
            self.assertTrue(r.stderr)


class Here(unittest.TestCase):
    def test_a_machine_has_a_name_that_fits_a_file_and_conditions_without_a_hole(self):
        self.assertRegex(machine.name(), r"^[a-z0-9-]+$")
        c = machine.conditions(BUILD)
        self.assertRegex(c["compiler"], r"(gcc|clang).* \d+")
        self.assertRegex(c["dpdk"], r"^\d+\.\d+")
        self.assertIn("buildtype=", c["build"])

    def test_what_nobody_understands_is_usage(self):
        run = os.path.join(REPO, "perf", "baseline")
        for args in ([], ["keep"], ["compare", "--scenario", "one-64"], ["compare", "--add"], ["save", "--rounds", "0"], ["save", "--scenario", "no"]):
            r = subprocess.run([run, *args, "--build", BUILD], capture_output=True, text=True, check=False)
            self.assertIn(r.returncode, (64, 77) if "no" in args else (64,), r.stdout + r.stderr)

    def test_a_comparison_for_a_moment_says_what_it_found(self):
        with tempfile.TemporaryDirectory() as d:
            entries = {n: {"ratios": [r], "wires": [1e6]} for n, r in (("connections-100", 1e-9), ("brokers-2", 1e9))}
            baseline.save(os.path.join(d, machine.name() + ".toml"), "pages-4K", {"scenarios": entries})
            r = subprocess.run([os.path.join(REPO, "perf", "baseline"), "compare", "--no-huge", "--seconds", "0.2", "--dir", d,
                                "--budget", "0", "--build", BUILD], capture_output=True, text=True, check=False)
        if r.returncode == 77:
            self.skipTest(r.stdout.strip().splitlines()[-1])
        self.assertEqual(r.returncode, 0, r.stdout + r.stderr)
        self.assertRegex(r.stdout, r"connections-100 .* ok: ")
        self.assertRegex(r.stdout, r"brokers-2 .* warn: .*no time")
        self.assertIn("4 KiB", r.stdout)

    def test_without_a_baseline_it_is_skipped(self):
        with tempfile.TemporaryDirectory() as d:
            r = subprocess.run([os.path.join(REPO, "perf", "baseline"), "compare", "--no-huge", "--dir", d, "--build", BUILD],
                               capture_output=True, text=True, check=False)
        self.assertEqual(r.returncode, 77, r.stdout + r.stderr)
        self.assertIn("skipped: ", r.stdout)


if __name__ == "__main__":
    BUILD = sys.argv.pop(1)
    unittest.main()
