#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""pubwire as a pod has it (docs/kubernetes.md): IPC_LOCK and no other right, a root that is read-only, CPUs by
lcores: [auto], probes. Usage: test_manage_pod.py PUBWIRE"""

import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

CONFIG = """\
eal: [--no-huge, --no-pci, "--vdev=net_null0,no-rx=1", "--vdev=net_null1,no-rx=1"]
workers: {{lcores: [auto]}}
ports:
  - {{name: dev, device: net_null0, addresses: [10.77.0.1/16]}}
  - {{name: brk, device: net_null1, addresses: [10.78.0.1/16]}}
listeners: [{{name: mqtt, address: 10.77.0.1}}]
brokers: [{{name: a, address: 10.78.0.11}}]
routes: [{{filter: "#", brokers: [a]}}]
limits: {{max_queued_messages: 1024, drain_deadline: 1s}}
http: {{address: 0.0.0.0, port: {port}}}
"""
# A mount namespace of its own, whose root becomes read-only but for what the manifest mounts; then the rights go.
START = """\
mount --make-rprivate / && mkdir -p /var/run/dpdk && mount -t tmpfs none /var/run/dpdk && mount -o remount,bind,ro / || exit 1
touch /var/lib/pubwire-pod 2>/dev/null && exit 1
exec setpriv --inh-caps=-all,+ipc_lock --bounding-set=-all,+ipc_lock --no-new-privs "$1" --config "$2"
"""
PATIENCE = 30

count = 0
failed = 0


def check(ok, what, why=""):
    global count, failed
    count += 1
    failed += not ok
    print(("ok" if ok else "not ok"), count, "-", what, flush=True)
    if not ok and why:
        print("# " + str(why).replace("\n", "\n# "), flush=True)


def lacking():
    if os.geteuid() != 0:
        return "not root"
    for tool in ("unshare", "setpriv"):
        if shutil.which(tool) is None:
            return f"{tool} is not installed"
    if subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode:
        return "no mount namespace can be made"
    return None


def ask(port, path):
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        c.request("GET", path)
        r = c.getresponse()
        return r.status, r.read().decode()
    finally:
        c.close()


def status_of(pid, key):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return next(line.split(":")[1].strip() for line in f if line.startswith(key + ":"))


def tried(d, port):
    conf, log = os.path.join(d, "c.yaml"), os.path.join(d, "log")
    with open(conf, "w", encoding="utf-8") as f:
        f.write(CONFIG.format(port=port))
    with open(log, "w", encoding="utf-8") as out:
        p = subprocess.Popen(["unshare", "-m", "sh", "-c", START, "sh", os.path.realpath(sys.argv[1]), conf], stdout=out, stderr=subprocess.STDOUT,
                             stdin=subprocess.DEVNULL)

    def text():
        with open(log, encoding="utf-8", errors="replace") as f:
            return f.read()
    try:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and p.poll() is None and "is running" not in text():
            time.sleep(0.05)
        check("is running" in text(), "it starts with IPC_LOCK alone", text())
        if "is running" not in text():
            return
        check(int(status_of(p.pid, "CapBnd"), 16) == 1 << 14, "which is all that it has", status_of(p.pid, "CapBnd"))
        check(ask(port, "/healthz") == (200, "live\n"), "/healthz: it lives")
        check(ask(port, "/readyz")[0] == 503, "/readyz: it has no broker")
        # EAL has bound the main thread to one CPU by now; the file means what it meant at the start.
        p.send_signal(signal.SIGHUP)
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and "reload: " not in text():
            time.sleep(0.05)
        check("reload: " in text() and "refused" not in text(), "a reload finds the same CPUs", text())
        p.send_signal(signal.SIGTERM)
        check(p.wait(PATIENCE) == 0, "TERM drains it", text())
    finally:
        if p.poll() is None:
            p.kill()
            p.wait()


def main():
    why = lacking()
    if why:
        print(f"1..0 # SKIP skipped: {why}")
        return 0
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    with tempfile.TemporaryDirectory() as d:
        tried(d, port)
    print(f"1..{count}")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
