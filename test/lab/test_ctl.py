# SPDX-License-Identifier: BSD-3-Clause
"""pubwirectl against a pubwire that has devices and brokers, one of which dies: every command, as
text and as JSON."""

import json
import os
import pty
import shutil
import signal
import struct
import subprocess
import tempfile
import termios
import time
import unittest

import kit
from kit import LabCase, config, lab, mq, proc


class Ctl(LabCase):
    shape = dict(kit.SHAPES["one_worker"], sections="limits:\n  drain_deadline: 1s\n")

    def setUp(self):
        super().setUp()
        prog = os.path.join(kit.build_dir(), "app", "pubwirectl")
        self.assertTrue(os.access(prog, os.X_OK), f"{prog} is not built")
        self.argv = [prog, "--file-prefix", config.PREFIX]
        kit.brokers_up(4)

    def ctl(self, *args, status=0):
        r = subprocess.run([*self.argv, *args], capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(r.returncode, status, (args, r.stdout, r.stderr))
        return r.stdout if status == 0 else r.stderr

    def json(self, *args):
        return json.loads(self.ctl(*args, "--json"))

    def device(self, name, version=5):
        d = kit.device(name, version=version)
        self.addCleanup(d.close)
        return d

    def sent(self, d, n, version=5, first=1, size=20):
        """n messages of QoS 1, one after the other acknowledged."""
        for i in range(first, first + n):
            d.send(mq.publish("lab/ctl", kit.content("ctl", i, size), qos=1, pid=i, version=version))
            head, _ = d.read()
            self.assertEqual(head >> 4, 4)

    def without_broker(self, i):
        proc.stop(f"mosquitto-{i + 1}", sig=signal.SIGKILL)
        self.addCleanup(self.with_broker, i)

    def with_broker(self, i):
        if not proc.alive(f"mosquitto-{i + 1}"):
            lab.start_broker(i)
        kit.brokers_up(4)

    def until(self, fn, patience=20.0):
        end = time.monotonic() + patience
        while True:
            value = fn()
            if value or time.monotonic() > end:
                return value
            time.sleep(0.05)

    def test_what_runs(self):
        a, b = self.device("pump-1"), self.device("valve-2", version=4)
        before = self.json("status", "-i", "0.2")["traffic"]
        self.sent(a, 10)
        self.sent(b, 5, version=4)
        s = self.json("status", "-i", "0.2")
        self.assertEqual(s["info"]["pid"], proc.read_pid("pubwire"))
        self.assertEqual((s["info"]["instance"], s["info"]["state"]), ("lab", "running"))
        self.assertEqual(s["traffic"]["accepted"] - before["accepted"], 15)
        self.assertEqual((s["traffic"]["devices"], s["traffic"]["outstanding"], s["warnings"]), (2, 0, []))
        self.assertEqual([(x["broker"], x["state"], x["up"]) for x in s["brokers"]],
                         [("broker1", "up", 2), ("broker2", "up", 2)])
        text = self.ctl("status", "-i", "0.2")
        for want in ("pubwire ", "(lab), running", "2 connected", "broker2  up", "devices+brokers", "no warnings"):
            self.assertIn(want, text)
        self.assertRegex(self.ctl("brokers", "-i", "0.1"), r"broker1 +up +2/2")
        text = self.ctl("brokers", "--connections", "-i", "0.1")
        self.assertIn(kit.net.broker_address(0) + " port 1883", text)
        self.assertEqual(len(text.splitlines()), 5)
        self.assertEqual({d["client_id"]: (d["version"], d["messages"]) for d in self.json("devices")["devices"]},
                         {"pump-1": (5, 10), "valve-2": (4, 5)})
        self.assertRegex(self.ctl("devices", "--find", "alve"),
                         r"valve-2 +\S+ +\d+ +3\.1\.1 [^\n]*\n1 shown, 2 connected")
        latency = self.json("latency")["qos1"]
        self.assertGreaterEqual(latency["count"], 15)
        self.assertTrue(0 < latency["p50_ns"] <= latency["p99_ns"] <= latency["max_ns"], latency)
        lines = self.ctl("latency", "--hgrm").splitlines()
        self.assertTrue(any(f"Total count    = {latency['count']:12}]" in x for x in lines), lines)
        self.assertIn("it does not wait", self.ctl("why", "pump-1"))
        self.assertIn("no device 'nobody' is connected", self.ctl("why", "nobody", status=3))

    def test_drops(self):
        def no_route():
            return {(d["room"], d["reason"]): d["count"] for d in self.json("drops", "--all")["drops"]}[
                "wire", "ethertype"]
        before = no_route()
        with subprocess.Popen([*self.argv, "drops", "--watch", "--json", "-i", "0.1"], stdout=subprocess.PIPE,
                              text=True) as p:
            p.stdout.readline()  # what there was
            # LLDP, which nobody here speaks.
            frame = "0180c200000e0242deadbeef88cc" + "00" * 46
            send = ("import socket;s=socket.socket(socket.AF_PACKET,socket.SOCK_RAW);"
                    f"s.bind(('{kit.net.inner('dev')}',0));s.send(bytes.fromhex('{frame}'))")
            with kit.inside("dev", ["/usr/bin/python3", "-c", send]) as sender:
                self.assertEqual(sender.wait(20), 0, sender.stdout.read())
            moved = self.until(lambda: json.loads(p.stdout.readline())["drops"])
            p.terminate()
        self.assertIn(("wire", "ethertype"), [(d["room"], d["reason"]) for d in moved], moved)
        self.assertGreater(no_route(), before)
        self.assertRegex(self.ctl("drops"), r"wire ethertype: \d+\n    Frames of a protocol .*\n    -> LLDP")

    def test_why_of_a_dead_broker(self):
        d = self.device("pump-1")
        self.sent(d, 1)
        self.without_broker(0)
        d.send(mq.publish("lab/ctl", b"x", qos=1, pid=2, version=5))
        # The other broker answers within moments.
        want = "pump-1: connected, worker 0\n  its message 2 waits for PUBACK of broker1\nbroker broker1: it is away"
        text = self.until(lambda: want in (t := self.ctl("why", "pump-1")) and t)
        self.assertTrue(text, self.ctl("why", "pump-1"))
        self.assertNotIn("broker2", text)
        doc = self.json("why", "pump-1")
        self.assertEqual([b["broker"] for b in doc["brokers"]], ["broker1"])
        s = self.json("status", "-i", "0.1")
        self.assertEqual(s["traffic"]["outstanding"], 1)
        self.assertTrue(any(w.startswith("broker broker1: 0 of 2 connections are up") for w in s["warnings"]), s)
        self.assertIn("! broker broker1: 0 of 2", self.ctl("status", "-i", "0.1"))
        self.with_broker(0)
        self.assertEqual(d.read(10)[0] >> 4, 4)
        self.assertIn("it does not wait", self.ctl("why", "pump-1"))

    def test_levels_and_reload(self):
        self.assertEqual(set(self.json("log-level").values()), {"info"})
        self.assertEqual(self.json("log-level", "tcp", "debug")["pubwire.tcp"], "debug")
        self.ctl("log-level", "all", "info")
        self.assertEqual(set(self.json("log-level").values()), {"info"})
        self.assertEqual(self.json("reload")["state"], "done")

    def test_top(self):
        ours, theirs = pty.openpty()
        try:
            before = termios.tcgetattr(theirs)
            for args, end in ((["-n", "3"], None), ([], signal.SIGTERM)):
                with subprocess.Popen([*self.argv, "top", "-i", "0.1", *args], stdin=theirs, stdout=theirs,
                                      stderr=theirs) as p:
                    seen = ""
                    while "broker2" not in seen or "q quit" not in seen[seen.rfind("broker2"):]:
                        seen += os.read(ours, 65536).decode()
                    if end:
                        p.send_signal(end)
                    self.assertEqual(p.wait(20), -end if end else 0)
                while not seen.endswith("\033[?1049l"):
                    seen += os.read(ours, 65536).decode()
                self.assertEqual(termios.tcgetattr(theirs), before)
        finally:
            os.close(ours)
            os.close(theirs)

    @staticmethod
    def packets(path):
        """(time, frame) of a pcapng file."""
        with open(path, "rb") as f:
            data = f.read()
        at, out = 0, []
        while at < len(data):
            kind, size = struct.unpack_from("<II", data, at)
            if kind == 6:
                _, high, low, length, _ = struct.unpack_from("<IIIII", data, at + 8)
                out.append(((high << 32 | low) / 1e9, data[at + 28:at + 28 + length]))
            at += size
        return out

    @staticmethod
    def fold(data):
        words = struct.unpack(f">{(len(data) + 1) // 2}H", data + bytes(len(data) % 2))
        total = sum(words)
        while total >> 16:
            total = (total & 0xffff) + (total >> 16)
        return total

    def check_frames(self, path, peer, began):
        """Addresses, times and checksums of all; returns what each end sent, in order."""
        streams = {}
        for when, frame in self.packets(path):
            self.assertTrue(began - 1 < when < time.time() + 1, (when, began))
            ip, size = frame[14:], struct.unpack_from(">H", frame, 16)[0]
            self.assertEqual((frame[12:14], ip[0]), (b"\x08\x00", 0x45))
            self.assertIn(peer, (ip[12:16], ip[16:20]))
            self.assertEqual(len(ip), size, "a frame is cut")
            self.assertEqual(self.fold(ip[:20]), 0xffff, "checksum of IP")
            self.assertEqual(self.fold(ip[12:20] + struct.pack(">HH", 6, size - 20) + ip[20:]), 0xffff, "of TCP")
            streams.setdefault(ip[12:16] != peer, []).append(ip[20 + (ip[32] >> 4) * 4:])
        return [b"".join(streams.get(ours, [])) for ours in (False, True)]

    def test_capture(self):
        if not shutil.which("dpdk-dumpcap"):
            raise unittest.SkipTest("there is no dpdk-dumpcap")
        if not (lab.load_state() or {}).get("huge"):
            self.assertIn("--no-huge", self.ctl("capture", "-b", "broker1", "-w", "/nowhere", status=1))
            raise unittest.SkipTest("the lab runs without hugepages")
        d = self.device("pump-1")
        with tempfile.TemporaryDirectory() as tmp:
            self.sent(d, 1)
            for n, (who, peer) in enumerate((("-d pump-1", "10.77.0.2"), ("-b broker2", kit.net.broker_address(1)))):
                path, began = os.path.join(tmp, who[1]), time.time()
                with subprocess.Popen([*self.argv, "capture", *who.split(), "-w", path, "--json", "-s", "60"],
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as p:
                    # Larger than a segment, and than the first buffer of one.
                    first = 10 + n * 1000
                    for i in range(first, first + 800):
                        self.sent(d, 1, first=i, size=3000)
                        if os.path.exists(path) and os.path.getsize(path) > 60000:
                            break
                        time.sleep(0.02)
                    p.send_signal(signal.SIGINT)
                    out, err = p.communicate(timeout=30)
                self.assertEqual(p.returncode, 0, err)
                doc = json.loads(out)
                self.assertEqual((doc["packets"], doc["bytes"]), (len(self.packets(path)), os.path.getsize(path)))
                from_peer, to_peer = self.check_frames(path, bytes(map(int, peer.split("."))), began)
                whole = from_peer if who[1] == "d" else to_peer
                self.assertTrue(any(kit.content("ctl", k, 3000) in whole for k in range(first, i + 1)),
                                "no message is whole in what was captured")
            self.assertIn("there already", self.ctl("capture", "-b", "broker1", "-w", path, status=1))

    def restarted(self):
        proc.stop("pubwire")
        lab.restart_pubwire()
        kit.brokers_up(4)
        self.remember_pools()

    def test_drain(self):
        self.addCleanup(self.restarted)
        d = self.device("pump-1")
        self.sent(d, 3)
        text = self.ctl("drain")
        self.assertRegex(text, r"drained in [0-9.]+ s: nothing")
        self.assertTrue(self.until(lambda: not proc.alive("pubwire"), 5))
        self.assertIn("dpdk_telemetry.v2", self.ctl("status", status=2))

    def test_drain_that_is_cut(self):
        self.addCleanup(self.restarted)
        d = self.device("pump-1")
        self.sent(d, 1)
        self.addCleanup(lab.start_broker, 0)
        proc.stop("mosquitto-1", sig=signal.SIGKILL)
        d.send(mq.publish("lab/ctl", b"x", qos=1, pid=2, version=5))
        self.assertTrue(self.until(lambda: kit.ask("/pubwire/drain")["outstanding"] == 1))
        self.assertIn("the drain was cut: 1 messages were given up", self.ctl("drain", status=1))
        self.assertTrue(self.until(lambda: not proc.alive("pubwire"), 5))
