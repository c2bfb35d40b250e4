# SPDX-License-Identifier: BSD-3-Clause
"""What disturbs a CPU that polls, one tunable a class: how it is, how it should be, how to get there.

A tunable says what it found (`look`, a table.Row), and sets it where that can be done while the host
runs (`set`; `boot` where only a restart does it). `keys` are the files that it writes, for undo."""

import re

from . import boot, cpus
from .host import HostError
from .table import BAD, OK, SKIP, WARN, Row

GRUB = "cpus"
IRQBALANCE = "/etc/systemd/system/irqbalance.service.d/pubwire.conf"
# Leaving a deeper state takes longer than a burst of packets takes to come.
EXIT_LATENCY_US = 10


class Tunable:
    name = ""
    restart = False  # True: holds after a restart only

    def look(self, host, workers):
        raise NotImplementedError

    def set(self, host, workers, put):
        """Set it; put(path, value) writes and remembers."""
        raise HostError(f"{self.name} is not set by this script: see how")


class Isolation(Tunable):
    name, restart = "isolated", True

    @staticmethod
    def parameters(workers):
        c = cpus.text(workers)
        return f"isolcpus=managed_irq,domain,{c} nohz_full={c} rcu_nocbs={c}"

    def look(self, host, workers):
        missing = sorted(set(workers) - set(cpus.isolated(host)))
        how = f"--set isolated --boot, and restart: {self.parameters(workers)}"
        planned = boot.planned_parameters(host, GRUB)
        if missing:
            if planned == self.parameters(workers):
                how = "set for the next boot: restart"
            return Row(self.name, BAD, f"other programs may run on CPU {cpus.text(missing)}", how)
        ticking = sorted(set(workers) - set(cpus.parse(cpus.command_line(host, "nohz_full"))))
        if ticking:
            return Row(self.name, WARN, f"isolated; the timer still ticks on CPU {cpus.text(ticking)}", how)
        return Row(self.name, OK, f"CPU {cpus.text(workers)}, without timer ticks")

    def set(self, host, workers, put):
        boot.kernel_parameters(host, GRUB, self.parameters(workers), "CPUs of pubwire's workers")


class Governor(Tunable):
    name = "governor"

    @staticmethod
    def file(cpu):
        return f"{cpus.CPU}/cpu{cpu}/cpufreq/scaling_governor"

    def look(self, host, workers):
        found = {c: host.read(self.file(c)) for c in workers}
        if not any(found.values()):
            return Row(self.name, SKIP, "no frequency scaling here (a virtual machine, or off in the firmware)")
        slow = [c for c, g in found.items() if g not in (None, "performance")]
        if slow:
            return Row(self.name, BAD, f"{found[slow[0]]} on CPU {cpus.text(slow)}", "--set governor")
        return Row(self.name, OK, "performance")

    def set(self, host, workers, put):
        for c in workers:
            if host.exists(self.file(c)):
                put(self.file(c), "performance")


class CStates(Tunable):
    name = "c-states"

    @staticmethod
    def deep(host, cpu):
        """(file that disables, name, exit latency in us) of each state that takes long to leave."""
        found = []
        for d in host.glob(f"{cpus.CPU}/cpu{cpu}/cpuidle/state[0-9]*"):
            latency = host.number(d + "/latency", 0)
            if latency > EXIT_LATENCY_US:
                found.append((d + "/disable", host.read(d + "/name", "?"), latency))
        return found

    def look(self, host, workers):
        if not host.glob(f"{cpus.CPU}/cpu{workers[0]}/cpuidle/state*"):
            return Row(self.name, SKIP, "the kernel puts these CPUs into no deeper states")
        on = {c: [s for s in self.deep(host, c) if host.read(s[0]) == "0"] for c in workers}
        cpu = [c for c in workers if on[c]]
        if cpu:
            _, name, latency = max(on[cpu[0]], key=lambda s: s[2])
            return Row(self.name, BAD, f"{name} takes {latency} us to leave, on CPU {cpus.text(cpu)} (matters "
                       "where workers sleep: idle: adaptive)", "--set c-states")
        return Row(self.name, OK, f"none that takes over {EXIT_LATENCY_US} us to leave")

    def set(self, host, workers, put):
        for c in workers:
            for file, _, _ in self.deep(host, c):
                put(file, "1")


class Interrupts(Tunable):
    name = "irq-affinity"

    @staticmethod
    def on(host, workers):
        """[(file, CPUs)] of interrupts that may come to a worker's CPU."""
        found = []
        for d in host.glob("/proc/irq/[0-9]*"):
            file = d + "/smp_affinity_list"
            allowed = cpus.parse(host.read(file, ""))
            # One that fires nowhere, and a timer, have nobody to disturb.
            if set(allowed) & set(workers) and set(cpus.parse(
                    host.read(d + "/effective_affinity_list", cpus.text(allowed)))) & set(workers):
                found.append((file, allowed))
        return found

    def look(self, host, workers):
        found = self.on(host, workers)
        if not found:
            return Row(self.name, OK, "no interrupt comes to the workers' CPUs")
        numbers = [f.split("/")[3] for f, _ in found]
        return Row(self.name, BAD, f"{len(numbers)} interrupts come to the workers' CPUs: "
                   + ", ".join(numbers[:12]) + ("..." if len(numbers) > 12 else ""), "--set irq-affinity")

    def set(self, host, workers, put):
        others = sorted(set(cpus.online(host)) - set(workers))
        if not others:
            raise HostError("irq-affinity: every CPU is a worker's; none is left for interrupts")
        put("/proc/irq/default_smp_affinity", _mask(others, host.read("/proc/irq/default_smp_affinity", "")))
        stuck = []
        for file, _ in self.on(host, workers):
            try:
                put(file, cpus.text(others))
            except HostError:
                stuck.append(file.split("/")[3])
        if stuck:
            host.say("the kernel does not move these interrupts (queues of a driver that manages its "
                     "own; isolcpus=managed_irq keeps them away): " + ", ".join(stuck))


def _mask(those, like):
    """CPUs as a mask as wide as `like`: groups of 32 bits, the highest first."""
    value = sum(1 << c for c in those)
    width = len(like.replace(",", "")) or 8
    digits = f"{value:0{width}x}"
    groups = []
    while digits:
        groups.insert(0, digits[-8:])
        digits = digits[:-8]
    return ",".join(groups)


class IrqBalance(Tunable):
    name = "irqbalance"

    @staticmethod
    def runs(host):
        return any(host.read(p) == "irqbalance" for p in host.glob("/proc/[0-9]*/comm"))

    @staticmethod
    def banned(host):
        text = host.read(IRQBALANCE, "") + "\n" + host.read("/etc/default/irqbalance", "")
        m = re.findall(r"^\s*(?:Environment=)?IRQBALANCE_BANNED_CPULIST=\"?([\d,-]*)", text, re.M)
        return cpus.parse(m[-1]) if m else []

    def look(self, host, workers):
        if not self.runs(host):
            return Row(self.name, OK, "does not run")
        left = set(workers) - set(self.banned(host)) - set(cpus.isolated(host))
        if not left:
            return Row(self.name, OK, "runs, and leaves the workers' CPUs alone")
        return Row(self.name, BAD, f"moves interrupts to CPU {cpus.text(left)}", "--set irqbalance")

    def set(self, host, workers, put):
        if self.runs(host) and self.look(host, workers).verdict != OK and host.file(
                IRQBALANCE, "# Written by pubwire's scripts/tune.\n"
                f"[Service]\nEnvironment=IRQBALANCE_BANNED_CPULIST={cpus.text(workers)}\n"):
            if boot.running(host):
                host.run(["systemctl", "daemon-reload"])
                host.run(["systemctl", "try-restart", "irqbalance.service"])


class Siblings(Tunable):
    name = "siblings"

    def look(self, host, workers):
        shared = [f"{a} and {b}" for a in workers for b in cpus.siblings(host, a) if a < b and b in workers]
        if shared:
            return Row(self.name, BAD, f"workers share a core: CPU {'; '.join(shared)}",
                       "name one CPU of each core in workers of the configuration")
        busy = [s for a in workers for s in cpus.siblings(host, a)
                if s in cpus.online(host) and s not in cpus.isolated(host)]
        if busy:
            return Row(self.name, WARN, f"CPU {cpus.text(busy)} share a worker's core, and other programs may "
                       "run there", "isolate them too, or take them offline: --set siblings")
        return Row(self.name, OK, "no worker shares a core")

    def set(self, host, workers, put):
        for a in workers:
            for s in cpus.siblings(host, a):
                if s in workers:
                    raise HostError(f"siblings: CPU {a} and {s} share a core and are workers both: name one of "
                                    "them in the configuration")
                if s in cpus.online(host):
                    put(f"{cpus.CPU}/cpu{s}/online", "0")


class OneFile(Tunable):
    """A setting of the whole host in one file."""
    file = good = ""
    bad_verdict = WARN
    why = ""

    def read(self, host):
        return host.read(self.file)

    def look(self, host, workers):
        value = self.read(host)
        if value is None:
            return Row(self.name, SKIP, "this kernel has no such thing")
        if value in self.good:
            return Row(self.name, OK, value)
        return Row(self.name, self.bad_verdict, f"{value}: {self.why}", f"--set {self.name}")

    def set(self, host, workers, put):
        if self.read(host) is not None and self.read(host) not in self.good:
            put(self.file, self.good[0])


class TransparentHugepages(OneFile):
    name, file, good = "thp", "/sys/kernel/mm/transparent_hugepage/enabled", ("madvise", "never")
    why = "khugepaged stops programs for moments to move their memory"

    def read(self, host):
        m = re.search(r"\[(\w+)\]", host.read(self.file, ""))
        return m[1] if m else None


class NmiWatchdog(OneFile):
    name, file, good = "nmi-watchdog", "/proc/sys/kernel/nmi_watchdog", ("0",)
    why = "interrupts every CPU now and then, and takes a performance counter"


class NumaBalancing(OneFile):
    name, file, good = "numa-balancing", "/proc/sys/kernel/numa_balancing", ("0",)
    why = "unmaps memory to see who uses it"


ALL = [Isolation(), Governor(), CStates(), Interrupts(), IrqBalance(), Siblings(), TransparentHugepages(),
       NmiWatchdog(), NumaBalancing()]
