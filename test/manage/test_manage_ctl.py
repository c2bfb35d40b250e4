#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""pubwirectl against a model of DPDK's telemetry socket, which says what no pubwire would, or ends
in the midst. Usage: test_manage_ctl.py PUBWIRECTL"""

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading

CTL = sys.argv[1]
HELLO = {"version": "DPDK 22.11.0", "pid": 4711, "max_output_len": 16384}
INFO = {"program": "pubwire", "version": "9.9", "dpdk": "22.11.0", "instance": "model", "file": "x.yaml",
        "pid": 4711, "uptime": 90, "state": "running", "workers": 1, "log_lines_dropped": 0}

count = 0
failed = 0


def check(ok, what, seen=None):
    global count, failed
    count += 1
    failed += not ok
    print(("ok" if ok else "not ok"), count, "-", what, flush=True)
    if not ok and seen is not None:
        print("# " + str(seen).replace("\n", "\n# "))


class Model:
    """Answers by a dict of commands: a value, bytes as they are, a function of the parameters, or
    None for the end of the connection. A context manager."""

    def __init__(self, d, answers, hello=HELLO, prefix="model"):
        self.answers, self.hello, self.asked = dict(answers), hello, []
        self.answers.setdefault("/pubwire/info", INFO)
        self.path = os.path.join(d, "dpdk", prefix, "dpdk_telemetry.v2")
        os.makedirs(os.path.dirname(self.path), exist_ok=True)

    def __enter__(self):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(self.path)
        self.listener.listen()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()
        return self

    def serve(self):
        while True:
            try:
                s, _ = self.listener.accept()
            except OSError:
                return
            with s, contextlib.suppress(OSError):
                self.talk(s)

    def talk(self, s):
        if self.hello is None:
            return
        s.send(self.hello if isinstance(self.hello, bytes) else json.dumps(self.hello).encode())
        while True:
            asked = s.recv(1024).decode()
            if not asked:
                return
            self.asked.append(asked)
            command, _, params = asked.partition(",")
            answer = self.answers.get(command, "absent")
            if callable(answer):
                answer = answer(params)
            if answer is None:
                return
            if answer == "absent":
                answer = json.dumps({command: None}).encode()
            elif not isinstance(answer, bytes):
                answer = json.dumps({command: answer}).encode()
            s.send(answer)

    def __exit__(self, *unused):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(5)


def run(d, *args, env=None, **kw):
    e = {k: v for k, v in os.environ.items() if k not in ("RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR")}
    e["XDG_RUNTIME_DIR"] = d
    e.update(env or {})
    return subprocess.run([CTL, *args], env=e, capture_output=True, text=True, timeout=60, check=False, **kw)


def usage(d):
    for args in ([], ["nonsense"], ["brokers", "more"], ["brokers", "-i"], ["brokers", "-i", "0"],
                 ["brokers", "-i", "x"], ["brokers", "--loud"], ["--loud", "brokers"], ["-p", "a/b", "brokers"],
                 ["-p", "", "brokers"]):
        r = run(d, *args)
        check(r.returncode == 64 and r.stdout == "" and r.stderr.startswith("pubwirectl: "),
              f"usage: {args} is refused", r)
    r = run(d, "--help")
    check(r.returncode == 0 and "Exit status" in r.stdout and r.stderr == "", "usage: --help", r)
    names = [line.split()[0] for line in r.stdout.split("\n\n")[2].splitlines()]
    check(len(names) >= 2, "usage: --help lists commands", names)
    for name in names:
        r = run(d, name, "--help")
        check(r.returncode == 0 and r.stdout.startswith("Usage: pubwirectl [options] " + name)
              and all(len(line) < 100 for line in r.stdout.splitlines()), f"usage: {name} --help", r)
    r = run(d, "--version")
    check(r.returncode == 0 and r.stdout.startswith("pubwirectl "), "usage: --version", r)


def nobody(d):
    r = run(d, "-p", "none", "brokers")
    where = ["/var/run/dpdk/none/dpdk_telemetry.v2", "/run/none/dpdk/none/dpdk_telemetry.v2",
             d + "/dpdk/none/dpdk_telemetry.v2"]
    check(r.returncode == 2 and all(w in r.stderr for w in where), "nobody: which sockets were looked at", r)
    with Model(d, {}) as m:
        r = run(d, "-p", "none", "brokers")
        check("There are: " in r.stderr and "model" in r.stderr, "nobody: which others there are", r)
        path = m.path
    r = run(d, "-p", "model", "brokers")
    check(r.returncode == 2 and "ended" in r.stderr, "nobody: a socket that somebody left behind", r)
    r = run(d, "--socket", path, "brokers")
    check(r.returncode == 2 and path in r.stderr, "nobody: --socket", r)
    r = run(d, "--socket", "/" + "x" * 200, "brokers")
    check(r.returncode == 2 and "name too long" in r.stderr, "nobody: a path that is no socket's", r)


def greetings(d):
    with Model(d, {"/pubwire/info": "absent"}):
        r = run(d, "-p", "model", "brokers")
        check(r.returncode == 2 and "another DPDK program, PID 4711" in r.stderr, "another program", r)
    with Model(d, {"/pubwire/info": {"program": "grout"}}):
        r = run(d, "-p", "model", "brokers")
        check(r.returncode == 2 and "another DPDK program" in r.stderr, "another program with our command", r)
    with Model(d, {}, hello=None):
        r = run(d, "-p", "model", "brokers")
        check(r.returncode == 1 and "no greeting" in r.stderr, "closed before the greeting", r)
    with Model(d, {}, hello=b"220 mail.example ESMTP"):
        r = run(d, "-p", "model", "brokers")
        check(r.returncode == 1 and r.stderr.count("\n") == 1, "a greeting that is no JSON", r)


def bad_replies(d):
    row = {"broker": "a", "state": "up"}
    for answer, said, what in (
            (None, "ended", "the connection ends in the midst"),
            (b'{"/pubwire/brokers":{"0":{"bro', "cut or no JSON", "a reply that is cut"),
            (b"[]", "cut or no JSON", "a reply that is no object"),
            (b"\xff\xfe\x00", "cut or no JSON", "a reply of garbage"),
            (b"{}", "something else", "a reply without a command"),
            (b'{"/pubwire/logs":{}}', "something else", "a reply to another command"),
            ({"state": "stopping"}, "is stopping", "pubwire stops"),
            ("absent", "does not know", "a pubwire that does not know the command"),
            ({"0": row, "total": 9, "next": 0}, "do not go on", "pages that do not go on"),
            (b'{"/pubwire/brokers":{"0":"' + b"x" * 70000 + b'"}}', "longer than", "a reply that is too long")):
        with Model(d, {"/pubwire/brokers": answer}):
            r = run(d, "-p", "model", "brokers")
            check(r.returncode == 1 and said in r.stderr and r.stderr.count("\n") == 1, what, r)
    # Fields of another kind, or none at all, read as nothing.
    for rows in ({"0": {}}, {"0": 7}, {"0": {"broker": 3, "state": None, "lag": "x", "held_bytes": -5}}, 12, []):
        with Model(d, {"/pubwire/brokers": rows}):
            r = run(d, "-p", "model", "brokers")
            check(r.returncode == 0 and r.stdout.startswith("broker"), f"odd rows: {rows}", r)


def pages(d):
    def brokers(params):
        at = int(params or 0)
        page = {str(i): {"broker": f"b{i}", "state": "up", "acked": i} for i in range(at, min(at + 7, 20))}
        page["total"] = 20
        if at + 7 < 20:
            page["next"] = at + 7
        return page
    with Model(d, {"/pubwire/brokers": brokers}) as m:
        r = run(d, "brokers", "-p", "model", "--json")
        names = [b["broker"] for b in json.loads(r.stdout)["brokers"]]
        check(names == [f"b{i}" for i in range(20)], "pages: all of them, in order", r)
        check("/pubwire/brokers,7" in m.asked and "/pubwire/brokers,14" in m.asked, "pages: asked for", m.asked)


def main():
    with tempfile.TemporaryDirectory() as d:
        usage(d)
        nobody(d)
        greetings(d)
        bad_replies(d)
        pages(d)
    print(f"1..{count}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
