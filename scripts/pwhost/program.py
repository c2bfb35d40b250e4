# SPDX-License-Identifier: BSD-3-Clause
"""The program pubwire: where it is, what it says about a configuration."""

import os
import re

from . import yamlread
from .host import HostError

CONFIG = "/etc/pubwire/pubwire.yaml"
BUILDS = ("release", "debug", "clang")
TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))


def options(parser):
    parser.add_argument("-c", "--config", metavar="FILE", help=f"configuration of pubwire [{CONFIG}]")
    parser.add_argument("--pubwire", metavar="PROGRAM",
                        help="the program that reads it [the installed one, or the newest build]")


def find(host, named=None):
    """Path of the program, or HostError."""
    if named:
        if not os.access(named, os.X_OK):
            raise HostError(f"--pubwire: no program {named}")
        return os.path.abspath(named)
    installed = host.which("pubwire")
    if installed:
        return installed
    built = [f"{TREE}/build/{b}/app/pubwire" for b in BUILDS]
    built = [b for b in built if host.real and os.access(b, os.X_OK)]
    if not built:
        raise HostError("no pubwire is installed or built: run scripts/build release --no-tests and "
                        "scripts/install, or name it by --pubwire PROGRAM")
    return max(built, key=os.path.getmtime)


def config_path(host, named=None):
    """The configuration as a path of this machine; a default one is below the root."""
    return os.path.abspath(named) if named else host.path(CONFIG)


class Plan:
    """Bytes that a configuration reserves: buffers by the node of the first port, the rest by that of
    each worker."""

    def __init__(self, buffers, workers, total):
        self.buffers, self.workers, self.total = buffers, workers, total


def plan(host, program, config, more=()):
    """Plan of a configuration, with more arguments for the program; HostError with pubwire's own line where it is wrong."""
    status, text = host.ask([program, "--check-config", "--config", config, *more])
    m = re.search(r"^plan: buffers=(\d+) workers=(\d+) total=(\d+)$", text, re.M)
    if status or not m:
        raise HostError(text.splitlines()[-1] if text else f"{program} ended with {status}")
    return Plan(int(m[1]), int(m[2]), int(m[3]))


class Config:
    """What the scripts have to know of a configuration."""

    def __init__(self, values):
        self.values = values
        w = values.get("workers") or {}
        self.workers = sorted({c for k in ("lcores", "devices", "brokers") for c in w.get(k) or []})
        self.main_cpu = w.get("main_cpu")
        self.idle = w.get("idle")
        self.eal = [str(a) for a in values.get("eal") or []]
        self.ports = values.get("ports") or []
        self.brokers = values.get("brokers") or []

    def eal_values(self, option):
        """Values of an EAL option, from "--x=v" or "--x", "v"; "" where it has none."""
        found = []
        for a, following in zip(self.eal, self.eal[1:] + [""]):
            if a == option:
                found.append("" if following.startswith("-") else following)
            elif a.startswith(option + "="):
                found.append(a[len(option) + 1:])
        return found

    def eal_value(self, option):
        """The last of them; None where there is none."""
        return (self.eal_values(option) or [None])[-1]

    @property
    def file_prefix(self):
        return self.eal_value("--file-prefix") or "pubwire"

    @property
    def no_huge(self):
        return self.eal_value("--no-huge") is not None

    def pci_ports(self):
        """(name, address with its domain) of each port that is a PCI device."""
        found = []
        for p in self.ports:
            device = str(p.get("device", ""))
            if re.fullmatch(r"([0-9a-f]{4}:)?[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]", device, re.I):
                found.append((p["name"], ("0000:" + device)[-12:].lower()))
        return found


def load(host, program, config):
    status, text = host.ask([program, "--print-config", "--config", config])
    if status:
        raise HostError(text.splitlines()[-1] if text else f"{program} ended with {status}")
    try:
        return Config(yamlread.load(text))
    except yamlread.Unreadable as e:
        raise HostError(f"{program} --print-config wrote what is not understood here: {e}") from e
