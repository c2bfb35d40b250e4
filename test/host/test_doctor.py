# SPDX-License-Identifier: BSD-3-Clause
"""scripts/doctor: each thing that stops pubwire is found, with a remedy; nothing is found where all is well."""

import argparse
import errno
import fcntl
import json
import os
import shutil
import socket
import subprocess
import sys
import unittest

from made_up import NIC, SCRIPTS, HostTest
from pwhost import checks_ports, doctor, program, running
from pwhost.table import BAD, OK, SKIP, WARN

PRINTED = """\
eal: ["--allow=0000:01:00.0", "--allow=0000:01:00.1"]
workers:
  lcores: [1]
  main_cpu: auto
  idle: adaptive
ports:
  - name: "devices"
    device: "0000:01:00.0"
    addresses: [10.77.0.1/16]
  - name: "brokers"
    device: "0000:01:00.1"
    addresses: [10.78.0.1/16, "fd78::1/64"]
brokers:
  - name: "a"
    address: 10.78.0.11
    port: 1883
"""
FLAGS = "fpu pni ssse3 sse4_1 sse4_2 popcnt cx16 constant_tsc nonstop_tsc"


class DoctorTest(HostTest):
    """A host where all is well."""

    def setUp(self):
        super().setUp()
        h = self.host
        h.add("/proc/cpuinfo", f"flags\t\t: {FLAGS}")
        h.add("/sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc")
        h.add_pages(0, 2048, 64)
        h.add_pmd()
        for n, a in enumerate(("0000:01:00.0", "0000:01:00.1")):
            h.add_nic(a, driver="vfio-pci", group=n)
        h.add("/etc/pubwire/pubwire.yaml", "")
        for d in ("/run", "/var/log", "/tmp"):
            h.add_dir(d)
        self.configure(PRINTED)
        self.answers = {}
        self.taken = {}  # errno by address and port

    def configure(self, printed, check="echo plan: buffers=20000000 workers=9000000 total=29000000"):
        self.host.add_program("pubwire", "case $1 in\n--version) echo pubwire 0.1.0, DPDK 22.11;;\n"
                              f"--print-config) cat <<'E'\n{printed}E\n;;\n*) {check};;\nesac")

    def rows(self, **kw):
        args = argparse.Namespace(config=None, pubwire=None, user=None, no_brokers=False, **kw)
        before = self.host.snapshot()
        rows = doctor.examine(self.host, args, lambda a, p: self.answers.get((a, p), "no answer"),
                              lambda a, p: self.taken.get((a, p), 0))
        self.assertEqual(before, self.host.snapshot())
        return rows

    def found(self, verdict):
        return [f"{r.name}: {r.found} -> {r.how}" for r in self.rows() if r.verdict == verdict]

    def assert_found(self, verdict, *words):
        """One row of this verdict has the words, and a remedy."""
        rows = self.found(verdict)
        self.assertTrue(any(all(w in r for w in words) and not r.endswith("-> ") for r in rows), rows)

    def test_all_is_well_where_it_is(self):
        self.assertEqual([], self.found(BAD) + self.found(WARN))
        status, said, _ = self.assert_changes_nothing(doctor, "--no-brokers")
        self.assertEqual(0, status)
        self.assertIn("nothing here stops pubwire", said)

    def test_ends_with_1_where_something_stops_it(self):
        self.host.add_pages(0, 2048, 3)
        status, said, _ = self.run_tool(doctor, "--no-brokers")
        self.assertEqual(1, status)
        self.assertIn("1 NOT OK, 0 to look at", said)

    def test_the_status_page(self):
        self.assertEqual([], [r for r in self.rows() if r.name == "http"])
        self.configure(PRINTED + "http:\n  address: 127.0.0.1\n  port: 9883\n")
        self.assertEqual(["http: 127.0.0.1 port 9883 is free -> "], [r for r in self.found(OK) if "http" in r])
        self.taken[("127.0.0.1", 9883)] = errno.EADDRINUSE
        self.assert_found(BAD, "http: 127.0.0.1 port 9883 is another program's", "ss -ltnp 'sport = :9883'")
        self.taken[("127.0.0.1", 9883)] = errno.EADDRNOTAVAIL
        self.assert_found(BAD, "http: 127.0.0.1 is no address of this host")
        self.taken[("127.0.0.1", 9883)] = errno.EACCES
        self.assertIn("http: 127.0.0.1 port 9883 may only be tried by root -> ", self.found(SKIP))

    def test_ports_of_this_machine(self):
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            port = other.getsockname()[1]
            self.assertEqual(errno.EADDRINUSE, checks_ports.listen("127.0.0.1", port))
        self.assertEqual(0, checks_ports.listen("127.0.0.1", port))
        self.assertEqual(errno.EADDRNOTAVAIL, checks_ports.listen("192.0.2.1", port))

    def test_too_few_hugepages(self):
        self.host.add_pages(0, 2048, 64, free=3)
        self.assert_found(BAD, "hugepages:", "6 MB free for it", "scripts/hugepages reserve")

    def test_hugepages_on_the_wrong_node(self):
        self.host.add_pages(0, 2048, 0)
        self.host.add_pages(1, 2048, 64)
        self.assert_found(BAD, "hugepages: node 0: 0 B free")

    def test_pages_of_1_gb_do_as_well(self):
        self.host.add_pages(0, 2048, 0)
        self.host.add_pages(0, 1048576, 1)
        self.host.add("/proc/mounts", "nodev /dev/hugepages hugetlbfs rw,pagesize=1024M 0 0")
        self.assertEqual([], self.found(BAD) + self.found(WARN))

    def test_more_pages_than_a_program_may_map(self):
        self.host.add("/proc/sys/vm/max_map_count", 65530)
        self.assertEqual([], self.found(BAD))
        self.host.add_pages(0, 2048, 40000)
        self.assert_found(BAD, "mappings: a program may have 65530", "vm.max_map_count=84096")

    def test_no_hugetlbfs(self):
        self.host.add("/proc/mounts", "")
        self.assert_found(BAD, "hugetlbfs: is not mounted", "scripts/hugepages mount")

    def test_no_program(self):
        os.unlink(self.host.path("/usr/sbin/pubwire"))
        self.assertTrue(any("no pubwire" in r for r in self.found(BAD)))

    def test_a_program_that_lacks_a_library(self):
        self.host.add_program("pubwire", "echo 'error while loading shared libraries: librte_eal.so.23'; exit 127")
        self.assert_found(BAD, "program:", "librte_eal.so.23", "scripts/deps")

    def test_no_configuration_and_a_wrong_one(self):
        self.configure(PRINTED, "echo 'pubwire.yaml:14:5: brokers[0].adress: unknown key'; exit 78")
        self.assert_found(BAD, "configuration: pubwire.yaml:14:5: brokers[0].adress: unknown key")
        os.unlink(self.host.path("/etc/pubwire/pubwire.yaml"))
        self.assert_found(BAD, "configuration: there is no ")

    def test_a_nic_that_the_kernel_has(self):
        self.host.add_link(f"{NIC}0000:01:00.1/driver", "../../../bus/pci/drivers/e1000e")
        self.assert_found(BAD, "port brokers:", "is with e1000e", "scripts/nics bind --persistent 0000:01:00.1")

    def test_a_nic_that_is_not_there_or_unknown_to_dpdk(self):
        self.configure(PRINTED.replace("0000:01:00.0", "0000:09:00.0"))
        self.assert_found(BAD, "port devices: there is no NIC at 0000:09:00.0")
        self.host.add(f"{NIC}0000:01:00.1/device", "0x9999")
        self.assert_found(BAD, "port brokers: no driver of DPDK knows")

    def test_a_nic_of_the_default_route(self):
        self.host.add_nic("0000:01:00.0", interface="eth0", group=0)
        self.host.add_routes(("eth0", "00000000", "00000000"))
        self.assert_found(BAD, "port devices:", "carries your default route")

    def test_no_iommu(self):
        shutil.rmtree(self.host.path("/sys/kernel/iommu_groups"))
        self.assert_found(WARN, "IOMMU: none", "intel_iommu=on")

    def test_a_shared_iommu_group(self):
        self.host.add_nic("0000:01:00.2", group=1)
        self.assert_found(BAD, "port brokers: its IOMMU group 1 is shared with 0000:01:00.2 (e1000e)")

    def test_no_drivers_of_dpdk(self):
        os.unlink(self.host.path("/usr/lib/x/dpdk/pmds-23.0/librte_net_e1000.so.23.0"))
        self.assert_found(BAD, "DPDK: no driver", "librte-meta-net")

    def test_a_port_far_from_its_worker(self):
        self.host.add(f"{NIC}0000:01:00.1/numa_node", 1)
        self.assert_found(WARN, "port brokers: on node 1", "choose workers of 2-3")

    def test_workers_on_cpus_that_are_not_there_or_all_there_are(self):
        self.configure(PRINTED.replace("lcores: [1]", "lcores: [1, 9]"))
        self.assert_found(BAD, "lcores: CPU 9 is not online")
        self.configure(PRINTED.replace("lcores: [1]", "lcores: [0, 1, 2, 3]"))
        self.assert_found(WARN, "lcores: every CPU is a worker's")

    def test_workers_outside_the_cgroup(self):
        self.host.add("/proc/self/status", "Name:\tx\nCpus_allowed_list:\t0,2-3\nMems_allowed:\t1")
        self.assert_found(BAD, "lcores: CPU 1 is not ours")

    def test_an_old_processor_and_a_clock_that_is_not_the_tsc(self):
        self.host.add("/proc/cpuinfo", "flags\t\t: fpu pni ssse3 popcnt cx16")
        self.assert_found(BAD, "CPU: lacks sse4_1 sse4_2")
        self.assert_found(WARN, "clock: the TSC is not said to be constant")
        self.host.add("/proc/cpuinfo", f"flags\t\t: {FLAGS}")
        self.host.add("/sys/devices/system/clocksource/clocksource0/current_clocksource", "hpet")
        self.assert_found(WARN, "clock: the kernel keeps time by hpet")

    def test_secure_boot(self):
        self.host.add("/sys/kernel/security/lockdown", "none [integrity] confidentiality")
        self.assert_found(WARN, "lockdown: Secure Boot")

    def test_interfaces_of_virtual_ports(self):
        self.configure(PRINTED.replace("0000:01:00.0\"\n", "net_af_packet0\"\n").replace(
            "eal: [", 'eal: ["--vdev=net_af_packet0,iface=eth7", '))
        self.assert_found(BAD, "port devices: net_af_packet0 wants the interface eth7, which is not there")
        self.host.add("/sys/class/net/eth7/flags", "0x1002")
        self.assert_found(BAD, "port devices: eth7 is down", "ip link set eth7 up")
        self.host.add("/sys/class/net/eth7/flags", "0x1003")
        self.assertEqual([], self.found(BAD))

    def beside(self, driver):
        self.configure(PRINTED.replace("addresses: [10.77.0.1/16]\n", "addresses: [10.77.0.1/16]\n    kernel: {interface: "
                                       f'"pw-edge", rate: 5000, icmp: pubwire, driver: {driver}}}\n'))

    def test_an_interface_of_the_kernel_beside_a_port_needs_its_devices(self):
        self.assertEqual([], [r.name for r in self.rows() if r.name.startswith("kernel")])
        for driver in ("auto", "tap", "virtio-user"):
            self.beside(driver)
            self.assert_found(BAD, "kernel interface pw-edge: there is no /dev/net/tun", "modprobe tun")
        self.assert_found(BAD, "kernel interface pw-edge: there is no /dev/vhost-net", "modprobe vhost-net")
        self.host.add("/dev/net/tun", "")
        for driver in ("auto", "tap"):  # auto goes by a TAP then
            self.beside(driver)
            self.assertEqual([], self.found(BAD))
            self.assertEqual(["made by pubwire's start, as a TAP"],
                             [r.found for r in self.rows() if r.name == "kernel interface pw-edge"])
        self.beside("virtio-user")
        self.assert_found(BAD, "kernel interface pw-edge: there is no /dev/vhost-net")
        self.host.add("/dev/vhost-net", "")
        for driver in ("auto", "virtio-user"):
            self.beside(driver)
            self.assertEqual([], self.found(BAD))
            self.assertEqual(["made by pubwire's start, by virtio_user"],
                             [r.found for r in self.rows() if r.name == "kernel interface pw-edge"])

    def test_an_interface_that_has_the_name_of_the_one_beside_a_port(self):
        self.host.add("/dev/net/tun", "")
        self.host.add("/sys/class/net/pw-edge/flags", "0x1003")
        self.beside("auto")
        self.assert_found(BAD, "kernel interface pw-edge: there is one of this name", "another name")
        config = program.load(self.host, program.find(self.host), "")
        self.assertEqual([(OK, "pubwire has it")], [(r.verdict, r.found) for r in checks_ports.beside(
            self.host, config, True)])

    def test_no_pci_hides_ports_and_no_allow_takes_all(self):
        self.configure(PRINTED.replace("--allow=0000:01:00.1", "--no-pci"))
        self.assert_found(BAD, "--no-pci in eal hides every PCI device")
        self.configure(PRINTED.replace("--allow=0000:01:00.", "--x="))
        self.assert_found(WARN, "eal allows every NIC")

    def test_brokers_are_asked_only_where_the_host_has_a_way_of_its_own(self):
        rows = [r for r in self.rows() if r.name == "broker a"]
        self.assertEqual((SKIP, True), (rows[0].verdict, "no route to 10.78.0.11" in rows[0].found))
        self.host.add_routes(("eth0", "00000000", "00000000"))
        rows = [r for r in self.rows() if r.name == "broker a"]
        self.assertEqual((SKIP, True), (rows[0].verdict, "on the link of port brokers" in rows[0].found))
        self.host.add_routes(("eth0", "00000000", "00000000"), ("eth9", "00004E0A", "0000FFFF"))
        self.assert_found(WARN, "broker a: 10.78.0.11 port 1883 does not answer the host by eth9: no answer")
        self.answers[("10.78.0.11", 1883)] = ""
        self.assertEqual(OK, [r for r in self.rows() if r.name == "broker a"][0].verdict)

    def test_another_program_with_the_same_file_prefix(self):
        self.host.add("/var/run/dpdk/pubwire/config", "x" * 64)
        # Whoever runs with the configuration has its status page too.
        self.configure(PRINTED + "http:\n  address: 127.0.0.1\n  port: 9883\n")
        self.taken[("127.0.0.1", 9883)] = errno.EADDRINUSE
        self.assertIsNone(running.holder(self.host, "pubwire"))
        hold = subprocess.Popen([sys.executable, "-c", "import fcntl,sys\nf=open(sys.argv[1],'r+')\n"
                                 "fcntl.lockf(f, fcntl.LOCK_EX, 8, 8)\nprint('locked', flush=True)\nsys.stdin.read()",
                                 self.host.path("/var/run/dpdk/pubwire/config")],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            hold.stdout.readline()
            self.assert_found(BAD, "file prefix: pubwire:", f"(PID {hold.pid})", "another --file-prefix")
            # It is the one that the configuration is about.
            config = self.host.path("/etc/pubwire/pubwire.yaml")
            for words in (["--config", config], [f"--config={config}"], ["-c", "etc/pubwire/pubwire.yaml"], []):
                self.host.add(f"/proc/{hold.pid}/cmdline", "\0".join(["/usr/sbin/pubwire"] + words))
                self.host.add_link(f"/proc/{hold.pid}/cwd", self.dir)
                self.assertEqual([], self.found(BAD), words)
                self.assertIn("http: 127.0.0.1 port 9883: pubwire has it -> ", self.found(OK))
            self.host.add(f"/proc/{hold.pid}/cmdline", "pubwire\0--config\0/other.yaml\0--\0-c\0" + config)
            self.assert_found(BAD, "file prefix: pubwire:")
        finally:
            hold.communicate()

    def test_pages_that_a_dead_program_keeps(self):
        self.host.add("/dev/hugepages/rtemap_0", "")
        self.assert_found(WARN, "leftovers: 1 pages of 2M are kept by rte", "rm /dev/hugepages/rtemap_*")
        with open(self.host.path("/dev/hugepages/rtemap_0"), encoding="ascii") as f:
            fcntl.flock(f, fcntl.LOCK_SH)
            self.assertEqual([], self.found(WARN))

    def test_somebody_who_is_not_root(self):
        self.host.add("/dev/vfio/1", "")
        os.chmod(self.dir, 0o755)
        os.chmod(self.host.path("/dev/hugepages"), 0o755)
        if os.geteuid():
            self.skipTest("files of root are made by root")
        args = argparse.Namespace(config=None, pubwire=None, user="nobody", no_brokers=True)
        bad = [r for r in doctor.examine(self.host, args) if r.verdict == BAD]
        self.assertEqual(["hugetlbfs", "rights"], [r.name for r in bad])
        self.assertIn("/dev/vfio/1 is not for nobody", bad[1].found)

    def test_the_script_speaks_json(self):
        r = subprocess.run([os.path.join(SCRIPTS, "doctor"), "--json", "--no-brokers", "--dry-run"], check=False,
                           stdout=subprocess.PIPE, env=dict(os.environ, PUBWIRE_HOST_ROOT=self.dir))
        self.assertEqual({"check", "verdict", "found", "how"}, set(json.loads(r.stdout)[0]))
        self.assertEqual(0, r.returncode)


if __name__ == "__main__":
    unittest.main()
