# SPDX-License-Identifier: BSD-3-Clause
"""Passwords, rules about topics and rates, with mosquitto's own client as the device."""

import collections
import os
import shutil
import subprocess
import tempfile
import time

import kit
from kit import LabCase

RATE = 100  # messages a second of one device

ACL = """\
topic write lab/open/#
user ann
topic write lab/ann/#
topic deny lab/ann/secret
pattern write lab/own/%u/%c
"""


def hash_of(password, salt):
    return subprocess.run(["openssl", "passwd", "-6", "-salt", salt, password], check=True,
                          capture_output=True, text=True).stdout.strip()


class Access(LabCase):

    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.mkdtemp(prefix="pubwire-access-")
        cls.addClassCleanup(shutil.rmtree, cls.dir)
        with open(os.path.join(cls.dir, "passwd"), "w", encoding="ascii") as f:
            f.write(f"ann:{hash_of('sesame', 'saltann')}\nbob:{hash_of('b0b', 'saltbob')}\n")
        with open(os.path.join(cls.dir, "acl"), "w", encoding="ascii") as f:
            f.write(ACL)
        cls.shape = dict(kit.SHAPES["two_workers"], sections=(
            f"authentication: {{password_file: {cls.dir}/passwd, acl_file: {cls.dir}/acl, "
            "allow_anonymous: true}\n"
            f"limits: {{message_rate: {RATE}}}\n"))
        super().setUpClass()

    def counter(self, name):
        return kit.ask("/pubwire/counters")["forward"][name]

    def publish(self, topic, payload="x", version=4, user=None, password=None, more=()):
        argv = ["mosquitto_pub", "-h", kit.PUBWIRE, "-q", "1", "-t", topic, "-m", payload, "-V",
                "mqttv5" if version == 5 else "mqttv311"]
        if user:
            argv += ["-u", user, "-P", password]
        p = kit.inside("dev", argv + list(more))
        out = p.communicate(timeout=30)[0]
        return p.returncode, out

    def check(self, c, topics):
        want = collections.Counter(kit.key(t, b"x") for t in topics)
        c.wait(len(topics))
        for b in self.brokers:
            self.assertEqual(c.got(b), want)

    def test_right_password_is_let_in_wrong_one_is_told_so(self):
        with kit.Collectors(self.brokers, "lab/#") as c:
            for version, bad in ((4, "bad user name or password"), (5, "Bad User Name or Password")):
                rc, out = self.publish("lab/ann/1", version=version, user="ann", password="sesame")
                self.assertEqual(rc, 0, out)
                for user, password in (("ann", "guess"), ("eve", "sesame"), ("bob", "sesame")):
                    rc, out = self.publish("lab/ann/2", version=version, user=user,
                                           password=password)
                    self.assertNotEqual(rc, 0, out)
                    self.assertIn(bad.lower(), out.lower())
            self.check(c, ["lab/ann/1", "lab/ann/1"])

    def test_rules_hold_for_each_user(self):
        before = self.counter("dropped_not_authorized")
        with kit.Collectors(self.brokers, "lab/#") as c:
            for version in (4, 5):
                for topic, who in (("lab/ann/a", ("ann", "sesame")), ("lab/ann/secret", ("ann", "sesame")),
                                   ("lab/ann/b", ("bob", "b0b")), ("lab/open/c", (None, None)),
                                   ("lab/ann/d", (None, None)), ("lab/open/e", ("bob", "b0b"))):
                    self.publish(topic, version=version, user=who[0], password=who[1])
                self.publish("lab/own/bob/me", version=version, user="bob", password="b0b",
                             more=("-i", "me"))
                self.publish("lab/own/bob/me", version=version, user="bob", password="b0b",
                             more=("-i", "other"))
            self.check(c, 2 * ["lab/ann/a", "lab/open/c", "lab/own/bob/me"])
        self.assertEqual(self.counter("dropped_not_authorized") - before, 10)

    def test_nobody_takes_over_without_the_password(self):
        victim = kit.device("victim", user="ann", password="sesame")
        users = [row["user"] for w in range(2) for row in kit.ask(f"/pubwire/devices,{w}").values()
                 if isinstance(row, dict) and row["client_id"] == "victim"]
        self.assertEqual(users, ["ann"])
        thief = kit.device()
        self.assertEqual(thief.connect("victim", user="ann", password="guess")[1], 4)
        thief.close()
        victim.send(kit.mq.publish("lab/ann/alive", b"x", qos=1, pid=7))
        self.assertEqual(victim.read(5)[0], 0x40)
        heir = kit.device("victim", user="ann", password="sesame")
        self.assertIn(victim.read(5), (None, b""))
        heir.send(b"\xe0\x00")
        heir.close()

    def test_fifty_that_come_at_once_are_all_let_in(self):
        procs = [kit.inside("dev", ["mosquitto_pub", "-h", kit.PUBWIRE, "-q", "1", "-u", "ann", "-P",
                                    "sesame", "-t", f"lab/ann/{n}", "-m", "x"]) for n in range(50)]
        for p in procs:
            out = p.communicate(timeout=60)[0]
            self.assertEqual(p.returncode, 0, out)
        self.assertEqual(self.counter("auth_busy"), 0)
        auth = kit.ask("/pubwire/auth")
        self.assertEqual((auth["users"], auth["waiting"]), (2, 0))
        self.assertGreaterEqual(auth["remembered"], 48)

    def test_a_device_over_its_rate_is_slowed_down_and_loses_nothing(self):
        lines = [f"line {i}" for i in range(4 * RATE)]
        before = self.counter("paced")
        with kit.Collectors(self.brokers, "lab/#") as c:
            began = time.monotonic()
            p = kit.inside("dev", ["mosquitto_pub", "-h", kit.PUBWIRE, "-q", "1", "-t",
                                   "lab/open/fast", "-l"], stdin=subprocess.PIPE)
            out = p.communicate("\n".join(lines) + "\n", timeout=60)[0]
            took = time.monotonic() - began
            self.assertEqual(p.returncode, 0, out)
            c.wait(len(lines))
            want = collections.Counter(kit.key("lab/open/fast", line.encode()) for line in lines)
            for b in self.brokers:
                self.assertEqual(c.got(b), want)
        # A second's worth at once, the others in three seconds.
        self.assertGreater(took, 2.9)
        self.assertLess(took, 8)
        self.assertGreater(self.counter("paced"), before)
