# SPDX-License-Identifier: BSD-3-Clause
"""pubwire itself stops under load: killed, drained, drained without brokers.

Each test starts it again for the next. What was acknowledged to a device is on every broker."""

import os
import shutil
import signal
import subprocess
import time

import kit
from kit import LabCase, config, lab, net, proc
from publisher import Publisher
from test_broker_kill import Recorded


class Stopped(Recorded, LabCase):
    shape = dict(kit.SHAPES["two_workers"], no_brokers=True)
    test_no_failure_each_message_once = None
    test_one_killed_and_restarted = None
    test_one_after_the_other = None
    test_both_at_once = None
    test_killed_again_and_again = None
    test_stopped_broker_that_goes_on = None

    def setUp(self):
        super().setUp()
        self.addCleanup(self.restart)

    def restart(self):
        """For the next test, and for what is checked of this one."""
        proc.stop("pubwire")
        lab.restart_pubwire()
        kit.brokers_up(2)
        self.remember_pools()

    def log(self):
        with open(proc.run_path("pubwire.log"), encoding="utf-8", errors="replace") as f:
            return f.read()

    def stop_under_load(self, sig, **kw):
        """Signal pubwire while devices publish; returns them, and the seconds until it was gone."""
        p = Publisher(version=self.version, **kw)
        self.addCleanup(p.close)
        when = {}

        def stop():
            os.kill(proc.read_pid("pubwire"), sig)
            when["asked"] = time.monotonic()

        def gone():
            if "gone" not in when and not proc.alive("pubwire"):
                when["gone"] = time.monotonic()
            return "gone" in when

        p.run(1.0)
        stop()
        end = time.monotonic() + 12
        while time.monotonic() < end and not (gone() and len(p.lost) == len(p.peers)):
            # Devices go on as devices do: they publish whenever they are acknowledged.
            p.turn(0.02, True)
            if sig == signal.SIGKILL and gone() and time.monotonic() > when["gone"] + 1:
                break  # nobody is left to tell them; what was sent before has been read
        self.assertTrue(gone(), "pubwire is still there")
        self.assertGreater(len(p.acked), 100)
        for i in range(2):
            self.check_record(i, p)
        return p, when["gone"] - when["asked"]

    def test_killed(self):
        """kill -9: devices lose the connection, not what was acknowledged."""
        self.stop_under_load(signal.SIGKILL)

    def test_drained(self):
        """TERM: under way comes through, everybody is told, exit code 0, in good time."""
        p, took = self.stop_under_load(signal.SIGTERM)
        self.assertLess(took, 8)
        self.assertRegex(self.log(), r": drained\n")
        self.assertEqual(len(p.lost), len(p.peers), "devices were not closed")

    def test_drained_5_0_devices_are_told_why(self):
        d = kit.device("told", version=5)
        proc.stop("pubwire", sig=signal.SIGTERM, patience=15)
        # 0x8B server shutting down
        first, body = d.read()
        self.assertEqual((first, body[0]), (0xE0, 0x8B))
        self.assertIsNone(d.read())
        d.close()

    def test_drain_is_bounded_without_brokers(self):
        """Nobody will acknowledge any more: the deadline ends it."""
        p = Publisher(name="B")
        self.addCleanup(p.close)
        p.run(0.5)
        for i in range(2):
            self.recorders.kill(i)
        p.run(0.3)
        start = time.monotonic()
        proc.stop("pubwire", sig=signal.SIGTERM, patience=15)
        self.assertLess(time.monotonic() - start, 9)
        self.assertRegex(self.log(), r"drain_deadline of \d+ ms cut the drain: [1-9]\d* messages")
        self.assertNotRegex(self.log(), r": drained\n")
        for i in range(2):
            self.check_record(i, p)
            self.recorders.start(i)
            self.recorders.wait(i)


class Refused(LabCase):
    """What keeps pubwire from starting is said in a line, with the exit code of its kind."""

    PREFIX = "refused-" + config.PREFIX

    def start(self, text, *eal):
        path = proc.run_path("refused.yaml")
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        # EAL leaves the directory of its sockets to whoever starts next.
        self.addCleanup(shutil.rmtree, "/var/run/dpdk/" + self.PREFIX, ignore_errors=True)
        prog = lab.binary(lab.load_state()["options"])
        return subprocess.run([prog, "--config", path, "--", *eal], capture_output=True, text=True,
                              timeout=30, check=False)

    def config(self):
        with open(proc.run_path("pubwire.yaml"), encoding="utf-8") as f:
            # Another EAL prefix: the one of the lab runs.
            return f.read().replace("--file-prefix=" + config.PREFIX, "--file-prefix=" + self.PREFIX)

    def test_unknown_key(self):
        r = self.start(self.config().replace("  idle: adaptive", "  idel: adaptive"))
        self.assertEqual(r.returncode, 78, r.stderr)
        self.assertRegex(r.stderr, r"refused\.yaml:\d+:\d+: .*idel")

    def test_unknown_port(self):
        r = self.start(self.config().replace("device: net_af_packet0", "device: net_af_packet9"))
        self.assertIn(r.returncode, (1, 78), r.stderr)
        self.assertIn("net_af_packet9", r.stderr)

    def test_interface_that_is_not_there(self):
        r = self.start(self.config().replace("iface=" + net.outer("dev"), "iface=nosuch0"))
        self.assertIn(r.returncode, (1, 78), r.stderr)
        self.assertIn("net_af_packet0", r.stderr.splitlines()[-1])

    def test_usage(self):
        prog = lab.binary(lab.load_state()["options"])
        r = subprocess.run([prog, "--nonsense"], capture_output=True, text=True, timeout=30,
                           check=False)
        self.assertEqual(r.returncode, 64, r.stderr)
