#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What the programs of perf share: bad options are refused by name, and an end leaves no process behind.

  run_command.py BUILD-DIRECTORY"""

import contextlib
import glob
import io
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest

REPO = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
sys.path.insert(0, os.path.join(REPO, "perf"))
from pwperf import bench, command, machine, revision  # noqa: E402
from pwlab import process  # noqa: E402

DEADLINE = 60
BUILD = ""
# Of each, what it cannot do without.
PROGRAMS = {"run": ["one-64"], "profile": ["one-64"], "compare": ["HEAD", "."], "baseline": ["compare"], "peers": [], "report": []}


def program(name):
    return os.path.join(REPO, "perf", name)


def refused(name, *argv):
    """What a program says of options; it may not begin."""
    r = subprocess.run([program(name), *argv], capture_output=True, text=True, check=False)
    return r.returncode, r.stderr


def of_bench(pid):
    """{process: command line} of what a bench of a process has started."""
    out = {}
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            with open(path, encoding="utf-8", errors="replace") as f:
                words = f.read().replace("\0", " ")
            if f"--file-prefix=perf{pid}" in words:
                out[int(path.split("/")[2])] = words
    return out


class Options(unittest.TestCase):
    def test_what_no_program_understands_is_refused_by_name(self):
        for name, needed in PROGRAMS.items():
            for argv, expected in ((["--cpus", "0"], "different CPUs"), (["--cpus", "0,0"], "different CPUs"),
                                   (["--cpus", "a,b"], "different CPUs"), (["--seconds", "nan"], "0.1 to"),
                                   (["--seconds", "0"], "0.1 to"), (["--odd"], "--odd")):
                code, said = refused(name, *needed, *argv)
                self.assertEqual(code, 64, (name, argv, said))
                self.assertIn(argv[0], said)
                self.assertIn(expected, said)

    def test_a_third_cpu_is_for_perf_run_alone(self):
        self.assertEqual(refused("profile", "one-64", "--cpus", "0,1,2")[0], 64)
        self.assertEqual(command.cpus(3)("0,1,2"), [0, 1, 2])

    def test_a_file_that_cannot_be_written_is_refused_before_anything_is_measured(self):
        for name, argv in (("run", ["one-64"]), ("profile", ["one-64"]), ("compare", [".", "."]), ("peers", [])):
            for path in ("/nonexistent/result.json", "/"):
                code, said = refused(name, *argv, "--json", path)
                self.assertEqual(code, 64, said)
                self.assertIn(path, said)

    def test_every_option_has_words(self):
        for name in PROGRAMS:
            r = subprocess.run([program(name), "--help"], capture_output=True, text=True, check=True)
            lines = r.stdout.split("\noptions:\n")[1].split("\n\n")[0].splitlines()
            for i, line in enumerate(lines):
                if line.startswith("  -"):
                    text = line.strip().partition("  ")[2] or lines[i + 1].strip()
                    self.assertTrue(text and not text.startswith("-"), (name, line))

    def test_numbers_say_their_bounds(self):
        for kind, text in ((command.number(1), "0"), (command.number(1), "1.5"), (command.number(1, 9), "10"),
                           (command.number(0, kind=float), "inf"), (command.number(0, kind=float), "x")):
            with self.assertRaises(command.argparse.ArgumentTypeError) as e:
                kind(text)
            self.assertIn("expected a", str(e.exception))
        self.assertEqual((command.number(1, 9)("9"), command.seconds("0.1")), (9, 0.1))


class Compared(unittest.TestCase):
    def test_a_bench_or_scenario_that_cannot_be_compared_is_refused_before_anything_is_built(self):
        code, said = refused("compare", ".", ".", "--micro", "tcp", "--micro", "nosuch")
        self.assertEqual(code, 64)
        self.assertIn("--micro nosuch: expected", said)
        self.assertIn("tcp-input", said)
        code, said = refused("compare", ".", ".", "--scenario", "idle-10000")
        self.assertEqual(code, 64)
        self.assertIn("no message", said)

    def test_the_benches_of_a_tree_are_those_that_its_program_lists(self):
        r = subprocess.run([os.path.join(BUILD, "perf", "micro"), "--list"], capture_output=True, text=True, check=True)
        self.assertEqual(revision.benches("."), [line.split()[0] for line in r.stdout.splitlines()])


class Machine(unittest.TestCase):
    def test_a_cpu_at_something_else_is_seen_and_told(self):
        cpu = min(os.sched_getaffinity(0))
        with subprocess.Popen(["taskset", "-c", str(cpu), sys.executable, "-c", "while True: pass"]) as p:
            try:
                self.assertGreater(machine.busy([cpu], 0.5)[cpu], 0.3)
                b = bench.Bench.__new__(bench.Bench)
                b.cpus = [cpu]
                with contextlib.redirect_stdout(io.StringIO()) as said:
                    b.others()
            finally:
                p.kill()
        self.assertRegex(said.getvalue(), rf"CPU {cpu} was busy \d+% of the time")


class Ended(unittest.TestCase):
    def test_a_signal_takes_pubwire_and_the_generator_away(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with tempfile.TemporaryFile() as said:
                p = subprocess.Popen([program("run"), "connections-100", "--seconds", "50", "--no-wire", "--no-huge", "--build", BUILD],
                                     stdout=said, stderr=subprocess.STDOUT)
                self.addCleanup(p.wait)
                self.addCleanup(p.kill)
                end = time.monotonic() + DEADLINE
                while p.poll() is None and len(of_bench(p.pid)) < 2 and time.monotonic() < end:
                    time.sleep(0.02)
                started = of_bench(p.pid)
                p.send_signal(number)
                code = p.wait(DEADLINE)
                said.seek(0)
                words = said.read().decode()
            if code == command.LACKING:
                self.skipTest(words.strip().splitlines()[-1])
            self.assertEqual(code, 128 + number, words)
            self.assertEqual(len(started), 2, words)
            self.assertEqual(of_bench(p.pid), {})
            self.assertNotIn("Traceback", words)

    def test_what_a_program_has_started_is_asked_to_end_with_it(self):
        # As perf/report stands to perf/run: the inner one takes its own away.
        inner = "trap 'echo gone > \"$0\"; exit' TERM; echo > \"$0.ready\"; while :; do sleep 0.05; done"
        outer = f"""
import sys
sys.path.insert(0, {os.path.join(REPO, "perf")!r})
from pwperf import command
command.run("report", lambda: command.output(["sh", "-c", {inner!r}, sys.argv[1]]))
"""
        with tempfile.TemporaryDirectory() as d:
            out = os.path.join(d, "out")
            p = subprocess.Popen([sys.executable, "-c", outer, out])
            self.addCleanup(p.wait)
            self.addCleanup(p.kill)
            end = time.monotonic() + DEADLINE
            while not os.path.exists(out + ".ready") and time.monotonic() < end:
                time.sleep(0.02)
            p.terminate()
            self.assertEqual(p.wait(DEADLINE), 128 + signal.SIGTERM)
            with open(out, encoding="utf-8") as f:
                self.assertEqual(f.read(), "gone\n")

    def test_every_program_that_builds_something_takes_it_away(self):
        for name in (*PROGRAMS, "idle", "isolation", "lossy", "recovery", "lab_rate"):
            with open(program(name), encoding="utf-8") as f:
                self.assertRegex(f.read(), rf'command\.run\("{name}", main|proc\.end_on_signals\(\)', name)

    def test_what_goes_wrong_is_a_line_and_an_exit_status(self):
        for what, code in ((bench.Lacking("no memory"), 77), (bench.Failed("no message"), 1), (FileNotFoundError(2, "gone", "here"), 1)):
            def main(what=what):
                raise what
            before = {n: signal.getsignal(n) for n in process.SIGNALS}
            try:
                with contextlib.redirect_stdout(io.StringIO()), self.assertRaises(SystemExit) as e:
                    command.run("run", main)
            finally:
                for n, handler in before.items():
                    signal.signal(n, handler)
            self.assertEqual(e.exception.code if code == 77 else 1, code)
            if code == 1:
                self.assertTrue(e.exception.code.startswith("perf/run: "))


if __name__ == "__main__":
    BUILD = sys.argv.pop(1)
    unittest.main()
