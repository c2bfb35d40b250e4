# SPDX-License-Identifier: BSD-3-Clause
"""scripts/tune: what it finds, what it sets on request only, and back."""

import unittest

from made_up import HostTest
from pwhost import tune

CPU = "/sys/devices/system/cpu/"
THP = "/sys/kernel/mm/transparent_hugepage/enabled"
UNIT = "/etc/systemd/system/pubwire-tune.service"
ISOLATED = "isolcpus=managed_irq,domain,2-3 nohz_full=2-3 rcu_nocbs=2-3"


class TuneTest(HostTest):
    """Four CPUs, 2 and 3 are the workers'; everything that can be wrong is."""

    def setUp(self):
        super().setUp()
        h = self.host
        for c in range(4):
            h.add(f"{CPU}cpu{c}/cpufreq/scaling_governor", "powersave")
            h.add(f"{CPU}cpu{c}/topology/thread_siblings_list", f"{c}")
            for n, (name, latency) in enumerate((("POLL", 0), ("C1", 2), ("C6", 133))):
                for key, value in (("name", name), ("latency", latency), ("disable", 0)):
                    h.add(f"{CPU}cpu{c}/cpuidle/state{n}/{key}", value)
        for irq, where in ((24, "0-3"), (25, "0"), (26, "2")):
            h.add(f"/proc/irq/{irq}/smp_affinity_list", where)
        h.add("/proc/irq/default_smp_affinity", "f")
        h.add(THP, "[always] madvise never")
        h.add("/proc/sys/kernel/nmi_watchdog", 1)
        h.add("/proc/sys/kernel/numa_balancing", 1)
        h.add("/proc/77/comm", "irqbalance")

    def verdicts(self, *argv):
        _, said, _ = self.assert_changes_nothing(tune, "--cpus", "2,3", *argv)
        return {line.split("  ")[0]: line for line in said.splitlines() if not line.startswith(" ")}

    def test_a_table_says_what_is_wrong_and_how_to_set_it(self):
        status, said, _ = self.assert_changes_nothing(tune, "--cpus", "2-3")
        self.assertEqual(1, status)
        for words in ("isolated +NOT OK +other programs may run on CPU 2-3", "governor +NOT OK +powersave",
                      "c-states +NOT OK +C6 takes 133 us", "irq-affinity +NOT OK +2 interrupts .*24, 26",
                      "irqbalance +NOT OK", "siblings +ok", "thp +look +always", "nmi-watchdog +look",
                      "-> --set governor"):
            self.assertRegex(said, words)
        self.assertIn(ISOLATED, " ".join(said.split()))

    def test_all_leaves_no_more_than_what_a_restart_is_for(self):
        status, said, error = self.run_tool(tune, "--cpus", "2-3", "--set", "all")
        self.assertEqual(0, status, error)
        self.assertEqual("0-1", self.host.read("/proc/irq/24/smp_affinity_list"))
        self.assertEqual("3", self.host.read("/proc/irq/default_smp_affinity"))
        self.assertEqual("powersave", self.host.read(f"{CPU}cpu1/cpufreq/scaling_governor"))
        self.host.add(THP, "always [madvise] never")
        found = self.verdicts()
        self.assertEqual(["isolated"], [n for n, line in found.items() if "NOT OK" in line or " look " in line])

    def test_repeated_changes_nothing(self):
        argv = ("--cpus", "2-3", "--set", "all", "--boot")
        self.host.add("/etc/default/grub", "")
        self.host.add_program("update-grub", "")
        self.run_tool(tune, *argv)
        self.host.add(THP, "always [madvise] never")
        self.assertIn("nothing to change", self.assert_changes_nothing(tune, *argv)[1])

    def test_dry_run_says_and_changes_nothing(self):
        self.host.add("/etc/default/grub", "")
        status, said, _ = self.assert_changes_nothing(tune, "--cpus", "2-3", "--set", "all", "--boot", "-n")
        self.assertEqual(0, status)
        self.assertIn("would write performance", said)

    def test_sets_only_what_is_named(self):
        self.run_tool(tune, "--cpus", "2-3", "--set", "governor")
        self.assertEqual({f"{CPU}cpu{c}/cpufreq/scaling_governor" for c in (2, 3)},
                         {path for path, _ in self.host.written})

    def test_isolated_is_for_the_next_boot_and_says_what_where_there_is_no_grub(self):
        self.assertIn("needs --boot", self.run_tool(tune, "--cpus", "2-3", "--set", "isolated")[2])
        self.assertIn(ISOLATED, self.run_tool(tune, "--cpus", "2-3", "--set", "isolated", "--boot")[2])
        self.host.add("/etc/default/grub", "")
        self.host.add_program("update-grub", "")
        self.run_tool(tune, "--cpus", "2-3", "--set", "isolated", "--boot")
        self.assertIn(ISOLATED, self.host.read("/etc/default/grub.d/pubwire-cpus.cfg"))
        self.assertIn("restart", self.verdicts()["isolated"] + self.run_tool(tune, "--cpus", "2-3")[1])
        self.host.add(CPU + "isolated", "2-3")
        self.host.add("/proc/cmdline", "quiet " + ISOLATED)
        self.assertIn(" ok ", self.verdicts()["isolated"])

    def test_the_boot_sets_the_same_again(self):
        self.run_tool(tune, "--cpus", "2-3", "--set", "governor,thp", "--boot")
        self.assertIn("--cpus 2-3 --set governor,thp\n", self.host.read(UNIT))

    def test_an_interrupt_that_does_not_move_is_told_and_the_rest_is_set(self):
        self.host.stuck.add("/proc/irq/24/smp_affinity_list")
        status, said, _ = self.run_tool(tune, "--cpus", "2-3", "--set", "irq-affinity")
        self.assertEqual(0, status)
        self.assertIn("does not move these interrupts", said)
        self.assertEqual("0-1", self.host.read("/proc/irq/26/smp_affinity_list"))

    def test_undo_puts_back_what_was(self):
        for d in ("/etc/systemd/system/multi-user.target.wants", "/run/pubwire-host",
                  "/etc/systemd/system/irqbalance.service.d"):
            self.host.add_dir(d)
        self.host.rmdir("/etc/systemd/system/irqbalance.service.d")
        before = self.host.snapshot()
        self.run_tool(tune, "--cpus", "2-3", "--set", "all,siblings")
        self.run_tool(tune, "--cpus", "2-3", "--set", "governor", "--boot")
        self.assertEqual(0, self.run_tool(tune, "--undo")[0])
        self.host.add(THP, "[always] madvise never")
        self.assertEqual(before, self.host.snapshot())
        self.assert_changes_nothing(tune, "--undo")

    def test_siblings_are_taken_offline_only_by_name(self):
        self.host.add(f"{CPU}cpu3/topology/thread_siblings_list", "1,3")
        self.run_tool(tune, "--cpus", "3", "--set", "all")
        self.assertFalse(self.host.exists(f"{CPU}cpu1/online"))
        self.run_tool(tune, "--cpus", "3", "--set", "siblings")
        self.assertEqual("0", self.host.read(f"{CPU}cpu1/online"))

    def test_two_workers_on_a_core_are_not_ok(self):
        for c in (2, 3):
            self.host.add(f"{CPU}cpu{c}/topology/thread_siblings_list", "2-3")
        self.assertIn("workers share a core: CPU 2 and 3", self.verdicts()["siblings"])

    def test_irqbalance_is_told_to_leave_the_cpus_alone(self):
        self.run_tool(tune, "--cpus", "2-3", "--set", "irqbalance")
        self.assertIn("IRQBALANCE_BANNED_CPULIST=2-3",
                      self.host.read("/etc/systemd/system/irqbalance.service.d/pubwire.conf"))
        self.assertIn(" ok ", self.verdicts()["irqbalance"])

    def test_cpus_and_names_that_are_not_there_are_refused(self):
        for argv, words in ((("--cpus", "3-9"), "CPU 4-9 is not there"), (("--cpus", "x"), "no list of CPUs"),
                            (("--cpus", "2", "--set", "turbo"), "'turbo' is none of all, isolated")):
            status, _, error = self.assert_changes_nothing(tune, *argv)
            self.assertEqual(1, status)
            self.assertIn(words, error)


if __name__ == "__main__":
    unittest.main()
