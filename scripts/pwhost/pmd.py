# SPDX-License-Identifier: BSD-3-Clause
"""Which PCI devices DPDK's drivers know: each carries a table of them (PMD_INFO_STRING)."""

import json
import re

# Without DPDK's development files there is librte_net_x.so.23.0 and the link .so.23, but no .so.
WHERE = ("/usr/lib/*/dpdk/pmds-*/librte_net_*.so*", "/usr/local/lib/*/dpdk/pmds-*/librte_net_*.so*")
_INFO = re.compile(rb"PMD_INFO_STRING= (\{[^\0]*\})\0")


def table(host):
    """{(vendor, device): (driver, kernel modules)}; empty where no DPDK is installed."""
    found = {}
    for pattern in WHERE:
        for path in host.glob(pattern):
            if host.link(path):
                continue
            try:
                with open(host.path(path), "rb") as f:
                    data = f.read()
            except OSError:
                continue
            for text in _INFO.findall(data):
                try:
                    info = json.loads(text)
                except ValueError:
                    continue
                for ids in info.get("pci_ids", []):
                    found[tuple(ids[:2])] = (info["name"], info.get("kmod", ""))
    return found
