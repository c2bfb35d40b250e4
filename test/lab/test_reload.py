# SPDX-License-Identifier: BSD-3-Clause
"""The configuration changes while devices publish: no connection ends, nothing that was acknowledged
is missing, a bad file changes nothing. And a restart, drained: nothing that was acknowledged is
missing either. What devices noticed of it, the longest time without an acknowledgement, is printed."""

import collections
import os
import shutil
import signal
import tempfile
import time

import kit
from kit import LabCase, Plan, lab, proc
from publisher import Publisher
from test_broker_kill import Recorded

ACL = "topic write kill/#\ntopic write lab/#\n"


def longest_gap(p):
    """Seconds without an acknowledgement, for the device that was worst off."""
    times = collections.defaultdict(list)
    for (d, _), at in p.acked.items():
        times[d].append(at)
    worst = 0.0
    for at in times.values():
        at.sort()
        worst = max([worst] + [b - a for a, b in zip(at, at[1:])])
    return worst


def ask_reload():
    return kit.ask("/pubwire/reload")["generation"]


def wait_reload(number, patience=20.0):
    end = time.monotonic() + patience
    while time.monotonic() < end:
        r = kit.ask("/pubwire/reload_result")
        if r["generation"] >= number and r["state"] != "running":
            return r["state"], "".join(r["text"]), r["changed"]
        time.sleep(0.02)
    raise TimeoutError(f"the reload does not end: {r}")


class Reload(Recorded, LabCase):
    test_no_failure_each_message_once = None
    test_one_killed_and_restarted = None
    test_one_after_the_other = None
    test_both_at_once = None
    test_killed_again_and_again = None
    test_stopped_broker_that_goes_on = None

    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.mkdtemp(prefix="pubwire-reload-")
        cls.addClassCleanup(shutil.rmtree, cls.dir)
        cls.acl = os.path.join(cls.dir, "acl")
        with open(cls.acl, "w", encoding="ascii") as f:
            f.write(ACL)
        cls.shape = dict(kit.SHAPES["two_workers"], no_brokers=True, sections=(
            f"authentication: {{acl_file: {cls.acl}}}\n"
            "limits: {message_rate: 100000, idle_timeout: 1h}\n"))
        super().setUpClass()
        cls.conf = proc.run_path("pubwire.yaml")

    def setUp(self):
        super().setUp()
        with open(self.conf, encoding="utf-8") as f:
            self.text = f.read()
        self.addCleanup(self.back)

    def write(self, *changes, acl=ACL):
        text = self.text
        for old, new in changes:
            self.assertIn(old, text)
            text = text.replace(old, new)
        with open(self.conf, "w", encoding="utf-8") as f:
            f.write(text)
        with open(self.acl, "w", encoding="ascii") as f:
            f.write(acl)

    def back(self):
        self.write()
        self.assertEqual(wait_reload(ask_reload())[0], "done")

    def changes(self):
        """One after the other: what the file says, how it must end, what must be said of it."""
        limits = ("message_rate: 100000, idle_timeout: 1h", "message_rate: 90000, copy_break: 0")
        filter_, rule = ('filter: "#"', 'filter: "+/#"'), ("ack: all", "ack: any")
        times = ("name: broker1\n", "name: broker1\n    ack_timeout: 7s\n    hold: {messages: 4000}\n")
        # Logs and connections of their own, and those of before leave; then another set beside it.
        pool = (("ack: all", "ack: all\n    pool_size: 2"),)
        two = (("routes:\n", 'routes:\n  - name: more\n    filter: "kill/+"\n    brokers: [broker2, broker1]\n'
                "    fanout: all\n    pool_size: 3\n    when_full: {qos0: block}\n"),)
        return [
            ((limits,), ACL, "done", "limits.copy_break"),
            ((limits, filter_, rule), ACL, "done", "routes[0].ack"),
            ((limits, filter_, rule), ACL + "topic write more/#\n", "done", "authentication"),
            ((times,), ACL, "done", "routes[0].ack"),
            (pool, ACL, "done", "routes[0].pool_size"),
            (pool + two, ACL, "done", "more is new"),
            ((("idle_timeout: 1h", "idle_timeout: soon"),), ACL, "refused", "limits.idle_timeout: 'soon'"),
            ((("idle_timeout: 1h", "max_connections: 77"),), ACL, "refused",
             "limits.max_connections: needs a restart"),
            ((), ACL + "topics x\n", "refused", "acl:3:1: 'topics' is unknown"),
            ((), ACL, "done", "routes[0].pool_size"),
        ]

    def under_load(self, version):
        told = []

        def reload(changes, acl):
            self.write(*changes, acl=acl)
            told.append(ask_reload())

        p = Publisher(version=version, name=f"R{version}")
        self.addCleanup(p.close)
        outcome = []
        p.run(0.5)
        for changes, acl, state, said in self.changes():
            reload(changes, acl)
            p.run(0.4)
            outcome.append((wait_reload(told[-1]), state, said))
        p.run(0.5)
        self.assertFalse(p.lost, "a reload closed a device")
        self.assertTrue(p.drain(), "messages were never acknowledged")
        for (state, text, changed), want, said in outcome:
            self.assertEqual(state, want, text)
            self.assertIn(said, text + " ".join(changed))
        print(f"     MQTT {version}: {len(p.acked)} messages of QoS 1 over {len(outcome)} reloads, longest time "
              f"without an acknowledgement {1000 * longest_gap(p):.0f} ms", flush=True)
        for i in range(2):
            self.check_record(i, p)

    def test_under_load_3_1_1(self):
        self.under_load(4)

    def test_under_load_5_0(self):
        self.under_load(5)

    def test_rules_hold_from_the_next_message_on(self):
        d = kit.device("ruled", version=5)
        self.addCleanup(d.close)
        for pid, acl, code in ((1, ACL, 0), (2, "topic write kill/#\n", 0x87), (3, ACL, 0)):
            self.write(acl=acl)
            self.assertEqual(wait_reload(ask_reload())[0], "done")
            d.send(kit.mq.publish("lab/ruled", b"x", 1, pid, 5))
            first, body = d.read()
            self.assertEqual((first, body[2] if len(body) > 2 else 0), (0x40, code))
        d.send(b"\xe0\x00")


class Exactly(LabCase):
    """QoS 2 to brokers that keep pubwire's session, while routes get other logs and connections."""

    shape = kit.SHAPES["two_workers"]

    def test_qos2_is_on_every_broker_once(self):
        conf = proc.run_path("pubwire.yaml")
        with open(conf, encoding="utf-8") as f:
            text = f.read()
        plan = Plan("reload-qos2", 9000, 20, (8, 300, 1500), (2,))
        want = kit.expected(plan)
        reloads = 0
        with kit.Collectors(self.brokers, "lab/#") as c:
            p = kit.start_client("paho_py", 5, plan)
            while p.poll() is None:
                reloads += 1
                with open(conf, "w", encoding="utf-8") as f:
                    f.write(text.replace("ack: all", f"ack: all\n    pool_size: {1 + reloads % 3}"))
                self.assertEqual(wait_reload(ask_reload())[0], "done")
                time.sleep(0.1)
            self.assertEqual(p.returncode, 0, p.stdout.read()[-300:])
            p.stdout.close()
            c.wait(sum(want.values()))
            for b in self.brokers:
                self.assertEqual(c.got(b), want, f"broker {b + 1}: not exactly once")
        self.assertGreater(reloads, 2)
        with open(conf, "w", encoding="utf-8") as f:
            f.write(text)
        self.assertEqual(wait_reload(ask_reload())[0], "done")
        kit.brokers_up(4)


class Brokers(Recorded, LabCase):
    """The first of two brokers is taken out of the configuration under load, alive and dead, and comes back."""

    shape = dict(kit.SHAPES["two_workers"], no_brokers=True, sections="limits: {drain_deadline: 1s}\n")
    for name in ("test_no_failure_each_message_once", "test_one_killed_and_restarted", "test_one_after_the_other",
                 "test_both_at_once", "test_killed_again_and_again", "test_stopped_broker_that_goes_on"):
        locals()[name] = None
    del name

    def setUp(self):
        super().setUp()
        self.conf = proc.run_path("pubwire.yaml")
        with open(self.conf, encoding="utf-8") as f:
            self.both = f.read()
        out = self.both.replace("brokers: [broker1, broker2]", "brokers: [broker2]")
        at, end = out.index("  - name: broker1\n"), out.index("  - name: broker2\n")
        self.one = out[:at] + out[end:]
        self.addCleanup(self.reload, self.both)

    def reload(self, text):
        with open(self.conf, "w", encoding="utf-8") as f:
            f.write(text)
        number = ask_reload()
        while True:
            if self.p is not None:
                self.p.run(0.02)
            r = kit.ask("/pubwire/reload_result")
            if r["generation"] >= number and r["state"] != "running":
                break
        self.assertEqual(r["state"], "done", r["text"])

    p = None

    def until(self, patience, what, true):
        end = time.monotonic() + patience
        while not true():
            self.assertLess(time.monotonic(), end, what)
            self.p.run(0.1)

    @staticmethod
    def rows():
        return [r for r in kit.ask("/pubwire/brokers,0").values() if isinstance(r, dict)]

    def only(self, *names):
        """Connections to these brokers are there, and are up."""
        rows = self.rows()
        return {r["broker"] for r in rows} == set(names) and all(r["state"] == "up" for r in rows)

    def out_and_back(self, dead):
        """Returns when the first broker was asked to go, and when it was back."""
        out = time.monotonic()
        if dead:
            self.recorders.kill(0)
            self.p.run(0.3)
        self.reload(self.one)
        self.until(20, "the broker that was taken out does not go", lambda: self.only("broker2"))
        self.p.run(1.5)
        self.assertTrue(self.only("broker2"), "the broker that was taken out is there again")
        if dead:
            self.recorders.start(0)
            self.recorders.wait(0)
        self.reload(self.both)
        self.until(20, "the broker does not come back", lambda: self.only("broker1", "broker2"))
        back = time.monotonic()
        self.p.run(0.5)
        with open(proc.run_path("pubwire.log"), encoding="utf-8", errors="replace") as f:
            self.assertNotIn("its address is another one", f.read(), "a broker lost its place")
        return out, back

    def test_the_first_one_out_and_back(self):
        self.p = Publisher(name="B")
        self.addCleanup(self.leave)
        self.p.run(0.5)
        away = [self.out_and_back(dead) for dead in (False, True, False)]
        self.assertFalse(self.p.lost, "a reload closed a device")
        self.assertTrue(self.p.drain(), "messages were never acknowledged")

        def due(key):
            return all(self.p.acked[key] < out or self.p.sent[key] > back for out, back in away)

        self.assertGreater(sum(map(due, self.p.acked)), 500)
        self.check_record(0, self.p, due)
        self.check_record(1, self.p)
        print(f"     {len(self.p.acked)} messages of QoS 1 while a broker went and came three times, longest time "
              f"without an acknowledgement {1000 * longest_gap(self.p):.0f} ms", flush=True)

    def leave(self):
        self.p.close()
        self.p = None


class Restart(Recorded, LabCase):
    """TERM and a start, while devices publish; they come back like devices do."""

    shape = dict(kit.SHAPES["two_workers"], no_brokers=True)
    for name in ("test_no_failure_each_message_once", "test_one_killed_and_restarted", "test_one_after_the_other",
                 "test_both_at_once", "test_killed_again_and_again", "test_stopped_broker_that_goes_on"):
        locals()[name] = None
    del name

    def test_drained_and_started_again_nothing_acknowledged_is_lost(self):
        before = Publisher(name="D")
        self.addCleanup(before.close)
        before.run(1.0)
        os.kill(proc.read_pid("pubwire"), signal.SIGTERM)
        end = time.monotonic() + 15
        while time.monotonic() < end and (proc.alive("pubwire") or len(before.lost) < len(before.peers)):
            before.turn(0.02, True)
        self.assertFalse(proc.alive("pubwire"), "it does not end")
        proc.stop("pubwire")
        lab.restart_pubwire()
        self.remember_pools()
        after = Publisher(name="E")
        self.addCleanup(after.close)
        after.run(1.0)
        self.assertTrue(after.drain(), "messages were never acknowledged")
        gap = min(after.acked.values()) - max(before.acked.values())
        print(f"     {len(before.acked)} and {len(after.acked)} messages acknowledged; from the last before TERM "
              f"to the first after the start {gap:.1f} s", flush=True)
        self.wait_up()
        for i in range(2):
            self.check_record(i, before)
            self.check_record(i, after)

    def wait_up(self):
        kit.brokers_up(2)
