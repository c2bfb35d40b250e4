# SPDX-License-Identifier: BSD-3-Clause
"""Baselines: what a machine of some kind was seen to do, as a file of text, and what is said of a measurement beside one.

Only shares of testpmd's frames in the same run are held against each other: rates of two days tell as much of the other
work on the host as of pubwire. Even shares do not stand still: where the host moves the CPUs of a guest away from each
other, or together, testpmd's rate changes twofold and pubwire's by a quarter, because testpmd does nothing but hand frames from one CPU
to the other. So each round of a baseline keeps its own wire, and a measurement is held against rounds with a wire like its own."""

import os
import re
import tomllib

from . import rounds, stats

DIR = os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), "baselines")
SCENARIOS = ("one-64", "full-64", "qos1-256")
# A share below this of the baseline's is no noise, if it comes again and again.
WORSE = 0.5
REPEATS = 3
# Rounds of a moment with a quiet host lie closer together than those of two days.
SLACK = 0.9
HEAD = """# SPDX-License-Identifier: BSD-3-Clause
# Written by perf/baseline save. `ratios`, of rounds, are messages per frame that dpdk-testpmd (macswap, 64 bytes) passes on
# in the same round, and `wires` those frames a second: all that perf/baseline compare judges by. `ratio` is the median.
# The other figures are what this machine did on that day.
"""
PAGES = {True: "pages-2M", False: "pages-4K"}


class Bad(Exception):
    """A file that is not as perf/baseline save writes it."""


def path(machine):
    return os.path.join(DIR, f"{machine}.toml")


def load(file):
    """{"pages-2M": {..., "scenarios": {name: entry}}}; {} where there is no file."""
    try:
        with open(file, "rb") as f:
            out = tomllib.load(f)
    except FileNotFoundError:
        return {}
    except tomllib.TOMLDecodeError as e:
        raise Bad(f"{file}: {e}") from e
    for pages, kind in out.items():
        if pages not in PAGES.values() or not isinstance(kind, dict) or not isinstance(kind.get("scenarios"), dict):
            raise Bad(f"{file}: [{pages}]: expected one of {', '.join(PAGES.values())}, with scenarios")
        for name, e in kind["scenarios"].items():
            for key in ("ratios", "wires"):
                numbers = e.get(key) if isinstance(e, dict) else None
                if (not isinstance(numbers, list) or not numbers or len(numbers) != len(e["ratios"])
                        or not all(isinstance(n, (int, float)) and n > 0 for n in numbers)):
                    raise Bad(f"{file}: [{pages}.scenarios.{name}]: expected {key}: as many numbers above 0 as there are rounds")
    return out


def value(v):
    if isinstance(v, str):
        return '"' + re.sub(r'(["\\])', r"\\\1", v) + '"'
    return str(v)


def text(kinds):
    """Of {pages: kind}: one line a figure, so that a difference is read."""
    out = [HEAD]
    for pages in sorted(kinds):
        kind = kinds[pages]
        out.append(f"[{pages}]\n" + "".join(f"{k} = {value(v)}\n" for k, v in kind.items() if k != "scenarios"))
        for name, entry in kind["scenarios"].items():
            out.append(f"[{pages}.scenarios.{name}]\n" + "".join(f"{k} = {value(v)}\n" for k, v in entry.items()))
    return "\n".join(out)


def save(file, pages, kind):
    """Replace what the file says of such pages, and leave the rest as it is."""
    kinds = {**load(file), pages: kind}
    os.makedirs(os.path.dirname(file), exist_ok=True)
    with open(file + ".new", "w", encoding="utf-8") as f:
        f.write(text(kinds))
    os.rename(file + ".new", file)


def entry(trials, shares, old=None):
    """Of a scenario, from its rounds, and from those of an entry that was there before."""
    ratios = (old["ratios"] if old else []) + [round(s.ratio, 4) for s in shares]
    wires = (old["wires"] if old else []) + [round(s.wire) for s in shares]
    latency = [t["latency_us"] for t in trials]
    return {"ratio": round(stats.median(ratios), 4), "ratios": ratios, "wires": wires,
            "messages_per_second": round(stats.median(s.rate for s in shares)),
            "cycles": round(stats.median(t["cycles"] for t in trials)),
            "p50_us": round(stats.median(l["p50"] for l in latency), 1),
            "p99_us": round(stats.median(l["p99"] for l in latency), 1)}


def alike(entry, wire):
    """Ratios of the rounds whose wire was like this one; where there are none, the least of all."""
    found = [r for r, w in zip(entry["ratios"], entry["wires"]) if rounds.apart(w, wire) <= rounds.QUIET]
    return found or [min(entry["ratios"])]


class Judgement:
    """Of one scenario, from its Shares so far. what: ok, warn, fail, or again (measure once more); why, in words.

    own: the baseline is of this kind of machine; more: there is time for another round. It fails only where every round was below
    half, testpmd's own rate held still in two of them at least, and no round may come."""

    def __init__(self, entry, tries, own, more=True):
        def part(t):
            return t.ratio / stats.median(alike(entry, t.wire))
        self.best = max(tries, key=part)
        self.held = alike(entry, self.best.wire)
        self.what, self.why = self.judge(part(self.best), tries, own, more)

    def judge(self, part, tries, own, more):
        share = f"{part:.2f} of the baseline"
        if part < WORSE:
            if more and len(tries) <= REPEATS:
                return "again", share
            if not own:
                return "warn", f"{share}, which is of another kind of machine"
            if len(tries) <= REPEATS:
                return "warn", f"{share}; no time to see it {1 + REPEATS} times"
            if sum(t.quiet for t in tries) < 2:
                return "warn", f"{share}, but testpmd's own rate did not hold still"
            return "fail", f"{share}, in the best of {len(tries)} rounds"
        if self.best.ratio < min(self.held) * SLACK:
            return "warn", f"{share}, below its rounds"
        return "ok", share
