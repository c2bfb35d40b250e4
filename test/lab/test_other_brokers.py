# SPDX-License-Identifier: BSD-3-Clause
"""RabbitMQ with its MQTT plug-in, aedes and mosquitto behind one pubwire; the first two fail under load.

Both speak MQTT 3.1.1 here, so pubwire has that lane alone. RabbitMQ 3 has no QoS 2: it answers with PUBACK."""

import os
import signal
import time
import unittest

import kit
from fleet import Device, Fleet, Record
from firewall import cut, mend, needed, shut
from kit import LabCase, lab, net, proc

RABBITMQ, AEDES, MOSQUITTO = range(3)
NAMES = ("rabbitmq", "aedes", "mosquitto-3")
RABBITMQ_SERVER = "/usr/lib/rabbitmq/bin/rabbitmq-server"
RABBITMQ_CONF = """\
listeners.tcp = none
mqtt.listeners.tcp.1 = {address}:1883
mqtt.allow_anonymous = true
loopback_users = none
disk_free_limit.absolute = 1MB
log.console = true
log.console.level = warning
log.file = false
"""
BOOT_S = 90  # on a machine that has much else to do
RATE = 12


def forwarding():
    common = "connect_timeout: 2s, ack_timeout: 5s, restart_timeout: [100ms, 1s]"
    brokers = "".join(f"  - {{name: {NAMES[b]}, address: {net.broker_address(b)}, {common}}}\n"
                      for b in range(3))
    routes = "".join(f"  - {{filter: \"other/{name}/#\", brokers: [{', '.join(NAMES)}], ack: \"{ack}\", "
                     "when_full: {qos0: block, qos1: block}}\n"
                     for name, ack in (("all", "all"), ("quorum", "quorum:2")))
    return "brokers:\n" + brokers + "routes:\n" + routes


def start_rabbitmq():
    home = proc.run_path("rabbitmq")
    os.makedirs(home, exist_ok=True)
    for name, text in (("rabbitmq.conf", RABBITMQ_CONF.format(address=net.broker_address(RABBITMQ))),
                       ("enabled_plugins", "[rabbitmq_mqtt].\n")):
        with open(os.path.join(home, name), "w", encoding="ascii") as f:
            f.write(text)
    env = dict(os.environ, HOME=home, RABBITMQ_NODENAME="pubwire@localhost",
               RABBITMQ_MNESIA_BASE=home + "/mnesia", RABBITMQ_LOG_BASE=home + "/log",
               RABBITMQ_CONFIG_FILE=home + "/rabbitmq.conf", RABBITMQ_CONF_ENV_FILE="/dev/null",
               RABBITMQ_ENABLED_PLUGINS_FILE=home + "/enabled_plugins",
               ERL_EPMD_ADDRESS="127.0.0.1",
               RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="+sbwt none +S 1:1")
    proc.start(NAMES[RABBITMQ], ["ip", "netns", "exec", net.namespace("brk"), RABBITMQ_SERVER], env=env)


def rabbitmq_pids():
    """Erlang's, which the shell that we started waits for."""
    out = []
    for pid in net.processes_inside("brk"):
        try:
            with open(f"/proc/{pid}/comm", encoding="ascii") as f:
                out += [pid] if f.read().startswith("beam") else []
        except OSError:
            pass
    return out


def start_aedes():
    proc.start(NAMES[AEDES], ["ip", "netns", "exec", net.namespace("brk"), "node",
                              os.path.join(kit.HERE, "aedes_broker.js"), net.broker_address(AEDES)],
               env=dict(os.environ, NODE_PATH=os.path.join(kit.NODE, "node_modules")))


def listens(b, patience):
    lab.wait_listen(NAMES[b], net.broker_address(b), patience=patience)


class OtherBrokers(LabCase):
    shape = dict(kit.SHAPES["one_worker"], no_brokers=True, brokers=3, forwarding=forwarding(),
                 sections="protocols: [3.1.1]\n")

    @classmethod
    def setUpClass(cls):
        needed()
        if not os.access(RABBITMQ_SERVER, os.X_OK):
            raise unittest.SkipTest("RabbitMQ is not installed: scripts/deps test")
        kit.install_node("aedes@0.51.3")
        super().setUpClass()
        start_rabbitmq()
        start_aedes()
        lab.start_broker(MOSQUITTO)
        listens(AEDES, 20)
        try:
            listens(RABBITMQ, BOOT_S)
        except lab.LabError as e:
            raise unittest.SkipTest(f"RabbitMQ does not start here: {e}") from e
        kit.brokers_up(3)
        cls.remember_pools()

    def back(self, b):
        """pubwire is let in when the collector is there: nothing is acknowledged unseen."""
        self.collectors.ready(b)
        mend(b)

    def load(self, fleet):
        run = fleet.run
        run(2)
        self.killed = time.monotonic()
        for pid in rabbitmq_pids():
            os.kill(pid, signal.SIGKILL)
        proc.stop(NAMES[RABBITMQ])
        shut(RABBITMQ)
        start_rabbitmq()
        end = time.monotonic() + BOOT_S
        while True:
            run(0.5)
            try:
                listens(RABBITMQ, 0.001)
                break
            except lab.LabError:
                self.assertLess(time.monotonic(), end, "RabbitMQ did not come back")
        self.back(RABBITMQ)
        self.let_in = time.monotonic()
        run(2)
        cut(RABBITMQ)
        run(3)
        mend(RABBITMQ)
        run(2)
        os.kill(proc.read_pid(NAMES[AEDES]), signal.SIGSTOP)
        run(2)
        os.kill(proc.read_pid(NAMES[AEDES]), signal.SIGCONT)
        run(1)
        self.killed_aedes = time.monotonic()
        proc.stop(NAMES[AEDES], sig=signal.SIGKILL)
        shut(AEDES)
        start_aedes()
        listens(AEDES, 20)
        self.back(AEDES)
        run(2)

    def test_killed_cut_off_and_stopped(self):
        devices = [Device(f"{policy}-{i}", f"other/{policy}/{i}", qos=1 + i % 2, rate=RATE)
                   for policy in ("all", "quorum") for i in range(4)]
        fleet = Fleet(devices)
        self.addCleanup(fleet.close)
        with kit.Collectors((), "other/#") as self.collectors:
            for b in range(3):
                self.collectors.start(b, client_id="collector")
            self.load(fleet)
            kit.brokers_up(3)
            self.assertTrue(fleet.drain(), "messages were never acknowledged")
            end = time.monotonic() + 15
            while time.monotonic() < end and any(r["lag"] for r in lab.broker_rows()):
                time.sleep(0.1)
            time.sleep(1)
            records = [Record(self.collectors.rows(b), devices) for b in range(3)]
        for d in devices:
            self.check(d, records)

    def check(self, d, records):
        self.assertFalse(d.lost, f"{d.name} was closed")
        self.assertEqual(set(d.acked), set(d.sent))
        if d.topic.startswith("other/quorum/"):
            done = [n for n in d.acked if self.killed < d.sent[n] and d.acked[n] < self.let_in]
            self.assertGreater(len(done), (self.let_in - self.killed) * RATE / 3, "did not go on")
        for b, record in enumerate(records):
            times = record.times[d]
            self.assertFalse(record.strange)
            self.assertEqual(list(times), sorted(times), f"{d.name} is out of order: {NAMES[b]}")
            missing = [n for n in d.acked if n not in times and not (
                # aedes keeps nothing on disk: what it had and had not passed on went with it.
                b == AEDES and d.sent[n] < self.killed_aedes and d.acked[n] > self.killed_aedes - 1)]
            self.assertFalse(missing, f"{d.name}: {NAMES[b]} misses {len(missing)} of {len(d.acked)}")
