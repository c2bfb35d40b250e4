#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""pubwirectl against a model of DPDK's telemetry socket, which says what no pubwire would, or ends
in the midst. Usage: test_manage_ctl.py PUBWIRECTL"""

import contextlib
import json
import os
import pty
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
    if "--help" not in args and set(args) & {"brokers", "status", "drops"} and "-i" not in args:
        args = (*args, "-i", "0.05")  # nothing is gained by a whole second
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
              and all(len(line) <= 80 for line in r.stdout.splitlines()), f"usage: {name} --help", r)
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


def control_characters(d):
    """Whoever has made the socket must not have the terminal."""
    evil = b'\\u001b]0;x\\u0007 \\b\\n\\r\\u009B2J \xc2\x9b2J \x7f \\\\n \xc3\xa4 \\u00e4 \\"'
    row = b'{"broker":"' + evil + b'","state":"up","last_error":"' + evil + b'"}'
    with Model(d, {"/pubwire/brokers": b'{"/pubwire/brokers":\n{"0":\t' + row + b'}}'}):
        r = run(d, "-p", "model", "brokers")
        check(r.returncode == 0 and all(c.isprintable() for c in r.stdout.replace("\n", "")),
              "control characters: none gets through", r)
        name = json.loads(run(d, "-p", "model", "brokers", "--json").stdout)["brokers"][0]["broker"]
        check(name == "??????]0;x?????? ????????????2J ??2J ? \\n \u00e4 \u00e4 \"",
              "control characters: and what is none is as it was", name)
    for answer in (b'{"/pubwire/brokers":{"\x1b]0;x\x07', b'\x1b]0;x\x07 \xc2\x9b', b'{"a":"\\', b'{"a":"\\u00', b"\xc2"):
        with Model(d, {"/pubwire/brokers": answer}):
            r = run(d, "-p", "model", "brokers")
            check(r.returncode == 1 and r.stderr[:-1].isprintable(), f"control characters: nor in complaints, of {answer}", r)
    with Model(d, {"/pubwire/log_level": b'{"/pubwire/log_level":{"pubwire_\\u001b[2J":"info"}}'}):
        r = run(d, "-p", "model", "log-level")
        check(r.returncode == 0 and "\033" not in r.stdout, "control characters: nor as names", r)


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


def rates(d):
    """A reload may put another broker's connection where one was."""
    looks = iter([{"0": {"broker": "a", "state": "up", "acked": 100}, "1": {"broker": "b", "state": "up", "acked": 5}},
                  {"0": {"broker": "b", "state": "up", "acked": 9000}, "1": {"broker": "c", "state": "up", "acked": 7}}])
    with Model(d, {"/pubwire/brokers": lambda p: next(looks)}):
        rows = json.loads(run(d, "-p", "model", "brokers", "--json").stdout)["brokers"]
        check([(x["broker"], x["acknowledged_per_second"]) for x in rows] == [("b", 0), ("c", 0)],
              "rates: of no connection that was another one's before", rows)


def devices(d):
    everybody = [f"dev{i}" for i in range(70)]

    def page(params):
        worker, at, *text = params.split(",", 2)
        mine = [n for i, n in enumerate(everybody) if i % 2 == int(worker)]
        at, text = int(at), text[0] if text else ""
        rows = [n for n in mine[at:at + 32] if text in n]
        out = {str(i): {"client_id": n, "version": 5, "address": "10.0.0.1"} for i, n in enumerate(rows)}
        out["total"] = len(mine)
        if at + 32 < len(mine):
            out["next"] = at + 32
        return out
    with Model(d, {"/pubwire/devices": page, "/pubwire/info": dict(INFO, workers=2)}) as m:
        r = run(d, "-p", "model", "devices", "--json", "--limit", "1000")
        doc = json.loads(r.stdout)
        check({x["client_id"] for x in doc["devices"]} == set(everybody) and doc["connected"] == 70
              and not doc["more"], "devices: of all workers and pages", r)
        doc = json.loads(run(d, "-p", "model", "devices", "--json", "-n", "33").stdout)
        check(len(doc["devices"]) == 33 and doc["more"], "devices: a limit, and that there are more", doc)
        r = run(d, "-p", "model", "devices", "--find", "ev6,")
        check(r.returncode == 0 and "0 shown, 70 connected" in r.stdout, "devices: a text with a comma", r)
        r = run(d, "-p", "model", "devices", "--find", "ev6")
        check("11 shown" in r.stdout and "dev69" in r.stdout and "dev7" not in r.stdout, "devices: --find", r)
        check("/pubwire/devices,1,32,ev6" in m.asked, "devices: pubwire looks for it", m.asked)


def why(d):
    brokers = {"0": {"broker": "a", "state": "TCP handshake", "last_error": "no answer", "held": 5, "inflight": 2},
               "1": {"broker": "ab", "state": "up"}, "2": {"broker": "ACK", "state": "up"}, "total": 3}
    reply = {"client_id": "x", "connected": 1, "worker": 3, "why0": "its message 7 waits for PUBACK of a"}
    with Model(d, {"/pubwire/brokers": brokers, "/pubwire/why": lambda p: dict(reply, client_id=p)}) as m:
        r = run(d, "-p", "model", "why", "a,b c")
        check(r.stdout == "a,b c: connected, worker 3\n  its message 7 waits for PUBACK of a\n"
              "broker a: it is away (TCP handshake); 5 messages wait for it, 2 of them are sent; "
              "its last error: no answer\n", "why: the broker that it waits for, and no other", r)
        doc = json.loads(run(d, "-p", "model", "why", "--json", "--", "-x").stdout)
        check(doc["client_id"] == "-x" and doc["connected"] and [b["broker"] for b in doc["brokers"]] == ["a"],
              "why: --json, of an identifier that begins with -", doc)
        check(run(d, "-p", "model", "why").returncode == 64, "why: of nobody")
        reply = {"connected": 0, "why0": "it is not connected"}
        for how in ([], ["--json"]):
            r = run(d, "-p", "model", "why", "nobody", *how)
            check(r.returncode == 3 and r.stdout == "" and r.stderr ==
                  "pubwirectl: no device 'nobody' is connected, and nothing is kept for one\n",
                  f"why: of an unknown device{''.join(' ' + x for x in how)}", r)
        check("/pubwire/brokers" not in m.asked[-4:], "why: of an unknown device asks for no brokers", m.asked)
        r = run(d, "-p", "model", "why", "x" * 1100)
        check(r.returncode == 1 and "longer than" in r.stderr, "why: of more than telemetry takes", r)


def drops(d):
    row = {"room": "tcp", "reason": "paws", "count": 3, "means": "M", "remedy": "R"}
    with Model(d, {"/pubwire/drops": {"0": row, "1": dict(row, reason="seq", count=0), "total": 2}}):
        r = run(d, "-p", "model", "drops")
        check(r.stdout == "tcp paws: 3\n    M\n    -> R\n", "drops: those that there were", r)
        check("tcp seq: 0" in run(d, "-p", "model", "drops", "--all").stdout, "drops: --all")
        doc = json.loads(run(d, "-p", "model", "drops", "--json").stdout)
        check([x["reason"] for x in doc["drops"]] == ["paws"], "drops: --json", doc)
    counts = iter([3, 3, 9])
    with Model(d, {"/pubwire/drops": lambda p: {"0": dict(row, count=n)} if (n := next(counts, 0)) else None}):
        r = run(d, "-p", "model", "drops", "--watch", "--json")
        docs = [json.loads(x) for x in r.stdout.splitlines()]
        check([[y["count"] for y in x["drops"]] for x in docs] == [[3], [], [9]] and 6 < docs[2]["drops"][0][
            "per_second"] <= 121 and r.returncode == 1 and "has ended" in r.stderr, "drops: --watch until the end", r)


def edge(b):
    """Largest value (ns) of a bucket: docs of pubwire/base/histogram.h."""
    return b if b < 32 else ((32 + b % 32 + 1) << (b // 32 - 1)) - 1


def latency(d):
    # 100 messages, one in each of 100 buckets: the k-th percentile is the k-th bucket's edge.
    def histogram(params):
        qos, start = (int(x) for x in params.split(","))
        page = range(start, min(start + 40, 300))
        rows = [b for b in page if 200 <= b < 300] if qos else []
        out = {"sub_bits": 5, "buckets": 1153, "count": 100 * qos, "sum": 1, "max": edge(299) * qos,
               "bucket": rows, "n": [1] * len(rows)}
        if qos and start + 40 < 300:
            out["next"] = start + 40
        return out
    with Model(d, {"/pubwire/histogram": histogram}):
        doc = json.loads(run(d, "-p", "model", "latency", "--json").stdout)
        check(doc["qos1"]["p50_ns"] == edge(249) and doc["qos1"]["p99_ns"] == edge(298)
              and doc["qos1"]["max_ns"] == edge(299) and doc["qos1"]["count"] == 100 and doc["qos0"]["count"] == 0,
              "latency: percentiles of all pages", doc)
        r = run(d, "-p", "model", "latency", "--hgrm")
        lines = [x.split() for x in r.stdout.splitlines() if x and x[0] == " " and "Value" not in x]
        half = [x for x in lines if x[1] == "0.500000000000"]
        check(len(half) == 1 and half[0][2] == "50" and abs(float(half[0][0]) * 1000 - edge(249)) < 1
              and half[0][3] == "2.00", "latency: the line of 50 % in the text of HdrHistogram", r)
        check(lines[-1][1] == "1.000000000000" and lines[-1][2] == "100" and len(lines[-1]) == 3
              and lines == sorted(lines, key=lambda x: float(x[1])), "latency: the last line is that of 100 %", r)
        check("Total count    =          100]" in r.stdout, "latency: its sums", r)
        for args in (["-q", "2"], ["--hgrm", "--json"], ["-s", "0"], ["-s", "1x"], ["-s", "nan"]):
            check(run(d, "-p", "model", "latency", *args).returncode == 64, f"latency: {args} is refused")
        doc = json.loads(run(d, "-p", "model", "latency", "-s", "0.1", "--json").stdout)
        check(doc["qos1"]["count"] == 0 and doc["qos1"]["max_ns"] == 0, "latency: nothing came in that time", doc)
    for odd in ({"sub_bits": 6}, {"bucket": [1153], "n": [1]}, {"bucket": [1], "n": []}, {"next": 0}):
        answer = dict({"sub_bits": 5, "buckets": 1153, "bucket": [], "n": []}, **odd)
        with Model(d, {"/pubwire/histogram": answer}):
            r = run(d, "-p", "model", "latency")
            check(r.returncode == 1 and "does not understand" in r.stderr, f"latency: {odd} is not understood", r)


def drain(d):
    base = {"deadline_ms": 100, "sessions": 2, "outstanding": 1, "owed": 0, "trailing": 0}

    def story(*states, **lost):
        left = list(states)

        def answer(_params):
            if not left:
                return None
            return dict(base, state=left.pop(0), **lost)
        return answer
    with Model(d, {"/pubwire/drain": story("running", "draining", "drained", "drained")}) as m:
        r = run(d, "-p", "model", "drain")
        check(r.returncode == 0 and "2 devices; 1 messages" in r.stdout and "nothing" in r.stdout, "drain: clean", r)
        check(m.asked[1] == "/pubwire/drain,start" and "/pubwire/drain,heard" in m.asked, "drain: asked, heard", m.asked)
    with Model(d, {"/pubwire/drain": story("draining", "cut", "cut", lost_messages=3, lost_trailing=2, lost_wills=1)}):
        r = run(d, "-p", "model", "drain")
        check(r.returncode == 1 and "3 messages were given up, 2 that" in r.stderr and "1 wills" in r.stderr,
              "drain: cut", r)
    with Model(d, {"/pubwire/drain": story("drained", "drained", lost_messages=0)}):
        r = run(d, "-p", "model", "drain", "--json")
        check(r.returncode == 0 and json.loads(r.stdout)["state"] == "drained", "drain: --json", r)
    with Model(d, {"/pubwire/drain": story("draining")}):
        r = run(d, "-p", "model", "drain")
        check(r.returncode == 1 and "ended before it said" in r.stderr, "drain: it ends in the midst", r)


def levels(d):
    now = {"pubwire_tcp": "info", "pubwire_wire": "error"}

    def answer(params):
        if params:
            name, level = params.split(",")
            now.update({k: level for k in now if name in ("all", k.replace("_", "."))})
        return dict(now)
    with Model(d, {"/pubwire/log_level": answer}):
        r = run(d, "-p", "model", "log-level")
        check(r.stdout.split() == ["pubwire.tcp", "info", "pubwire.wire", "error"], "log-level: shown", r)
        r = run(d, "-p", "model", "log-level", "tcp", "debug", "--json")
        check(json.loads(r.stdout) == {"pubwire.tcp": "debug", "pubwire.wire": "error"}, "log-level: one is set", r)
        r = run(d, "-p", "model", "log-level", "all", "notice")
        check(r.stdout.count("notice") == 2, "log-level: all are set", r)
        for args in (["tcp"], ["tcp", "loud"], ["udp", "info"], ["tcp", "info", "x"]):
            check(run(d, "-p", "model", "log-level", *args).returncode == 64, f"log-level: {args} is refused")


def reload(d):
    result = {"state": "done", "generation": 1, "nb_changed": 0, "text": ["before"], "changed": []}
    story = [dict(result), dict(result, generation=2, state="running"), dict(
        result, generation=2, text=["x" * 120, "yz", "next"], nb_changed=3, changed=["limits.hold", "brokers[0].port"])]
    with Model(d, {"/pubwire/reload": {"generation": 2}, "/pubwire/reload_result": lambda p: story.pop(0)}):
        r = run(d, "-p", "model", "reload")
        check(r.returncode == 0 and r.stdout == "x" * 120 + "yz\nnext\n  limits.hold\n  brokers[0].port\n"
              "  and 1 more\n", "reload: waits for its own, joins what was cut", r)
    refused = dict(result, generation=2, state="refused", text=["c.yaml:3: limits.hold: expected a number"])
    with Model(d, {"/pubwire/reload": {"generation": 2}, "/pubwire/reload_result": refused}):
        r = run(d, "-p", "model", "reload")
        check(r.returncode == 1 and "stays as it was:\n  c.yaml:3: limits.hold" in r.stderr, "reload: refused", r)
        r = run(d, "-p", "model", "reload", "--json")
        check(r.returncode == 1 and json.loads(r.stdout)["state"] == "refused", "reload: refused, --json", r)
    with Model(d, {"/pubwire/reload": {"generation": 2}, "/pubwire/reload_result": None}):
        r = run(d, "-p", "model", "reload")
        check(r.returncode == 1 and "has ended" in r.stderr, "reload: it ends in the midst", r)


def capture(d):
    """All that goes on before dpdk-dumpcap is started, and with one that does not do what it should."""
    out = os.path.join(d, "x.pcapng")
    ports = {"0": {"name": "dev", "device": "net_a", "addresses": ["10.1.0.1/16", "fd77::1/64"]},
             "1": {"name": "brk", "device": "net_b", "addresses": ["10.2.0.129/25"], "gateway": "10.2.0.254",
                   "vlan": 7}}
    devices = {"0": {"client_id": "pumpX", "address": "10.1.0.9", "port": 4}, "1": {
        "client_id": "pump", "address": "fd77::9", "port": 5}, "total": 2}
    state = {"state": "ready", "asked": 0}
    answers = {"/pubwire/ports": ports, "/pubwire/devices": devices, "/pubwire/capture": lambda p: state,
               "/pubwire/brokers": {"0": {"broker": "b", "address": "10.2.0.200", "port": 1883}}}
    # Writes how it was called, and one packet.
    fake = os.path.join(d, "bin")
    os.makedirs(fake)

    def dumpcap(script):
        with open(os.path.join(fake, "dpdk-dumpcap"), "w", encoding="utf-8") as f:
            f.write("#!/usr/bin/python3\nimport os, signal, struct, sys, time\n" + script)
        os.chmod(f.name, 0o755)
    block = "struct.pack('<III4xI', 6, 16, 0, 16)[:16]"
    good = ("print(os.environ['RUNTIME_DIRECTORY'], *sys.argv[1:], sep='|', file=open(sys.argv[0] + '.args', 'w'))\n"
            f"f = open(sys.argv[-1], 'wb')\nf.write(struct.pack('<III', 1, 12, 12) + {block} * 3)\nf.close()\n")

    def go(*args):
        if os.path.exists(out):
            os.unlink(out)
        r = run(d, "-p", "model", "capture", "-w", out, *args, env={"PATH": fake + ":" + os.environ["PATH"]})
        with contextlib.suppress(FileNotFoundError), open(os.path.join(fake, "dpdk-dumpcap.args"),
                                                          encoding="utf-8") as f:
            return r, f.read().strip().split("|")
        return r, []
    with Model(d, answers) as m:
        for args in ([], ["-d", "x", "-b", "b"], ["-a", "nobody"], ["-d", "x", "--port", "1"], ["-a", "10.1.0.1", "--port",
                     "70000"], ["-a", "10.1.0.1", "--snaplen", "70000"]):
            check(go(*args)[0].returncode == 64, f"capture: {args} is refused")
        check(run(d, "-p", "model", "capture", "-b", "b").returncode == 64, "capture: into no file")
        dumpcap(good)
        r, args = go("-d", "pump", "-n", "5", "--size", "9", "--snaplen", "200")
        check(r.returncode == 0 and "3 packets, 60 B" in r.stdout and args == [
            d, "--file-prefix=model", "-i", "net_a", "-f", "host fd77::9 and port 5", "-p", "-s", "200", "-c", "5", "-a",
            "filesize:9", "-a", "duration:20", "-w", out], "capture: a device, by its whole identifier, on its port", (r, args))
        check(m.asked.count("/pubwire/capture,start") == 1, "capture: asks pubwire first", m.asked)
        r, args = go("-b", "b", "--json")
        doc = json.loads(r.stdout)
        plain = "host 10.2.0.200 and port 1883"
        check(args[2:6] == ["-i", "net_b", "-f", f"({plain}) or (vlan and ({plain}))"] and doc["packets"] == 3
              and doc["file"] == out, "capture: a broker, behind a VLAN", (r, args))
        r, args = go("-a", "192.0.2.1")
        check(args[3] == "net_b", "capture: whoever is nowhere else is behind the gateway", (r, args))
        r, args = go("-a", "fe80::1", "--on", "dev", "--port", "99")
        check(args[3] == "net_a" and "fe80::1 and port 99" in args[5], "capture: on the port that is named", (r, args))
        for who, said in ((("-d", "pum"), "no device 'pum'"), (("-b", "c"), "no broker 'c'"),
                          (("-a", "fe80::1"), "--on; one of dev, brk"), (("-b", "b", "--on", "x"), "one of dev, brk")):
            r, _ = go(*who)
            check(r.returncode == 1 and said in r.stderr, f"capture: {who}", r)
        with open(out, "w", encoding="utf-8"):
            r = run(d, "-p", "model", "capture", "-b", "b", "-w", out)
            check(r.returncode == 1 and "there already" in r.stderr and os.path.getsize(out) == 0,
                  "capture: never over a file that is there", r)
        dumpcap("print('EAL: no such thing')\nsys.exit(3)\n")
        r, _ = go("-b", "b")
        check(r.returncode == 1 and "exit status 3" in r.stderr and "no such thing" in r.stderr, "capture: dumpcap fails", r)
        dumpcap("print('  Cause: Packet dump enable failed: Operation not permitted')\nsys.exit(1)\n")
        r, _ = go("-b", "b")
        check(r.returncode == 1 and "another capture of this port is going on" in r.stderr, "capture: a second one", r)
        dumpcap("signal.signal(signal.SIGINT, lambda *a: sys.exit(0))\nf = open(sys.argv[-1], 'w')\ntime.sleep(60)\n")
        r, _ = go("-b", "b", "-s", "0.5")
        check(r.returncode == 0 and "0 packets" in r.stdout and "nothing came by" in r.stdout, "capture: for so long", r)
        os.unlink(os.path.join(fake, "dpdk-dumpcap"))
        r = run(d, "-p", "model", "capture", "-b", "b", "-w", out + "2", env={"PATH": fake})
        check(r.returncode == 1 and "apt install dpdk" in r.stderr, "capture: no dumpcap", r)
        state.update(state="impossible", why="with --no-huge it is not")
        r, _ = go("-b", "b")
        check(r.returncode == 1 and "nothing can be captured: with --no-huge" in r.stderr, "capture: impossible", r)


def colours(d):
    with Model(d, {"/pubwire/brokers": {"0": {"broker": "a", "state": "up"}}}):
        check("\033" not in run(d, "-p", "model", "brokers").stdout, "colours: none into a pipe")
        for env, want in (({"TERM": "xterm"}, True), ({"TERM": "xterm", "NO_COLOR": "1"}, False),
                          ({"TERM": "xterm", "NO_COLOR": ""}, True), ({"TERM": "dumb"}, False)):
            check(("\033[" in on_terminal(d, "-p", "model", "brokers", env=env)) == want, f"colours: {env}")


def on_terminal(d, *args, env):
    """What is written to a terminal."""
    ours, theirs = pty.openpty()
    e = dict(os.environ, XDG_RUNTIME_DIR=d, **env)
    if "NO_COLOR" not in env:
        e.pop("NO_COLOR", None)
    with subprocess.Popen([CTL, *args], env=e, stdout=theirs, stderr=theirs, stdin=theirs) as p:
        os.close(theirs)
        text = b""
        with contextlib.suppress(OSError):
            while chunk := os.read(ours, 4096):
                text += chunk
        os.close(ours)
        p.wait(20)
    return text.decode()


def main():
    with tempfile.TemporaryDirectory() as d:
        usage(d)
        nobody(d)
        greetings(d)
        bad_replies(d)
        control_characters(d)
        pages(d)
        rates(d)
        devices(d)
        why(d)
        drops(d)
        latency(d)
        drain(d)
        levels(d)
        reload(d)
        capture(d)
        colours(d)
    print(f"1..{count}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
