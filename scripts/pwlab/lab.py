# SPDX-License-Identifier: BSD-3-Clause
"""Up, down, status: everything between the namespaces and a pubwire that forwards."""

import fcntl
import ipaddress
import json
import os
import shutil
import subprocess
import sys
import time

from . import config, hugepages, net
from . import process as proc
from .process import RUN_DIR, LabError, run_path
from .telemetry import Telemetry, TelemetryError

FAILED_LOG = RUN_DIR + ".failed.log"  # of a pubwire that did not come up; down() removes it

REPO = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
STATE = "state.json"
PAGES = 96  # 192 MB: pools of the lab's configuration, and EAL's own


def say(text):
    print(f"lab: {text}", flush=True)


def default_cpus():
    """One worker, on the last CPU; the first has the main lcore, brokers and clients."""
    return [max(os.sched_getaffinity(0))]


def default_options():
    return {"brokers": 2, "no_brokers": False, "driver": "af_packet", "lcores": default_cpus(),
            "split": False, "config": None, "persistence": False, "no_huge": False,
            "pubwire": None, "no_pubwire": False, "ipv6_brokers": 0}


def binary(opts):
    """The pubwire to run: asked for, in the environment, or the newest of those that are built to be
    run: a sanitizer's build is slow, and ends with a report."""
    for path in (opts["pubwire"], os.environ.get("PUBWIRE")):
        if path:
            if not os.access(path, os.X_OK):
                raise LabError(f"{path} is not a program")
            return path
    built = [os.path.join(REPO, "build", kind, "app", "pubwire")
             for kind in ("release", "debug", "clang")]
    built = [p for p in built if os.access(p, os.X_OK)]
    if built:
        return max(built, key=os.path.getmtime)
    path = shutil.which("pubwire")
    if path:
        return path
    raise LabError("no pubwire is built: run scripts/build")


class _Lock:
    """One up or down at a time. The file goes when the lock does: nothing is left behind."""

    def __enter__(self):
        path = RUN_DIR + ".lock"
        while True:
            self.file = open(path, "w", encoding="ascii")
            fcntl.flock(self.file, fcntl.LOCK_EX)
            try:
                if os.stat(path).st_ino == os.fstat(self.file.fileno()).st_ino:
                    return
            except FileNotFoundError:
                pass
            # Who held it before us has removed this file: ours is another's by now.
            self.file.close()

    def __exit__(self, *unused):
        os.unlink(RUN_DIR + ".lock")
        self.file.close()


def load_state():
    try:
        with open(run_path(STATE), encoding="utf-8") as f:
            return json.load(f)
    except (OSError, ValueError):
        return None


def save_state(state):
    tmp = run_path(STATE + ".new")
    with open(tmp, "w", encoding="utf-8") as f:
        json.dump(state, f, indent=1)
    os.replace(tmp, run_path(STATE))


def start_broker(i, persistence=False, ports=(1883,)):
    """Start (again) mosquitto i in pw-brk and wait until it listens."""
    name = f"mosquitto-{i + 1}"
    prog = shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if not prog:
        raise LabError("mosquitto is not installed: scripts/deps lab installs it")
    conf = config.write_mosquitto(i, persistence, ports)
    # "ip netns exec" becomes the program: the PID is mosquitto's.
    proc.start(name, ["ip", "netns", "exec", net.namespace("brk"), prog, "-c", conf])
    wait_listen(name, net.broker_address(i))
    if net.has_ipv6():
        wait_listen(name, net.broker_address(i, v6=True))


def wait_listen(name, address, port=1883, patience=10.0):
    # The kernel shows addresses as words of the host's order.
    raw = ipaddress.ip_address(address).packed
    want = "".join(raw[i:i + 4][::-1].hex().upper() for i in range(0, len(raw), 4)) + f":{port:04X}"
    table = "tcp6" if ":" in address else "tcp"
    end = time.monotonic() + patience
    while time.monotonic() < end:
        pid = proc.read_pid(name)
        if pid is None:
            break
        try:
            with open(f"/proc/{pid}/net/{table}", encoding="ascii") as f:
                if any(line.split()[1] == want and line.split()[3] == "0A" for line in f):
                    return
        except OSError:
            pass
        time.sleep(0.03)
    raise LabError(f"{name} does not listen at {address}:{port}; its log ends:\n" + proc.tail(name))


def broker_rows():
    """All rows of /pubwire/brokers, one a connection; the reply comes in pages."""
    rows, start = [], 0
    with Telemetry(config.PREFIX) as t:
        while start is not None:
            reply = t.ask(f"/pubwire/brokers,{start}")
            rows += [r for r in reply.values() if isinstance(r, dict)]
            start = reply.get("next")
    return rows


def _wait_pubwire(opts, patience=30.0):
    """Until telemetry answers and every broker that we started is connected."""
    end = time.monotonic() + patience
    want_up = not opts["no_brokers"]
    seen = "its telemetry does not answer"
    while time.monotonic() < end:
        if not proc.alive("pubwire"):
            raise LabError("pubwire ended; its log ends:\n" + proc.tail("pubwire"))
        try:
            rows = broker_rows()
            down = [r for r in rows if r.get("state") != "up"]
            if not want_up or (rows and not down):
                return
            seen = "; ".join(f"{r.get('broker')} (worker {r.get('worker')}, {r.get('protocol')}): "
                             f"{r.get('state')} {r.get('last_error', '')}" for r in down)
        except TelemetryError:
            pass
        time.sleep(0.05)
    raise LabError(f"pubwire is not ready after {patience:.0f} s: {seen}; its log ends:\n"
                   + proc.tail("pubwire"))


def start_pubwire(opts, huge):
    prog = binary(opts)
    conf = os.path.abspath(opts["config"]) if opts["config"] else config.write_pubwire(opts)
    argv = [prog, "--config", conf, "--"] + config.eal_command_line(opts, huge)
    with open(run_path("pubwire.cmd"), "w", encoding="utf-8") as f:
        f.write(" ".join(argv) + "\n")
    env = dict(os.environ)
    env.setdefault("ASAN_OPTIONS", "detect_leaks=0")
    proc.start("pubwire", argv, env=env)


def up(opts, quiet=False):
    if os.geteuid():
        raise LabError("namespaces and hugepages need root: run it as root")
    tell = (lambda text: None) if quiet else say
    with _Lock():
        check_config(opts)
        state = load_state()
        if state and state["options"] == opts and _healthy(opts):
            tell("is up already with these options")
            return
        if state or any(net.exists(s) for s in net.SIDES):
            tell("another lab is there, or what a crash left: taking it down first")
            _down()
        # From here on down() knows what to undo, however far this comes.
        os.makedirs(RUN_DIR, exist_ok=True)
        state = {"options": opts, "hugepages": {}}
        save_state(state)
        try:
            _up(opts, state, tell)
        except BaseException:
            if sys.exc_info()[0] is LabError:
                keep_logs()
            _down()
            raise


def check_config(opts):
    """A mistake in the user's file shows before a lab that runs is taken down."""
    if opts["config"] and not opts["no_pubwire"]:
        out = subprocess.run([binary(opts), "--check-config", "--config", opts["config"]],
                             capture_output=True, text=True, check=False)
        if out.returncode:
            raise LabError((out.stderr.strip() or out.stdout.strip()).splitlines()[-1])


def keep_logs():
    """What a failed up() leaves for its reader."""
    if os.path.exists(run_path("pubwire.log")):
        shutil.copy(run_path("pubwire.log"), FAILED_LOG)
        say(f"pubwire's log is kept as {FAILED_LOG}")


def _up(opts, state, tell):
    if opts["ipv6_brokers"] and not net.has_ipv6():
        raise LabError("--ipv6-brokers: this kernel has no IPv6")
    if opts["driver"] == "tap" and opts["no_pubwire"]:
        raise LabError("--no-pubwire needs a veth driver: with tap pubwire makes the interfaces")
    net.make_namespaces()
    if opts["driver"] != "tap":
        net.make_veth(opts["brokers"], len(opts["lcores"]))
        # Before pubwire, where their addresses exist already: its first attempt succeeds.
        _start_brokers(opts)
    huge = False
    if not opts["no_pubwire"] and not opts["no_huge"]:
        huge, state["hugepages"] = hugepages.reserve(PAGES)
        state["huge"] = huge
        save_state(state)
        if not huge:
            tell(f"warning: {PAGES} hugepages of 2 MB could not be had: running with --no-huge, "
                 "which is slow")
    if not opts["no_pubwire"]:
        start_pubwire(opts, huge)
        if opts["driver"] == "tap":
            net.adopt_taps(opts["brokers"], alive=lambda: proc.alive("pubwire"))
    if opts["driver"] == "tap":
        _start_brokers(opts)
    if not opts["no_pubwire"]:
        _wait_pubwire(opts)
    tell(describe(opts, huge))


def _start_brokers(opts):
    if not opts["no_brokers"]:
        for i in range(opts["brokers"]):
            start_broker(i, opts["persistence"])


def describe(opts, huge):
    if opts["no_pubwire"]:
        return "up: namespaces, links and brokers; no pubwire"
    n = len(opts["lcores"])
    shape = f"{n} worker{'s' if n > 1 else ''} on CPU {','.join(map(str, opts['lcores']))}"
    if opts["split"]:
        shape += ", device and broker lcores apart"
    kind = "addresses for brokers" if opts["no_brokers"] else "mosquitto"
    where = f"{net.PUBWIRE['dev']}:1883"
    if opts["config"]:
        where = f"the listeners of {opts['config']}"
    elif net.has_ipv6():
        where += f" or [{net.PUBWIRE6['dev']}]:1883"
    return (f"up: devices in pw-dev connect to {where}; {opts['brokers']} {kind} "
            f"in pw-brk from {net.broker_address(0)}; {opts['driver']}, {shape}, "
            + ("hugepages" if huge else "no hugepages"))


def _healthy(opts):
    if not all(net.exists(s) for s in net.SIDES):
        return False
    want = [] if opts["no_pubwire"] else ["pubwire"]
    if not opts["no_brokers"]:
        want += [f"mosquitto-{i + 1}" for i in range(opts["brokers"])]
    return all(proc.alive(n) for n in want)


def down():
    with _Lock():
        _down()
        if os.path.exists(FAILED_LOG):
            os.unlink(FAILED_LOG)


def _down():
    """Undo everything there is; nothing here fails because something is missing."""
    state = load_state() or {}
    # pubwire first: it drains towards brokers that still answer.
    for name in sorted(proc.names(), key=lambda n: n != "pubwire"):
        proc.stop(name)
    # What people started by "lab exec" would keep the namespaces' links alive.
    for side in net.SIDES:
        for pid in net.processes_inside(side):
            try:
                os.kill(pid, 15)
            except ProcessLookupError:
                pass
    net.remove()
    hugepages.remove_files(config.PREFIX)
    shutil.rmtree("/var/run/dpdk/" + config.PREFIX, ignore_errors=True)
    hugepages.restore(state.get("hugepages", {}))
    shutil.rmtree(RUN_DIR, ignore_errors=True)


def restart_pubwire():
    """Start pubwire again, with the rest of the lab as it is; for tests that stopped it."""
    state = load_state()
    opts = state["options"]
    start_pubwire(opts, state.get("huge", False))
    if opts["driver"] == "tap":
        net.adopt_taps(opts["brokers"])
    _wait_pubwire(opts)
