#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A whole life of the program on ports that receive nothing: start, every telemetry command, signals,
clean stop. Usage: test_manage_run.py PUBWIRE SCRIPTS_DIR"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, sys.argv[2])
from pwlab.telemetry import Telemetry, TelemetryError, socket_path  # noqa: E402

CPU = min(os.sched_getaffinity(0))
CONFIG = f"""\
eal: ["--lcores=0@{CPU},1@{CPU},2@{CPU}", --no-huge, --no-pci,
      "--vdev=net_null0,no-rx=1", "--vdev=net_null1,no-rx=1"]
workers: {{devices: [1], brokers: [2]}}
ports:
  - {{name: dev, device: net_null0, addresses: [10.77.0.1/16, "fd77::1/64"]}}
  - {{name: brk, device: net_null1, addresses: [10.78.0.1/16, "fd78::1/64"]}}
listeners: [{{name: mqtt, address: 10.77.0.1}}, {{name: six, address: "fd77::1"}}]
brokers: [{{name: a, address: 10.78.0.11, connect_timeout: 500ms}}, {{name: b, address: "fd78::12"}}]
routes: [{{filter: "#", brokers: [a, b]}}]
limits: {{drain_deadline: 1s}}
"""

count = 0
failed = 0


def check(ok, what):
    global count, failed
    count += 1
    failed += not ok
    print(("ok" if ok else "not ok"), count, "-", what, flush=True)


def wait(what, fn, patience=20.0):
    end = time.monotonic() + patience
    while time.monotonic() < end:
        if fn():
            return check(True, what)
        time.sleep(0.02)
    return check(False, what)


def refused(t, command):
    """The reply is null, which the client reports as an error that names the command."""
    try:
        t.ask(command)
    except TelemetryError as e:
        return command in str(e) and "parameters" in str(e)
    return False


def ask_levels(t):
    check(set(t.ask("/pubwire/log_level").values()) == {"info"}, "log levels: those of the file")
    t.ask("/pubwire/log_level,pubwire.tcp,debug")
    wait("log levels: one is set soon",
         lambda: [k for k, v in t.ask("/pubwire/log_level").items() if v == "debug"] == ["pubwire_tcp"])
    t.ask("/pubwire/log_level,all,info")
    wait("log levels: all are", lambda: set(t.ask("/pubwire/log_level").values()) == {"info"})
    for bad in ("pubwire.tcp", "pubwire.tcp,loud", "pubwire.none,info", ",info"):
        check(refused(t, "/pubwire/log_level," + bad), f"log levels: '{bad}' is refused")


def ask_drops(t):
    rows, start = [], 0
    while start is not None:
        page = t.ask(f"/pubwire/drops,{start}")
        rows += [r for r in page.values() if isinstance(r, dict)]
        start = page.get("next")
    check(len(rows) == page["total"] > 40, "drops: all pages together")
    counters = t.ask("/pubwire/counters")
    counters["upstream"] = t.ask("/pubwire/brokers")["0"]
    want = {(room, c) for room, all_of_it in counters.items() for c in all_of_it
            if c.startswith(("drop_", "dropped_"))}
    check({(r["room"], r["counter"]) for r in rows} == want, "drops: every counter of something dropped")
    bare = [r["counter"] for r in rows if not r["means"] or not r["remedy"] or len(r["remedy"]) >= 127]
    check(not bare, f"drops: each has a meaning and a whole remedy in lib/manage/drops.c {bare}")
    h = t.ask("/pubwire/histogram,1")
    check(h["count"] == 0 and h["bucket"] == [] and h["n"] == [] and "next" not in h, "histogram: empty")
    check(refused(t, "/pubwire/histogram") and refused(t, "/pubwire/histogram,2"), "histogram: QoS 0 or 1")


def ask_everything(prefix):
    with Telemetry(prefix) as t:
        commands = t.ask("/")
        ours = [c for c in commands if c.startswith("/pubwire/")]
        check(len(ours) == 22 and all(len(c) < 56 for c in ours), "twenty-two commands are there")
        w = t.ask("/pubwire/workers")
        check(w["total"] == 2 and w["0"]["role"] == "devices" and w["1"]["role"] == "brokers"
              and w["0"]["lcore"] == 1 and w["1"]["total_cycles"] > 0, "workers: lcores, roles, cycles")
        s = t.ask("/pubwire/stages")
        check(s["total"] == 2 and (s["counted"] == 1 or s == {"counted": 0, "total": 2}),
              "stages: counted, or said not to be")
        c = t.ask("/pubwire/counters")
        check(set(c) == {"worker", "wire", "tcp", "forward"} and c["worker"]["loops"] > 0
              and len(c["tcp"]) > 30, "counters: sums of four rooms")
        check(t.ask("/pubwire/counters,1")["worker"]["loops"] > 0, "counters of a worker")
        check(refused(t, "/pubwire/counters,2"), "counters of a worker that is not there: refused")
        b = t.ask("/pubwire/brokers")
        rows = [r for r in b.values() if isinstance(r, dict)]
        check(b["total"] == 4 and {(r["broker"], r["protocol"]) for r in rows} ==
              {(n, p) for n in "ab" for p in ("3.1.1", "5.0")}, "brokers: a row for each and protocol")
        check(all(r["state"] != "up" and r["worker"] == 1 for r in rows),
              "brokers: none is up, the broker worker has them")
        check(all(r["connected_for"] == 0 for r in rows), "brokers: nor has been for any second")
        check(set(t.ask("/pubwire/brokers,3")) == {"3", "total"}, "brokers: a page starts where asked")
        check(t.ask("/pubwire/devices,0,0") == {"total": 0}, "devices: none")
        check(refused(t, "/pubwire/devices,9"), "devices of a worker that is not there: refused")
        check(refused(t, "/pubwire/devices,x"), "a parameter that is no number: refused")
        logs = t.ask("/pubwire/logs")
        check(logs["total"] == 2 and logs["0"]["capacity"] == 8192, "logs: one a protocol")
        p = t.ask("/pubwire/pools")
        check(p["packet_buffers"]["count"] == 8192 and p["packet_buffers"]["in_use"] < 8192, "pools")
        check(t.ask("/pubwire/latency")["qos1"]["count"] == 0, "latency")
        ports = t.ask("/pubwire/ports")
        check(ports["1"]["device"] == "net_null1" and len(ports["1"]["selftest"]) > 3, "ports")
        check(t.ask("/pubwire/auth") == {"users": 0}, "nobody is in no password file")
        ledger = t.ask("/pubwire/ledger")
        check(ledger["accepted"] == 0 and ledger["unexplained"] == 0, "ledger")
        check("not connected" in t.ask("/pubwire/why,nobody")["why0"], "nobody waits")
        row = t.ask("/pubwire/ledger_brokers")["0"]
        check(row["accepted"] == 0 and row["unexplained"] == 0, "ledger of a broker")
        routes = t.ask("/pubwire/ledger_routes")
        check(routes["0"]["accepted"] == 0 and routes["unexplained"] == 0, "ledger of a route")
        info = t.ask("/pubwire/info")
        check(info["program"] == "pubwire" and info["pid"] == t.pid and info["state"] == "running"
              and info["file"].endswith("c.yaml") and info["workers"] == 2, "info: what runs")
        check(t.ask("/pubwire/drain")["state"] == "running" and refused(t, "/pubwire/drain,now"),
              "drain: nobody asked for it, and what it does not know is refused")
        check(t.ask("/pubwire/capture")["state"] == "off", "capture: nobody has asked for it")
        t.ask("/pubwire/capture,start")
        wait("capture: impossible without hugepages, and it says so",
             lambda: (c := t.ask("/pubwire/capture"))["state"] == "impossible" and "--no-huge" in c["why"])
        ask_levels(t)
        ask_drops(t)


def reload(t):
    """Ask for one, and wait for its end."""
    number = t.ask("/pubwire/reload")["generation"]
    end = time.monotonic() + 20
    while time.monotonic() < end:
        r = t.ask("/pubwire/reload_result")
        if r["generation"] >= number and r["state"] != "running":
            break
        time.sleep(0.02)
    r["text"] = "".join(r["text"])
    return r


def reload_routes(t, write):
    """Brokers and routes that come, change and go; what the program has of them is told by telemetry."""
    def logs():
        return t.ask("/pubwire/logs")["total"]

    write(CONFIG.replace('"fd78::12"}]', '"fd78::12"}, {name: c, address: 10.78.0.13}]')
          .replace("brokers: [a, b]}]", "brokers: [c, b], pool_size: 2}, {filter: x, brokers: [a], name: x}]")
          .replace('{filter: "#"', '{name: all, filter: "#"'))
    r = reload(t)
    check(r["state"] == "done" and {"brokers[2] (c is new)", "routes[0] (all is new)", "routes[1] (x is new)",
                                    "routes (route-1 is gone)"} <= set(r["changed"]),
          "reload: brokers and routes that come and go are named")
    wait("reload: logs of sets that no route names any more go", lambda: logs() == 6)
    rows = [x for n in range(0, 10, 7) for x in t.ask(f"/pubwire/brokers,{n}").values() if isinstance(x, dict)]
    check({x["broker"] for x in rows} == {"a", "b", "c"} and len(rows) == 10,
          "reload: connections to all that routes name")
    wait("reload: a ledger for each broker",
         lambda: [x["broker"] for x in t.ask("/pubwire/ledger_brokers").values()
                  if isinstance(x, dict)] == ["a", "b", "c"])
    write(CONFIG.replace('"fd78::12"}]', '"fd78::12"}, {name: c, address: 10.78.0.14}]').replace("[a, b]", "[c]")
          .replace("{name: a, address: 10.78.0.11, connect_timeout: 500ms}, ", "")
          .replace('{name: b, address: "fd78::12"}, ', ""))
    r = reload(t)
    check(r["state"] == "done" and "brokers (a is gone)" in r["changed"] and "brokers[0].address" in r["changed"],
          "reload: brokers go, another one moves")
    wait("reload: their logs are gone too", lambda: logs() == 2)
    wait("reload: and their rows", lambda: [x["broker"] for x in t.ask("/pubwire/ledger_brokers").values()
                                            if isinstance(x, dict)] == ["c"])


def reload_by_telemetry(prefix, conf, write):
    with Telemetry(prefix) as t:
        before = t.ask("/pubwire/reload_result")
        check(before["state"] == "refused" and before["generation"] == 2,
              "reload: telemetry knows of the one that HUP asked for")
        more = CONFIG.replace("drain_deadline: 1s", "drain_deadline: 2s, idle_timeout: 1m")
        more = more.replace("address: 10.78.0.11,", "address: 10.78.0.11, ack_timeout: 3s,")
        more = more.replace("brokers: [a, b]}]", "brokers: [a, b]}, {filter: x, brokers: [z]}]")
        more = more.replace("brokers: [{name: a", "brokers: [{name: z, address: 10.78.0.20}, {name: a")
        write(more + "log: {level: debug}\n")
        r = reload(t)
        check(r["state"] == "done" and r["generation"] == 3, "reload: it is taken")
        check(sorted(r["changed"]) == ["brokers[0] (z is new)", "brokers[1].ack_timeout", "limits.drain_deadline",
                                       "limits.idle_timeout", "log.level", "routes[1] (route-2 is new)"],
              "reload: it says what is different")
        check(r["text"].endswith("c.yaml is in force: 6 keys differ"), "reload: and how many keys are")
        # The second one that is taken once had brokers numbered as in the file, so that all moved.
        names = [x["broker"] for x in t.ask("/pubwire/ledger_brokers").values() if isinstance(x, dict)]
        check(names == ["a", "b", "z"] and t.ask("/pubwire/logs")["total"] == 4,
              "reload: brokers that stay keep their places, and their logs")
        check(t.ask("/pubwire/drain")["deadline_ms"] == 2000, "reload: telemetry tells of what is in force")
        check(set(t.ask("/pubwire/log_level").values()) == {"debug"}, "reload: the log level is the new one")
        write(more)
        r = reload(t)
        check(r["text"].endswith("c.yaml is in force: 1 key differs"), "reload: one key is one")
        write(more.replace("idle_timeout: 1m", "idle_timeout: 2m, max_connections: 2000, message_rate: 5"))
        r = reload(t)
        check(r["state"] == "refused" and r["text"].count("needs a restart") == 2 and
              f"{conf}:10:" in r["text"] and "limits.max_connections: needs a restart" in r["text"] and
              "limits.message_rate: needs a restart" in r["text"],
              "reload: every key that needs a restart is named, with its line")
        reload_routes(t, write)
        write(CONFIG)
        r = reload(t)
        check(r["state"] == "done" and "brokers[0] (a is new)" in r["changed"],
              "reload: and back to the first")


def answers(prefix):
    try:
        with Telemetry(prefix) as t:
            return t.ask("/pubwire/workers").get("total") == 2
    except (TelemetryError, OSError, AttributeError):
        return False


def stop_twice(d, prefix):
    """Two signals before the workers have looked: the second does not wait for the drain."""
    conf, log = os.path.join(d, "twice.yaml"), os.path.join(d, "twice.log")
    with open(conf, "w", encoding="utf-8") as f:
        f.write(CONFIG.replace("brokers: [2]", "brokers: [2], idle_sleep: 100ms", 1))

    def text():
        with open(log, encoding="utf-8", errors="replace") as f:
            return f.read()

    with open(log, "w", encoding="utf-8") as out:
        p = subprocess.Popen([sys.argv[1], "-c", conf, "--", "--file-prefix", prefix],
                             stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    try:
        wait("it runs again", lambda: p.poll() is not None or "is running" in text())
        time.sleep(0.5)  # until the workers sleep for long
        p.send_signal(signal.SIGSTOP)
        p.send_signal(signal.SIGTERM)
        p.send_signal(signal.SIGINT)
        p.send_signal(signal.SIGCONT)
        check(p.wait(20) == 0 and "second signal: stopping at once" in text(),
              "a second signal stops it at once")
        check("given up at the end      0\n" in text(), "the summary says what was given up")
    finally:
        if p.poll() is None:
            p.kill()
            p.wait()
        shutil.rmtree(os.path.dirname(socket_path(prefix)), ignore_errors=True)


def main():
    prefix = f"pwrun{os.getpid()}"
    with tempfile.TemporaryDirectory() as d:
        conf, log = os.path.join(d, "c.yaml"), os.path.join(d, "log")

        def text():
            with open(log, encoding="utf-8", errors="replace") as f:
                return f.read()

        def write(content):
            with open(conf, "w", encoding="utf-8") as f:
                f.write(content)

        write(CONFIG)
        with open(log, "w", encoding="utf-8") as out:
            p = subprocess.Popen([sys.argv[1], "-c", conf, "--", "--file-prefix", prefix],
                                 stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        try:
            wait("it runs and telemetry answers",
                 lambda: p.poll() is not None or (answers(prefix) and "is running" in text()))
            check(p.poll() is None, "it has not ended")
            for line in ("fd77::1/64", "listener mqtt: 10.77.0.1:1883\n",
                         "listener six: [fd77::1]:1883\n", "broker b: [fd78::12]:1883\n"):
                check(line in text(), "the report has " + line.strip())
            if p.poll() is None:
                ask_everything(prefix)
                for lane in ("3.1.1", "5.0"):
                    line = f"broker a (log of worker 0, {lane}, set 0, pool 0): "
                    wait("the log names a connection: " + line, lambda: line in text())
                p.send_signal(signal.SIGHUP)
                wait("HUP with the same file says so", lambda: "says what was in force" in text())
                write(CONFIG + "nonsense: 1\n")
                p.send_signal(signal.SIGHUP)
                wait("HUP with a bad file says why it is refused",
                     lambda: "refused, nothing has changed" in text() and "nonsense: unknown key" in text())
                reload_by_telemetry(prefix, conf, write)
                p.send_signal(signal.SIGUSR1)
                wait("USR1 is answered", lambda: "there is no file to open again" in text())
                p.send_signal(signal.SIGTERM)
                check(p.wait(20) == 0, "TERM ends it with 0")
                check(": drained\n" in text() and "cut the drain" not in text(),
                      "nothing was outstanding: it says drained")
                check("buffers still in use     0 packet, 0 header, 0 indirect\n" in text(),
                      "every buffer is back")
        finally:
            if p.poll() is None:
                p.kill()
                p.wait()
            shutil.rmtree(os.path.dirname(socket_path(prefix)), ignore_errors=True)
            if failed:
                print("# " + text().replace("\n", "\n# "))
        stop_twice(d, prefix + "b")
    print(f"1..{count}")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
