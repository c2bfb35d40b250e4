#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What the service manager is told: readiness, status, the watchdog of workers that turn and of one that
hangs, the end. Usage: test_manage_notify.py PUBWIRE SCRIPTS_DIR

A worker hangs because its port's driver does: net_pcap writes the frames that it sends into a pipe that
nobody reads, and an ARP request that comes in without end makes the worker send."""

import contextlib
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, sys.argv[2])
sys.path.insert(0, os.path.join(os.path.dirname(sys.argv[2]), "test", "host"))
from hanging import request  # noqa: E402
from pwlab.telemetry import socket_path  # noqa: E402

CPU = min(os.sched_getaffinity(0))
CONFIG = """\
eal: ["--lcores=0@{cpu},1@{cpu},2@{cpu}", --no-huge, --no-pci, "--vdev={device}", "--vdev=net_null1,no-rx=1"]
workers: {{devices: [1], brokers: [2]}}
ports:
  - {{name: dev, device: {name}, addresses: [10.77.0.1/16]}}
  - {{name: brk, device: net_null1, addresses: [10.78.0.1/16]}}
listeners: [{{name: mqtt, address: 10.77.0.1}}]
brokers: [{{name: a, address: 10.78.0.11, connect_timeout: 500ms}}, {{name: b, address: 10.78.0.12}}]
routes: [{{filter: "#", brokers: [a, b]}}]
limits: {{drain_deadline: 1s}}
http: {{port: {port}}}
"""
PATIENCE = 30.0

count = 0
failed = 0


def check(ok, what, why=""):
    global count, failed
    count += 1
    failed += not ok
    print(("ok" if ok else "not ok"), count, "-", what, flush=True)
    if not ok and why:
        print("# " + str(why).replace("\n", "\n# "), flush=True)
    return ok


class Manager:
    """The service manager's end of the socket."""

    def __init__(self, directory, abstract=False):
        self.name = f"@pubwire-test-{os.getpid()}" if abstract else os.path.join(directory, "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.name.replace("@", "\0"))
        self.heard = []

    def next(self, patience):
        self.socket.settimeout(max(patience, 0.001))
        try:
            self.heard.append(self.socket.recv(4096).decode())
        except socket.timeout:
            return None
        return self.heard[-1]

    def until(self, wanted):
        """The next datagram that holds this; None where none comes."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            text = self.next(end - time.monotonic())
            if text is not None and wanted in text:
                return text
        return None

    def close(self):
        self.socket.close()


class Reader(threading.Thread):
    """Reads the pipe while it is told to."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.fd = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        self.reading = threading.Event()
        self.reading.set()
        self.ended = False
        self.start()

    def run(self):
        while not self.ended:
            self.reading.wait()
            try:
                os.read(self.fd, 1 << 16)
            except BlockingIOError:
                time.sleep(0.001)

    def end(self):
        self.ended = True
        self.reading.set()
        self.join()
        os.close(self.fd)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Program:
    def __init__(self, directory, device, manager, environment):
        self.prefix = f"pwnotify{os.getpid()}"
        conf, self.log = os.path.join(directory, "c.yaml"), os.path.join(directory, "log")
        with open(conf, "w", encoding="utf-8") as f:
            self.port = free_port()
            f.write(CONFIG.format(cpu=CPU, device=device, name=device.split(",")[0], port=self.port))
        env = {k: v for k, v in os.environ.items() if not k.startswith("WATCHDOG")}
        with open(self.log, "w", encoding="utf-8") as out:
            self.process = subprocess.Popen(
                [sys.argv[1], "-c", conf, "--", "--file-prefix", self.prefix], stdout=out, stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL, env=dict(env, NOTIFY_SOCKET=manager.name, **environment))

    def text(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return f.read()

    def live(self):
        """What /healthz says."""
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            c.request("GET", "/healthz")
            r = c.getresponse()
            return r.status, r.read().decode()
        finally:
            c.close()

    def live_until(self, status):
        """What it says once it has this status; its last word where it never has."""
        end = time.monotonic() + PATIENCE
        said = self.live()
        while said[0] != status and time.monotonic() < end:
            time.sleep(0.1)
            said = self.live()
        return said

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            return None

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(os.path.dirname(socket_path(self.prefix)), ignore_errors=True)


def a_worker_that_hangs(d):
    pipe, capture = os.path.join(d, "sent"), os.path.join(d, "in.pcap")
    os.mkfifo(pipe)
    request(capture)
    reader, manager = Reader(pipe), Manager(d)
    program = Program(d, f"net_pcap0,rx_pcap={capture},tx_pcap={pipe},infinite_rx=1", manager,
                      {"WATCHDOG_USEC": "2000000"})
    try:
        first = manager.next(PATIENCE)
        check(first is not None and first.startswith("READY=1\nSTATUS=0 of 2 brokers connected"),
              "the first word is that it is ready, and what is connected", f"{first}\n{program.text()}")
        check(manager.until("WATCHDOG=1"), "the watchdog is fed while workers turn", manager.heard)
        check(manager.until("no answer to the TCP handshake"), "the status says why a broker is away", manager.heard)
        reader.reading.clear()
        check(manager.until("STATUS=worker 0 on lcore 1 has made no turn for"), "the status names a worker that hangs",
              manager.heard)
        heard = [manager.next(PATIENCE) for _ in range(5)]
        check(all(h and h.startswith("STATUS=worker 0") for h in heard), "the watchdog is not fed while it hangs", heard)
        check("worker 0 on lcore 1 has made no turn" in program.text(), "the log says so", program.text())
        said = program.live_until(503)
        check(said[0] == 503 and said[1].startswith("lcore 1: no turn of its loop for"), "and so does /healthz", said)
        reader.reading.set()
        check(program.live_until(200) == (200, "live\n"), "which says that it lives once it turns")
        check(manager.until("WATCHDOG=1"), "the watchdog is fed again once it turns", manager.heard)
        check(manager.until("0 devices"), "and the status is the usual one", manager.heard)
        status = program.end()
        check(status == 0 and manager.until("STOPPING=1\nSTATUS=draining\nEXTEND_TIMEOUT_USEC=8000000"), "it says that it stops",
              f"{status}, {manager.heard}")
        print("# " + " | ".join(h.replace("\n", ", ") for h in manager.heard[:3]))
    finally:
        program.close()
        reader.end()
        manager.close()


def without_a_watchdog(d):
    manager = Manager(d, abstract=True)
    program = Program(d, "net_null0,no-rx=1", manager, {"WATCHDOG_USEC": "200000", "WATCHDOG_PID": "1"})
    try:
        check(manager.until("READY=1"), "a socket of the abstract namespace is written to", program.text())
        check(manager.until("no answer to the TCP handshake"), "it goes on with the status", manager.heard)
        check(not any("WATCHDOG" in h for h in manager.heard), "the watchdog of another process is not fed",
              manager.heard)
        check(program.end() == 0, "it ends", program.text())
    finally:
        program.close()
        manager.close()


def fill(manager):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                other.sendto(b"OTHER=1", manager.name)


def a_manager_that_does_not_read_yet(d):
    """systemd reads what all services of a machine tell it; its queue can be full."""
    manager = Manager(d)
    fill(manager)
    # Fed every thousand seconds, so that what comes sooner is said again.
    program = Program(d, "net_null0,no-rx=1", manager, {"WATCHDOG_USEC": "4000000000"})
    try:
        end = time.monotonic() + PATIENCE
        while "cannot be told yet" not in program.text() and time.monotonic() < end and program.process.poll() is None:
            time.sleep(0.02)
        check("cannot be told yet that pubwire runs: Resource temporarily unavailable" in program.text(),
              "a full queue of the service manager is named", program.text())
        check(manager.until("READY=1"), "which hears that pubwire is ready once it reads", manager.heard)
        check(manager.until("no answer to the TCP handshake"), "and then the status", manager.heard)
        check(sum("READY=1" in h for h in manager.heard) == 1, "it is told once", manager.heard)
        check("WATCHDOG=1" in manager.heard or manager.until("WATCHDOG=1"), "and the watchdog is fed", manager.heard)
        check(program.text().count("cannot be told yet") == 1, "and so is the log", program.text())
        check(program.end() == 0, "it ends", program.text())
    finally:
        program.close()
        manager.close()


def a_manager_that_is_behind(d):
    """What it does not hear it acts upon: a stop has no time. Its drain lasts, since a worker hangs."""
    pipe, capture = os.path.join(d, "sent"), os.path.join(d, "in.pcap")
    os.mkfifo(pipe)
    request(capture)
    reader, manager = Reader(pipe), Manager(d)
    program = Program(d, f"net_pcap0,rx_pcap={capture},tx_pcap={pipe},infinite_rx=1", manager, {"WATCHDOG_USEC": "2000000"})
    try:
        check(manager.until("WATCHDOG=1"), "a manager that is behind hears of the start", program.text())
        reader.reading.clear()
        check(manager.until("has made no turn for"), "a worker hangs", manager.heard)
        fill(manager)
        program.process.send_signal(signal.SIGTERM)
        end = time.monotonic() + PATIENCE
        while "draining" not in program.text() and time.monotonic() < end and program.process.poll() is None:
            time.sleep(0.02)
        check(manager.until("STOPPING=1\nSTATUS=draining\nEXTEND_TIMEOUT_USEC="), "that it stops is said again", manager.heard)
        reader.reading.set()
        check(program.process.wait(PATIENCE) == 0, "it ends", program.text())
        check(sum("STOPPING=1" in h for h in manager.heard) == 1, "and said once", manager.heard)
    finally:
        program.close()
        reader.end()
        manager.close()


def a_socket_that_is_none(d):
    class Wrong:
        name = "nonsense"
    program = Program(d, "net_null0,no-rx=1", Wrong, {})
    try:
        end = time.monotonic() + PATIENCE
        while "is running" not in program.text() and time.monotonic() < end and program.process.poll() is None:
            time.sleep(0.02)
        check("is running" in program.text() and "NOTIFY_SOCKET='nonsense' is neither a path nor" in program.text(),
              "what is no socket is named, and nothing else is the worse for it", program.text())
        check(program.end() == 0, "it ends", program.text())
    finally:
        program.close()


def main():
    for case in (a_worker_that_hangs, without_a_watchdog, a_manager_that_does_not_read_yet, a_manager_that_is_behind,
                 a_socket_that_is_none):
        with tempfile.TemporaryDirectory() as d:
            case(d)
    print(f"1..{count}")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
