# SPDX-License-Identifier: BSD-3-Clause
"""Hugepages of each NUMA node, as the kernel counts them."""

import re

from .host import HostError

SIZES = {"2M": 2 << 20, "1G": 1 << 30}
ALL = "/sys/kernel/mm/hugepages"


def name(size):
    """2M, 1G: what mount and people call it."""
    for text, value in SIZES.items():
        if value == size:
            return text
    return f"{size >> 10}K"


def parse_bytes(text):
    """"512M", "2G", plain bytes."""
    m = re.fullmatch(r"(\d+)\s*([KMG]?)I?B?", text.strip().upper())
    if not m:
        raise HostError(f"'{text}' is no amount of memory such as 512M or 2G")
    return int(m[1]) << {"": 0, "K": 10, "M": 20, "G": 30}[m[2]]


class Pool:
    """The pages of one size on one node."""

    def __init__(self, host, directory, node, size):
        self.host, self.directory, self.node, self.size = host, directory, node, size

    @property
    def file(self):
        return f"{self.directory}/nr_hugepages"

    @property
    def total(self):
        return self.host.number(self.file, 0)

    @property
    def free(self):
        return self.host.number(f"{self.directory}/free_hugepages", 0)

    @property
    def surplus(self):
        return self.host.number(f"{self.directory}/surplus_hugepages", 0)

    @property
    def used(self):
        return self.total - self.free

    def __str__(self):
        return f"{name(self.size)} pages on node {self.node}"


def pools(host):
    """Every pool. A kernel without NUMA has one node, 0, whose files lie elsewhere."""
    found = []
    for d in host.glob("/sys/devices/system/node/node[0-9]*/hugepages/hugepages-*kB"):
        found.append(_pool(host, d, int(re.search(r"/node(\d+)/", d)[1])))
    if not found:
        found = [_pool(host, d, 0) for d in host.glob(f"{ALL}/hugepages-*kB")]
    return sorted(found, key=lambda p: (p.node, p.size))


def _pool(host, directory, node):
    return Pool(host, directory, node, int(re.search(r"hugepages-(\d+)kB", directory)[1]) << 10)


def pool(host, node, size):
    for p in pools(host):
        if p.node == node and p.size == size:
            return p
    there = ", ".join(str(p) for p in pools(host)) or "none"
    raise HostError(f"this kernel has no {name(size)} pages on node {node}; it has: {there}")


def left_for_pages(host, node):
    """Bytes of a node that pages can take so that the host goes on living: a sixteenth stays. None where
    the kernel does not say."""
    text = host.read(f"/sys/devices/system/node/node{node}/meminfo") or host.read("/proc/meminfo", "")
    kb = dict(re.findall(r"(\w+):\s+(\d+) kB", text))
    if "MemTotal" not in kb or "MemFree" not in kb:
        return None
    # Of a node FilePages, of the host Cached: what the kernel lets go of.
    cached = int(kb.get("FilePages", kb.get("Cached", 0))) - int(kb.get("Shmem", 0))
    return max(0, int(kb["MemFree"]) + max(0, cached) - int(kb["MemTotal"]) // 16) << 10


def default_size(host):
    m = re.search(r"^Hugepagesize:\s+(\d+) kB", host.read("/proc/meminfo", ""), re.M)
    return int(m[1]) << 10 if m else 2 << 20


def mounts(host):
    """(directory, page size) of each hugetlbfs."""
    found = []
    for line in host.read("/proc/mounts", "").splitlines():
        fields = line.split()
        if len(fields) > 3 and fields[2] == "hugetlbfs":
            m = re.search(r"pagesize=(\w+)", fields[3])
            found.append((fields[1], parse_bytes(m[1]) if m else default_size(host)))
    return found


def files(host, prefix=None):
    """Files of DPDK programs in the mounts, by file prefix: {prefix: pages by size}."""
    found = {}
    for directory, size in mounts(host):
        for n in host.list(directory):
            m = re.fullmatch(r"(.+?)map_\d+", n)
            if m and prefix in (None, m[1]):
                sizes = found.setdefault(m[1], {})
                sizes[size] = sizes.get(size, 0) + 1
    return found
