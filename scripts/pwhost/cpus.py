# SPDX-License-Identifier: BSD-3-Clause
"""CPUs: lists of them, NUMA nodes, siblings."""

from .host import HostError

CPU = "/sys/devices/system/cpu"


def parse(text):
    """"0,2-4" as a sorted list; HostError where it is no such list."""
    found = set()
    for part in (text or "").replace("\n", ",").split(","):
        part = part.strip()
        if not part:
            continue
        first, _, last = part.partition("-")
        try:
            found.update(range(int(first), int(last or first) + 1))
        except ValueError:
            raise HostError(f"'{text}' is no list of CPUs such as 1,4-7") from None
    return sorted(found)


def text(cpus):
    """A list as the kernel writes it: 0,2-4."""
    parts, cpus = [], sorted(set(cpus))
    while cpus:
        n = 1
        while n < len(cpus) and cpus[n] == cpus[0] + n:
            n += 1
        parts.append(str(cpus[0]) if n == 1 else f"{cpus[0]}-{cpus[n - 1]}")
        cpus = cpus[n:]
    return ",".join(parts)


def online(host):
    return parse(host.read(f"{CPU}/online", "0"))


def isolated(host):
    return parse(host.read(f"{CPU}/isolated", ""))


def siblings(host, cpu):
    """Other CPUs of the same core."""
    same = parse(host.read(f"{CPU}/cpu{cpu}/topology/thread_siblings_list", str(cpu)))
    return [c for c in same if c != cpu]


def node(host, cpu):
    """NUMA node of a CPU; 0 where the kernel knows of none."""
    for n in nodes(host):
        if cpu in parse(host.read(f"/sys/devices/system/node/node{n}/cpulist", "")):
            return n
    return 0


def nodes(host):
    return [int(p[p.rindex("node") + 4:]) for p in host.glob("/sys/devices/system/node/node[0-9]*")]


def command_line(host, key):
    """Value of a parameter of the kernel's command line; None where it is not there."""
    for word in host.read("/proc/cmdline", "").split():
        name, _, value = word.partition("=")
        if name == key:
            return value
    return None
