#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What a newcomer reads where something is missing: hugepages, their mount, rights, the port. Each in a
mount namespace that lacks it. Usage: test_manage_hints.py PUBWIRE DATA_DIR"""

import os
import shutil
import subprocess
import sys
import tempfile

SYS = "/sys/kernel/mm/hugepages"
NONE = f"mount -t tmpfs none {SYS}"
# Reserved and free, so that what is missing is something else.
SOME = (f"{NONE} -o mode=755; mkdir {SYS}/hugepages-2048kB; "
        f"for f in nr free; do echo 64 > {SYS}/hugepages-2048kB/${{f}}_hugepages; done; "
        f"for f in resv surplus nr_overcommit; do echo 0 > {SYS}/hugepages-2048kB/${{f}}_hugepages; done")
UNMOUNTED = "umount -a -t hugetlbfs"
# A mount that only root may write to, whoever owns that of the machine.
ROOTS = f"{UNMOUNTED}; mkdir -p /dev/hugepages; mount -t hugetlbfs -o mode=755 none /dev/hugepages"
NOBODY = "setpriv --reuid nobody --regid nogroup --clear-groups"

#        what is missing, the namespace, who runs it, EAL arguments, status, what is said
CASES = (
    ("no hugepages", NONE, "", [], 1, "No hugepages are reserved: run 'pubwire-hugepages reserve'"),
    ("no mount", f"{SOME}; {UNMOUNTED}", "", [], 1, "No hugetlbfs is mounted: 'mount -t hugetlbfs"),
    ("no rights", f"{SOME}; {ROOTS}", NOBODY, [], 1, "Permission: run as root, or give the user"),
    ("no rights, no hugepages wanted", NONE, NOBODY, ["--no-huge"], 78,
     "'net_ring0' is not there; expected one of the devices that EAL found: none (bind one"),
    ("no port", NONE, "", ["--no-huge"], 78,
     "'net_ring0' is not there; expected one of the devices that EAL found: none (bind one"),
)


def usable():
    if os.geteuid():
        return "namespaces need root"
    if not os.path.isdir(SYS):
        return "this kernel has no hugepages"
    for tool in ("unshare", "setpriv"):
        if shutil.which(tool) is None:
            return f"there is no {tool}"
    r = subprocess.run(["unshare", "-m", "sh", "-c", f"{SOME}; {ROOTS}"], check=False,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return "" if r.returncode == 0 else "mounts are not allowed here"


def case(d, namespace, who, eal):
    command = " ".join([who, f"{d}/pubwire", "--config", f"{d}/c.yaml", "--", "--no-pci",
                        "--no-telemetry", "--file-prefix", f"pwhint{os.getpid()}"] + eal)
    env = dict(os.environ, XDG_RUNTIME_DIR=f"{d}/run")
    return subprocess.run(["unshare", "-m", "sh", "-c", f"{{ {namespace}; }} && exec {command}"],
                          check=False, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=30, env=env)


def main():
    why = usable()
    if why:
        print(f"1..0 # SKIP {why}")
        return 0
    failed = 0
    with tempfile.TemporaryDirectory() as d:
        os.chmod(d, 0o755)
        os.mkdir(f"{d}/run")
        os.chmod(f"{d}/run", 0o777)
        shutil.copy(sys.argv[1], f"{d}/pubwire")
        shutil.copy(os.path.join(sys.argv[2], "accept-device.yaml"), f"{d}/c.yaml")
        for f in ("pubwire", "c.yaml"):
            os.chmod(f"{d}/{f}", 0o755)
        for n, (what, namespace, who, eal, status, says) in enumerate(CASES, 1):
            r = case(d, namespace, who, eal)
            last = r.stdout.strip().rsplit("\n", 1)[-1]
            good = r.returncode == status and says in last
            failed += not good
            print(f"{'ok' if good else 'not ok'} {n} - {what}: ends with {status} and says what to do")
            if not good:
                print(f"# status {r.returncode}\n# " + r.stdout.replace("\n", "\n# "))
    shutil.rmtree(f"/var/run/dpdk/pwhint{os.getpid()}", ignore_errors=True)
    print(f"1..{len(CASES)}")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
