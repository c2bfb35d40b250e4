# SPDX-License-Identifier: BSD-3-Clause
"""What scripts/doctor looks at that is of the host as a whole. Each check yields table.Rows."""

import os
import platform
import pwd
import re
import resource
import shutil

from . import cpus, iommu, need, pages, pci, pmd, table
from .table import BAD, OK, SKIP, WARN, Row

# What Debian's DPDK is compiled for; EAL refuses to start on less.
FLAGS = ("sse3", "ssse3", "sse4_1", "sse4_2", "popcnt", "cx16")
DISK = {"/run": 64 << 20, "/var/log": 256 << 20, "/tmp": 16 << 20}


def processor(host):
    if platform.machine() != "x86_64":
        yield Row("CPU", SKIP, f"{platform.machine()}: pubwire is tested on x86_64")
        return
    m = re.search(r"^flags\s*:(.*)$", host.read("/proc/cpuinfo", ""), re.M)
    flags = set(m[1].split()) if m else set()
    # The kernel writes sse3 as pni.
    missing = [f for f in FLAGS if f not in flags and not (f == "sse3" and "pni" in flags)]
    if missing:
        yield Row("CPU", BAD, "lacks " + " ".join(missing) + ", which DPDK is compiled for",
                  "a newer processor; in a virtual machine give it the host's model (-cpu host)")
    else:
        yield Row("CPU", OK, "has what DPDK is compiled for")
    source = host.read("/sys/devices/system/clocksource/clocksource0/current_clocksource", "?")
    steady = {"constant_tsc", "nonstop_tsc"} <= flags
    if source == "tsc" and steady:
        yield Row("clock", OK, "tsc, constant and running on in sleep")
    elif steady:
        yield Row("clock", WARN, f"the kernel keeps time by {source} though the TSC is steady: it may have found "
                  "it wanting (dmesg | grep -i tsc)",
                  "boot with tsc=reliable if it is known to be sound; DPDK's times come from it")
    else:
        yield Row("clock", WARN, "the TSC is not said to be constant: pubwire's timers and latencies may drift",
                  "a virtual machine: pass invtsc through (-cpu host,+invtsc)")


def lockdown(host):
    text = host.read("/sys/kernel/security/lockdown", "")
    if iommu.locked_down(host):
        yield Row("lockdown", WARN, f"Secure Boot has the kernel locked down ({text}): only vfio-pci with an IOMMU "
                  "works", "use vfio-pci with the IOMMU on, or switch Secure Boot off")


def iommu_and_vfio(host, config, found):
    """found: NICs by address. Only where the configuration has PCI ports."""
    if config is not None and not config.pci_ports():
        yield Row("IOMMU", SKIP, "the configuration has no PCI port")
        return
    wanted = dict(config.pci_ports()).values() if config else found
    drivers = {found[a].driver for a in wanted if a in found}
    if drivers and drivers <= {"uio_pci_generic", "igb_uio", *pci.BIFURCATED}:
        yield Row("IOMMU", OK, "not needed by " + ", ".join(sorted(drivers)))
        return
    if iommu.works(host):
        yield Row("IOMMU", OK, f"{table.plural(len(host.list(iommu.GROUPS)), 'group')} of devices")
    elif iommu.unsafe_mode(host):
        yield Row("IOMMU", WARN, "none; VFIO runs without (unsafe mode): a NIC may write anywhere in memory",
                  iommu.how(host))
    else:
        yield Row("IOMMU", WARN, "none: vfio-pci cannot be used", iommu.how(host) +
                  "; or scripts/nics bind --driver uio_pci_generic")
    if host.isdir("/sys/bus/pci/drivers/vfio-pci"):
        yield Row("vfio-pci", OK, "loaded")
    else:
        yield Row("vfio-pci", WARN, "not loaded", "modprobe vfio-pci (scripts/nics bind does it)")


def drivers(host):
    known = pmd.table(host)
    if known:
        yield Row("DPDK", OK, f"its drivers know {len(known)} kinds of NICs")
    else:
        yield Row("DPDK", BAD, "no driver for physical NICs is installed",
                  "apt install librte-meta-net (or only the librte-net-... of your NIC)")


def hugepages(host, config, plan):
    if config.no_huge:
        yield Row("hugepages", WARN, "the configuration does without (--no-huge): slow, and no physical NIC",
                  "take --no-huge out of eal")
        return
    nodes, lines, enough = need.by_node(host, config, plan), [], True
    for node, n_bytes in sorted(nodes.items()):
        have = {s: need.available(host, config.file_prefix, s).get(node, 0) for s in pages.SIZES.values()}
        lines.append(f"node {node}: {table.size(sum(s * n for s, n in have.items()))} free for it, "
                     f"{table.size(n_bytes)} in the plan")
        # Pages of any size do: what 1 GB pages hold need not fit into 2 MB ones.
        left = n_bytes - sum(s * n for s, n in have.items() if s >= pages.SIZES["1G"])
        enough = enough and (left <= 0 or have[pages.SIZES["2M"]] >= need.count(left, pages.SIZES["2M"]))
    found = "; ".join(lines)
    yield Row("hugepages", OK, found) if enough else \
        Row("hugepages", BAD, found, "scripts/hugepages reserve (with the same --config), --boot to keep them")


def mappings(host):
    """DPDK maps each page by itself, and twice while it starts."""
    most = host.number("/proc/sys/vm/max_map_count")
    wanted = 2 * sum(p.total for p in pages.pools(host)) + 4096
    if most is not None and most < wanted:
        yield Row("mappings", BAD, f"a program may have {most}, and DPDK makes up to {wanted} for the pages reserved",
                  f"echo vm.max_map_count={wanted} > /etc/sysctl.d/90-pubwire.conf; sysctl --system; or pages of 1 GB")


def hugetlbfs(host, user):
    mounts = pages.mounts(host)
    if not mounts:
        yield Row("hugetlbfs", BAD, "is not mounted", "scripts/hugepages mount")
        return
    for directory, size in mounts:
        if writable(host, directory, user):
            yield Row("hugetlbfs", OK, f"{pages.name(size)} at {directory}")
        else:
            yield Row("hugetlbfs", BAD, f"{directory} is not writable for {user.name}",
                      f"mount -o remount,gid={user.gid},mode=1770 {directory}, or run pubwire as root")
    sizes = {s for _, s in mounts}
    for p in pages.pools(host):
        if p.total and p.size not in sizes:
            yield Row("hugetlbfs", WARN, f"{p.total} {p} are reserved, and no hugetlbfs has them",
                      f"scripts/hugepages mount --size {pages.name(p.size)}")
            sizes.add(p.size)


class User:
    """Who pubwire is to run as."""

    def __init__(self, name=None):
        entry = pwd.getpwnam(name) if name else pwd.getpwuid(os.geteuid())
        self.name, self.uid, self.gid = entry.pw_name, entry.pw_uid, entry.pw_gid
        self.groups = set(os.getgrouplist(self.name, self.gid))


def writable(host, path, user):
    """True where the mode bits let the user write."""
    if user.uid == 0:
        return True
    try:
        st = os.stat(host.path(path))
    except OSError:
        return False
    if st.st_uid == user.uid:
        return bool(st.st_mode & 0o200)
    return bool(st.st_mode & (0o020 if st.st_gid in user.groups else 0o002))


def rights(host, user, plan):
    if user.uid == 0:
        yield Row("rights", OK, "root")
        return
    yield Row("rights", WARN, f"{user.name} is not root: without CAP_IPC_LOCK, CAP_SYS_NICE (and CAP_NET_RAW for "
              "AF_PACKET) some drivers do not start, and physical addresses stay hidden (vfio-pci with an "
              "IOMMU needs none)", "run it as root (the unit does), or give the unit those by AmbientCapabilities=")
    if user.uid == os.geteuid():
        limit = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0]
        if limit != resource.RLIM_INFINITY and plan and limit < plan.total:
            yield Row("memlock", BAD, f"{table.size(limit)} may be locked, the plan has {table.size(plan.total)}: "
                      "VFIO cannot map it", "LimitMEMLOCK=infinity in the unit; ulimit -l unlimited in a shell")
        else:
            yield Row("memlock", OK, "enough")
    else:
        yield Row("memlock", SKIP, f"the limit is that of whoever starts it as {user.name}",
                  "LimitMEMLOCK=infinity in the unit")
    for path in host.glob("/dev/vfio/[0-9]*"):
        if not writable(host, path, user):
            yield Row("rights", BAD, f"{path} is not for {user.name}",
                      f"chown {user.name} {path} (a udev rule keeps it: SUBSYSTEM==\"vfio\", "
                      f"OWNER=\"{user.name}\")")


def lcores(host, config):
    online = cpus.online(host)
    missing = [c for c in config.workers if c not in online]
    if missing:
        yield Row("lcores", BAD, f"CPU {cpus.text(missing)} is not online", f"workers can have {cpus.text(online)}")
        return
    m = re.search(r"^Cpus_allowed_list:\s*(\S+)", host.read("/proc/self/status", ""), re.M)
    allowed = cpus.parse(m[1]) if m else online
    outside = [c for c in config.workers if c not in allowed]
    if outside and not set(outside) <= set(cpus.isolated(host)):
        yield Row("lcores", BAD, f"CPU {cpus.text(outside)} is not ours: a cgroup or taskset keeps it",
                  f"name CPUs of {cpus.text(allowed)}, or widen AllowedCPUs= of the unit")
        return
    if set(online) <= set(config.workers):
        yield Row("lcores", WARN, "every CPU is a worker's: the main thread and the rest of the host share one",
                  "leave one CPU to them")
    else:
        yield Row("lcores", OK, f"workers on CPU {cpus.text(config.workers)} of {cpus.text(online)}")


def disk(host):
    for directory, least in DISK.items():
        try:
            free = shutil.disk_usage(host.path(directory)).free
        except OSError:
            continue
        if free < least:
            yield Row("disk", BAD if directory == "/run" else WARN,
                      f"{table.size(free)} free in {directory}, {table.size(least)} wanted", "make room")
            return
    yield Row("disk", OK, "room in " + ", ".join(DISK))
