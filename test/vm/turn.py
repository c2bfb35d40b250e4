# SPDX-License-Identifier: BSD-3-Clause
"""The turn of one NIC model: bound, forwarding, its cable pulled, stopped, given back."""

import json
import os
import re
import subprocess
import time

import net
import traffic
from guest import GuestError

CONFIG = "/etc/pubwire/pubwire.yaml"
LOG = "/run/pubwire.log"
PID = "/run/pubwire.pid"
CHECKSUM_DROPS = ("drop_ip_cksum", "drop_l4_cksum")


def configuration(nics, lcores, idle, mtu):
    """As docs/install.md has it for NICs of PCI; IPv6 besides."""
    ports = "".join(f"  - {{name: {name}, device: \"{nics[side].address}\", "
                    f"addresses: [{net.PUBWIRE[side]}/16, \"{net.PUBWIRE6[side]}/64\"], mtu: {mtu}}}\n"
                    for side, name in (("dev", "devices"), ("brk", "brokers")))
    return (f"eal: [{', '.join(chr(34) + '--allow=' + n.address + chr(34) for n in nics.values())}]\n"
            f"instance: vm\n"
            f"http: {{}}\n"
            f"workers: {{lcores: [{', '.join(map(str, lcores))}], idle: {idle}}}\n"
            f"ports:\n{ports}"
            f"listeners:\n"
            f"  - {{name: mqtt, address: {net.PUBWIRE['dev']}}}\n"
            f"  - {{name: mqtt6, address: \"{net.PUBWIRE6['dev']}\"}}\n"
            f"brokers:\n"
            f"  - {{name: a, address: {net.DEVICE['brk'].split('/')[0]}, restart_timeout: [200ms, 1s]}}\n"
            f"routes:\n"
            f"  - {{filter: \"#\", brokers: [a], when_full: {{qos0: block, qos1: block}}}}\n")


class Turn:
    """One model by one driver with so many workers and their idle policy. result is what the matrix says of it."""

    def __init__(self, guest, broker, model, driver, workers, idle, mtu):
        self.guest, self.broker, self.model, self.driver = guest, broker, model, driver
        self.lcores = list(range(1, workers + 1))
        self.nics = {side: guest.nics[model.name, side] for side in net.SIDES}
        self.tag = f"{model.name}-{driver}"
        self.wrong = []
        self.idle, self.mtu = idle, min(mtu, model.mtu)
        self.result = {"model": model, "driver": driver, "workers": workers}
        net.give_turn(model.name, self.mtu)
        self.collector = traffic.Collector(broker, self.tag)

    def check(self, good, what):
        if not good:
            self.wrong.append(what)
        return good

    # What an operator does, by docs/install.md.

    def bind(self):
        bind(self.guest, self.driver, self.nics.values())

    def configure(self):
        self.guest.write(CONFIG, configuration(self.nics, self.lcores, self.idle, self.mtu))
        self.guest.sh("pubwire --check-config")

    def start(self):
        """As the unit does; journald's part is a file."""
        known = self.broker.lines(["New client connected", "pubwire"])
        self.guest.sh(f"pubwire --config {CONFIG} > {LOG} 2>&1 & echo $! > {PID}")
        # A connection a protocol and worker.
        net.wait("pubwire's connections to the broker", lambda: self.broker.lines(
            ["New client connected", "pubwire"]) >= known + 2 * len(self.lcores), 60, self.alive)

    def alive(self):
        return self.guest.run(f"kill -0 $(cat {PID})")[0] == 0

    def first_message(self):
        problem = traffic.one(self.collector, self.tag + "/first", "hello")
        self.check(not problem, str(problem))

    # What is looked at.

    def metrics(self, family):
        """{labels: value} of a family."""
        text = self.guest.sh("wget -q -O - http://127.0.0.1:9883/metrics")
        found = re.findall(rf"^pubwire_{family}{{(.*)}} (\S+)", text, re.M)
        if not found:
            raise GuestError(f"/metrics has no {family}")
        return {labels: float(value) for labels, value in found}

    def ask(self, *commands):
        """{command: answer} of telemetry."""
        return json.loads(self.guest.sh("python3 /usr/local/lib/ask.py " + " ".join(commands)))

    def look(self):
        """The port as telemetry has it: what is in use, and what the self-test found."""
        answer = self.ask("/pubwire/ports", "/pubwire/workers")
        policies = {w["idle"] for w in answer["/pubwire/workers"].values() if isinstance(w, dict)}
        self.result["idle"] = ", ".join(sorted(policies))
        self.check(policies == {self.idle}, f"workers are {self.result['idle']}, not {self.idle}: see the log")
        self.result["port"] = port = next(iter(answer["/pubwire/ports"].values()))
        self.check(port["driver"] == self.model.pmd, f"the driver is {port['driver']}, not {self.model.pmd}")
        broken = [name for name, verdict in port["selftest"].items() if verdict.startswith("broken")]
        self.check(not broken, f"the self-test found {', '.join(broken)} broken")

    def forward(self):
        before = {side: net.counters(side) for side in net.SIDES}
        began = time.monotonic()
        count, wrong = traffic.exchange(self.collector, self.tag)
        self.wrong += wrong
        self.result["messages"], self.result["seconds"] = count, time.monotonic() - began
        for side in net.SIDES:
            after = net.counters(side)
            for key in ("Tcp.InCsumErrors", "Ip.InHdrErrors", "Icmp.InCsumErrors"):
                bad = after[key] - before[side][key]
                self.check(bad == 0, f"{bad} packets with {key} at the {side} side: wrong checksums were sent")
        self.waking()
        frames = self.metrics("worker_rx_frames_total")
        self.result["frames"] = "/".join(f"{n:.0f}" for _, n in sorted(frames.items()))

    def waking(self):
        """Who waits for the NIC has to be woken by it: it would find frames anyway, when its time is out."""
        workers = self.ask("/pubwire/workers")["/pubwire/workers"]
        workers = [w for w in workers.values() if isinstance(w, dict)]
        waits = {bool(w["woken_by_ports"]) for w in workers}
        self.result["idle"] += ", woken" if waits == {True} else ", by the clock" if waits == {False} else ", differ"
        for w in workers:
            if w["woken_by_ports"]:
                self.check(w["wakeups"] > 0, f"woken {w['wakeups']} times in {w['sleeps']} waits")

    def wrong_checksums(self):
        """Packets with wrong checksums are dropped, whoever verifies them, and counted."""
        before = self.checksum_drops()
        program = os.path.join(os.path.dirname(os.path.realpath(__file__)), "frames.py")
        r = subprocess.run(net.inside("dev", "/usr/bin/python3", program, net.tap_name(self.model.name, "dev"),
                                      self.nics["dev"].mac), stdout=subprocess.PIPE, text=True, timeout=60, check=True)
        self.check(json.loads(r.stdout) == [1, 0, 0],
                   f"of SYNs that were right, wrong by TCP's checksum, wrong by IPv4's, these were answered: {r.stdout}")
        after = self.checksum_drops()
        self.check(after - before == 2, f"{after - before:.0f} of 2 wrong checksums were counted")

    def checksum_drops(self):
        return sum(sum(self.metrics(f"wire_{name}_total").values()) for name in CHECKSUM_DROPS)

    def pull_the_cable(self):
        """Of both NICs, one after the other; a message passes when they are back."""
        for side, port in (("dev", "devices"), ("brk", "brokers")):
            for up in (False, True):
                self.guest.set_link(self.model, side, up)
                self.see_link(port, up)
        problem = traffic.one(self.collector, self.tag + "/after", "the cable is back")
        self.check(not problem, str(problem))
        self.result["link"] = True

    def crash(self):
        """Killed while its NICs run, it comes back on the same."""
        self.guest.sh(f"kill -9 $(cat {PID})")
        net.wait("the end of pubwire", lambda: not self.alive(), 20, self.guest.alive)
        self.start()
        problem = traffic.one(self.collector, self.tag + "/again", "after kill -9")
        self.check(not problem, str(problem))

    def see_link(self, port, up):
        net.wait(f"link of port {port} {'up' if up else 'down'}",
                 lambda: self.metrics("port_up")[f'port="{port}"'] == up, 30, self.guest.alive)

    def stop(self):
        status, text = self.guest.run(f"p=$(cat {PID}); kill $p; n=0; while kill -0 $p 2> /dev/null && "
                                      "[ $n -lt 300 ]; do usleep 100000; n=$((n+1)); done; ! kill -0 $p 2> /dev/null")
        log = self.guest.sh(f"cat {LOG}")
        self.check(status == 0, "pubwire does not stop: " + text)
        self.check("drained" in log, "it did not say that it drained:\n" + log)

    def run(self, steps):
        """Each of the steps, as long as they can be made. True where nothing was wrong."""
        try:
            for step in steps:
                step()
        except (GuestError, RuntimeError, OSError) as e:
            self.wrong.append(str(e))
            if self.guest.alive():
                self.wrong.append(self.guest.run(f"cat {LOG}; dmesg | tail -20")[1])
                self.guest.run(f"kill -9 $(cat {PID})")
        return not self.wrong

    def end(self):
        self.collector.stop()
        self.result["ok"] = not self.wrong
        return self.result


def bind(guest, driver, nics):
    how = "" if driver == "vfio-pci" else f"--driver {driver} "
    guest.sh(f"pubwire-nics bind {how}{' '.join(n.address[5:] for n in nics)}")


def give_back(guest, nics):
    """All of them to the kernel's drivers that had them; what was wrong."""
    guest.sh(f"pubwire-nics unbind {' '.join(n.address[5:] for n in nics)}")
    wrong = []
    for nic in nics:
        now = guest.sh(f"basename $(readlink /sys/bus/pci/devices/{nic.address}/driver)").strip()
        if now != nic.model.kernel:
            wrong.append(f"{nic.address} is left to {now}, not to {nic.model.kernel}")
    return wrong
