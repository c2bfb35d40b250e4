# SPDX-License-Identifier: BSD-3-Clause
"""What pubwire prints is understood: its configuration, its plan. PUBWIRE names the program."""

import glob
import os
import unittest

from made_up import REPO, HostTest
from pwhost import cpus, program, yamlread
from pwhost.host import Host, HostError

PUBWIRE = os.environ.get("PUBWIRE")


class Printed(unittest.TestCase):
    def setUp(self):
        if not PUBWIRE:
            self.skipTest("PUBWIRE names no program")
        self.host = Host(dry_run=True, root="/")

    def test_every_configuration_that_the_tests_accept_is_read(self):
        files = glob.glob(f"{REPO}/test/manage/data/accept-*.yaml") + [f"{REPO}/docs/pubwire.yaml"]
        read = 0
        for f in files:
            status, text = self.host.ask([PUBWIRE, "--print-config", "--config", f])
            if status == 0:  # not where this machine lacks a CPU that the file names
                c = program.Config(yamlread.load(text))
                self.assertTrue(c.ports and c.brokers and c.file_prefix, f)
                self.assertTrue(all(isinstance(w, int) for w in c.workers), f)
                read += 1
        self.assertGreater(read, 0)

    def test_the_plan_adds_up(self):
        plan = program.plan(self.host, PUBWIRE, f"{REPO}/test/manage/data/accept-least.yaml")
        self.assertEqual(plan.total, plan.buffers + plan.workers)
        self.assertGreater(plan.buffers, 1 << 20)

    def test_a_refused_file_is_told_in_its_one_line(self):
        with self.assertRaises(HostError) as e:
            program.plan(self.host, PUBWIRE, f"{REPO}/test/manage/data/refuse-unknown-port-key.yaml")
        self.assertRegex(str(e.exception), r"refuse-unknown-port-key\.yaml:\d+:\d+: .*unknown key")


class Reading(HostTest):
    def test_blocks_lists_and_flows(self):
        text = ('a: ["x, y", 7, "q\\"\\x0a"] # said\nb:\n  c: {d: e, f: [1, 2]}\n  g:\n    - name: "n: m"\n      h: ""\n'
                "    - name: o\ni:\n- j: 1\nk: []\nl: {}\nm:\n")
        self.assertEqual({"a": ["x, y", 7, 'q"\n'], "b": {"c": {"d": "e", "f": [1, 2]},
                                                         "g": [{"name": "n: m", "h": ""}, {"name": "o"}]},
                          "i": [{"j": 1}], "k": [], "l": {}, "m": None}, yamlread.load(text))

    def test_what_is_not_that_form_is_refused(self):
        for text in ("a: [1", 'a: "x', "a: {b", "word", "a: [1] 2", "a: 1\n   b: 2"):
            with self.assertRaises(yamlread.Unreadable, msg=text):
                yamlread.load(text)

    def test_options_of_eal_in_both_forms(self):
        c = program.Config({"eal": ["--file-prefix", "x", "--vdev=a", "--vdev", "b", "--no-huge"]})
        self.assertEqual(("x", ["a", "b"], True), (c.file_prefix, c.eal_values("--vdev"), c.no_huge))
        self.assertEqual("pubwire", program.Config({}).file_prefix)

    def test_pci_addresses_with_and_without_domain(self):
        c = program.Config({"ports": [{"name": "a", "device": "01:00.0"}, {"name": "b", "device": "0000:0A:00.1"},
                                      {"name": "c", "device": "net_tap0"}]})
        self.assertEqual([("a", "0000:01:00.0"), ("b", "0000:0a:00.1")], c.pci_ports())

    def test_lists_of_cpus(self):
        self.assertEqual([0, 2, 3, 4], cpus.parse("2-4,0,3"))
        self.assertEqual("0,2-4,7-8", cpus.text([8, 7, 2, 3, 4, 0]))
        self.assertEqual(("", []), (cpus.text([]), cpus.parse("")))
        with self.assertRaises(HostError):
            cpus.parse("a-b")

    def test_numbers_in_names_are_put_in_order(self):
        for n in (0, 2, 10):
            self.host.add(f"/sys/x/node{n}/y", "")
        self.assertEqual(["node0", "node2", "node10"], self.host.list("/sys/x"))


if __name__ == "__main__":
    unittest.main()
