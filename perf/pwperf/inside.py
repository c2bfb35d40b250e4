# SPDX-License-Identifier: BSD-3-Clause
"""What is asked of a pubwire that runs: cycles by stage, heap calls by thread."""

import glob
import os
import struct

from pwlab.telemetry import Telemetry, TelemetryError

ROW = struct.Struct("QQ")


def stages(prefix):
    """The first worker's row of /pubwire/stages; None in a build that does not count."""
    with Telemetry(prefix) as t:
        return t.ask("/pubwire/stages").get("0")


def heap_blocks(prefix):
    """Blocks that DPDK's heaps have given away."""
    with Telemetry(prefix) as t:
        total = 0
        for heap in t.ask("/eal/heap_list"):
            try:
                total += t.ask(f"/eal/heap_info,{heap}").get("Alloc_count", 0)
            except (TelemetryError, AttributeError):
                continue  # no such heap
        return total


class Stages:
    """Of one worker, between two readings."""

    def __init__(self, before, after):
        d = {k: after[k] - before[k] for k in after if k != "cycles_of_1000_switches"}
        self.messages = d.pop("messages")
        self.empty = d.pop("empty_turns")
        self.switches = d.pop("switches")
        self.switch_cycles = after["cycles_of_1000_switches"] / 1000
        self.cycles = d

    def lines(self):
        messages = max(1, self.messages)
        busy = max(1, sum(self.cycles.values()))
        out = [f"{'stage':<14} {'cycles a message':>17} {'share':>7}"]
        for name, c in self.cycles.items():
            out.append(f"{name:<14} {c / messages:>17,.1f} {c / busy:>7.1%}")
        out.append(f"{'all of them':<14} {busy / messages:>17,.1f}          in {self.messages:,} messages; turns that found no work, and "
                   f"pauses: {self.empty / (self.empty + busy):.1%} of the CPU")
        per = self.switches / messages
        out.append(f"The counting itself is about {per * self.switch_cycles:,.1f} of these cycles: {per:.2f} switches a message, "
                   f"{self.switch_cycles:.0f} cycles each, spread over the stages")
        return out

    def json(self):
        return {"messages": self.messages, "cycles": self.cycles, "empty": self.empty, "switches": self.switches,
                "cycles_a_switch": self.switch_cycles}


def thread(pid):
    """The worker's: the one lcore that is not the main one."""
    for comm in glob.glob(f"/proc/{pid}/task/*/comm"):
        with open(comm, encoding="ascii", errors="replace") as f:
            if "worker" in f.read():
                return int(comm.split("/")[4])
    return None


def heap_calls(path):
    """{thread: calls of malloc and its family}, as perf/allocations.c counts them."""
    if not os.path.exists(path):
        return {}
    with open(path, "rb") as f:
        return {tid: calls for tid, calls in ROW.iter_unpack(f.read()) if calls}
