# SPDX-License-Identifier: BSD-3-Clause
"""The command line of scripts/sizing: how many lcores, how much memory, and a configuration to start from."""

import json
import math
import os
import tempfile

from . import cli, need, pages, program, table
from .host import HostError

EPILOG = """\
Cycles of a message are those of docs/performance.md, times 2 for the driver, lib/wire and a colder
cache; an lcore is filled to 60 %, which leaves room for uneven shares and for catching up after an
outage. Memory is not computed here: pubwire plans it, by --check-config of the configuration that is
printed. Devices and brokers are on one link each in it: write your addresses and devices.

Examples:
  scripts/sizing --connections 50000 --rate 20000 --payload 200
  scripts/sizing --connections 2000 --rate 5000 --payload 1400 --qos 1 --brokers 3 --fan-out 2 --hold 60
  scripts/sizing --connections 1000 --rate 100 --output pubwire.yaml --json

Exit status: 0 fine, 1 no such machine (the reason is said), 64 wrong usage."""

# docs/performance.md, fleet, 3.1.1: medians of cycles by QoS and payload for 1, 2, 4, 8 brokers.
BROKERS = (1, 2, 4, 8)
CYCLES = {
    1: {64: (798, 895, 1095, 1492), 256: (852, 976, 1236, 1744), 1448: (1207, 1541, 2246, 3608),
        16384: (6136, 9347, 15821, 28769)},
    0: {256: (505, 615, 815, 1204)},
    2: {256: (1454, 1636, 1989, 2696)},
}
OUTSIDE = 2.0    # the driver, lib/wire, a colder cache
FILL = 0.6       # of an lcore
UNEVEN = 1.25    # the share of the worker that has most
# docs/performance.md: packet buffers that a waiting message keeps, by payload.
KEPT = ((64, 0.06), (256, 0.15), (450, 0.24), (600, 1.0), (1448, 1.0), (4096, 3.0), (16384, 12.0))

# lib/manage/config_pvt.h and include/pubwire: what a configuration may say.
MOST_WORKERS, MOST_ENTRIES, MOST_POOL, MOST_SESSIONS, MOST_BUFFERS = 64, 32768, 16, 4194304, 16777216
MOST_BROKERS, MOST_PACKET = 32, 268435460
EACH_HAS_ITS_PLACE = 16384  # lib/forward/info.c: NOT_MANY
DESCRIPTORS = 1024  # of each receive queue, as it is written below


def between(points, x):
    """Straight lines through points; beyond the last one the last line goes on."""
    if x <= points[0][0] or len(points) == 1:
        return float(points[0][1])
    for (x0, y0), (x1, y1) in zip(points, points[1:]):
        if x <= x1:
            break
    return y0 + (y1 - y0) * (x - x0) / (x1 - x0)


def cycles(qos, payload, fan_out):
    """Of one message. Other QoS than 1 were measured at 256 bytes: their ratio to QoS 1 holds for all sizes."""
    def of(q, size):
        return between(list(zip(BROKERS, CYCLES[q][size])), fan_out)
    by_size = between([(size, of(1, size)) for size in sorted(CYCLES[1])], payload)
    return by_size * (of(qos, 256) / of(1, 256) if qos != 1 else 1)


def power_of_two(n):
    return 1 << max(4, math.ceil(math.log2(max(1, n))))


class Size:
    """What was asked for, and what it takes."""

    def __init__(self, a):
        self.asked = a
        self.cycles = cycles(a.qos, a.payload, a.fan_out)
        load = a.rate * self.cycles * OUTSIDE / (a.ghz * 1e9)
        self.lcores = max(1, math.ceil(load / FILL), math.ceil(a.connections * UNEVEN / MOST_SESSIONS))
        # Every worker has logs of its own, so what one lcore could send may be more than its logs keep.
        while self.lcores <= MOST_WORKERS and self._log(self._most(a.rate))[1] > MOST_POOL:
            self.lcores += 1
        if self.lcores > MOST_WORKERS:
            raise HostError(f"that is more than one pubwire with {MOST_WORKERS} lcores does: share the devices among several, "
                            "or keep messages for a shorter time (--hold); with ack: all devices of QoS 1 wait with what is "
                            "beyond")
        self.busy = load / self.lcores
        self.connections = math.ceil(self._most(a.connections))
        # With QoS 2 each of them has identifiers under way. Where there are few, each has a place anyway.
        extras = math.ceil(self._most(a.connections if a.qos == 2 and a.extras is None else a.extras or 0))
        self.extras = extras if self.connections > EACH_HAS_ITS_PLACE else 0
        self.entries, self.pool = self._log(self._most(a.rate))
        self.kept = between(KEPT, a.payload) * a.rate * max(a.hold, 0)
        self.packet_buffers = self._buffers()
        self.header_buffers = 4096 * self.lcores
        self.indirect_buffers = 8192 * self.lcores
        self.max_packet = self._max_packet()

    def _most(self, n):
        """The part of n of the worker that has most."""
        return n / self.lcores * (UNEVEN if self.lcores > 1 else 1.0)

    def _log(self, rate):
        """(entries of a log, connections of a pool) so that an outage fits."""
        # Where messages are dropped, and not devices stopped, they may have half of a log: QoS 0 by default.
        part = 0.5 if self.asked.qos == 0 else 1.0
        wanted = max(rate * self.asked.hold * 1.1 / part, 8192)
        if wanted <= MOST_ENTRIES:
            return power_of_two(wanted), 1
        # Clients hash to the connections of a pool, unevenly.
        return MOST_ENTRIES, math.ceil(wanted * UNEVEN / MOST_ENTRIES)

    def _buffers(self):
        """One broker may keep a quarter of what receive queues leave; those may have three quarters."""
        queues = 2 * self.lcores * DESCRIPTORS
        n = max(8192 * self.lcores, math.ceil(self.kept * 4) + queues, math.ceil(queues * 4 / 3) + 1)
        if n > MOST_BUFFERS:
            raise HostError(f"{n} packet buffers are more than there may be ({MOST_BUFFERS}): a shorter --hold")
        return -(-n // 1024) * 1024

    def _max_packet(self):
        """The default, or what the payload and a topic take; it has to fit a quarter of the buffers."""
        wanted = max(1114112, self.asked.payload + 65536 + 64)
        if wanted > MOST_PACKET:
            raise HostError(f"--payload {self.asked.payload}: MQTT has packets of up to {MOST_PACKET} bytes")
        self.packet_buffers = max(self.packet_buffers, -(-(-(-wanted // 256)) // 1024) * 1024)
        return wanted


def configuration(s):
    """YAML to start from."""
    a = s.asked
    names = [f"broker-{i + 1}" for i in range(a.brokers)]
    lines = [
        f"# Made by scripts/sizing for {a.connections} connections and {a.rate:g} messages/s of {a.payload} bytes, QoS "
        f"{a.qos},",
        f"# each to {a.fan_out} of {a.brokers} brokers, {a.hold:g} s without a broker. Write your devices, addresses and",
        "# CPUs; docs/configuration.md explains every key.",
        'eal: ["--allow=0000:01:00.0", "--allow=0000:01:00.1"]',
        f"workers: {{lcores: [{', '.join(str(i + 1) for i in range(s.lcores))}]}}",
        "memory:",
        f"  packet_buffers: {s.packet_buffers}",
        f"  header_buffers: {s.header_buffers}",
        f"  indirect_buffers: {s.indirect_buffers}",
        "ports:",
        f'  - {{name: devices, device: "0000:01:00.0", addresses: [10.77.0.1/16], gateway: 10.77.0.254, rx_descriptors: '
        f"{DESCRIPTORS}}}",
        f'  - {{name: brokers, device: "0000:01:00.1", addresses: [10.78.0.1/16], rx_descriptors: {DESCRIPTORS}}}',
        "listeners: [{name: mqtt, address: 10.77.0.1}]",
        "brokers:",
    ]
    lines += [f"  - {{name: {n}, address: 10.78.0.{i + 11}}}" for i, n in enumerate(names)]
    pool = f", pool_size: {s.pool}" if s.pool > 1 else ""
    lines.append("routes:")
    if a.fan_out == a.brokers:
        lines.append(f'  - {{filter: "#", brokers: [{", ".join(names)}]{pool}}}')
    elif a.fan_out == 1:
        lines.append(f'  - {{filter: "#", brokers: [{", ".join(names)}], fanout: hash{pool}}}')
    else:
        # A message to some of several brokers is a matter of topics.
        for i in range(0, a.brokers):
            some = [names[(i + k) % a.brokers] for k in range(a.fan_out)]
            topic = '"#"' if i == a.brokers - 1 else f'"group-{i + 1}/#"'
            lines.append(f"  - {{filter: {topic}, brokers: [{', '.join(some)}]{pool}}}")
    lines += [
        "limits:",
        f"  max_connections: {s.connections}  # of each worker",
        *([f"  max_extras: {s.extras}  # with a will, aliases or QoS 2 under way"] if s.extras else []),
        f"  max_queued_messages: {s.entries}",
        f"  max_packet_size: {s.max_packet}",
        "http: {}",
    ]
    return "\n".join(lines) + "\n"


def plan(host, args, text, lcores):
    """(bytes, pages of 2 MB) as pubwire plans them, or a line that says why not."""
    try:
        prog = program.find(host, args.pubwire)
    except HostError as e:
        return None, str(e)
    with tempfile.TemporaryDirectory() as d:
        path = os.path.join(d, "sizing.yaml")
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        # The CPUs are another machine's.
        found = program.plan(host, prog, path, ("--", f"--lcores=0-{lcores}"))
    return found, need.count(found.total, pages.SIZES["2M"])


def parser():
    p = cli.Parser(prog="sizing", description="Lcores, memory and a configuration for a load.", epilog=EPILOG)
    p.add_argument("--connections", type=int, required=True, metavar="N", help="devices that are connected at a time")
    p.add_argument("--rate", type=float, required=True, metavar="N", help="messages a second of all devices together")
    p.add_argument("--payload", type=int, default=256, metavar="BYTES", help="of a message [256]")
    p.add_argument("--qos", type=int, default=1, choices=(0, 1, 2), help="[1]")
    p.add_argument("--brokers", type=int, default=1, metavar="N", help="[1]")
    p.add_argument("--fan-out", type=int, metavar="N", help="brokers that each message goes to [all]")
    p.add_argument("--extras", type=int, metavar="N",
                   help="devices that have a will, topic aliases or QoS 2 under way at a time [with --qos 2 all; else what the "
                        "program has places for: all up to 16,384 of an lcore, and one in 128 of those beyond]")
    p.add_argument("--hold", type=float, default=10, metavar="SECONDS",
                   help="how long messages are kept for a broker that is away, and no device waits [10]")
    p.add_argument("--ghz", type=float, default=2.6, metavar="N", help="of the CPU's time stamp counter [2.6]")
    p.add_argument("--output", metavar="FILE", help="write the configuration there instead of printing it")
    p.add_argument("--pubwire", metavar="PROGRAM", help="the program that plans [the installed one, or the newest build]")
    p.add_argument("--json", action="store_true", help="all of it for programs")
    return p


def check(p, a):
    a.fan_out = a.brokers if a.fan_out is None else a.fan_out
    for name, value, least, most in (("connections", a.connections, 1, MOST_WORKERS * MOST_SESSIONS),
                                     ("rate", a.rate, 0, 1e9), ("payload", a.payload, 0, MOST_PACKET),
                                     ("brokers", a.brokers, 1, MOST_BROKERS), ("fan-out", a.fan_out, 1, a.brokers),
                                     ("extras", a.extras or 0, 0, a.connections),
                                     ("hold", a.hold, 0, 86400), ("ghz", a.ghz, 0.1, 10)):
        if not least <= value <= most:
            p.error(f"--{name} {value:g}: expected {least:g} to {most:g}")


def told(s, found, pages_2m):
    a = s.asked
    yield "cycles of a message", f"{s.cycles:,.0f}, times {OUTSIDE:g} for driver, wire and a colder cache"
    yield "lcores", f"{s.lcores} for workers, {s.busy:.0%} busy each at {a.ghz:g} GHz, and a CPU for the main thread"
    yield "connections", f"{s.connections:,} of each worker"
    yield "logs", (f"{s.entries:,} entries each" + (f", {s.pool} connections to each broker" if s.pool > 1 else ""))
    yield "packet buffers", f"{s.packet_buffers:,}, of which {math.ceil(s.kept):,} wait for a broker after {a.hold:g} s"
    if found is None:
        yield "memory", f"not planned: {pages_2m}"
    else:
        yield "memory", f"{table.size(found.total)} by pubwire --check-config: {pages_2m} pages of 2 MB"


def work(host, args):
    check(parser(), args)
    s = Size(args)
    text = configuration(s)
    found, count = plan(host, args, text, s.lcores)
    if args.output:
        host.file(os.path.abspath(args.output), text.encode(), 0o644)
    if args.json:
        host.say(json.dumps({
            "cycles": round(s.cycles), "lcores": s.lcores, "busy": round(s.busy, 3), "connections": s.connections, "max_extras": s.extras or None,
            "max_queued_messages": s.entries, "pool_size": s.pool, "packet_buffers": s.packet_buffers,
            "kept_buffers": math.ceil(s.kept), "bytes": found.total if found else None,
            "pages_2m": count if found else None, "unplanned": None if found else count, "configuration": text},
            indent=2))
        return cli.FINE
    for name, value in told(s, found, count):
        host.say(f"{name:20} {value}")
    if not args.output:
        host.say("\n" + text.rstrip())
    return cli.FINE


def main(argv=None, host=None):
    return cli.run("sizing", parser(), work, argv, host)
