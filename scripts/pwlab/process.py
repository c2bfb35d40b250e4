# SPDX-License-Identifier: BSD-3-Clause
"""Processes of the lab: started detached, known by PID files, stopped by PID only.

A PID file holds the PID and the start time that the kernel gives it, so that a number that
belongs to someone else by now is never signalled."""

import os
import re
import signal
import subprocess
import sys
import time

# A second lab beside the first: PUBWIRE_LAB=x makes pw-dev-x, pw-brk-x, /run/pubwire-lab-x.
LAB = os.environ.get("PUBWIRE_LAB", "")
if not re.fullmatch(r"[a-z0-9]{0,4}", LAB):
    raise SystemExit("lab: PUBWIRE_LAB: up to four of a-z and 0-9")
SUFFIX = "-" + LAB if LAB else ""
RUN_DIR = "/run/pubwire-lab" + SUFFIX


class LabError(Exception):
    """Something a person has to read; the text says what to do."""


def run_path(name):
    return os.path.join(RUN_DIR, name)


def start_time(pid):
    """Start time of a process in clock ticks since boot; None if there is none, or a zombie."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
            fields = f.read().rsplit(")", 1)[1].split()
    except (OSError, IndexError):
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def write_pid(name, pid):
    with open(run_path(name + ".pid"), "w", encoding="ascii") as f:
        f.write(f"{pid} {start_time(pid)}\n")


def read_pid(name):
    """PID of a process of ours that runs, else None."""
    try:
        with open(run_path(name + ".pid"), encoding="ascii") as f:
            pid, started = f.read().split()
    except (OSError, ValueError):
        return None
    return int(pid) if started != "None" and start_time(int(pid)) == int(started) else None


def start(name, argv, env=None):
    """Start argv in a session of its own; output to NAME.log. Returns the PID."""
    with open(run_path(name + ".log"), "ab") as log:
        p = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                             start_new_session=True, env=env, close_fds=True)
    write_pid(name, p.pid)
    # Reaped in case it ends while we still run; afterwards init does it.
    _children[p.pid] = p
    return p.pid


_children = {}


def alive(name):
    pid = read_pid(name)
    if pid in _children:
        _children[pid].poll()
    return pid is not None and start_time(pid) is not None


def stop(name, patience=10.0, sig=signal.SIGTERM):
    """Stop a process of ours: sig, then KILL when it does not go. True if there was one."""
    pid = read_pid(name)
    if pid is not None:
        for s, wait in ((sig, patience), (signal.SIGKILL, 5.0)):
            try:
                os.kill(pid, s)
            except ProcessLookupError:
                break
            end = time.monotonic() + wait
            while alive(name) and time.monotonic() < end:
                time.sleep(0.02)
            if not alive(name):
                break
    try:
        os.unlink(run_path(name + ".pid"))
    except FileNotFoundError:
        pass
    return pid is not None


def names():
    """Names that have a PID file."""
    try:
        return sorted(f[:-4] for f in os.listdir(RUN_DIR) if f.endswith(".pid"))
    except FileNotFoundError:
        return []


def tail(name, lines=15):
    try:
        with open(run_path(name + ".log"), encoding="utf-8", errors="replace") as f:
            return "".join(f.readlines()[-lines:])
    except OSError:
        return "(no log)\n"


def sh(*argv, check=True):
    """Run a short command; its output. Failure is a LabError with what it printed."""
    try:
        r = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                           check=False, timeout=30)
    except FileNotFoundError as e:
        raise LabError(f"{argv[0]} is not installed: scripts/deps lab installs it") from e
    if check and r.returncode:
        raise LabError(f"{' '.join(argv)}: {r.stdout.strip()}")
    return r.stdout


SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def ended(number, _frame):
    """Everything is taken away on the way out, in which no other signal comes."""
    for n in SIGNALS:
        signal.signal(n, signal.SIG_IGN)
    sys.exit(128 + number)


def end_on_signals():
    """Of a program that has processes or namespaces to take away: a signal runs its `finally`s; its exit status is 128 + N."""
    for n in SIGNALS:
        # nohup is meant.
        if n != signal.SIGHUP or signal.getsignal(n) != signal.SIG_IGN:
            signal.signal(n, ended)
