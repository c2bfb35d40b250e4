#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Lines for the journal have priorities, lines for others have none.
Usage: test_manage_journal.py PUBWIRE SCRIPTS_DIR"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, sys.argv[2])
from pwlab.telemetry import socket_path  # noqa: E402

CPU = min(os.sched_getaffinity(0))
CONFIG = f"""\
eal: ["--lcores=0@{CPU},1@{CPU}", --no-huge, --no-pci, "--vdev=net_null0,no-rx=1", "--vdev=net_null1,no-rx=1"]
workers: {{lcores: [1]}}
ports:
  - {{name: dev, device: net_null0, addresses: [10.77.0.1/16]}}
  - {{name: brk, device: net_null1, addresses: [10.78.0.1/16]}}
listeners: [{{name: mqtt, address: 10.77.0.1}}]
brokers: [{{name: a, address: 10.78.0.11}}]
routes: [{{filter: "#", brokers: [a]}}]
log: {{level: debug}}
"""
NOTICE, ERROR = "<5>", "<3>"

count = 0
failed = 0


def check(ok, what, why=""):
    global count, failed
    count += 1
    failed += not ok
    print(("ok" if ok else "not ok"), count, "-", what, flush=True)
    if not ok:
        print("# " + str(why).replace("\n", "\n# "), flush=True)


def start(directory, config, stream, said):
    """stream: what JOURNAL_STREAM is for the file that stderr goes to; None: unset."""
    conf = os.path.join(directory, "c.yaml")
    with open(conf, "w", encoding="utf-8") as f:
        f.write(config)
    env = {k: v for k, v in os.environ.items() if k not in ("JOURNAL_STREAM", "NOTIFY_SOCKET")}
    st = os.fstat(said.fileno())
    if stream is not None:
        env["JOURNAL_STREAM"] = stream.format(dev=st.st_dev, ino=st.st_ino)
    return subprocess.Popen([sys.argv[1], "-c", conf, "--", "--file-prefix", f"pwjournal{os.getpid()}"],
                            stdout=subprocess.DEVNULL, stderr=said, stdin=subprocess.DEVNULL, env=env)


def lines(config, stream, until=None):
    """What it says on stderr; where until is given, it is ended once it has said that."""
    with tempfile.TemporaryDirectory() as d, open(os.path.join(d, "said"), "w+", encoding="utf-8") as said:
        def text():
            with open(said.name, encoding="utf-8") as f:
                return f.read()

        p = start(d, config, stream, said)
        try:
            end = time.monotonic() + 30
            while until and until not in text() and p.poll() is None and time.monotonic() < end:
                time.sleep(0.02)
            if until:
                p.send_signal(signal.SIGUSR1)
                p.send_signal(signal.SIGTERM)
            p.wait(30)
        finally:
            if p.poll() is None:
                p.kill()
                p.wait()
            shutil.rmtree(os.path.dirname(socket_path(f"pwjournal{os.getpid()}")), ignore_errors=True)
        return text().splitlines()


def main():
    mine = "{dev}:{ino}"
    # Signals wait until the main loop takes them.
    said = lines(CONFIG, mine, until="Selected IOVA")
    check(said and all(re.match(r"<[0-7]>[^<]", x) for x in said), "every line for the journal has one priority", said)
    check(any(x.startswith(NOTICE + "pubwire.app: TERM: draining") for x in said), "pubwire's lines have theirs", said)
    check(any(re.match("<6>EAL: |<5>EAL: ", x) for x in said), "and EAL's", said)
    for stream, what in ((None, "without a journal"), ("1:{ino}", "where the journal reads something else"),
                         ("nonsense", "where it is said to be nonsense")):
        said = lines(CONFIG, stream, until="Selected IOVA")
        check(said and not any(x.startswith("<") for x in said), "no line has a priority " + what, said)
    said = lines(CONFIG + "nonsense: 1\n", mine)
    check(len(said) == 1 and said[0].startswith(ERROR) and "unknown key" in said[0], "a complaint is an error", said)
    said = lines(CONFIG.replace("net_null1, addresses", "net_null7, addresses"), mine)
    check(any(x.startswith(ERROR) and x.endswith("net_null0, net_null1") for x in said),
          "a line that is written in pieces has one priority", said)
    print(f"1..{count}")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
