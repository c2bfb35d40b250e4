# SPDX-License-Identifier: BSD-3-Clause
"""Scenarios: what is sent, to how many brokers, by how many devices, and what of it is measured."""

import glob
import os
import tomllib

DIR = os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), "scenarios")

# Keys of a section, with the types that their values may have. Those of load are options of pktgen.
KEYS = {
    "load": {"payload": str, "tcp": str, "connections": int, "qos": int, "per-segment": (int, str), "inflight": int,
             "window": int, "buffers": int, "brokers": int, "protocol": str, "keepalive": int, "silent": int, "slow": int,
             "churn": int, "rate": int, "queues": int, "devices-queue": (int, str), "brokers-queue": (int, str)},
    "pubwire": {"workers": int, "split": bool},
    "measure": {"search": bool, "wire": bool, "percent": list, "rates": list, "beside": str},
}


class Bad(Exception):
    """No such scenario, or (broken) one that says what is not understood."""

    def __init__(self, why, broken=False):
        super().__init__(why)
        self.broken = broken


class Scenario:
    """One file."""

    def __init__(self, path):
        self.name = os.path.basename(path).removesuffix(".toml")
        try:
            with open(path, "rb") as f:
                text = tomllib.load(f)
        except tomllib.TOMLDecodeError as e:
            raise Bad(f"{path}: {e}", broken=True) from e
        except OSError as e:
            raise Bad(f"{self.name}: no such scenario; perf/run --list names them") from e
        self.about = text.pop("about", "")
        for section, keys in text.items():
            known = KEYS.get(section)
            if known is None or not isinstance(keys, dict):
                raise Bad(f"{path}: {section}: expected about, load, pubwire, measure", broken=True)
            for key, value in keys.items():
                # A truth value is a number to Python.
                if (key not in known or not isinstance(value, known[key])
                        or isinstance(value, bool) != (known[key] is bool)):
                    raise Bad(f"{path}: {section}.{key} = {value!r}: expected one of {', '.join(known)}, "
                              "of its type", broken=True)
        self.load = text.get("load", {})
        pubwire = text.get("pubwire", {})
        self.workers = pubwire.get("workers", 1)
        self.split = pubwire.get("split", False)  # the first serves devices, the second brokers
        if self.workers not in (1, 2) or self.split and self.workers != 2:
            raise Bad(f"{path}: pubwire: expected workers = 1 or 2, and split only with 2", broken=True)
        measure = text.get("measure", {})
        self.search = measure.get("search", True)
        self.wire = measure.get("wire", True)
        self.percent = measure.get("percent", [])
        self.rates = measure.get("rates", [])
        self.beside = measure.get("beside")

    @property
    def connections(self):
        return self.load.get("connections", 100)

    @property
    def brokers(self):
        return self.load.get("brokers", 1)

    def frame(self):
        """Bytes of the frame that carries one message, as far as a frame goes; of a mix, the mean."""
        sizes = [p.split(":") for p in self.load.get("payload", "64").split(",")]
        weight = sum(int(s[1]) if len(s) > 1 else 1 for s in sizes)
        mean = sum(int(s[0]) * (int(s[1]) if len(s) > 1 else 1) for s in sizes) / weight
        # Ethernet, IPv4, TCP with timestamps; PUBLISH with its topic.
        return min(1514, int(mean) + 66 + 18)

    def options(self):
        """Of pktgen."""
        out = []
        for key, value in self.load.items():
            out += [f"--{key}", str(value)]
        return out


def load(name):
    return Scenario(os.path.join(DIR, f"{name}.toml"))


def every():
    found = [Scenario(p) for p in glob.glob(os.path.join(DIR, "*.toml"))]
    return sorted(found, key=lambda s: (s.name.split("-")[0], s.connections, s.brokers, s.frame(), s.name))
