# SPDX-License-Identifier: BSD-3-Clause
"""Pages that a configuration needs, by NUMA node."""

from . import cpus, pages, pci

# DPDK's heaps grow by whole pages, and leave the end of one unused where the next reservation does not
# fit there: up to 11 % of all, measured with 60,000 connections on two workers, less with fewer.
# Descriptor rings, which a plan that knows no devices cannot contain, come out of this too.
SPARE_PART, SPARE_PAGES = 8, 2


def by_node(host, config, plan):
    """{node: bytes}: buffers on the node of the first port, all else shared among the workers."""
    workers = [cpus.node(host, cpu) for cpu in config.workers or [0]]
    address = dict(config.pci_ports()).get(config.ports[0]["name"]) if config.ports else None
    node = pci.node_of(host, address) if address else None
    found = {workers[0] if node is None else node: plan.buffers}
    for n in workers:
        found[n] = found.get(n, 0) + plan.workers // len(workers)
    return found


def count(n_bytes, size):
    """Pages of a size for so many bytes of a plan."""
    spare = 0 if size >= pages.SIZES["1G"] else SPARE_PAGES
    n_bytes += n_bytes // SPARE_PART
    return -(-n_bytes // size) + spare


def pages_by_node(host, config, plan, size):
    return {n: count(b, size) for n, b in sorted(by_node(host, config, plan).items())}


def available(host, prefix, size):
    """{node: pages} that are free, or held by the files of this prefix, which its next start has."""
    ours = pages.files(host, prefix).get(prefix, {}).get(size, 0)
    found = {}
    for p in pages.pools(host):
        if p.size == size:
            # Which node a file's pages are on cannot be seen from outside: nodes in turn.
            mine = min(ours, p.used)
            ours -= mine
            found[p.node] = p.free + mine
    return found
