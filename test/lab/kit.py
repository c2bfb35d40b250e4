# SPDX-License-Identifier: BSD-3-Clause
"""What the lab's tests have in common.

Every client program publishes the same way, so that what must arrive can be computed: message i of
COUNT goes to topic lab/CLIENT/(i mod TOPICS), has SIZES[i mod len] bytes and QoS QOS[i mod len], and
its payload is "CLIENT/i;" over and over, cut at its size."""

import collections
import ctypes
import hashlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

HERE = os.path.dirname(os.path.realpath(__file__))
REPO = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(REPO, "scripts"))
sys.path.insert(0, HERE)

import mqttraw as mq  # noqa: E402
from pwlab import config, lab, net  # noqa: E402
from pwlab import process as proc  # noqa: E402
from pwlab.telemetry import Telemetry, TelemetryError  # noqa: E402

PUBWIRE = net.PUBWIRE["dev"]
PUBWIRE6 = net.PUBWIRE6["dev"]
PORT = 1883
CLIENTS = ("mosquitto", "paho_c", "paho_py", "mqttjs")
NODE = os.path.join(REPO, "build", "node")

_cpus = sorted(os.sched_getaffinity(0))
TWO = [_cpus[0], _cpus[-1]]
SHAPES = {
    "one_worker": {"lcores": _cpus[-1:]},
    "two_workers": {"lcores": TWO},
    "split": {"lcores": TWO, "split": True},
}


def build_dir():
    """Where the helper programs are: beside the pubwire that runs."""
    prog = os.environ.get("PUBWIRE")
    if prog:
        return os.path.dirname(os.path.dirname(os.path.realpath(prog)))
    for build in ("release", "debug", "asan"):
        path = os.path.join(REPO, "build", build)
        if os.path.exists(os.path.join(path, "test", "lab", "flood")):
            return path
    return os.path.join(REPO, "build", "release")


def helper(name):
    path = os.path.join(build_dir(), "test", "lab", name)
    if not os.access(path, os.X_OK):
        raise unittest.SkipTest(f"{name} is not built (its library is missing)")
    return path


# --- sockets in a namespace -----------------------------------------------------------------------

_libc = ctypes.CDLL(None, use_errno=True)


def connect_from(side, address, port=PORT, timeout=5.0, source=None, bufs=0):
    """A TCP connection opened in the namespace of the side. The socket stays there."""
    done = {}

    def work():
        # A thread of its own: setns() moves only the thread that calls it.
        with open("/run/netns/" + net.namespace(side), "rb") as ns:
            if _libc.setns(ns.fileno(), 0x40000000) != 0:
                done["error"] = OSError(ctypes.get_errno(), "setns")
                return
        s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET,
                          socket.SOCK_STREAM)
        s.settimeout(timeout)
        try:
            if bufs:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, bufs)
                s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, bufs)
            if source:
                s.bind(source)
            s.connect((address, port))
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            done["socket"] = s
        except OSError as e:
            s.close()
            done["error"] = e

    t = threading.Thread(target=work)
    t.start()
    t.join()
    if "error" in done:
        raise done["error"]
    return done["socket"]


def device(client_id=None, address=PUBWIRE, **kw):
    """A raw MQTT connection from pw-dev; connected when client_id is given."""
    peer = mq.Peer(connect_from("dev", address))
    if client_id is not None:
        code = peer.connect(client_id, **kw)[1]
        if code != 0:
            raise ConnectionError(f"CONNACK 0x{code:02x}")
    return peer


def inside(side, argv, **kw):
    """Popen in a namespace."""
    kw.setdefault("stdout", subprocess.PIPE)
    kw.setdefault("stderr", subprocess.STDOUT)
    return subprocess.Popen(["ip", "netns", "exec", net.namespace(side)] + argv, text=True, **kw)


# --- messages ---------------------------------------------------------------------------------------


def content(client, i, size):
    unit = f"{client}/{i};".encode()
    return (unit * (size // len(unit) + 1))[:size]


def key(topic, payload):
    return topic, len(payload), hashlib.sha1(payload).hexdigest()


Plan = collections.namedtuple("Plan", "client count topics sizes qos")


def expected(plan):
    """Counter of the messages of a plan."""
    c = collections.Counter()
    for i in range(plan.count):
        c[key(f"lab/{plan.client}/{i % plan.topics}",
              content(plan.client, i, plan.sizes[i % len(plan.sizes)]))] += 1
    return c


def install_node(package):
    """Install a package for node once, pinned; skip where there is no node or no registry."""
    if not shutil.which("node") or not shutil.which("npm"):
        raise unittest.SkipTest("node and npm are not installed")
    if os.path.isdir(os.path.join(NODE, "node_modules", package.split("@")[0])):
        return
    os.makedirs(NODE, exist_ok=True)
    r = subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--prefix", NODE, package],
                       capture_output=True, text=True, timeout=180, check=False)
    if r.returncode:
        raise unittest.SkipTest(f"npm cannot install {package}: " + r.stderr.strip()[-200:])


def start_client(kind, version, plan, env=None, address=PUBWIRE):
    """Start a client program that publishes a plan."""
    args = [address, str(version), plan.client, str(plan.count), str(plan.topics),
            ",".join(map(str, plan.sizes)), ",".join(map(str, plan.qos))]
    if kind == "paho_c":
        argv = [helper("paho_c_pub")]
    elif kind == "paho_py":
        argv = ["/usr/bin/python3", os.path.join(HERE, "paho_py_pub.py")]
    else:
        install_node("mqtt@4.3.8")
        argv = ["node", os.path.join(HERE, "mqttjs_pub.js")]
        env = dict(os.environ, NODE_PATH=os.path.join(NODE, "node_modules"))
    return inside("dev", argv + args, env=env)


class Collectors:
    """Subscribers on every broker, in pw-brk; a context manager."""

    def __init__(self, brokers, topic_filter="#"):
        self.brokers, self.filter = list(brokers), topic_filter

    def __enter__(self):
        self.dir = tempfile.mkdtemp(prefix="pubwire-collect-")
        self.procs = {}
        for b in self.brokers:
            self.start(b)
        return self

    def start(self, b, name=None, client_id=None):
        """With client_id the collector comes back when its connection ends; ready() tells when."""
        name = name or str(b)
        self.procs[name] = inside("brk", ["/usr/bin/python3", os.path.join(HERE, "collector.py"),
                                          net.broker_address(b), self.filter,
                                          os.path.join(self.dir, name)]
                                  + ([client_id] if client_id else []))
        self.ready(name)

    def ready(self, name):
        """Wait until a collector has subscribed (again)."""
        p = self.procs[str(name)]
        if p.stdout.readline().strip() != "ready":
            raise RuntimeError(f"collector {name}: {p.stdout.read()}")

    def rows(self, name):
        """(topic, length, sha1, qos, retain) of each message so far."""
        with open(os.path.join(self.dir, str(name)), encoding="utf-8") as f:
            return [line.rstrip("\n").split("\t") for line in f if line.endswith("\n")]

    def got(self, name):
        return collections.Counter((r[0], int(r[1]), r[2]) for r in self.rows(name))

    def count(self, name):
        with open(os.path.join(self.dir, str(name)), "rb") as f:
            return sum(chunk.count(b"\n") for chunk in iter(lambda: f.read(1 << 20), b""))

    def wait(self, n, timeout=30.0):
        """Until every collector has n messages, or no more have come for `timeout` seconds."""
        last, end = None, time.monotonic() + timeout
        while time.monotonic() < end:
            have = [self.count(b) for b in self.brokers]
            if all(h >= n for h in have):
                time.sleep(0.05)  # a message too many would come now
                return
            if have != last:
                last, end = have, time.monotonic() + timeout
            time.sleep(0.02)

    def __exit__(self, *unused):
        for p in self.procs.values():
            p.terminate()
            p.wait()
            p.stdout.close()
        shutil.rmtree(self.dir)


# --- telemetry --------------------------------------------------------------------------------------


def ask(command):
    with Telemetry(config.PREFIX) as t:
        return t.ask(command)


def brokers_up(n, timeout=20.0):
    """Wait until n brokers are up by every worker's account."""
    end = time.monotonic() + timeout
    rows = []
    while time.monotonic() < end:
        try:
            rows = lab.broker_rows()
            if len(rows) >= n and all(str(r.get("state")) == "up" for r in rows):
                return
        except TelemetryError:
            pass
        time.sleep(0.03)
    keys = ("broker", "worker", "protocol", "set", "pool", "state", "last_error")
    down = [{k: r.get(k) for k in keys} for r in rows if str(r.get("state")) != "up"]
    raise AssertionError(f"{len(rows)} of {n} connections, of which are not up: {down}")


# --- cases ------------------------------------------------------------------------------------------


_baseline = {}  # PID of a pubwire: its pools before the first test


class LabCase(unittest.TestCase):
    """A case that runs in the lab of its `shape`; nothing of it may be left in pubwire afterwards."""

    shape = SHAPES["one_worker"]
    # Another case's traffic or a killed broker may still be settling.
    settle_s = 8.0

    @classmethod
    def setUpClass(cls):
        opts = lab.default_options()
        opts.update(cls.shape)
        opts["pubwire"] = os.environ.get("PUBWIRE")
        if len(set(opts["lcores"])) > len(_cpus):
            raise unittest.SkipTest("not enough CPUs")
        lab.up(opts, quiet=True)
        cls.brokers = range(opts["brokers"])

    def setUp(self):
        self.assertTrue(proc.alive("pubwire"), "pubwire ended:\n" + proc.tail("pubwire"))
        self.remember_pools()
        self.addCleanup(self.check_nothing_left)

    @staticmethod
    def remember_pools():
        """What a pubwire that has done nothing yet holds."""
        pid = proc.read_pid("pubwire")
        if pid not in _baseline:
            _baseline[pid] = ask("/pubwire/pools")

    def ledger(self):
        return ask("/pubwire/ledger")

    def check_nothing_left(self):
        """The ledger balances, nothing is on its way, buffers are back. Runs after the test."""
        self.assertTrue(proc.alive("pubwire"), "pubwire ended:\n" + proc.tail("pubwire", 40))
        end = time.monotonic() + self.settle_s
        while True:
            wrong = self.leftovers()
            if not wrong or time.monotonic() > end:
                break
            time.sleep(0.05)
        self.assertFalse(wrong, "\n".join(wrong))

    def leftovers(self):
        """What keeps pubwire from being idle, in words."""
        wrong = []
        ledger, pools = self.ledger(), ask("/pubwire/pools")
        if ledger["unexplained"] or ledger["outstanding"]:
            wrong.append(f"ledger: {ledger}")
        if pools["sessions"]:
            wrong.append(f"{pools['sessions']} device sessions are still there")
        before = _baseline[proc.read_pid("pubwire")]
        for name, row in pools.items():
            slack = 0
            if name == "packet_buffers":
                # Each worker keeps open the buffers that it copies to: what is appended, what is sent
                # with a private header, what is compacted. The kernel holds buffers of af_xdp; how
                # many is its own affair.
                slack = 3 * len(self.shape["lcores"])
                slack += 4096 if self.shape.get("driver") == "af_xdp" else 0
            if isinstance(row, dict) and row["in_use"] > before[name]["in_use"] + slack:
                wrong.append(f"{name}: {row['in_use']} in use, {before[name]['in_use']} at the start")
        return wrong
