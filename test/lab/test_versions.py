# SPDX-License-Identifier: BSD-3-Clause
"""mosquitto's own client as a device of each version, brokers that take one version only, and topic
aliases."""

import time

import kit
from kit import LabCase
from test_broker_kill import Recorders

COUNT = 50
PROPERTIES = ["-D", "publish", "user-property", "a", "b", "-D", "publish", "content-type", "text"]


class Versions(LabCase):
    """The first broker takes 3.1.1 only, the second 5.0 only."""

    shape = dict(kit.SHAPES["two_workers"], no_brokers=True)

    def setUp(self):
        self.recorders = Recorders(versions=(4, 5))
        self.addCleanup(self.recorders.stop)
        for i in range(2):
            self.recorders.start(i)
        for i in range(2):
            self.recorders.wait(i)
        kit.brokers_up(2)
        super().setUp()

    def publish(self, topic, version, qos, more=()):
        """COUNT lines, a message each."""
        argv = ["mosquitto_pub", "-h", kit.PUBWIRE, "-q", str(qos), "-t", topic, "-l", "-V",
                "mqttv5" if version == 5 else "mqttv311"]
        p = kit.inside("dev", argv + list(more), stdin=-1)
        out = p.communicate("".join(f"{topic}/{n}\n" for n in range(COUNT)), timeout=30)[0]
        self.assertEqual(p.returncode, 0, out)

    def upstream(self, name):
        """A counter, summed over the connections to each broker."""
        sums = {}
        for row in kit.lab.broker_rows():
            sums[row["broker"]] = sums.get(row["broker"], 0) + row[name]
        return [sums[f"broker{i + 1}"] for i in range(2)]

    def check(self, topics):
        """Every message is on both brokers, in the version that each takes, in order."""
        end = time.monotonic() + 10
        while (time.monotonic() < end and
               any(len(self.recorders.rows(i)) < COUNT * len(topics) for i in range(2))):
            time.sleep(0.05)
        for i, version in enumerate(("4", "5")):
            rows = self.recorders.rows(i)
            self.assertEqual({r[7] for r in rows}, {version})
            for topic in topics:
                self.assertEqual([r[6] for r in rows if r[4] == topic],
                                 [f"{topic}/{n}" for n in range(COUNT)])
            self.assertEqual(len(rows), COUNT * len(topics))

    def test_each_version_reaches_brokers_of_the_other(self):
        translated, stripped = self.upstream("translated"), self.upstream("stripped_user_property")
        for version in (4, 5):
            for qos in (0, 1):
                self.publish(f"v{version}/q{qos}", version, qos, PROPERTIES if version == 5 else ())
        self.check(["v4/q0", "v4/q1", "v5/q0", "v5/q1"])
        self.assertEqual(self.upstream("translated"), [translated[0] + 2 * COUNT,
                                                       translated[1] + 2 * COUNT])
        self.assertEqual(self.upstream("stripped_user_property"), [stripped[0] + 2 * COUNT,
                                                                   stripped[1]])
        for row in kit.lab.broker_rows():
            self.assertEqual(row["speaks"], "3.1.1" if row["broker"] == "broker1" else "5.0")

    def test_topic_aliases_are_resolved(self):
        """Behind the first line mosquitto_pub sends the alias and no topic."""
        alias = ["-D", "publish", "topic-alias", "5"]
        self.publish("alias/q0", 5, 0, alias)
        self.publish("alias/q1", 5, 1, alias + PROPERTIES)
        self.check(["alias/q0", "alias/q1"])
