# SPDX-License-Identifier: BSD-3-Clause
"""Who ran on a CPU and when, as the kernel's scheduler tells perf_event_open(2): what else had the CPU of one who polls. And the
latencies of the messages that none of it held up."""

import collections
import ctypes
import fcntl
import mmap
import os
import platform
import re
import struct

SYSCALL = {"x86_64": 298, "aarch64": 241}
# linux/perf_event.h
TYPE_SOFTWARE, COUNT_SW_DUMMY = 1, 9
SAMPLE_TID, SAMPLE_TIME, SAMPLE_CPU = 1 << 1, 1 << 2, 1 << 7
DISABLED, SAMPLE_ID_ALL, USE_CLOCKID, CONTEXT_SWITCH = 1 << 0, 1 << 18, 1 << 25, 1 << 26
ENABLE, DISABLE = 0x2400, 0x2401
CLOCK_MONOTONIC = 1
RECORD_LOST, RECORD_SWITCH_CPU_WIDE, SWITCH_OUT = 2, 15, 1 << 13
FLAG_FD_CLOEXEC = 1 << 3
ATTR = struct.Struct("=IIQQQQQIIQQQQIiQI4x")
HEAD, TAIL = 1024, 1032  # of struct perf_event_mmap_page
PAGES = 128              # of records: 6,500 switches, each two of 40 bytes
SECONDS = 30             # that pktgen --slots takes
GENERATOR = "the generator stood still"
FEW = 1000               # messages: too few for a 99th percentile


class Unwatched(Exception):
    """The kernel does not tell."""


class Cpu:
    """The switches of one."""

    def __init__(self, cpu):
        self.cpu = cpu
        attr = ATTR.pack(TYPE_SOFTWARE, ATTR.size, COUNT_SW_DUMMY, 0, SAMPLE_TID | SAMPLE_TIME | SAMPLE_CPU, 0,
                         DISABLED | SAMPLE_ID_ALL | USE_CLOCKID | CONTEXT_SWITCH, 0, 0, 0, 0, 0, 0, 0, CLOCK_MONOTONIC, 0, 0)
        libc = ctypes.CDLL(None, use_errno=True)
        self.fd = libc.syscall(SYSCALL.get(platform.machine(), -1), attr, -1, cpu, -1, FLAG_FD_CLOEXEC)
        if self.fd < 0:
            raise Unwatched(f"perf_event_open: {os.strerror(ctypes.get_errno())}; expected root, or CAP_PERFMON")
        try:
            self.ring = mmap.mmap(self.fd, (1 + PAGES) * mmap.PAGESIZE, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
        except OSError as e:
            os.close(self.fd)
            raise Unwatched(f"perf_event_open: {e}") from e

    def close(self):
        self.ring.close()
        os.close(self.fd)

    def records(self):
        """(type, misc, bytes) of what the ring holds; it is empty then."""
        head, = struct.unpack_from("=Q", self.ring, HEAD)
        at, = struct.unpack_from("=Q", self.ring, TAIL)
        size = PAGES * mmap.PAGESIZE
        data = self.ring[mmap.PAGESIZE:mmap.PAGESIZE + size]
        data += data  # a record may go round the end
        while at < head:
            kind, misc, n = struct.unpack_from("=IHH", data, at % size)
            yield kind, misc, data[at % size:at % size + n]
            at += n
        struct.pack_into("=Q", self.ring, TAIL, head)

    def switches(self):
        """[(ns, process, thread)]: from then on that one ran."""
        out = []
        for kind, misc, record in self.records():
            if kind == RECORD_LOST:
                raise Unwatched("more switches than were expected")
            if kind == RECORD_SWITCH_CPU_WIDE and not misc & SWITCH_OUT:
                pid, tid, ns = struct.unpack_from("=IIQ", record, len(record) - 24)
                out.append((ns, pid, tid))
        return out


class Watch:
    """Of several CPUs, between start() and stop(). Raises Unwatched where the kernel does not tell."""

    def __init__(self, cpus):
        self.cpus = []
        try:
            for c in cpus:
                self.cpus.append(Cpu(c))
        except Unwatched:
            self.close()
            raise

    def close(self):
        for c in self.cpus:
            c.close()
        self.cpus = []

    def start(self):
        for c in self.cpus:
            fcntl.ioctl(c.fd, ENABLE, 0)

    def stop(self):
        for c in self.cpus:
            fcntl.ioctl(c.fd, DISABLE, 0)

    def switches(self):
        """{CPU: [(ns, process, thread)]} since the start."""
        return {c.cpu: c.switches() for c in self.cpus}


def name_of(tid):
    """A thread's; the kernel's workers under one name."""
    try:
        with open(f"/proc/{tid}/comm", encoding="ascii", errors="replace") as f:
            return re.sub(r"^(kworker|ksoftirqd|migration|cpuhp)/.*", r"\1", f.read().strip())
    except OSError:
        return "programs that have ended"


def taken(switches, ours, begin, end, name=name_of):
    """[(from, to, who)] in which one CPU ran a process that is none of ours, nor was idle."""
    out, names = [], {}
    for (ns, pid, tid), until in zip(switches, [s[0] for s in switches[1:]] + [end]):
        a, b = max(ns, begin), min(until, end)
        if a < b and pid != 0 and pid not in ours:
            if tid not in names:
                names[tid] = name(tid)
            out.append((a, b, names[tid]))
    return out


def by_name(pauses):
    """{who: ms}, the most first."""
    ms = collections.Counter()
    for a, b, who in pauses:
        ms[who] += (b - a) / 1e6
    return dict(ms.most_common())


def held_up(pauses, load):
    """[(from, to)]: pauses, and after each the time in which what had come meanwhile is worked off, where load is the share of the
    time that work takes: of a queue that nothing but its load fills."""
    out = []
    for a, b, _ in sorted(pauses):
        rest = max(0, out[-1][1] - a) if out else 0
        until = b + rest + (b - a) * load / (1 - load) if load < 1 else float("inf")
        if rest:
            out[-1] = (out[-1][0], max(until, out[-1][1]))
        else:
            out.append((a, until))
    return out


class Slots:
    """What pktgen --slots wrote."""

    def __init__(self, path):
        with open(path, encoding="ascii") as f:
            self.begin, self.end, self.ns = map(int, f.readline().split())
            self.slots, self.pauses = {}, []
            for line in f:
                slot, *counts = line.split()
                if slot == "pause":
                    self.pauses.append((*map(int, counts), GENERATOR))
                    continue
                self.slots[int(slot)] = [tuple(map(int, c.split(":"))) for c in counts]
        self.n = max(1, (self.end - self.begin + self.ns - 1) // self.ns)

    def apart(self, spans):
        """Percentiles of messages that were due in slots that no span touches; and the share of the slots that are left out."""
        out = set()
        for a, b in spans:
            out.update(range(max(0, int((a - self.begin) // self.ns)), min(self.n, int(min(b, self.end) - self.begin) // self.ns + 1)))
        counts = collections.Counter()
        for slot, found in self.slots.items():
            if slot not in out:
                for edge, n in found:
                    counts[edge] += n
        total = sum(counts.values())
        r = {"count": total, "left_out_share": len(out) / self.n}
        if total >= FEW:
            r.update(quantiles(counts, total))
        return r


def quantiles(counts, total):
    """Microseconds, of {ns: messages}."""
    out, left = {}, {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99_9": 0.999}
    seen = 0
    for edge in sorted(counts):
        seen += counts[edge]
        for p, share in list(left.items()):
            if seen >= share * total:
                out[p] = edge / 1000
                del left[p]
    return out
