#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""/metrics, /status.json and what else may be asked of the HTTP port, on ports that receive nothing.
Usage: test_manage_http.py PUBWIRE SCRIPTS_DIR DOCS_DIR"""

import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, sys.argv[2])
from pwlab.telemetry import Telemetry, socket_path  # noqa: E402

try:
    from prometheus_client.openmetrics.parser import text_string_to_metric_families
except ImportError:
    text_string_to_metric_families = None

CPU = min(os.sched_getaffinity(0))
CONFIG = f"""\
eal: ["--lcores=0@{CPU},1@{CPU},2@{CPU}", --no-huge, --no-pci,
      "--vdev=net_null0,no-rx=1", "--vdev=net_null1,no-rx=1"]
workers: {{devices: [1], brokers: [2]}}
ports:
  - {{name: dev, device: net_null0, addresses: [10.77.0.1/16]}}
  - {{name: brk, device: net_null1, addresses: [10.78.0.1/16]}}
listeners: [{{name: mqtt, address: 10.77.0.1}}]
limits: {{drain_deadline: 1s, max_queued_messages: 1024}}
"""
FEW = """\
brokers: [{name: a, address: 10.78.0.11, connect_timeout: 500ms}, {name: b, address: 10.78.0.12}]
routes: [{name: some, filter: "some/#", brokers: [a]}, {name: all, filter: "#", brokers: [a, b]}]
"""
PASSWORDS = os.path.join(os.path.dirname(os.path.realpath(__file__)), "data", "access", "accept.passwd")
AUTH = f"authentication: {{password_file: {PASSWORDS}, allow_anonymous: true}}\n"
# Of a broker's row in telemetry: what says which connection it is, and not how it does.
IDENTITY = {"port", "worker", "log_worker", "set", "pool", "connected_for"}

count = 0
failed = 0


def check(ok, what):
    global count, failed
    count += 1
    failed += not ok
    print(("ok" if ok else "not ok"), count, "-", what, flush=True)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Program:
    """A running pubwire; a context manager."""

    def __init__(self, d, name, forwarding, port, address="127.0.0.1"):
        self.port, self.prefix = port, f"pwhttp{os.getpid()}{name}"
        self.host = {"0.0.0.0": "127.0.0.1"}.get(address, address)
        self.conf, self.log = os.path.join(d, name + ".yaml"), os.path.join(d, name + ".log")
        with open(self.conf, "w", encoding="utf-8") as f:
            f.write(CONFIG + forwarding + f"http: {{port: {port}, address: \"{address}\"}}\n")

    def text(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return f.read()

    def __enter__(self):
        with open(self.log, "w", encoding="utf-8") as out:
            self.p = subprocess.Popen([sys.argv[1], "-c", self.conf, "--", "--file-prefix", self.prefix],
                                      stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        end = time.monotonic() + 30
        while time.monotonic() < end and self.p.poll() is None and "is running" not in self.text():
            time.sleep(0.02)
        return self

    def __exit__(self, *unused):
        if self.p.poll() is None:
            self.p.kill()
            self.p.wait()
        shutil.rmtree(os.path.dirname(socket_path(self.prefix)), ignore_errors=True)
        if failed:
            print("# " + self.text().replace("\n", "\n# "))

    def ask(self, path, method="GET", headers=None, body=None):
        """(status, headers, body)"""
        c = http.client.HTTPConnection(self.host, self.port, timeout=20)
        with contextlib.closing(c):
            c.request(method, path, body=body, headers=headers or {})
            r = c.getresponse()
            return r.status, {k.lower(): v for k, v in r.getheaders()}, r.read().decode()


def samples(text):
    """{name: {labels as text: value}} of a page."""
    out = {}
    for line in text.splitlines():
        m = re.match(r"([a-z0-9_]+)(?:\{(.*)\})? (\S+)$", line)
        if m:
            out.setdefault(m[1], {})[m[2] or ""] = float(m[3])
    return out


def total(page, name):
    return sum(page[name].values()) if name in page else None


def parses(text, what):
    """By somebody else's reading of the format."""
    if text_string_to_metric_families is None:
        check(True, what + " # SKIP python3-prometheus-client is not installed")
        return
    try:
        families = list(text_string_to_metric_families(text))
        bad = [f.name for f in families if not f.documentation or not f.samples]
        check(not bad, f"{what}: {len(families)} families" + (f", without help or samples: {bad}" if bad else ""))
    except ValueError as e:
        check(False, f"{what}: {e}")


def every_counter_has_a_metric(pw):
    with Telemetry(pw.prefix) as t:
        before = t.ask("/pubwire/counters")
        page = samples(pw.ask("/metrics")[2])
        after = t.ask("/pubwire/counters")
        rows = t.ask("/pubwire/brokers")["0"]
        routes = t.ask("/pubwire/ledger_routes")["0"]
        pools = t.ask("/pubwire/pools")
        auth = t.ask("/pubwire/auth")
    names = [(room, name) for room, counters in before.items() for name in counters]
    missing = [f"{r}.{n}" for r, n in names if total(page, f"pubwire_{r}_{n}_total") is None]
    check(len(names) > 150 and not missing, f"each of {len(names)} counters has a metric {missing}")
    wrong = [f"{r}.{n}" for r, n in names if f"{r}.{n}" not in missing
             and not before[r][n] <= total(page, f"pubwire_{r}_{n}_total") <= after[r][n]]
    check(not wrong, f"and its value lies between those of telemetry before and after {wrong}")
    lcores = set(page["pubwire_worker_loops_total"])
    check(lcores == {'lcore="1"', 'lcore="2"'}, "counters are there for each lcore")
    missing = [n for n, v in rows.items() if isinstance(v, int) and n not in IDENTITY
               and not {f"pubwire_upstream_{n}", f"pubwire_upstream_{n}_total"} & set(page)]
    check(len(rows) > 40 and not missing, f"all that telemetry has of a broker has a metric {missing}")
    check(set(page["pubwire_upstream_up"]) == {f'broker="{b}",lcore="2"' for b in "ab"},
          "brokers are there for each lcore that has connections")
    check(set(page["pubwire_upstream_connections"].values()) == {4.0, 2.0},
          "connections of a broker on a lcore are counted together")
    missing = [n for n, v in routes.items() if isinstance(v, int) and n != "outstanding"
               and set(page.get(f"pubwire_route_{n}_total", {})) != {'route="some"', 'route="all"'}]
    check(not missing, f"all that telemetry counts of a route has a metric {missing}")
    check({f'pool="{n}"' for n, v in pools.items() if isinstance(v, dict)} ==
          set(page["pubwire_pool_buffers_in_use"]), "and each pool")
    wrong = [n for n, v in auth.items() if v not in (total(page, f"pubwire_auth_{n}"),
                                                     total(page, f"pubwire_auth_{n}_total"))]
    check(len(auth) > 5 and not wrong, f"and all about passwords {wrong}")
    drops = {(m[1], m[2]) for m in map(re.compile('room="(.*)",reason="(.*)"').match,
                                       page["pubwire_dropped_total"])}
    want = {(r, re.sub("^drop(ped)?_", "", n)) for r, n in names if re.match("drop(ped)?_", n)}
    want |= {("upstream", n[8:]) for n in rows if n.startswith("dropped_")}
    check(drops == want, f"what was dropped is in one family too {drops ^ want}")


def pages(pw):
    status, headers, text = pw.ask("/metrics")
    check(status == 200 and headers["content-type"] ==
          "application/openmetrics-text; version=1.0.0; charset=utf-8", "/metrics is OpenMetrics")
    check(text.endswith("# EOF\n"), "and whole")
    parses(text, "/metrics parses")
    page = samples(text)
    check(any('version="' in k for k in page["pubwire_build_info"]), "it says which build runs")
    inf = page["pubwire_latency_seconds_bucket"]['qos="1",le="+Inf"']
    check(inf == page["pubwire_latency_seconds_count"]['qos="1"'] == 0, "latency is a histogram")
    check(total(page, "pubwire_heap_size_bytes") >= total(page, "pubwire_heap_free_bytes") > 0, "memory is there")
    status, headers, text = pw.ask("/status.json")
    s = json.loads(text)
    check(status == 200 and headers["content-type"] == "application/json" and
          [b["name"] for b in s["brokers"]] == ["a", "b"], "/status.json names the brokers")
    check([w["lcore"] for w in s["workers"]] == [1, 2] and len(s["ports"]) == 2 and s["pools"][0]["count"] == 8192
          and s["brokers"][0]["connections"] == 4 and s["brokers"][0]["up"] == 0
          and set(s["latency"]) == {"qos0", "qos1"}, "and what the page shows")
    whole, asleep = page["pubwire_worker_seconds_total"], page["pubwire_worker_sleep_seconds_total"]
    busy, cpu = page["pubwire_worker_busy_seconds_total"], page["pubwire_worker_cpu_seconds_total"]
    check(all(0 < asleep[k] and asleep[k] + busy[k] < whole[k] and 0 < cpu[k] for k in whole),
          f"workers share their time between work, sleep and the rest {whole} {asleep} {busy} {cpu}")
    check(set(page["pubwire_worker_idle_info"]) == {f'policy="adaptive",lcore="{n}"' for n in (1, 2)}
          and [w["idle"] for w in s["workers"]] == ["adaptive"] * 2, "and tell their idle policy")
    end = time.monotonic() + 10
    while time.monotonic() < end and not s["brokers"][0]["last_error"]:
        time.sleep(0.1)
        s = json.loads(pw.ask("/status.json")[2])
    check("handshake" in s["brokers"][0]["last_error"], "and why a broker is not up")
    status, headers, text = pw.ask("/")
    check(status == 200 and headers["content-type"] == "text/html; charset=utf-8" and "<noscript>" in text,
          "/ is a page")
    check(not re.search(r"(src|href)=\"?(https?:)?//", text) and "default-src 'none'" in
          headers["content-security-policy"], "which loads nothing from elsewhere")


def documents_name_what_there_is(pw):
    """A dashboard or an alert about a metric that is not there would be silent for ever."""
    page = samples(pw.ask("/metrics")[2])
    for name in ("grafana-dashboard.json", "prometheus-alerts.yml"):
        with open(os.path.join(sys.argv[3], name), encoding="utf-8") as f:
            text = f.read()
        if name.endswith(".json"):
            json.loads(text)
        used = set(re.findall(r"\bpubwire_[a-z0-9_]+", text))
        check(len(used) > 10 and not used - set(page), f"docs/{name} asks for what there is {used - set(page)}")
    with open(os.path.join(sys.argv[3], "watching.md"), encoding="utf-8") as f:
        text = f.read()
    lost = [n for n in page if n not in text and not re.match(
        "pubwire_(worker|wire|tcp|forward|upstream|route|port|latency|http|auth)_", n)]
    check(not lost, f"docs/watching.md has every metric {lost}")
    with open(os.path.join(sys.argv[3], "operations.md"), encoding="utf-8") as f:
        text = f.read()
    rooms = {m[1]: m[2] for m in re.finditer(r"### Counters: (\w+)\n(.*?)(?=\n###|\Z)", text, re.S)}
    lost = []
    for n in page:
        m = re.fullmatch(r"pubwire_([a-z]+)_(\w+)_total", n)
        if not (m and f"| `{m[2]}` |" in rooms.get(m[1], "")) and f"`{re.sub('_(bucket|count|sum)$', '', n)}`" not in text:
            lost.append(n)
    check(not lost, f"docs/operations.md has every metric {lost}")


def probes(pw):
    status, headers, text = pw.ask("/healthz")
    check(status == 200 and text == "live\n" and headers["content-type"] == "text/plain; charset=utf-8",
          "/healthz: the workers turn")
    status, _, text = pw.ask("/readyz")
    check(status == 503 and text == "route some: none of its brokers is connected\n"
          "route all: none of its brokers is connected\n", f"/readyz: no broker is there, and it says so {text!r}")
    check(total(samples(pw.ask("/metrics")[2]), "pubwire_http_unready_total") == 1, "which is counted")


def refusals(pw):
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
        status, headers, text = pw.ask("/metrics", method, body="x" * 100 if method == "POST" else None)
        check(status == 405 and headers["allow"] == "GET, HEAD", f"{method} is refused")
    status, headers, text = pw.ask("/metrics", "HEAD")
    check(status == 200 and int(headers["content-length"]) > 1000 and text == "", "HEAD has no body")
    check(pw.ask("/metrics/")[0] == 404 and pw.ask("/etc/passwd")[0] == 404, "another path is not found")
    check(pw.ask("/?x=1")[0] == 200, "a query changes nothing")
    for host, want in (("evil.example", 403), ("localhost:1", 200), ("[::1]:9", 200), ("127.0.0.1", 200),
                       ("127.0.0.1.evil.example:80", 403), ("x" * 100, 403)):
        check(pw.ask("/metrics", headers={"Host": host})[0] == want, f"to {host[:30]} on a loopback address: {want}")
    for raw in (b"\x00\xff\x01garbage\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET " + b"/" * 60000 + b" HTTP/1.1\r\n\r\n",
                b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", pw.port), timeout=20) as s:
            with contextlib.suppress(OSError):
                s.sendall(raw)
                s.recv(4096)
    page = samples(pw.ask("/metrics")[2])
    check(total(page, "pubwire_http_refused_method_total") == 5 and
          total(page, "pubwire_http_refused_host_total") == 3 and
          total(page, "pubwire_http_not_found_total") >= 2 and total(page, "pubwire_http_failed_total") == 0,
          "refusals are counted, and it goes on after nonsense")


def main_loop_goes_on(pw):
    """Connections that say nothing keep neither other requests nor signals waiting."""
    with contextlib.ExitStack() as stack:
        for half in (b"", b"GET /metrics HTT", b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n") * 4:
            # The last kind never reads its answer.
            stack.enter_context(socket.create_connection(("127.0.0.1", pw.port))).sendall(half)
        began = time.monotonic()
        check(pw.ask("/status.json")[0] == 200 and time.monotonic() - began < 5, "idle connections: others are served")
        pw.p.send_signal(signal.SIGHUP)
        end = time.monotonic() + 10
        while time.monotonic() < end and "says what was in force" not in pw.text():
            time.sleep(0.02)
        check("says what was in force" in pw.text(), "and signals are")
        for _ in range(20):  # more than it takes at a time
            stack.enter_context(socket.create_connection(("127.0.0.1", pw.port)))
        pw.p.send_signal(signal.SIGTERM)
        check(pw.p.wait(20) == 0 and "buffers still in use     0 packet, 0 header, 0 indirect" in pw.text(),
              "TERM ends it beside them")


def taken_port_is_refused(d):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        with Program(d, "taken", FEW, s.getsockname()[1]) as pw:
            check(pw.p.wait(20) == 1 and f"pubwire: http: can't listen at 127.0.0.1:{pw.port}: "
                  "Address already in use\n" in pw.text(), "a port that is taken: it says so and ends with 1")


def other_addresses(d):
    """Of IPv6; and all of them, where any name may stand for this host."""
    try:
        with socket.socket(socket.AF_INET6) as s:
            s.bind(("::1", 0))
    except OSError:
        print("# no IPv6 here")
    else:
        with Program(d, "six", FEW, free_port(), "::1") as pw:
            check(f"status page: http://[::1]:{pw.port}/\n" in pw.text() and pw.ask("/metrics")[0] == 200 and
                  pw.ask("/", headers={"Host": "evil.example"})[0] == 403, "[::1] works as 127.0.0.1 does")
            check("asks nobody who he is" not in pw.text(), "and is as private")
    with Program(d, "all", FEW, free_port(), "0.0.0.0") as pw:
        check(pw.ask("/metrics", headers={"Host": "pubwire.example"})[0] == 200 and
              f"the status page at 0.0.0.0:{pw.port} asks nobody who he is" in pw.text(),
              "beyond loopback every name will do, and the log warns")


def many_brokers_and_routes_fit(d):
    """As many as there may be, with names as long as they may be."""
    name = "n" * 28
    brokers = "\n".join(f"  - {{name: {name}{i:03}, address: 10.78.1.{i + 1}}}" for i in range(32))
    routes = "\n".join(f"  - {{name: {name}{i:03}, filter: \"r{i}/#\", brokers: [{name}{i % 32:03}]}}" for i in range(256))
    with Program(d, "many", f"brokers:\n{brokers}\nroutes:\n{routes}\n", free_port()) as pw:
        check(pw.p.poll() is None, "32 brokers and 256 routes: it runs")
        if pw.p.poll() is None:
            status, _, text = pw.ask("/metrics")
            check(status == 200 and len(samples(text)["pubwire_route_accepted_total"]) == 256 and
                  len(samples(text)["pubwire_upstream_acked_total"]) == 32, "each has its rows")
            parses(text, "and they parse")
            check(len(json.loads(pw.ask("/status.json")[2])["brokers"]) == 32, "/status.json has them too")


def main():
    with tempfile.TemporaryDirectory() as d:
        with Program(d, "few", FEW + AUTH, free_port()) as pw:
            check(pw.p.poll() is None and f"status page: http://127.0.0.1:{pw.port}/\n" in pw.text(),
                  "it runs and says where its page is")
            if pw.p.poll() is None:
                every_counter_has_a_metric(pw)
                pages(pw)
                documents_name_what_there_is(pw)
                probes(pw)
                refusals(pw)
                main_loop_goes_on(pw)
        taken_port_is_refused(d)
        other_addresses(d)
        many_brokers_and_routes_fit(d)
    print(f"1..{count}")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
