# SPDX-License-Identifier: BSD-3-Clause
"""Results of single measurements in a directory: what a report is made of, what is missing, and how to measure that."""

import hashlib
import json
import os
import re
import subprocess
import tempfile
import time

from . import bench, command, machine, scenario, stats

# In rounds, with the window full; and once, as each takes long or searches.
OFTEN = ("one-64", "full-64", "one-1024", "qos1-256", "one-256", "one-4096", "full-256", "qos2-256", "brokers-1", "brokers-2",
         "brokers-4", "brokers-8")
ONCE = ("latency", "connections-10000", "connections-100000", "connections-1000000", "idle-1000000")
SEARCHED = ("latency",)
PEERS = ("one-64", "full-64", "one-1024", "qos1-256", "brokers-4", "latency")
# Connections of which the plan of memory is asked for.
PLANNED = (100, 1000, 10000, 100000, 1000000)


class Bad(Exception):
    """A directory whose results are of something else, or a file that is no result."""


class Job:
    """One measurement: the file of its result, what makes it, and about how long that takes."""

    def __init__(self, name, argv, seconds):
        self.name, self.argv, self.seconds = name, argv, seconds


def jobs(build, rounds, seconds, steps, more=()):
    """All of a report, the most telling first. more: options of perf/run and perf/peers."""
    def run(s, n, steps):
        # Two starts of testpmd before and after, a start of pubwire for each trial; devices connect by 50,000 a second.
        trials = 1 + (steps + 4 if steps else 0)
        connecting = scenario.load(s).connections / 20000
        return Job(f"run-{s}-{n}", ["perf/run", s, "--seconds", f"{seconds:g}", "--steps", str(steps), "--build", build, *more],
                   4 * (1 + seconds / 2) + trials * (1.5 + seconds + connecting))
    out = [run(s, 1, 0) for s in OFTEN]
    out += [run(s, 1, steps if s in SEARCHED else 0) for s in ONCE]
    out += [Job(f"peers-{p}", ["perf/peers", p, "--rounds", str(rounds), "--seconds", f"{seconds:g}", "--build", build, *more],
                (15 if p == "latency" else 5) * rounds * (2 + seconds)) for p in PEERS]
    out.append(Job("micro", [os.path.join(build, "perf", "micro"), "--repetitions", "5"], 60))
    return out + [run(s, n, 0) for n in range(2, rounds + 1) for s in OFTEN]


def program(build):
    """What the results are of."""
    h = hashlib.sha256()
    for path in ("app/pubwire", "perf/pktgen/pktgen"):
        with open(bench.Bench.program(build, path), "rb") as f:
            h.update(f.read())
    return h.hexdigest()[:12]


def plans(build):
    """{connections: {"total", "each"}}: what pubwire says that it will reserve for the configuration of perf/run, and with
    what a file leaves out by default, which is the small profile ("default")."""
    out = {}
    for n in (*PLANNED, None):
        # Beside those of a scenario it has room for 64.
        text = bench.configuration([0], scenario.load("one-64"), (n or 0) - 64)
        if n is None:
            text = "".join(line for line in text.splitlines(True) if not re.match(r"memory:|limits:", line))
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as f:
            f.write(text)
            f.flush()
            r = subprocess.run([os.path.join(build, "app", "pubwire"), "--check-config", "--config", f.name], capture_output=True,
                               text=True, check=False)
        total, each = re.search(r"total=(\d+)", r.stdout), re.search(r"idle device connection takes (\d+) bytes", r.stdout)
        if r.returncode or not total or not each:
            raise bench.Failed(f"--check-config: {r.returncode} {r.stdout}{r.stderr}")
        out["default" if n is None else str(n)] = {"total": int(total[1]), "each": int(each[1])}
    return out


class Directory:
    """The files: NAME.json a result, NAME.skipped why there is none, conditions.json what they are of."""

    def __init__(self, path):
        self.path = os.path.abspath(path)

    def file(self, name):
        return os.path.join(self.path, name)

    def read(self, name):
        try:
            with open(self.file(name + ".json"), encoding="utf-8") as f:
                return json.load(f)
        except FileNotFoundError:
            return None
        except ValueError as e:
            raise Bad(f"{self.file(name)}.json: {e}") from e

    def write(self, name, what):
        with open(self.file(name + ".part"), "w", encoding="utf-8") as f:
            json.dump(what, f, indent=1)
            f.write("\n")
        os.rename(self.file(name + ".part"), self.file(name + ".json"))

    def why_not(self, name):
        try:
            with open(self.file(name + ".skipped"), encoding="utf-8") as f:
                return f.read().strip()
        except FileNotFoundError:
            return "not measured"

    def begin(self, build, command):
        """What this machine, tree and build are; the same as before, or the results don't belong together."""
        os.makedirs(self.path, exist_ok=True)
        old = self.read("conditions")
        now = {**machine.conditions(build), "program": program(build), "machine": machine.name(), "command": command,
               "plans": plans(build)}
        if old is None:
            self.write("conditions", now)
            return
        for key in ("program", "machine"):
            if old.get(key) != now[key]:
                raise Bad(f"{self.path}: its results are of {key} {old.get(key)}, and this is {now[key]}: name another directory "
                          "with --results, or take them as they are with --no-run")

    def measure(self, job):
        """(exit status, last line, seconds) of a job; its result is in the directory if it gave one."""
        part, began = self.file(job.name + ".part"), time.monotonic()
        try:
            rc, said = command.output([*job.argv, "--json", part], cwd=machine.REPO)
        except FileNotFoundError:
            rc, said = command.LACKING, f"there is no {job.argv[0]}"
        with open(self.file(job.name + ".txt"), "w", encoding="utf-8") as f:
            f.write(said)
        last = (said.strip().splitlines() or [""])[-1]
        done = rc == 0 and os.path.exists(part)
        if done:
            os.rename(part, self.file(job.name + ".json"))
        for leftover in (part, self.file(job.name + ".skipped")):
            if os.path.exists(leftover):
                os.unlink(leftover)
        if not done:
            with open(self.file(job.name + ".skipped"), "w", encoding="utf-8") as f:
                f.write(last.removeprefix("skipped: ") if rc == command.LACKING else f"failed: {last}")
        return rc, last, time.monotonic() - began


class Stat:
    """A figure of several rounds."""

    def __init__(self, values):
        self.values = list(values)
        self.median, self.least, self.greatest = stats.median(self.values), min(self.values), max(self.values)

    def words(self, form="{:.3f}"):
        middle = form.format(self.median)
        if len(self.values) == 1:
            return middle
        return f"{middle} ({form.format(self.least)}..{form.format(self.greatest)})"


def rate(r):
    """Messages a second with the window full."""
    return r["window"]["delivered_per_second"] / r["window"].get("copies", 1)


def of_wire(r, key="pps_64"):
    """As a share of testpmd's frames in the same run, before and after."""
    wires = [w[key] for w in (r.get("wire"), r.get("wire_after")) if w]
    return rate(r) * len(wires) / sum(wires) if wires and sum(wires) else None


class Results:
    """All of a directory, by what it is."""

    def __init__(self, directory):
        self.directory = directory
        self.conditions = directory.read("conditions")
        if self.conditions is None:
            raise Bad(f"{directory.path}: no conditions.json: no results of perf/report")
        self.runs, self.peers, self.latency = {}, {}, {}
        for f in sorted(os.listdir(directory.path)):
            m = re.fullmatch(r"run-(.+)-\d+\.json", f)
            if m:
                self.runs.setdefault(m[1], []).append(directory.read(f.removesuffix(".json")))
            elif f.startswith("peers-") and f.endswith(".json"):
                p = directory.read(f.removesuffix(".json"))
                self.peers.update(p.get("jobs", {}))
                self.latency.update(p.get("latency", {}))
        self.micro = directory.read("micro")

    def stat(self, name, figure):
        """Of a scenario's runs; None where there are none, or none has the figure."""
        values = [v for v in (figure(r) for r in self.runs.get(name, [])) if v]
        return Stat(values) if values else None

    def cycles(self, name):
        return self.stat(name, lambda r: r["window"].get("cycles"))

    def peer_ratio(self, job):
        """(pubwire over memif by the best peer, its name), or None."""
        p = self.peers.get(job, {})
        ratio = p.get("ratio", {}).get("pubwire")
        return (ratio, p["best_peer"]) if ratio else None

    def at_rates(self, name="latency"):
        """[(rate, percentiles)] of a scenario of latency, by rate."""
        found = [(e["rate"], e) for r in self.runs.get(name, []) for e in r.get("latency", [])]
        return sorted(found, key=lambda f: f[0])

    def micro_figures(self, prefix):
        return [e for e in (self.micro or {}).get("results", []) if e["name"].startswith(prefix) or e.get("bench") == prefix]
