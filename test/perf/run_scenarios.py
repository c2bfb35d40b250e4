#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""perf/run: its search, its scenarios, and one of them for a moment without hugepages.

  run_scenarios.py BUILD-DIRECTORY"""

import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
import unittest
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader

REPO = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
sys.path.insert(0, os.path.join(REPO, "perf"))
from pwperf import bench, scenario, search  # noqa: E402

BUILD = ""


def forwarder(capacity):
    """A trial against something that loses whatever exceeds its capacity."""
    def trial(rate):
        return {"lost": max(0, rate - capacity), "sent_per_second": rate}
    return trial


class Search(unittest.TestCase):
    def test_finds_what_holds_from_either_side(self):
        for guess in (100, 900, 1000, 1100, 4000):
            found, trials = search.highest(forwarder(1000), guess, 14, lambda *_: None)
            self.assertLessEqual(found, 1000)
            self.assertGreater(found, 985, guess)
            self.assertTrue(all(held == (rate <= 1000) for rate, held in trials))

    def test_is_bounded_and_says_zero_where_nothing_holds(self):
        found, trials = search.highest(forwarder(-1), 1000, 6, lambda *_: None)
        self.assertEqual((found, len(trials)), (0, 6))
        self.assertEqual(search.highest(forwarder(10), 0, 6, lambda *_: None), (0, []))

    def test_a_generator_that_falls_behind_does_not_hold(self):
        self.assertFalse(search.holds({"lost": 0, "sent_per_second": 900}, 1000))
        self.assertTrue(search.holds({"lost": 0, "sent_per_second": 999}, 1000))


    def test_only_trials_that_the_machine_disturbed_are_repeated_and_not_for_ever(self):
        def after(*results):
            left = list(results)
            told = []
            r = search.undisturbed(lambda rate: left.pop(0), 1000, 2, lambda rate, r: told.append(r))
            return r["n"], len(told)

        def result(n, lost, behind):
            return {"n": n, "lost": lost, "sent_per_second": 1000, "behind_us": behind}
        self.assertEqual(after(result(1, 0, 9999)), (1, 0))
        self.assertEqual(after(result(1, 5, 10), result(2, 0, 10)), (1, 0))
        self.assertEqual(after(result(1, 5, 5000), result(2, 0, 5000)), (2, 1))
        self.assertEqual(after({**result(1, 0, 5000), "sent_per_second": 900}), (1, 0))
        self.assertEqual(after(*(result(n, 5, 5000) for n in range(1, 9))), (3, 2))


class Scenarios(unittest.TestCase):
    def test_every_scenario_is_understood_and_says_what_it_is(self):
        found = scenario.every()
        self.assertGreater(len(found), 10)
        for s in found:
            self.assertTrue(s.about, s.name)
            self.assertLessEqual(s.frame(), 1514)

    def test_what_is_not_understood_is_refused_by_key(self):
        for text, key in (('[load]\npayloads = "64"', "payloads"), ("[load]\nqos = true", "qos"),
                          ('[load]\nqos = "1"', "qos"), ("[lode]\nqos = 1", "lode"),
                          ("[pubwire]\nworkers = 3", "workers"), ("[pubwire]\nsplit = true", "split"), ("= 1", None)):
            with tempfile.NamedTemporaryFile("w", suffix=".toml") as f:
                f.write(text)
                f.flush()
                with self.assertRaises(scenario.Bad) as e:
                    scenario.Scenario(f.name)
                self.assertTrue(e.exception.broken)
                self.assertIn(key or "", str(e.exception))

    def test_the_program_says_what_it_wants(self):
        run = os.path.join(REPO, "perf", "run")
        r = subprocess.run([run, "no-such"], capture_output=True, text=True, check=False)
        self.assertEqual(r.returncode, 64)
        self.assertIn("--list", r.stderr)
        for argv in ((), ("one-64", "--seconds", "0"), ("one-64", "--steps", "-1")):
            r = subprocess.run([run, *argv], capture_output=True, text=True, check=False)
            self.assertEqual(r.returncode, 64)
            self.assertIn("expected", r.stderr)
        r = subprocess.run([run, "--list"], capture_output=True, text=True, check=False)
        self.assertEqual(r.returncode, 0)
        self.assertIn("qos1-256", r.stdout)

    def test_a_trial_with_acknowledgements_tells_how_long_they_took(self):
        run = SourceFileLoader("perf_run", os.path.join(REPO, "perf", "run"))
        run = module_from_spec(spec_from_loader(run.name, run))
        run.__spec__.loader.exec_module(run)
        trial = {"delivered_per_second": 10, "copies": 1, "latency_us": {"p50": 1.5, "p99": 2.5, "p99_9": 3.5}}
        said = []
        for r in (trial, {**trial, "puback_us": {"p50": 71.5, "p99": 72.5}}):
            with contextlib.redirect_stdout(io.StringIO()) as out:
                run.say("window", r, None, "extra")
            said.append(out.getvalue().split())
        self.assertEqual(said[1], said[0][:-1] + ["71.5", "72.5", "extra"])

    def test_what_stands_beside_a_scenario_is_one_and_is_no_larger(self):
        names = {s.name: s for s in scenario.every()}
        found = [s for s in names.values() if s.beside]
        self.assertGreater(len(found), 5)
        for s in found:
            self.assertIn(s.beside, names)
            self.assertLessEqual(names[s.beside].brokers, s.brokers)
            # Pages are chosen for the scenario itself.
            self.assertLessEqual(names[s.beside].connections, max(s.connections, 20000))

    def test_idle_connections_are_weighed(self):
        with tempfile.TemporaryDirectory() as d:
            out = os.path.join(d, "json")
            r = subprocess.run([os.path.join(REPO, "perf", "run"), "idle-10000", "--seconds", "0.2", "--no-huge", "--build", BUILD,
                                "--json", out], capture_output=True, text=True, check=False)
            if r.returncode == 77:
                self.skipTest(r.stdout.strip().splitlines()[-1])
            self.assertEqual(r.returncode, 0, r.stdout + r.stderr)
            with open(out, encoding="utf-8") as f:
                idle = json.load(f)["window"]
        self.assertEqual(idle["connected"], 10000)
        self.assertGreater(idle["bytes_per_connection"], 256)
        self.assertLess(idle["bytes_per_connection"], 4096)

    def test_pktgen_refuses_queues_that_are_not_there(self):
        pktgen = os.path.join(BUILD, "perf", "pktgen", "pktgen")
        ports = ["--devices-port", "a", "--brokers-port", "b"]
        for argv, key in ((["--devices-queue", "1"], "--devices-queue"), (["--brokers-queue", "nine"], "--brokers-queue"),
                          (["--queues", "2", "--mode", "l2"], "--queues")):
            r = subprocess.run([pktgen, *ports, *argv], capture_output=True, text=True, check=False)
            self.assertEqual(r.returncode, 64, argv)
            self.assertIn(key, r.stderr)

    def test_frames_of_two_workers_come_by_the_queues_that_the_scenario_says(self):
        handed, roles = {}, {}
        try:
            with bench.Bench(BUILD, None, True) as b:
                for name in ("cross-lcore", "two-workers"):
                    s = scenario.load(name)
                    b.conditions(s)
                    self.assertIn("nothing can scale" if b.shared else f"CPUs {b.cpus[0]} and", b.words)
                    w = b.trial(s, 0.3, may_lose=True)["workers"]
                    handed[name] = [x["handed_over"] for x in w]
                    roles[name] = {x["role"] for x in w}
                    self.assertGreater(min(x["cycles"] for x in w), 0)
        except bench.Lacking as e:
            self.skipTest(str(e))
        self.assertGreater(handed["cross-lcore"][0], 0.1)
        self.assertEqual(handed["cross-lcore"][1], 0)
        self.assertLess(max(handed["two-workers"]), 0.01)
        self.assertEqual(roles, {name: {"devices+brokers"} for name in roles})

    def test_split_workers_are_told_apart(self):
        with tempfile.TemporaryDirectory() as d:
            out = os.path.join(d, "json")
            r = subprocess.run([os.path.join(REPO, "perf", "run"), "split", "--seconds", "0.3", "--no-huge", "--no-wire", "--build",
                                BUILD, "--json", out], capture_output=True, text=True, check=False)
            if r.returncode == 77:
                self.skipTest(r.stdout.strip().splitlines()[-1])
            self.assertEqual(r.returncode, 0, r.stdout + r.stderr)
            with open(out, encoding="utf-8") as f:
                result = json.load(f)
        workers = result["window"]["workers"]
        self.assertEqual([w["role"] for w in workers], ["devices", "brokers"])
        self.assertEqual([w["handed_over"] for w in workers], [0, 0])
        self.assertIn("worker 1 (brokers):", r.stdout)
        self.assertEqual(result["beside"]["scenario"], "one-64")

    def test_a_scenario_runs_and_gives_its_figures(self):
        with tempfile.TemporaryDirectory() as d:
            out = os.path.join(d, "json")
            r = subprocess.run([os.path.join(REPO, "perf", "run"), "connections-100", "--seconds", "0.5", "--steps", "1",
                                "--no-huge", "--build", BUILD, "--json", out], capture_output=True, text=True,
                               check=False)
            if r.returncode == 77:
                self.skipTest(r.stdout.strip().splitlines()[-1])
            self.assertEqual(r.returncode, 0, r.stdout + r.stderr)
            with open(out, encoding="utf-8") as f:
                result = json.load(f)
        self.assertEqual(result["window"]["lost"], 0)
        self.assertGreater(result["window"]["delivered_per_second"], 0)
        self.assertEqual(len(result["trials"]), 1)
        self.assertEqual(result["window"]["drops"].get("dropped_slow", 0), 0)
        if result["wire"] is not None:
            self.assertGreater(result["wire"]["pps_64"], 0)
            self.assertGreater(result["wire"]["pps_same"], 0)


if __name__ == "__main__":
    BUILD = sys.argv.pop(1)
    unittest.main()
