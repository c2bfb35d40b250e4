# SPDX-License-Identifier: BSD-3-Clause
"""A bad cable between two hosts, apart from the lab:

    pw-left  left0 10.79.0.1  ----  pw-wire: lossy_wire  ----  right0 10.79.0.2  pw-right

The host on the left is always the kernel's TCP (tcp_peer); that on the right is the kernel's or
pubwire's (tcp_host), on the same interface."""

import contextlib
import json
import os
import subprocess

from pwlab import process as proc
from pwlab.process import sh

LEFT, WIRE, RIGHT = ("pw-" + n + proc.SUFFIX for n in ("left", "wire", "right"))
ENDS = ((LEFT, "left0"), (RIGHT, "right0"))
ADDRESS = {4: {LEFT: "10.79.0.1", RIGHT: "10.79.0.2"}, 6: {LEFT: "fd79::1", RIGHT: "fd79::2"}}
PREFIX = {4: 24, 6: 64}


def whole_frames(ns, dev):
    """What crosses the cable has its checksum and is no longer than the MTU (see lossy_wire.c)."""
    sh("ip", "netns", "exec", ns, "ethtool", "-K", dev, "rx", "off", "tx", "off", "sg", "off", "tso", "off",
       "gso", "off", "gro", "off")


def _sysctl(ns, key, value):
    sh("ip", "netns", "exec", ns, "sysctl", "-qw", f"{key}={value}", check=False)


def up():
    down()
    for ns in (LEFT, WIRE, RIGHT):
        sh("ip", "netns", "add", ns)
        for scope in ("all", "default"):
            # Addresses are usable at once, and nobody solicits routers.
            _sysctl(ns, f"net.ipv6.conf.{scope}.disable_ipv6", int(ns == WIRE))
            _sysctl(ns, f"net.ipv6.conf.{scope}.accept_dad", 0)
            _sysctl(ns, f"net.ipv6.conf.{scope}.router_solicitations", 0)
        # As patient as tcp_host.
        for key in ("tcp_syn_retries", "tcp_synack_retries"):
            _sysctl(ns, "net.ipv4." + key, 20)
        # Each transfer starts without what the one before has learnt of the path.
        _sysctl(ns, "net.ipv4.tcp_no_metrics_save", 1)
        sh("ip", "-n", ns, "link", "set", "lo", "up")
    for ns, dev in ENDS:
        sh("ip", "-n", WIRE, "link", "add", dev, "type", "veth", "peer", "name", dev, "netns", ns)
        for where in (ns, WIRE):
            whole_frames(where, dev)
            sh("ip", "-n", where, "link", "set", dev, "up")
    address(LEFT, True)


def address(ns, on):
    """Give the kernel of a side its addresses, or take them away (IPv6 link-local ones too)."""
    dev = dict(ENDS)[ns]
    sh("ip", "-n", ns, "addr", "flush", "dev", dev)
    _sysctl(ns, f"net.ipv6.conf.{dev}.disable_ipv6", int(not on))
    if on:
        for family in (4, 6):
            sh("ip", "-n", ns, "addr", "add", f"{ADDRESS[family][ns]}/{PREFIX[family]}", "dev", dev,
               *(["nodad"] if family == 6 else []))


def mac(ns):
    """Address of a side's interface."""
    out = json.loads(sh("ip", "-j", "-n", ns, "link", "show", "dev", dict(ENDS)[ns]))
    return out[0]["address"]


def acquaint(family):
    """The kernels know each other's address before a transfer begins."""
    for ns, other in ((LEFT, RIGHT), (RIGHT, LEFT)):
        sh("ip", "-n", ns, "neigh", "replace", ADDRESS[family][other], "lladdr", mac(other), "dev",
           dict(ENDS)[ns])


def down():
    for ns in (LEFT, WIRE, RIGHT):
        if os.path.exists("/run/netns/" + ns):
            sh("ip", "netns", "del", ns, check=False)


class Failed(AssertionError):
    pass


def start(ns, argv, timeout=10):
    """A program of ours that says "ready"."""
    p = subprocess.Popen(["ip", "netns", "exec", ns] + [str(a) for a in argv], text=True,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    line = p.stdout.readline()
    if line.strip() != "ready":
        p.kill()
        raise Failed(f"{argv[0]}: {line}{p.communicate(timeout=timeout)[0]}")
    return p


def result(p, patience):
    """Its line of JSON."""
    try:
        out = p.communicate(timeout=patience)[0]
    except subprocess.TimeoutExpired:
        p.kill()
        raise Failed(f"{p.args}: still runs after {patience} s: {p.communicate()[0]}") from None
    try:
        return json.loads(out.strip().splitlines()[-1])
    except (ValueError, IndexError):
        raise Failed(f"{p.args} ended with {p.returncode}: {out}") from None


@contextlib.contextmanager
def cable(program, ns=WIRE, ends=tuple(dev for _, dev in ENDS), **options):
    """lossy_wire between two interfaces of a namespace while the body runs; yields a dict that has
    its counters afterwards. Options by the letters of lossy_wire."""
    argv = [program]
    for letter, value in options.items():
        argv += [f"-{letter}"] if value is True else [f"-{letter}", value]
    p, counters = start(ns, argv + list(ends)), {}
    try:
        yield counters
    finally:
        # Through "ip netns exec", which has become the program itself.
        p.terminate()
        counters.update(result(p, 10))


class Transfer:
    """What tcp_host and tcp_peer are to do. `sender` is the side that says `size` bytes on each
    connection, `opener` the one that connects; `acquainted`: without ARP and ND before;
    `max_rto`: ms between repetitions at most, for both ends;
    `greeting`: bytes that the other side than the sender says."""

    def __init__(self, programs, ours, conns=1, size=1 << 20, sender=LEFT, opener=LEFT, family=4,
                 seed=1, seconds=30, cc="cubic", window=0, max_ooo=0, echo=False, both=False, acquainted=False,
                 max_rto=0, greeting=0):
        self.programs, self.ours, self.conns, self.size = programs, ours, conns, size
        self.sender, self.opener, self.family, self.seed = sender, opener, family, seed
        self.seconds, self.cc, self.window, self.max_ooo = seconds, cc, window, max_ooo
        self.echo, self.both, self.acquainted = echo, both, acquainted
        self.max_rto, self.greeting = max_rto, greeting

    def argv(self, side):
        other = RIGHT if side == LEFT else LEFT
        mine = ADDRESS[self.family][side]
        every = self.both or self.echo
        says, hears = (self.size if every or end == self.sender else self.greeting
                       for end in (side, other))
        args = ["-n", self.conns, "-o", says, "-r", hears, "-S", self.seed, "-t", self.seconds,
                "-w", self.window]
        args += ["-e"] if self.echo else []
        args += ["-R", ADDRESS[self.family][other]] if side == self.opener else ["-l"]
        if side == RIGHT and self.ours:
            args += ["-i", dict(ENDS)[side], "-a", f"{mine}/{PREFIX[self.family]}", "-L", 300]
            args += ["-O", self.max_ooo] if self.max_ooo else []
            args += ["-M", self.max_rto] if self.max_rto else []
            if self.acquainted:
                args += ["-N", f"{ADDRESS[self.family][other]}@{mac(other)}"]
            return [self.programs["tcp_host"]] + args
        return [self.programs["tcp_peer"]] + args + ["-a", mine, "-C", self.cc]

    def run(self):
        """(result of the left, result of the right); raises Failed where one is not right."""
        address(RIGHT, not self.ours)
        if self.acquainted:
            acquaint(self.family)
        for ns in (LEFT, RIGHT):
            # Kernels before 6.15 have no such bound; two minutes is theirs.
            _sysctl(ns, "net.ipv4.tcp_rto_max_ms", self.max_rto or 120000)
        first, second = (RIGHT, LEFT) if self.opener == LEFT else (LEFT, RIGHT)
        ends = {}
        try:
            for side in (first, second):
                ends[side] = start(side, self.argv(side))
            got = {side: result(ends[side], self.seconds + 10) for side in (second, first)}
        finally:
            for p in ends.values():
                if p.poll() is None:
                    p.kill()
                    p.wait()
                p.stdout.close()
        left, right = got[LEFT], got[RIGHT]
        for name, r in (("left", left), ("right", right)):
            if r["failed"]:
                raise Failed(f"{name}: {r['failed']} of {self.conns} failed: {r['failure']}; "
                             f"left {left}; right {right}")
        if left["hash_in"] != right["hash_out"] or left["hash_out"] != right["hash_in"]:
            raise Failed(f"what was said is not what was heard: {left} {right}")
        return left, right

    def heard(self):
        """The result of the side that hears."""
        left, right = self.run()
        return right if self.sender == LEFT else left
