# SPDX-License-Identifier: BSD-3-Clause
"""Stacks of perf's samples: what `perf script` prints, as tuples of function names from the loop down, with how often each was
seen; and which room of the repository a function belongs to."""

import collections
import glob
import os
import re

REPO = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
# A worker's stack begins here; what called it (EAL, the thread library) says nothing.
BASE = "pw_worker_turn", "loop"
CUT = "(stack cut off)"
# What counts cycles by stage, in builds that do: the instrument, and no part of the path.
COUNTING = re.compile(r"pw_stages?_")
FRAME = re.compile(r"\s*[0-9a-f]+ (.+) \(([^()]*(?:\([^()]*\))?[^()]*)\)$")
# What compilers add to the names of parts and copies of functions, and perf to addresses.
SUFFIX = re.compile(r"(\+0x[0-9a-f]+|\.(part|isra|constprop|cold|lto_priv)(\.\d+)?)+$|@plt$")
ROOMS = ("worker", "wire", "tcp", "mqtt", "forward", "base")
OTHERS = ("DPDK", "driver", "C library", "kernel", "other")


def frame(line):
    """(function, object) of a line of a stack; None where it is none."""
    m = FRAME.match(line)
    if not m:
        return None
    name, dso = m.groups()
    name = SUFFIX.sub("", name)
    if name == "[unknown]":
        name = f"[{os.path.basename(dso).split('.so')[0].removeprefix('librte_')}]"
    return name, dso


def samples(text):
    """Each sample of `perf script -F ip,sym,dso`: its frames, innermost first."""
    for block in text.split("\n\n"):
        frames = [f for f in map(frame, block.splitlines()) if f]
        if frames:
            yield frames


def fold(text):
    """(Counter of stacks, outermost first; {function: where}; samples in what counts stages, which no stack is of). A function
    that is inlined is one of its own. Where the stack ends before the loop, its base is CUT."""
    stacks, where, counting = collections.Counter(), {}, 0
    for frames in samples(text):
        names = []
        # An inlined function lies in the object of the one that it is part of.
        for i, (name, dso) in enumerate(frames):
            real = next((d for _, d in frames[i:] if d != "inlined"), dso)
            where.setdefault(name, real)
            if not names or names[-1] != name:
                names.append(name)
        if any(map(COUNTING.match, names)):
            counting += 1
            continue
        base = next((names.index(b) for b in reversed(BASE) if b in names), None)
        stack = names[:base + 1] if base is not None else names + [CUT]
        stacks[tuple(reversed(stack))] += 1
    return stacks, where, counting


def self_and_inclusive(stacks):
    """Two Counters by function: samples in it, and in it or what it called."""
    own, all_ = collections.Counter(), collections.Counter()
    for stack, n in stacks.items():
        own[stack[-1]] += n
        for name in set(stack):
            all_[name] += n
    return own, all_


def sources(repo=REPO):
    """{function: {rooms that define one of that name}}, as the sources have them: names stand at the beginning of a line."""
    found = collections.defaultdict(set)
    for room in ROOMS:
        for path in glob.glob(os.path.join(repo, "lib", room, "*.[ch]")) + \
                glob.glob(os.path.join(repo, "include", "pubwire", room, "*.h")):
            with open(path, encoding="utf-8") as f:
                for name in re.findall(r"^([a-z_]\w*)\(", f.read(), re.M):
                    found[name].add(room)
    return found


def outside(name, dso):
    """The room of what is not in this repository."""
    if "kernel" in dso or dso == "[vdso]":
        return "kernel"
    if "/pmds-" in dso or "librte_net_" in dso:
        return "driver"
    if name.startswith(("rte_", "__rte_", "_rte_")) or "librte_" in dso:
        return "DPDK"
    if re.search(r"/(libc|ld-linux[^/]*|libpthread|libm)[.-]", dso):
        return "C library"
    return "other"


def rooms_of(stack, where, known):
    """The room of each function of a stack. Of several of that name, the one in the room that called it."""
    out, room = [], "worker"
    for name in stack:
        mine = known.get(name)
        if mine:
            room = room if room in mine else sorted(mine)[0]
            out.append(room)
        else:
            out.append(outside(name, where.get(name, "")))
    return out


def by_room(stacks, where, known):
    total = collections.Counter()
    for stack, n in stacks.items():
        total[rooms_of(stack, where, known)[-1]] += n
    return total
