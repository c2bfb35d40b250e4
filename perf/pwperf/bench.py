# SPDX-License-Identifier: BSD-3-Clause
"""pubwire, testpmd and pktgen on two CPUs, or three, joined by two memif of one socket."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "scripts"))
from . import machine  # noqa: E402
from .pauses import Slots, Unwatched, taken  # noqa: E402
from pwlab.telemetry import Telemetry, TelemetryError, socket_path  # noqa: E402

PATIENCE = 60
# How long is looked at what else runs, and how much of it is nothing.
OTHERS_S = 0.3
QUIET = 0.03
PAGE = 2 << 20
KINDS = ("release", "profile", "debug", "asan", "clang")  # of scripts/build
# A ring of memif holds 1024 frames: more on their way would be testpmd's to drop.
WIRE_WINDOW = 512
# How pktgen says that a phase begins; the measured one lies between these two.
BEGINS = "pktgen: begins: "
HOLDS = "pktgen: holds"
LEAVES = "disconnecting"
BEFORE = "warming up"
MEASURED = ("measuring", "waiting for the last messages")

CONFIG = """
instance: perf
workers: {{{roles}, main_cpu: {cpu}, idle: {idle}}}
memory: {{packet_buffers: {buffers}, header_buffers: 8192, indirect_buffers: 16384}}
limits: {{max_connections: {connections}}}
ports:
  - {{name: devices, device: net_memif0, addresses: [10.77.0.1/16]}}
  - {{name: brokers, device: net_memif1, addresses: [10.78.0.1/16]}}
listeners: [{{name: mqtt, address: 10.77.0.1}}]
brokers:
{brokers}
routes: [{{filter: "#", brokers: [{names}]}}]
"""


def configuration(cpus, s, connections=None, shared=False):
    """pubwire's for a scenario, or for other so many connections, with a worker on each of the CPUs. Where they share
    one with the generator they leave it while there is nothing to do."""
    if connections is None:
        connections = s.connections
    names = [f"b{i}" for i in range(s.brokers)]
    brokers = "\n".join(f"  - {{name: {n}, address: 10.78.0.{11 + i}, restart_timeout: [100ms, 200ms]}}"
                        for i, n in enumerate(names))
    roles = f"devices: [{cpus[0]}], brokers: [{cpus[1]}]" if s.split else f"lcores: {cpus}"
    return CONFIG.format(cpu=cpus[0], roles=roles, idle="adaptive" if shared else "poll", buffers=16384 * len(cpus),
                         connections=connections + 64, brokers=brokers, names=", ".join(names))


class Lacking(Exception):
    """The machine lacks what is needed."""


class Failed(Exception):
    """A program failed, or a message was not as it was sent."""


def free_hugepages():
    try:
        with open("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", encoding="ascii") as f:
            return int(f.read()) * PAGE
    except (OSError, ValueError):
        return 0


def cpu_model():
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        return next((line.split(":")[1].strip() for line in f if line.startswith("model name")), "?")


class Bench:
    """The programs, where they run, and the directory of their files."""

    def __init__(self, build, cpus, no_huge):
        allowed = sorted(os.sched_getaffinity(0))
        chosen = cpus or allowed[:3]
        if len(chosen) not in (2, 3) or not set(chosen) <= set(allowed):
            raise Lacking("two CPUs are needed, one for pubwire and one for the generator, or a third for a second worker; "
                          f"there are {allowed}")
        self.cpus = chosen[:2]
        self.shared = len(chosen) == 2  # a second worker's CPU is the generator's
        self.second = chosen[-1]
        self.no_huge = no_huge
        self.huge = False
        self.pubwire_bin = self.program(build, "app/pubwire")
        self.pktgen_bin = self.program(build, "perf/pktgen/pktgen")
        self.testpmd = shutil.which("dpdk-testpmd")
        self.prefix = f"perf{os.getpid()}"
        self.words = ""
        self.environ = {}  # of pubwire, besides our own
        self.pid = None    # of pubwire, while it runs
        self.generator = None

    @staticmethod
    def program(build, path):
        prog = os.path.join(build, path)
        if not os.access(prog, os.X_OK):
            kind = os.path.basename(os.path.normpath(build))
            raise Lacking(f"{prog} is not built: scripts/build" + (" " + kind if kind in KINDS else ""))
        return prog

    def __enter__(self):
        self.dir = tempfile.TemporaryDirectory(prefix="perf-run")
        return self

    def __exit__(self, *unused):
        self.dir.cleanup()
        # EAL leaves its own behind.
        for name in ("gen", "pmd", "pw"):
            shutil.rmtree(os.path.dirname(socket_path(self.prefix + name)), ignore_errors=True)

    def file(self, name):
        return os.path.join(self.dir.name, name)

    def write(self, name, text):
        """The path of a new file."""
        with open(self.file(name), "w", encoding="utf-8") as f:
            f.write(text)
        return self.file(name)

    def said(self, name):
        with open(self.file(name), encoding="utf-8", errors="replace") as f:
            return f.read()

    def conditions(self, s):
        """Choose the pages, and say what a reader has to know of the machine."""
        # Beside those that pktgen has by default.
        buffers = max(0, s.load.get("buffers", 0) - 16384) * 2600
        need = (s.connections * 2000 + buffers + (200 + 100 * s.workers << 20)) * 5 // 4
        self.huge = not self.no_huge and free_hugepages() >= need
        load = os.getloadavg()[0]
        self.megabytes = [(s.connections * 1300 >> 20) + 100 + 100 * s.workers, (s.connections * 700 + buffers >> 20) + 250]
        with open("/proc/meminfo", encoding="ascii") as f:
            available = int(re.search(r"MemAvailable:\s+(\d+)", f.read()).group(1)) >> 10
        if not self.huge and sum(self.megabytes) > available:
            raise Lacking(f"{sum(self.megabytes)} MB are needed, {available} MB are available")
        pages = "2 MiB" if self.huge else "4 KiB (not enough hugepages are free: figures are lower)"
        if self.no_huge:
            pages = "4 KiB (--no-huge: figures are lower)"
        where = f"pubwire on CPU {self.cpus[0]}, generator on CPU {self.cpus[1]}"
        if s.workers == 2:
            where = f"pubwire on CPUs {self.cpus[0]} and {self.second}, generator on CPU {self.cpus[1]}"
            if self.shared:
                where += " too (nothing can scale, as worker 1 has what the generator leaves it)"
        self.words = (f"{cpu_model()}, {where}, pages of "
                      f"{pages}, memif with copies, other work: load {load:.1f}")
        return {"cpu": cpu_model(), "hugepages": self.huge, "load_before": load}

    def others(self, why=""):
        """{CPU: share of a moment in which it was not idle}, before anything of ours runs; said where it is more than a little."""
        busy = machine.busy(self.cpus, OTHERS_S)
        for cpu, share in busy.items():
            if share > QUIET:
                print(f"CPU {cpu} was busy {share:.0%} of the time with nothing running here; other work disturbs what is measured"
                      + why, flush=True)
        return busy

    def eal(self, name, cpu, role, which):
        """Its arguments; cpu None: pubwire chooses its lcores by its configuration."""
        args = ["--no-pci", f"--file-prefix={self.prefix}{name}"] + (["--lcores", cpu] if cpu is not None else [])
        if self.huge:
            args += ["--huge-unlink"]
        else:
            args += ["--no-huge", "-m", str(self.megabytes[which])]
        return args + [f"--vdev=net_memif{i},role={role},id={i},socket={self.prefix}" for i in range(2)]

    @contextlib.contextmanager
    def running(self, name, argv, ready, stop, environ=None):
        """A program until the block ends: ready is what it says once it is, or a function of its process that tells;
        stop(process) asks it to end; environ stands over ours."""
        with open(self.file(name), "wb") as log:
            p = subprocess.Popen(argv, stdout=log, stderr=log, stdin=subprocess.PIPE, env={**os.environ, **(environ or {})})
        try:
            end = time.monotonic() + PATIENCE
            while not (ready(p) if callable(ready) else ready in self.said(name)):
                if p.poll() is not None or time.monotonic() > end:
                    raise Failed(f"{name} does not start:\n{self.said(name)}")
                time.sleep(0.02)
            yield p
        finally:
            try:
                if p.poll() is None:
                    stop(p)
                p.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                p.kill()
                p.wait()
            p.stdin.close()

    def generate(self, other, options, begins=None):
        """One run of pktgen against the program of a context: its result. begins(phase) is called where a phase
        begins. The other one ends first, while pktgen polls no more: a memif may not survive the contrary."""
        out = self.file("result.json")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(out)
        said = []
        with open(self.file("words"), "wb") as words, contextlib.ExitStack() as stack:
            with other:
                p = subprocess.Popen([self.pktgen_bin, "--devices-port", "net_memif0", "--brokers-port", "net_memif1",
                                      "--hold", "--quiet", "--json", out, *options, "--",
                                      *self.eal("gen", f"{self.cpus[1]}", "client", 1), "--no-telemetry"],
                                     stdin=subprocess.PIPE, stdout=words, stderr=subprocess.PIPE, text=True)
                self.generator = p.pid
                stack.callback(self.abandon, p)
                for line in p.stderr:
                    said.append(line)
                    if line.startswith(HOLDS):
                        break
                    if begins and line.startswith(BEGINS):
                        begins(line[len(BEGINS):].strip())
            p.stdin.close()
            said += p.stderr.readlines()
            p.wait()
        if p.returncode not in (0, 2):
            raise Failed(f"pktgen: {p.returncode} {self.said('words')}{''.join(said)}")
        with open(out, encoding="utf-8") as f:
            return json.load(f)

    @staticmethod
    def abandon(p):
        """End a generator whose run has not ended."""
        if p.poll() is None:
            p.terminate()
        p.stdin.close()
        try:
            p.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            p.kill()
            p.wait()
        p.stderr.close()

    # Wire: testpmd in pubwire's place.

    def testpmd_passes(self, frame, seconds, rate=None):
        """Result of pktgen with frames of so many bytes and testpmd between its ports."""
        main = max(self.cpus) + 1
        lcores = f"{main}@{self.cpus[0]},{self.cpus[0]}@{self.cpus[0]}"
        # It writes to a file by the block: only by the line it says in time that it is ready.
        argv = ["stdbuf", "-oL", self.testpmd, *self.eal("pmd", lcores, "server", 0), "--main-lcore", str(main), "--no-telemetry",
                "--", "--forward-mode=macswap", "--nb-cores=1", "--total-num-mbufs=16384", "--disable-link-check",
                "--rxd=1024", "--txd=1024"]
        pmd = self.running("testpmd", argv, "Press enter to exit", lambda p: p.communicate(b"\n", PATIENCE))
        r = self.generate(pmd, ["--mode", "l2", "--frame", str(frame), *(["--rate", str(int(rate))] if rate else
                                                                         ["--window", str(WIRE_WINDOW)]),
                                "--warmup", "0.2", "--seconds", str(seconds)])
        if r["came_per_second"] == 0:
            raise Failed(f"testpmd passes nothing on:\n{self.said('testpmd')}")
        return r

    def wire64(self, seconds):
        """Frames of 64 bytes a second that testpmd passes on."""
        return self.testpmd_passes(64, seconds / 2)["came_per_second"]

    def wire(self, s, seconds):
        """Frames a second that testpmd passes on, of 64 bytes and of a message's size; None without testpmd."""
        if self.testpmd is None:
            print("wire: skipped: dpdk-testpmd is not installed (apt install dpdk-dev)")
            return None
        out = {}
        for name, frame in (("pps_64", 64), ("pps_same", s.frame())):
            r = self.testpmd_passes(frame, seconds / 2)
            out[name] = r["came_per_second"]
            print(f"wire, {frame:>4} B            {r['came_per_second']:>11,.0f}  frames/s by testpmd macswap, "
                  f"{r['lost']} lost, p50 {r['latency_us']['p50']} us", flush=True)
        out["frame_same"] = s.frame()
        return out

    def floor(self, s, seconds, rate):
        """Percentiles of frames of a message's size that leave at this rate and that testpmd passes on: what the machine and the
        generator make late without pubwire. One frame a message: too high where a scenario puts several into a segment. None without
        testpmd."""
        return self.testpmd_passes(s.frame(), seconds, rate)["latency_us"] if self.testpmd else None

    # pubwire.

    @contextlib.contextmanager
    def pubwire(self, s, connections=None):
        config = self.write("pubwire.yaml", configuration([self.cpus[0], self.second][:s.workers], s, connections,
                                                          s.workers == 2 and self.shared))
        eal = self.eal("pw", None, "server", 0)
        with self.running("pubwire", [self.pubwire_bin, "--config", config, "--", *eal], "is running",
                          lambda p: p.terminate(), self.environ) as p:
            self.pid = p.pid
            yield
            if p.poll() is not None:
                raise Failed(f"pubwire has ended:\n{self.said('pubwire')}")
        if p.returncode != 0 or "0 packet, 0 header, 0 indirect" not in self.said("pubwire"):
            raise Failed(f"pubwire does not end well:\n{self.said('pubwire')}")

    def workers(self, s):
        """Of each worker so far: role, cycles of turns that found work, all, CPU time, frames that it gave to the other."""
        out = []
        try:
            with Telemetry(self.prefix + "pw") as t:
                rows, at = t.ask("/pubwire/workers"), time.monotonic()
                for w in range(s.workers):
                    row = rows[str(w)]
                    counts = t.ask(f"/pubwire/counters,{w}")["worker"]
                    out.append({"role": row["role"], "busy": row["busy_cycles"], "total": row["total_cycles"], "at": at,
                                "cpu_ns": row["cpu_ns"], "handed_over": counts["steered_out"]})
        except (TelemetryError, KeyError, TypeError) as e:
            raise Failed(f"telemetry: {e}") from e
        return out

    def cost(self, s, before, after, messages):
        """What each worker spent on a message of the run. Where the generator takes its CPU amid a turn, the turn's cycles are
        the generator's too; CPU time is the worker's alone, but has the turns that found nothing: the lesser is nearer."""
        out = []
        for w, (a, b) in enumerate(zip(before, after)):
            d = {key: b[key] - a[key] for key in ("busy", "total", "at", "cpu_ns", "handed_over")}
            at_most = w == 1 and self.shared
            cycles = d["busy"]
            if at_most:
                cycles = min(cycles, d["cpu_ns"] / 1e9 * d["total"] / max(d["at"], 1e-9))
            out.append({"role": b["role"], "cycles": cycles / max(1, messages), "at_most": at_most,
                        "busy_share": d["busy"] / max(1, d["total"]), "handed_over": d["handed_over"] / max(1, messages)})
        return out

    def allocated(self):
        """Bytes that pubwire has from EAL's heap; all of them are taken at start."""
        try:
            with Telemetry(self.prefix + "pw") as t:
                return sum(t.ask(f"/eal/heap_info,{heap}")["Alloc_size"] for heap in t.ask("/eal/heap_list"))
        except (TelemetryError, KeyError, TypeError) as e:
            raise Failed(f"telemetry: {e}") from e

    def heap(self, s, connections):
        """The same of one that is made for so many connections."""
        with self.pubwire(s, connections):
            return self.allocated()

    def drops(self):
        """{what: count}: messages that pubwire gave up so far, by its counters; where there are none, frames and segments."""
        rows, at = [], 0
        try:
            with Telemetry(self.prefix + "pw") as t:
                while at is not None:
                    page = t.ask(f"/pubwire/drops,{at}")
                    rows += [v for v in page.values() if isinstance(v, dict)]
                    at = page.get("next")
        except TelemetryError as e:
            raise Failed(f"telemetry: {e}") from e
        found = [(v["room"] in ("forward", "upstream"), v["counter"], v["count"]) for v in rows if v["count"]]
        messages = {name: n for of_messages, name, n in found if of_messages}
        return messages or {name: n for _, name, n in found}

    def trial(self, s, seconds, rate=None, may_lose=False, watch=None, cost=True, pauses=None):
        """One run against pubwire. Messages that are wrong end everything; lost ones only where none may be.
        watch(begins) is called when what is measured begins, and when it has ended. With cost workers are asked what they spent,
        which takes milliseconds of a CPU where the measured time begins: not where percentiles count. pauses: a pauses.Watch of our
        CPUs; the result has its "pauses" and "slots" then: no pauses, and why in "unwatched", where the kernel could not tell all."""
        at, drops = {}, {}

        def begins(phase):
            if phase in MEASURED:
                at[phase] = self.workers(s) if cost else None
                if watch:
                    watch(phase == MEASURED[0])
            elif pauses and phase == BEFORE:
                pauses.start()
            elif phase == LEAVES:
                if pauses:
                    pauses.stop()
                drops.update(self.drops())
                at[phase] = self.allocated()

        options = s.options() + ["--warmup", "0.5", "--seconds", str(seconds)]
        if pauses:
            options += ["--slots", self.file("slots")]
        if s.connections > 20000:
            options += ["--clients", "10.77.1.1-10.77.255.250"]
        if s.workers == 2 and self.shared:
            options += ["--yield"]
        r = self.generate(self.pubwire(s), options + (["--rate", str(int(rate))] if rate else []), begins)
        order, sink = r["order"], r["sink"]
        wrong = {**{k: order[k] for k in ("late", "duplicate", "stale")},
                 **{k: sink[k] for k in ("corrupt", "wrong_qos", "strange")}}
        if s.load.get("qos") == 1:
            wrong["duplicate"] = max(0, wrong["duplicate"] - sink["marked_dup"])
        if any(wrong.values()) or r["failure"] or (r["lost"] and not may_lose):
            raise Failed(f"{s.name}: {wrong}, {r['lost']} lost, {r['failure'] or 'ended in time'}\n"
                         + self.said("pubwire"))
        r["copies"] = s.brokers
        r["drops"] = drops
        r["heap"] = at.get(LEAVES, 0)
        if pauses:
            r["slots"] = Slots(self.file("slots"))
            try:
                r["pauses"] = {c: taken(ran, (self.pid, self.generator), r["slots"].begin, r["slots"].end)
                               for c, ran in pauses.switches().items()}
            except Unwatched as e:
                r["pauses"], r["unwatched"] = None, str(e)
        if not cost:
            return r
        r["workers"] = self.cost(s, *(at[phase] for phase in MEASURED), r["sent_per_second"] * r["seconds"])
        r["cycles"] = sum(w["cycles"] for w in r["workers"])
        r["pubwire_busy_share"] = max(w["busy_share"] for w in r["workers"])
        return r
