# SPDX-License-Identifier: BSD-3-Clause
"""The report: pictures, and the part of docs/performance.md between two comments."""

import os

from . import svg, targets
from .results import OFTEN, ONCE, of_wire, rate

BEGINS, ENDS = "<!-- perf/report: begins -->", "<!-- perf/report: ends -->"
PERCENTILES = (("p50", "p50"), ("p90", "p90"), ("p99", "p99"), ("p99_9", "p99.9"))
# In the order of the colours: pubwire's is the first everywhere.
FORWARDERS = ("pubwire", "pubwire-af_packet", "haproxy", "nginx", "mosquitto")
FLOOR = (("p99", "p99"), ("p99_9", "p99.9"))
NONE = "none"
SIZES = (64, 256, 1024, 4096)


class Bad(Exception):
    """A page without the two comments."""


def conditions(r):
    """One line under each picture's title."""
    c = r.conditions
    pages = {x.get("hugepages") for runs in r.runs.values() for x in runs}
    kind = {frozenset((True,)): "pages of 2 MiB", frozenset((False,)): "pages of 4 KiB"}.get(frozenset(pages), "pages of 2 MiB or 4 KiB")
    return f"{c['cpu']}, one worker on one core, memif, {kind}, {c['date'][:10]}"


def by_payload(r):
    groups = []
    for size in SIZES:
        found = [r.stat(f"one-{size}", rate), r.stat(f"full-{size}", rate)]
        if any(found):
            groups.append((f"{size} B", [f and f.median for f in found]))
    if groups:
        return svg.columns("Messages a second by payload, QoS 0, 1 broker", conditions(r),
                           ["one PUBLISH a segment", "segments full"], groups, "messages/s")
    return None


def by_brokers(r):
    groups = []
    for n in (1, 2, 4, 8):
        f = r.stat(f"brokers-{n}", rate)
        if f:
            groups.append((f"{n} broker" + "s" * (n > 1), [f.median, f.median * n]))
    if groups:
        return svg.columns("Messages a second by brokers, 256 B, QoS 0", conditions(r), ["in, from devices", "out, to all brokers"],
                           groups, "messages/s")
    return None


def latency(r):
    series = {}
    found = r.at_rates()
    for at, e in found:
        if e["p50"] > 0:
            series[f"{svg.short(at)}/s"] = [(i, e[p]) for i, (p, _) in enumerate(PERCENTILES)]
    if series:
        return svg.curves("One-way latency by load, 256 B, QoS 0, 1 broker", conditions(r), series, [n for _, n in PERCENTILES],
                          "percentile of all messages of a trial", "us, device to broker")
    return None


def latency_peers(r):
    at = r.latency.get("latency", {}).get("10000")
    if not at:
        return None
    known = [(p, n) for p, n in PERCENTILES if all(p in row for row in at.values())]
    series = {}
    for name in (*FORWARDERS, NONE):
        points = [(i, at[name][p]["median"]) for i, (p, _) in enumerate(known)] if name in at else []
        if points and min(v for _, v in points) > 0:
            series["no forwarder" if name == NONE else name] = points
    return svg.curves("Latency at 10,000 messages/s beside what one would take instead, 256 B",
                      conditions(r).replace(", memif", ""), series, [n for _, n in known], "percentile",
                      "us, device to broker") if series else None


def memory(r):
    plans = r.conditions["plans"]
    groups = [(f"{int(n):,}", [(0, p["total"] / 1e6, f"{p['total'] / 1e6:,.0f} MB: {p['total'] / int(n):,.0f} bytes a connection")], None)
              for n, p in plans.items() if n != "default"]
    each = plans["1000000"]["each"]
    return svg.rows("Memory by connections, all of pubwire", f"reserved at start, with the buffers of perf/run; an idle connection takes {each} "
                    "bytes of it", ["MB"], groups, "MB (logarithmic)", log=True)


def wires(r):
    goals = {"one-64": 0.25, "full-64": 1.5, "qos1-256": 0.12}
    groups = []
    for name in OFTEN:
        s = r.stat(name, of_wire)
        if s:
            groups.append((name, [(0, s.median, s.words())], goals.get(name)))
    if groups:
        return svg.rows("Messages per frame of 64 bytes that testpmd passes on in the same run", conditions(r) + "; upright: goal for now",
                        ["pubwire"], groups, "messages/s to testpmd's frames/s")
    return None


def peers(r):
    groups, names = [], [f for f in FORWARDERS if any(f in j["rows"] for j in r.peers.values())]
    for job, found in r.peers.items():
        best = found["rows"].get(found.get("best_peer"), {}).get("per_cpu_second", {}).get("median")
        bars = []
        for i, f in enumerate(names):
            if f in found["rows"]:
                v = found["rows"][f]["per_cpu_second"]["median"]
                times = f" ({v / best:.1f} x)" if best and f.startswith("pubwire") else ""
                bars.append((i, max(v, 1), svg.short(v) + times))
        if bars:
            groups.append((job, bars, None))
    if groups:
        return svg.rows("Messages for each second of the forwarder's CPU", "same devices, brokers and payloads, alternating in one run; x: beside "
                        "the best of haproxy, nginx, mosquitto", names, groups, "messages a CPU-second (logarithmic)", log=True)
    return None


def copy_break(r):
    series, sizes = {}, []
    both = {}
    for e in r.micro_figures("copy-break"):
        both.setdefault((e["param"], e["size"]), {})[e["name"]] = e["cycles"]["median"]
    for (param, size), c in both.items():
        if len(c) == 2 and size:
            sizes = sorted({*sizes, size})
            series.setdefault(param, []).append((size, c["by-copy"] / c["by-reference"]))
    if not series:
        return None
    series = {n: [(sizes.index(s), v) for s, v in points] for n, points in series.items()}
    return svg.curves("A copy's cycles to a reference's, by payload and brokers", "below 1 a copy is cheaper; perf/micro, one thread, in the cache",
                      series, [str(s) for s in sizes], "bytes of payload", "cycles by copy / by reference", marks_y=marks(series))


def marks(series):
    """Halves and doubles around all values, with 1 among them."""
    values = [v for points in series.values() for _, v in points]
    low, high = 0.5, 2.0
    while low > min(values):
        low /= 2
    while high < max(values):
        high *= 2
    out = [low]
    while out[-1] < high:
        out.append(out[-1] * 2 ** 0.5 if high / low <= 4 else out[-1] * 2)
    return out


PICTURES = (("throughput-payload", by_payload, "Messages a second by payload"), ("throughput-brokers", by_brokers, "Messages a second by brokers"),
            ("ratio-testpmd", wires, "Messages per frame of testpmd's"), ("peers", peers, "Messages a CPU-second beside other forwarders"),
            ("latency", latency, "Latency percentiles by load"), ("latency-peers", latency_peers, "Latency beside other forwarders"),
            ("memory", memory, "Memory by connections"), ("copy-break", copy_break, "Copy against reference by payload"))


def lines(header, found):
    return ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)] + ["| " + " | ".join(row) + " |" for row in found] + [""]


def targets_table(r):
    out = []
    for row in targets.table(r):
        words, good = row.reached()
        state = {True: "reached", False: "not yet", None: "open"}[good]
        out.append((row.job, row.now, row.later, f"**{state}**: {words}"))
    return lines(("job", "step for now", "where it is going", "today"), out)


def runs_table(r):
    out = []
    for name in sorted(r.runs, key=lambda n: ([*OFTEN, *ONCE, n].index(n), n)):
        found, s = r.runs[name], r.stat(name, rate)
        if s is None:
            w = found[0]["window"]
            if w["sent_per_second"] == 0:
                out.append((name, found[0]["about"], f"{w['connected']:,} connected", "", "", "", ""))
            continue
        wire, same, cycles = r.stat(name, of_wire), r.stat(name, lambda x: of_wire(x, "pps_same")), r.cycles(name)
        full = sum(x["window"]["window_full_share"] > 0.5 for x in found)
        limit = "pubwire" if full == len(found) else "generator" if not full else "either"
        out.append((name, found[0]["about"], s.words("{:,.0f}"), wire.words() if wire else "", f"{same.median:.3f}" if same else "",
                    cycles.words("{:,.0f}") if cycles else "", limit))
    return lines(("scenario", "", "messages/s, median (least..greatest)", "of wire, 64 B", "of wire, same size", "cycles of pubwire's a message",
                  "limit"), out)


def latency_table(r):
    def floor(e):
        return [f"{e['floor_us'][p]:,.1f}" if e.get("floor_us") else "" for p, _ in FLOOR]

    def apart(e):
        found = e.get("apart_us")
        if not found:
            return ["", "", ""]
        return [*[f"{found[p]:,.1f}" if p in found else "" for p, _ in FLOOR], f"{found['left_out_share']:.1%}"]
    found = [(f"{at:,.0f}", *[f"{e[p]:,.1f}" for p, _ in PERCENTILES], f"{e['max']:,.0f}", str(e["lost"]), *floor(e), *apart(e))
             for at, e in r.at_rates()]
    return [*lines(("messages/s", *[n + ", us" for _, n in PERCENTILES], "greatest, us", "lost", *[f"floor {n}, us" for _, n in FLOOR],
                   *[f"apart from pauses {n}, us" for _, n in FLOOR], "left out"), found),
            "\"Floor\" is frames of a message's size that the generator sends at the same rate, and `dpdk-testpmd` passes on in pubwire's place, in "
            "the same run, the next moment: what the machine and the generator make late. \"Apart from pauses\" leaves out messages that were due while "
            "something else had one of the two CPUs, or while pubwire worked off what had come meanwhile; \"left out\" is the share of the time. It "
            "stands beside the first figures, never for them.", ""] if found else []


def peers_table(r):
    out = []
    for job, found in r.peers.items():
        for name, row in found["rows"].items():
            p = row["per_cpu_second"]
            out.append((job, name, f"{p['median']:,.0f} ({p['min']:,.0f}..{p['max']:,.0f})", f"{row['per_second']['median']:,.0f}",
                        f"{row['busy']['median']:.0%}", ", ".join(sorted(set(row["limit"])))))
    return lines(("job", "forwarder", "messages a CPU-second, median (least..greatest)", "messages/s", "CPU", "limit"), out) if out else []


def micro_table(r):
    """Cycles by name; by size where there are sizes. What the curve shows is not repeated."""
    found = {}
    for e in r.micro_figures(""):
        if e.get("bench") != "copy-break":
            key = (e["name"], e.get("param") or "", e.get("operation") or "operation")
            found.setdefault(key, {})[e.get("size")] = f"{e['cycles']['median']:,.0f}"
    rows = [(n, p, op, *[f.get(s, "") for s in (None, *SIZES)]) for (n, p, op), f in found.items()]
    return lines(("part", "with", "cycles for each", "any size", *[f"{s} B" for s in SIZES]), rows) if rows else []


def missing(r, jobs):
    out = [f"* {j.name}: {r.directory.why_not(j.name)}" for j in jobs if r.directory.read(j.name) is None]
    return ["Not measured:", "", *out, ""] if out else []


def commands(r, jobs):
    """What was run, one line for all that differ by their scenario only."""
    seen = {}
    for j in jobs:
        if r.directory.read(j.name) is not None:
            words = [w if w != j.argv[1] or w.startswith("-") else "SCENARIO" for w in j.argv]
            seen.setdefault(" ".join(words), []).append(j.argv[1])
    return ["    " + r.conditions["command"], "", "which runs", "", *["    " + c for c in seen], ""]


def section(title, body):
    return [f"### {title}", "", *body] if any(body) else []


def block(r, jobs, drawn):
    """What stands between the comments."""
    c = r.conditions
    loads = [x["load_before"] for runs in r.runs.values() for x in runs if "load_before" in x]

    def picture(name):
        return next(([f"![{words}](perf/{n}.svg)", ""] for n, _, words in PICTURES if n == name and n in drawn), [])
    machine = (f"{c['date']}: {c['cpu']}, {c['cpus']} CPUs, {c['mhz']} MHz, Linux {c['kernel']}, DPDK {c['dpdk']}, {c['compiler']}, "
               f"{c['build']}, pubwire of {c['revision']}. Load average before the runs: {min(loads):.1f} to {max(loads):.1f}."
               if loads else f"{c['date']}: {c['cpu']}, pubwire of {c['revision']}.")
    return "\n".join([
        BEGINS, "## Figures", "", machine, "\"Wire\" is frames of 64 bytes that `dpdk-testpmd` (macswap) passes on in pubwire's place over the "
        "same pair of memif, in the same run, before and after. Where a figure has a spread, it is of so many runs; the others were run once.", "",
        *section("Targets", targets_table(r)),
        *section("Throughput", picture("throughput-payload") + picture("throughput-brokers") + picture("ratio-testpmd") + runs_table(r)),
        *section("Beside other forwarders", picture("peers") + peers_table(r)),
        *section("Latency", picture("latency") + latency_table(r) + picture("latency-peers")),
        *section("Memory by connections", picture("memory")),
        *section("Parts of the path", picture("copy-break") + micro_table(r)),
        *section("How it was measured", commands(r, jobs) + missing(r, jobs)), ENDS])


def replace(text, new):
    """The page with a new block."""
    before, begins, rest = text.partition(BEGINS)
    _, ends, after = rest.partition(ENDS)
    if not begins or not ends:
        raise Bad(f"expected the lines {BEGINS} and {ENDS}, between which the report goes")
    return before + new + after


def write(r, jobs, file):
    """Pictures into perf/ beside the page, and the page. Returns the names of the pictures."""
    with open(file, encoding="utf-8") as f:
        text = f.read()
    drawn = {name: xml for name, draw, _ in PICTURES if (xml := draw(r))}
    new = replace(text, block(r, jobs, drawn))
    where = os.path.join(os.path.dirname(file) or ".", "perf")
    os.makedirs(where, exist_ok=True)
    for name, _, _ in PICTURES:
        path = os.path.join(where, name + ".svg")
        if name in drawn:
            with open(path, "w", encoding="utf-8") as f:
                f.write(drawn[name])
        elif os.path.exists(path):
            os.unlink(path)
    with open(file, "w", encoding="utf-8") as f:
        f.write(new)
    return list(drawn)
