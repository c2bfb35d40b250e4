# SPDX-License-Identifier: BSD-3-Clause
"""What a figure depends on: the machine, the kernel, and how the program was built."""

import datetime
import json
import os
import platform
import re
import subprocess
import time

REPO = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
BUILD_OPTIONS = ("buildtype", "b_lto", "cpu_instruction_set", "b_sanitize")


def cpu():
    """{field of /proc/cpuinfo: value} of the first CPU."""
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        lines = f.read().split("\n\n")[0].splitlines()
    return {k.strip(): v.strip() for k, _, v in (line.partition(":") for line in lines)}


def name():
    """Of machines of this kind, fit for a file: the CPU's model, with its numbers where it has any."""
    c = cpu()
    parts = [c.get("model name", platform.machine()), c.get("cpu family", ""), c.get("model", "")]
    return re.sub(r"[^a-z0-9]+", "-", " ".join(parts).lower()).strip("-")


def compiler(program):
    """As the program's own .comment says. What came from the C library is always by gcc."""
    with open(program, "rb") as f:
        found = set(re.findall(rb"(?:GCC: \([^)\0]*\)|[A-Za-z ]*clang version) [\w.+~-]+", f.read()))
    words = sorted(w.decode("ascii", "replace").removeprefix("GCC: ") for w in found)
    clang = [w for w in words if "clang" in w]
    if clang:
        return clang[0]
    return ("gcc " + words[0]) if words else "unknown"


def options(build):
    """How a build directory is configured, in words."""
    try:
        with open(os.path.join(build, "meson-info", "intro-buildoptions.json"), encoding="utf-8") as f:
            known = {o["name"]: o["value"] for o in json.load(f)}
    except (OSError, ValueError):
        return "unknown"
    plain = {"b_lto": False, "cpu_instruction_set": "default", "b_sanitize": "none"}
    return " ".join(f"{k}={str(known[k]).lower()}" for k in BUILD_OPTIONS if k in known and known[k] != plain.get(k))


# What the programs that are measured are made of.
SOURCES = ("app", "lib", "include", "perf/pktgen", "meson.build", "meson_options.txt")


def revision():
    """Of the sources here; -dirty where what is measured has changed since."""
    git = ["git", "-C", REPO]
    r = subprocess.run([*git, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=False)
    if r.returncode:
        return "unknown"
    changed = subprocess.run([*git, "diff", "--quiet", "HEAD", "--", *SOURCES], capture_output=True, check=False).returncode
    return r.stdout.strip() + ("-dirty" if changed else "")


def dpdk(program):
    r = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    m = re.search(r"DPDK (\S+)", r.stdout)
    return m.group(1) if m else "unknown"


def busy(cpus, seconds):
    """{CPU: the share of some time in which it was not idle}. What a hypervisor takes away is idle: nothing of this host runs."""
    def idle():
        with open("/proc/stat", encoding="ascii") as f:
            rows = {row[0]: row for row in (line.split() for line in f)}
        return {cpu: sum(int(rows[f"cpu{cpu}"][i]) for i in (4, 5, 8)) / os.sysconf("SC_CLK_TCK") for cpu in cpus}
    before, start = idle(), time.monotonic()
    time.sleep(seconds)
    after, wall = idle(), time.monotonic() - start
    return {cpu: min(1.0, max(0.0, 1 - (after[cpu] - before[cpu]) / wall)) for cpu in cpus}


def today():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")


def conditions(build):
    """All of it, for a baseline or a report."""
    program = os.path.join(build, "app", "pubwire")
    c = cpu()
    return {"cpu": c.get("model name", platform.machine()), "cpus": os.cpu_count(), "mhz": round(float(c.get("cpu MHz", 0))),
            "kernel": platform.release(), "compiler": compiler(program), "build": options(build),
            "dpdk": dpdk(program), "revision": revision(), "date": today()}
