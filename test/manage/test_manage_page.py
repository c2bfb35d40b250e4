#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The status page in a browser: it shows what /status.json says, without an error, on a phone too.
Usage: test_manage_page.py PUBWIRE SCRIPTS_DIR"""

import http.client
import http.server
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, sys.argv[2])
from pwlab.telemetry import socket_path  # noqa: E402

CPU = min(os.sched_getaffinity(0))
CONFIG = """\
eal: ["--lcores=0@{cpu},1@{cpu}", --no-huge, --no-pci, "--vdev=net_null0,no-rx=1"]
workers: {{lcores: [1]}}
ports: [{{name: both, device: net_null0, addresses: [10.77.0.1/16]}}]
listeners: [{{name: mqtt, address: 10.77.0.1}}]
brokers: [{{name: north-of-here, address: 10.77.0.11, connect_timeout: 300ms}}, {{name: south, address: 10.77.0.12}}]
routes: [{{filter: "#", brokers: [north-of-here, south]}}]
limits: {{drain_deadline: 1s, max_queued_messages: 1024}}
http: {{port: {port}, top_devices: 5}}
"""
# The page in a frame as wide as a phone, and how wide it wants to be.
FRAME = b"""<!DOCTYPE html><title>phone</title>
<iframe src="/" style="width:360px;height:800px;border:0"></iframe>
<script>setInterval(() => { const d = document.querySelector("iframe").contentDocument;
document.body.dataset.width = d.documentElement.scrollWidth;
document.body.dataset.rows = d.querySelectorAll("#brokers tr").length; }, 500)</script>
"""

count = 0
failed = 0


def check(ok, what):
    global count, failed
    count += 1
    failed += not ok
    print(("ok" if ok else "not ok"), count, "-", what, flush=True)


def fetch(port, path):
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        c.request("GET", path)
        r = c.getresponse()
        return r.getheader("Content-Type"), r.read()
    finally:
        c.close()


class Framed(http.server.BaseHTTPRequestHandler):
    """pubwire's page without the headers that forbid a frame around it."""

    def do_GET(self):
        kind, body = ("text/html", FRAME) if self.path == "/phone" else fetch(self.server.behind, self.path)
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *unused):
        pass


def browse(browser, profile, url, *args):
    """(the page as it stands after some seconds, what the browser's console had to say)"""
    # Time runs ahead in the browser, but waits for what it has asked for.
    argv = [browser, "--headless", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
            "--user-data-dir=" + profile, "--enable-logging=stderr", "--virtual-time-budget=8000", *args,
            "--dump-dom", url]
    if os.geteuid() == 0:
        argv.insert(1, "--no-sandbox")
    r = subprocess.run(argv, capture_output=True, text=True, timeout=100, check=False)
    return r.stdout, [line for line in r.stderr.splitlines() if "CONSOLE" in line]


def look(browser, d, port):
    time.sleep(1)  # for a broker's first failure
    for scheme, number in (("light", 1), ("dark", 0)):
        dom, console = browse(browser, d, f"http://127.0.0.1:{port}/", "--window-size=1280,900",
                              f"--blink-settings=preferredColorScheme={number}")
        check(not console, f"{scheme}: the console is silent {console}")
        body = re.search(r'<tbody id="brokers">(.*?)</tbody>', dom, re.S)
        rows = re.findall(r"<tr>(.*?)</tr>", body[1] if body else "", re.S)
        check(len(rows) == 2 and "north-of-here (10.77.0.11:1883)" in rows[0] and "south" in rows[1],
              f"{scheme}: the brokers are there by name")
        check(len(rows) == 2 and "handshake" in rows[0], f"{scheme}: and why one is not up")
        check("0 of 4 broker connections up" in dom, f"{scheme}: the summary says that none is")
        check("lcore 1" in dom and "packet buffers" in dom and "<polyline" in dom and "net_null0" in dom,
              f"{scheme}: lcores, pools, ports and the curve are drawn")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Framed)
    server.behind = port
    threading.Thread(target=server.serve_forever, daemon=True).start()
    dom, console = browse(browser, d, f"http://127.0.0.1:{server.server_address[1]}/phone")
    server.shutdown()
    m = re.search(r'data-width="(\d+)" data-rows="(\d+)"', dom)
    check(m is not None and m[2] == "2" and int(m[1]) <= 360 and not console,
          f"360 pixels are wide enough ({m[0] if m else dom[:500]}) {console}")


def main():
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        print("1..0 # SKIP chromium is not installed")
        return 0
    prefix = f"pwpage{os.getpid()}"
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as d:
        conf, log = os.path.join(d, "c.yaml"), os.path.join(d, "log")
        with open(conf, "w", encoding="utf-8") as f:
            f.write(CONFIG.format(cpu=CPU, port=port))
        with open(log, "w", encoding="utf-8") as out:
            p = subprocess.Popen([sys.argv[1], "-c", conf, "--", "--file-prefix", prefix],
                                 stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        try:
            end = time.monotonic() + 30
            text = ""
            while time.monotonic() < end and p.poll() is None and "is running" not in text:
                time.sleep(0.05)
                with open(log, encoding="utf-8", errors="replace") as f:
                    text = f.read()
            check("is running" in text, "it runs")
            look(browser, os.path.join(d, "profile"), port)
        finally:
            p.terminate()
            p.wait(30)
            shutil.rmtree(os.path.dirname(socket_path(prefix)), ignore_errors=True)
            if failed:
                print("# " + text.replace("\n", "\n# "))
    print(f"1..{count}")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
