# SPDX-License-Identifier: BSD-3-Clause
"""What pubwire is to reach on one core, and what it has reached."""

from .results import of_wire, rate

WIRE = "of wire"


class Row:
    """A job: what is asked of it for now, where it is going, and what was measured. goals: [(value or None, "least" or
    "most", goal, words)]."""

    def __init__(self, job, now, later, goals):
        self.job, self.now, self.later = job, now, later
        self.goals = goals

    def reached(self):
        """In words, and whether all of it is (None: something was not measured)."""
        words, good = [], True
        for value, kind, goal, text in self.goals:
            if value is None:
                words.append(f"{text}: not measured")
                good = None
                continue
            met = value >= goal if kind == "least" else value <= goal
            words.append(text + ("" if met else f" (wanted: at {kind} {goal:g})"))
            if good is not None:
                good = good and met
        return "; ".join(words), good


def share(r, job, goal, key="pps_64"):
    s = r.stat(job, lambda x: of_wire(x, key))
    return (s and s.median, "least", goal, f"{s.words()} {WIRE}" if s else WIRE)


def peer(r, job, goal):
    found = r.peer_ratio(job)
    return (found and found[0], "least", goal, f"{found[0]:.1f} x {found[1]}" if found else "best peer")


def cycles(r, brokers, goal):
    one, many = r.cycles("brokers-1"), r.cycles(f"brokers-{brokers}")
    words = f"cycles with {brokers} brokers to one"
    if one is None or many is None:
        return (None, "most", goal, words)
    ratio = many.median / one.median
    return (ratio, "most", goal, f"{ratio:.2f} x ({many.median:,.0f} and {one.median:,.0f} cycles)")


def percentiles(point, goals):
    """goals: [(percentile, microseconds)]."""
    out = []
    for p, goal in goals:
        v = point and point[p]
        name = p.replace("_", ".")
        out.append((v, "most", goal, f"{name} {v:,.1f} us" if v is not None else name))
    return out


def half(points):
    """Percentiles nearest to half of the found maximum; and that rate."""
    rates = [p for p in points if p[0] != 10000]
    # 10, 50 and 90 % of it.
    return rates[len(rates) // 2][1] if len(rates) == 3 else None


def beside(r, job, goal, words):
    """The rate of a scenario, as a share of one-64's."""
    many, thousand = r.stat(job, rate), r.stat("one-64", rate)
    if many is None or thousand is None:
        return (None, "least", goal, words)
    return (many.median / thousand.median, "least", goal, f"{words}: {many.median / thousand.median:.2f}")


def idle(r):
    """What counts is what pubwire's heap takes more for so many than for none; the plan says what of it is the connection's own."""
    plan = r.conditions["plans"].get("1000000")
    told = r.stat("idle-1000000", lambda x: x["window"].get("bytes_per_connection"))
    own = f", {plan['each']} of them its own" if plan else ""
    busy = r.stat("idle-1000000", lambda x: x["window"].get("pubwire_busy_share"))
    b = busy.median * 100 if busy else None
    return [(told and told.median, "most", 512, f"{told.median:,.0f} bytes a connection in all{own}" if told else "bytes in all"),
            (b, "most", 5, f"{b:.1f} % of the core" if busy else "share of the core")]


def hop(r):
    parts = [e["cycles"]["median"] for e in r.micro_figures("hop") if e.get("param") == "log" and e["name"] in ("hop-put", "hop-get")]
    v = sum(parts) if len(parts) == 2 else None
    return [(v, "most", 100, f"{v:.0f} cycles a message through the log" if v is not None else "hop through the log")]


def table(r):
    points = r.at_rates()
    slow = next((e for at, e in points if at == 10000), None)
    default = r.conditions["plans"]["default"]["total"] / 1e6
    return [
        Row("64 B, QoS 0, one PUBLISH a segment, 1,000 connections, 1 broker", "0.25 of wire, 20 x best peer", "0.5, 50 x",
            [share(r, "one-64", 0.25), peer(r, "one-64", 20)]),
        Row("the same, segments full", "1.5 of wire, 8 x best peer", "5, 25 x", [share(r, "full-64", 1.5), peer(r, "full-64", 8)]),
        Row("1024 B, one a segment", "0.25 of wire at the same size of frames, 15 x best peer", "0.6",
            [share(r, "one-1024", 0.25, "pps_same"), peer(r, "one-1024", 15)]),
        Row("256 B, QoS 1, 32 in flight", "0.12 of wire, 15 x best peer", "0.3", [share(r, "qos1-256", 0.12), peer(r, "qos1-256", 15)]),
        Row("256 B, QoS 0, to 4 brokers", "1.5 x the cycles of one broker", "8 brokers at 1.5 x",
            [cycles(r, 4, 1.5)]),
        Row("10,000 messages/s, 256 B", "p50 15 us, p99 50 us", "8 and 20 us", percentiles(slow, [("p50", 15), ("p99", 50)])),
        Row("half of the found maximum, 256 B", "p99 100 us, p99.9 500 us", "30 and 100 us",
            percentiles(half(points), [("p99", 100), ("p99_9", 500)])),
        Row("100,000 and 1,000,000 connections, each speaking in turn", "0.6 and 0.4 of the rate at 1,000", "0.8",
            [beside(r, "connections-100000", 0.6, "100,000"), beside(r, "connections-1000000", 0.4, "1,000,000")]),
        Row("a million idle connections", "512 bytes each, keepalives under 5 % of the core", "256 bytes", idle(r)),
        Row("memory, small profile", "50 MB", "32 MB", [(default, "most", 50, f"{default:.1f} MB, the plan of the default file")]),
        Row("a hop between lcores, in bursts", "100 cycles a message", "", hop(r)),
    ]
