# SPDX-License-Identifier: BSD-3-Clause
"""scripts/hugepages: as many as asked for or a word about it, by node, at boot, and back."""

import os
import shutil
import subprocess
import tempfile
import unittest

from made_up import MEM, SCRIPTS, HostTest
from pwhost import hugepages

UNIT = "/etc/systemd/system/pubwire-hugepages.service"
GRUB = "/etc/default/grub.d/pubwire-hugepages.cfg"
# Two ports on node 1, a worker on each node; 20 and 10 MB.
PRINTED = """\
eal: ["--allow=0000:01:00.0"]
workers:
  lcores: [1, 2]
ports:
  - name: "devices"
    device: "0000:01:00.0"
    addresses: [10.77.0.1/16]
"""


class Reserve(HostTest):
    def pool(self, node=0, kb=2048):
        return self.host.number(MEM.format(node, kb) + "nr_hugepages")

    def fake_pubwire(self, buffers=20 << 20, workers=10 << 20):
        self.host.add_program("pubwire", "case $1 in\n--print-config) cat <<'E'\n" + PRINTED + "E\n;;\n"
                              f"*) echo plan: buffers={buffers} workers={workers} total={buffers + workers};;\nesac")
        self.host.add_nic("0000:01:00.0", node=1)
        self.host.add("/etc/pubwire/pubwire.yaml", "")

    def test_as_many_as_asked_for(self):
        status, said, _ = self.run_tool(hugepages, "reserve", "--pages", "512", "--node", "1")
        self.assertEqual((0, 0, 512), (status, self.pool(0), self.pool(1)))
        self.assertIn("(was 0)", said)

    def test_says_how_many_it_got_where_memory_is_in_pieces(self):
        self.host.add_pages(0, 2048, 0, room=300)
        status, said, error = self.run_tool(hugepages, "reserve", "--pages", "512")
        self.assertEqual(1, status)
        self.assertIn("asked for 512, got 300", said)
        self.assertIn("212 of 512 on node 0 are missing", error)
        self.assertIn("--boot", error)

    def test_the_host_keeps_a_sixteenth_of_its_memory(self):
        self.host.add("/sys/devices/system/node/node1/meminfo", "Node 1 MemTotal:  1638400 kB\nNode 1 MemFree:    204800 kB\n"
                      "Node 1 FilePages: 102400 kB\nNode 1 Shmem:  0 kB")
        _, _, error = self.assert_changes_nothing(hugepages, "reserve", "--pages", "101", "--node", "1")
        self.assertIn("can spare 200 MB", error)
        self.assertEqual(0, self.run_tool(hugepages, "reserve", "--pages", "100", "--node", "1")[0])

    def test_repeated_changes_nothing(self):
        self.run_tool(hugepages, "reserve", "--pages", "64", "--boot")
        status, said, _ = self.assert_changes_nothing(hugepages, "reserve", "--pages", "64", "--boot")
        self.assertEqual(0, status)
        self.assertIn("nothing to change", said)

    def test_more_than_asked_for_stays(self):
        self.host.add_pages(0, 2048, 100)
        self.run_tool(hugepages, "reserve", "--pages", "64")
        self.assertEqual(100, self.pool())

    def test_dry_run_says_and_changes_nothing(self):
        self.host.add("/etc/default/grub", "")
        self.host.add_pages(0, 1048576, 0)
        for size in ("2M", "1G"):
            _, said, _ = self.assert_changes_nothing(hugepages, "reserve", "--memory", "2G", "--size", size,
                                                     "--boot", "--dry-run")
            self.assertIn("would write", said)

    def test_memory_becomes_pages_of_the_size(self):
        self.host.add_pages(1, 1048576, 0)
        self.host.add("/etc/default/grub", "")
        self.host.add_program("mount", "")
        self.run_tool(hugepages, "reserve", "--memory", "1536M", "--size", "1G", "--node", "1")
        self.assertEqual(2, self.pool(1, 1048576))

    def test_a_size_that_the_kernel_lacks_is_refused(self):
        status, _, error = self.assert_changes_nothing(hugepages, "reserve", "--pages", "1", "--size", "1G")
        self.assertEqual(1, status)
        self.assertIn("has no 1G pages on node 0; it has: 2M pages on node 0, 2M pages on node 1", error)

    def test_a_kernel_without_nodes_has_one(self):
        shutil.rmtree(self.host.path("/sys/devices/system/node"))
        self.host.add("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", 0)
        self.host.add("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", 0)
        self.assertEqual(0, self.run_tool(hugepages, "reserve", "--pages", "3")[0])
        self.assertEqual(3, self.host.number("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"))

    def test_what_a_configuration_needs_lies_where_its_port_and_workers_are(self):
        self.fake_pubwire()
        _, said, _ = self.run_tool(hugepages, "reserve", "--pubwire", self.host.which("pubwire"))
        # Node 0: 5 MB and an eighth, and two pages; node 1: 25 MB and an eighth, and two pages.
        self.assertEqual((5, 17), (self.pool(0), self.pool(1)), said)

    def test_a_configuration_counts_free_pages_and_its_own(self):
        self.fake_pubwire()
        self.host.add_pages(0, 2048, 10, free=2)
        self.host.add_pages(1, 2048, 100, free=40)
        for i in range(6):
            self.host.add(f"/dev/hugepages/pubwiremap_{i}", "")
        self.run_tool(hugepages, "reserve", "--pubwire", self.host.which("pubwire"))
        # Of the eight in use on node 0 six are our own files: 2 + 6 are enough for 5.
        self.assertEqual((10, 100), (self.pool(0), self.pool(1)))

    def test_need_ends_with_1_until_pages_are_there(self):
        self.fake_pubwire()
        prog = self.host.which("pubwire")
        self.assertEqual(1, self.assert_changes_nothing(hugepages, "need", "--pubwire", prog)[0])
        self.run_tool(hugepages, "reserve", "--pubwire", prog)
        self.assertEqual(0, self.assert_changes_nothing(hugepages, "need", "--pubwire", prog)[0])

    def test_a_wrong_configuration_is_told_in_pubwires_words(self):
        self.host.add_program("pubwire", "echo 'x.yaml:3:1: brokers: missing'; exit 78")
        self.host.add("/etc/pubwire/pubwire.yaml", "")
        _, _, error = self.run_tool(hugepages, "need", "--pubwire", self.host.which("pubwire"))
        self.assertEqual("hugepages: x.yaml:3:1: brokers: missing\n", error)


class Boot(HostTest):
    def test_2_mb_pages_come_by_a_unit_with_a_line_for_each_node(self):
        self.run_tool(hugepages, "reserve", "--pages", "8", "--node", "0", "--boot")
        self.run_tool(hugepages, "reserve", "--pages", "9", "--node", "1", "--boot")
        text = self.host.read(UNIT)
        self.assertIn("node0/hugepages/hugepages-2048kB/nr_hugepages; [ $$(cat $$f) -ge 8 ]", text)
        self.assertIn("node1/hugepages/hugepages-2048kB/nr_hugepages; [ $$(cat $$f) -ge 9 ]", text)
        link = "/etc/systemd/system/sysinit.target.wants/pubwire-hugepages.service"
        self.assertEqual(UNIT, os.readlink(self.host.path(link)))

    def test_the_units_command_fails_where_the_kernel_gives_fewer(self):
        with tempfile.TemporaryDirectory() as d:
            for full, n, status in (("regular", 8, 0), ("/dev/full", 8, 1)):
                f = f"{d}/{full}" if full == "regular" else full
                if full == "regular":
                    with open(f, "w", encoding="ascii") as out:
                        out.write("0\n")
                line = next(x for x in hugepages._unit_text([(f, n)]).splitlines() if x.startswith("ExecStart"))
                command = line.split("'")[1].replace("$$", "$")
                if full != "regular":
                    command = command.replace("$(cat $f)", "0")
                r = subprocess.run(["sh", "-c", command], check=False, stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL, text=True)
                self.assertEqual(status, r.returncode, command)

    def test_1_gb_pages_come_by_the_kernels_command_line(self):
        self.host.add_pages(0, 1048576, 0, room=0)
        self.host.add("/etc/default/grub", "")
        self.host.add_program("update-grub", "touch $PUBWIRE_HOST_ROOT/updated")
        self.host.add_program("mount", "")
        status, _, error = self.run_tool(hugepages, "reserve", "--pages", "4", "--size", "1G", "--boot")
        self.assertIn("hugepagesz=1G hugepages=0:4", self.host.read(GRUB))
        self.assertTrue(self.host.exists("/updated"))
        self.assertTrue(self.host.exists("/etc/systemd/system/dev-hugepages\\x2d1G.mount"))
        self.assertEqual(1, status)
        self.assertIn("The next boot has them", error)

    def test_without_grub_it_says_what_to_add_and_touches_nothing(self):
        self.host.add_pages(0, 1048576, 0)
        _, _, error = self.assert_changes_nothing(hugepages, "reserve", "--pages", "4", "--size", "1G", "--boot")
        self.assertIn("hugepagesz=1G hugepages=0:4", error)

    def test_systemd_finds_nothing_wrong_with_the_units(self):
        if shutil.which("systemd-analyze") is None:
            self.skipTest("no systemd-analyze")
        with tempfile.TemporaryDirectory() as d:
            for name, text in (("pubwire-hugepages.service", hugepages._unit_text([("/sys/x", 8)])),
                               ("dev-hugepages\\x2d1G.mount", hugepages._mount_unit(1 << 30, "/dev/hugepages-1G"))):
                path = os.path.join(d, name)
                with open(path, "w", encoding="ascii") as f:
                    f.write(text)
                r = subprocess.run(["systemd-analyze", "verify", path], check=False, text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
                self.assertEqual("", r.stdout.strip())


class Undo(HostTest):
    def test_gives_back_what_was_there_before_the_first_reserve(self):
        self.host.add_pages(0, 2048, 10)
        before = self.host.snapshot()
        self.host.add_dir("/etc/systemd/system/sysinit.target.wants")
        self.run_tool(hugepages, "reserve", "--pages", "64")
        self.run_tool(hugepages, "reserve", "--pages", "80", "--boot")
        self.assertEqual(0, self.run_tool(hugepages, "undo")[0])
        after = self.host.snapshot()
        self.assertEqual({}, {k: v for k, v in after.items() if before.get(k) != v and "/etc" not in k
                              and not k.endswith(("/run", "/pubwire-host"))})
        self.assertFalse(self.host.exists(UNIT))

    def test_a_second_time_changes_nothing(self):
        self.run_tool(hugepages, "reserve", "--pages", "64", "--boot")
        self.run_tool(hugepages, "undo")
        _, said, _ = self.assert_changes_nothing(hugepages, "undo")
        self.assertIn("nothing to change", said)

    def test_pages_in_use_stay_and_it_says_so(self):
        file = self.host.add_pages(0, 2048, 10)
        self.run_tool(hugepages, "reserve", "--pages", "64")
        self.host.add(file.replace("nr_", "free_"), 24)
        status, _, error = self.run_tool(hugepages, "undo")
        self.assertEqual((1, 40), (status, self.host.number(file)))
        self.assertIn("in use", error)
        self.host.add(file.replace("nr_", "free_"), 40)
        self.assertEqual(0, self.run_tool(hugepages, "undo")[0])
        self.assertEqual(10, self.host.number(file))

    def test_mounts_where_none_is_and_unmounts(self):
        self.host.add("/proc/mounts", "")
        self.host.add_program("mount", 'echo "nodev $6 hugetlbfs rw,pagesize=2M 0 0" >> $PUBWIRE_HOST_ROOT/proc/mounts')
        self.host.add_program("umount", 'echo > $PUBWIRE_HOST_ROOT/proc/mounts')
        self.run_tool(hugepages, "reserve", "--pages", "1")
        self.assertIn("/dev/hugepages hugetlbfs", self.host.read("/proc/mounts"))
        self.run_tool(hugepages, "undo")
        self.assertEqual("", self.host.read("/proc/mounts"))


class CommandLine(HostTest):
    def run_script(self, *argv):
        return subprocess.run([os.path.join(SCRIPTS, "hugepages"), *argv], check=False, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              env=dict(os.environ, PUBWIRE_HOST_ROOT=self.dir))

    def test_the_script_shows_a_made_up_host(self):
        self.host.add_pages(1, 2048, 7, free=5)
        r = self.run_script("show")
        self.assertEqual(0, r.returncode, r.stdout)
        self.assertRegex(r.stdout, r"1 +2M +7 +5 +0 +14 MB")

    def test_the_scripts_dry_run_changes_nothing(self):
        before = self.host.snapshot()
        self.assertEqual(0, self.run_script("reserve", "--pages", "4", "--boot", "-n").returncode)
        self.assertEqual(before, self.host.snapshot())

    def test_a_wrong_command_line_ends_with_64(self):
        self.assertEqual(64, self.run_script("reserve", "--pages").returncode)
        self.assertEqual(64, self.run_script("grab").returncode)


if __name__ == "__main__":
    unittest.main()
