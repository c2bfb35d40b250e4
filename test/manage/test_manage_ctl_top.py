#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""pubwirectl top on a terminal that this test is: what stands on the screen, keys, sizes, and that the
terminal is given back however it ends. Usage: test_manage_ctl_top.py PUBWIRECTL"""

import contextlib
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time

import test_manage_ctl as kit
from test_manage_ctl import CTL, INFO, Model, check

ENTER, LEAVE = "\033[?1049h", "\033[?1049l"


class Screen:
    """A terminal with a program on it, and what the program has drawn; a context manager."""

    def __init__(self, d, *args, width=80, height=24):
        self.width, self.height = width, height
        self.lines, self.raw, self.fits = [""], "", False
        self.ours, self.theirs = pty.openpty()
        self.before = termios.tcgetattr(self.theirs)
        self.resize(width, height, tell=False)
        env = dict(os.environ, XDG_RUNTIME_DIR=d, TERM="xterm")
        env.pop("NO_COLOR", None)
        self.p = subprocess.Popen([CTL, "-p", "model", "top", "-i", "0.1", *args], env=env, stdin=self.theirs,
                                  stdout=self.theirs, stderr=self.theirs, start_new_session=True)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        if self.p.poll() is None:
            self.p.kill()
            self.p.wait()
        os.close(self.ours)
        os.close(self.theirs)

    def resize(self, width, height, tell=True):
        fcntl.ioctl(self.theirs, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
        if tell:
            self.width, self.height = width, height
            self.p.send_signal(signal.SIGWINCH)

    def draw(self):
        """The last frame that is whole. Colours are the only sequences that may be in it."""
        at = self.raw.rfind("\033[J")
        frame = self.raw[self.raw.rfind("\033[H", 0, at) + 3:at]
        text = re.sub(r"\033\[[0-9]*m|\033\[K", "", frame)
        self.lines = re.split(r"\r+\n", text)
        self.fits = (len(self.lines) <= self.height
                     and all(len(x) <= self.width and x.isprintable() for x in self.lines))

    def until(self, fn, patience=20.0):
        """Draw until it holds; a frame is whole where it ends by the sequence that ends one."""
        end = time.monotonic() + patience
        while time.monotonic() < end:
            if self.raw.endswith(("\033[J", LEAVE)) and fn():
                return True
            if select.select([self.ours], [], [], 0.05)[0]:
                with contextlib.suppress(OSError):
                    self.raw += os.read(self.ours, 65536).decode()
                    self.draw()
            elif self.p.poll() is not None:
                return fn()
        return False

    def shows(self, *texts):
        return self.until(lambda: all(t in "\n".join(self.lines) for t in texts))

    def state(self):
        """Of the process: one letter of proc(5)."""
        with open(f"/proc/{self.p.pid}/stat", encoding="utf-8") as f:
            return f.read().rpartition(")")[2].split()[0]

    def press(self, key):
        os.write(self.ours, key.encode())

    def given_back(self):
        """The process has ended, and the terminal is as it was."""
        self.p.wait(20)
        self.until(lambda: self.raw.endswith(LEAVE), 2)
        return (self.raw.endswith(LEAVE) and "\033[?25h" in self.raw[-30:]
                and termios.tcgetattr(self.theirs) == self.before)


def counting(step, **other):
    """An answer whose numbers grow from one question to the next."""
    n = [0]

    def answer(_params):
        n[0] += 1
        return {**other, **{k: v * n[0] for k, v in step.items()}}
    return answer


def brokers(n):
    """Broker k sends k messages a question, has a lag of n - k."""
    asked = [0]

    def answer(params):
        at = int(params or 0)
        asked[0] += at == 0
        rows = {str(i): {"broker": f"broker{i:02}", "state": "up" if i else "TCP handshake", "lag": n - i,
                         "messages_qos1": i * asked[0], "last_error": "" if i else "x" * 200}
                for i in range(at, min(n, at + 7))}
        return {**rows, "total": n, **({"next": at + 7} if at + 7 < n else {})}
    return answer


def answers(nb_brokers):
    drop = {"room": "tcp", "reason": "paws", "means": "M", "remedy": "R"}
    return {
        "/pubwire/drain": {"state": "running", "outstanding": 7},
        "/pubwire/pools": {"sessions": 1234, "tcp_connections": 1240},
        "/pubwire/ports": {"0": {"name": "dev", "device": "net_x", "link": "up"}},
        "/pubwire/counters": lambda p: {"forward": counters(p)},
        "/pubwire/drops": lambda p: {"0": dict(drop, count=drops(p)["count"]), "total": 1},
        "/pubwire/workers": {"0": {"lcore": 3, "role": "devices"}, "total": 1},
        "/pubwire/brokers": brokers(nb_brokers),
        "/pubwire/histogram": {"sub_bits": 5, "buckets": 1153, "bucket": [], "n": []},
    }


counters = counting({"accepted": 1000, "payload_bytes": 5000})
drops = counting({"count": 2})


def shown_brokers(s):
    return [line.split()[0] for line in s.lines if line.startswith("broker0") or line.startswith("broker1")]


def a_life(d):
    with Model(d, answers(3)), Screen(d) as s:
        check(s.shows("pubwire 9.9 (model)", "1,234 connected", "7 outstanding", "tcp paws", "q quit"),
              "top: shows what there is", s.lines)
        check(ENTER in s.raw and termios.tcgetattr(s.theirs)[3] & (termios.ICANON | termios.ECHO) == 0,
              "top: takes the terminal")
        check(s.until(lambda: shown_brokers(s) == ["broker02", "broker01", "broker00"]), "top: by rate", s.lines)
        s.press("s")
        check(s.until(lambda: "sort by: lag" in s.lines[-1]
                      and shown_brokers(s) == ["broker00", "broker01", "broker02"]), "top: by lag", s.lines)
        s.press("ss")
        check(s.until(lambda: "sort by: rate" in s.lines[-1]), "top: keys that come together are all taken", s.lines)
        s.press(" ")
        check(s.shows("go on (paused)"), "top: space stops it", s.lines)
        s.press(" ")
        check(s.until(lambda: "paused" not in s.lines[-1]), "top: space goes on")
        check(s.fits and len(s.lines) == 24, "top: 24 lines within 80 columns", s.lines)
        s.press("q")
        check(s.given_back() and s.p.returncode == 0, "top: q ends it, the terminal is as it was")


def sizes(d):
    with Model(d, answers(20)), Screen(d) as s:
        check(s.until(lambda: "more" in "\n".join(s.lines) and "q quit" in s.lines[-1]),
              "top: 20 brokers in 24 lines: says how many more there are", s.lines)
        s.resize(200, 60)
        check(s.until(lambda: len(s.lines) == 60 and s.fits and len(shown_brokers(s)) == 20),
              "top: all of them in a larger window", s.lines)
        s.resize(30, 10)
        check(s.until(lambda: len(s.lines) == 10 and s.fits and s.lines[0].startswith("pubwire 9.9")),
              "top: in a small one", s.lines)
        s.resize(1, 1)
        check(s.until(lambda: len(s.lines) == 1 and s.lines[0] in ("p", "q")) and s.fits, "top: in one that is hardly there", s.lines)
        s.resize(80, 24)
        check(s.until(lambda: len(s.lines) == 24 and s.fits and "q quit" in s.lines[23]), "top: and back", s.lines)
        s.press("Q")
        check(s.given_back(), "top: Q ends it as well")


def endings(d):
    for sig in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGSEGV):
        with Model(d, answers(1)), Screen(d) as s:
            s.shows("q quit")
            s.p.send_signal(sig)
            check(s.given_back() and s.p.returncode == -sig, f"top: {sig.name} ends it, the terminal is as it was")
    with Model(d, answers(1)), Screen(d, "-n", "3") as s:
        check(s.until(lambda: s.raw.endswith(LEAVE)) and s.given_back() and s.p.returncode == 0, "top: after three looks")
    with Model(d, answers(1)), Screen(d) as s:
        s.shows("q quit")
        s.p.send_signal(signal.SIGTSTP)
        # It stops itself last: only then is it to go on.
        check(s.until(lambda: s.raw.endswith(LEAVE) and s.state() == "T") and termios.tcgetattr(s.theirs) == s.before,
              "top: gives the terminal back while it is stopped")
        s.p.send_signal(signal.SIGCONT)
        check(s.until(lambda: s.raw.rfind(ENTER) > s.raw.rfind(LEAVE) and "q quit" in s.lines[-1]),
              "top: takes it again")
        s.press("q")
        check(s.given_back(), "top: q ends it after that")


def away(d):
    with contextlib.ExitStack() as first:
        m = first.enter_context(Model(d, answers(2)))
        with Screen(d) as s:
            s.shows("broker01")
            m.answers["/pubwire/info"] = None
            check(s.until(lambda: "has ended" in s.lines[0] and "broker01" in "\n".join(s.lines)),
                  "top: says that pubwire has ended, above what was", s.lines)
            first.close()
            check(s.shows("no pubwire with --file-prefix model is there"), "top: looks for it", s.lines)
            with Model(d, answers(2)):
                check(s.until(lambda: s.lines[0].startswith("pubwire 9.9")), "top: goes on when it is back", s.lines)
                s.press("q")
                check(s.given_back(), "top: q ends it")


def without(d):
    with Model(d, answers(2)):
        r = kit.run(d, "-p", "model", "top")
        check(r.returncode == 64 and "needs a terminal" in r.stderr, "top: into a pipe is refused", r)
        r = kit.run(d, "-p", "model", "top", "--json", "-n", "2", "-i", "0.1")
        docs = [json.loads(x) for x in r.stdout.splitlines()]
        check(r.returncode == 0 and len(docs) == 2 and docs[1]["traffic"]["messages_per_second"] > 100
              and docs[1]["info"] == INFO, "top: --json, a document a line", r)


def main():
    with tempfile.TemporaryDirectory() as d:
        a_life(d)
        sizes(d)
        endings(d)
        away(d)
        without(d)
    print(f"1..{kit.count}")
    return 1 if kit.failed else 0


if __name__ == "__main__":
    sys.exit(main())
