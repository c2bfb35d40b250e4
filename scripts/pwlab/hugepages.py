# SPDX-License-Identifier: BSD-3-Clause
"""Hugepages: reserve what is missing, remember what was there, give it back."""

import glob
import os

from .process import sh

POOL = "/sys/kernel/mm/hugepages/hugepages-2048kB/"
MOUNT = "/dev/hugepages"


def _read(name):
    try:
        with open(POOL + name, encoding="ascii") as f:
            return int(f.read())
    except OSError:
        return 0


def _write_total(n):
    try:
        with open(POOL + "nr_hugepages", "w", encoding="ascii") as f:
            f.write(str(n))
    except OSError:
        pass


def _mounted():
    with open("/proc/mounts", encoding="utf-8") as f:
        return any(line.split()[2] == "hugetlbfs" for line in f)


def reserve(pages):
    """See that `pages` pages of 2 MB are free.

    Returns (have, undo): whether they are, and what restore() needs."""
    undo = {}
    total, free = _read("nr_hugepages"), _read("free_hugepages")
    if free < pages:
        _write_total(total + pages - free)
        got = _read("nr_hugepages")
        if got != total:
            undo["added"] = got - total
    if _read("free_hugepages") < pages:
        restore(undo)
        return False, {}
    if not _mounted():
        os.makedirs(MOUNT, exist_ok=True)
        sh("mount", "-t", "hugetlbfs", "-o", "pagesize=2M", "nodev", MOUNT, check=False)
        if not _mounted():
            restore(undo)
            return False, {}
        undo["mounted"] = MOUNT
    return True, undo


def restore(undo):
    """Give back what reserve() took."""
    if undo.get("added"):
        _write_total(max(0, _read("nr_hugepages") - undo["added"]))
    if undo.get("mounted"):
        sh("umount", undo["mounted"], check=False)


def remove_files(prefix):
    """Map files that a killed process of this prefix left behind."""
    for f in glob.glob(f"{MOUNT}/{prefix}map_*"):
        try:
            os.unlink(f)
        except OSError:
            pass
