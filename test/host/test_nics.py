# SPDX-License-Identifier: BSD-3-Clause
"""scripts/nics: what it refuses, what it binds, what is there after a restart."""

import json
import os
import shutil
import unittest

from made_up import DRV, NIC, HostTest
from pwhost import binding, nics, pci

A, B = "0000:01:00.0", "0000:01:00.1"
LIST = "/etc/pubwire/nics"
UNIT = "/etc/systemd/system/pubwire-nics.service"


class NicsTest(HostTest):
    """eth0 carries the default route; eth1 and eth2, in groups of their own, nothing."""

    def setUp(self):
        super().setUp()
        h = self.host
        h.add_pmd()
        h.add_nic("0000:00:03.0", interface="eth0", group=1)
        h.add_nic(A, interface="eth1", group=2)
        h.add_nic(B, interface="eth2", group=3)
        h.add_dir(DRV + "vfio-pci")
        h.add_dir(DRV + "uio_pci_generic")
        h.add_routes(("eth0", "00000000", "00000000"), ("eth0", "000200C0", "00FFFFFF"))

    def driver(self, address):
        return self.host.link(f"{NIC}{address}/driver")

    def no_iommu(self):
        shutil.rmtree(self.host.path("/sys/kernel/iommu_groups"))
        for a in (A, B):
            os.unlink(self.host.path(f"{NIC}{a}/iommu_group"))

    def refused(self, *argv):
        status, said, error = self.assert_changes_nothing(nics, *argv)
        self.assertEqual(1, status, said)
        return error


class Refusals(NicsTest):
    def test_the_nic_of_the_default_route_by_every_name_and_forced(self):
        for name in ("eth0", "00:03.0", "0000:00:03.0"):
            self.assertIn("carries your default route: refused", self.refused("bind", name))
            self.assertIn("refused", self.refused("bind", "--force", "--driver", "uio_pci_generic", name))

    def test_the_nic_below_a_bond_a_vlan_and_a_bridge_of_the_default_route(self):
        h = self.host
        h.add_link("/sys/class/net/br0/lower_bond0.7", "../bond0.7")
        h.add_link("/sys/class/net/bond0.7/lower_bond0", "../bond0")
        h.add_link("/sys/class/net/eth1/master", "../bond0")
        h.add_dir("/sys/class/net/bond0")
        h.add_routes(("br0", "00000000", "00000000"))
        self.assertIn("default route", self.refused("bind", "--force", "eth1"))
        self.assertEqual(0, self.run_tool(nics, "bind", "eth2")[0])

    def test_the_nic_of_an_ipv6_default_route(self):
        self.host.add("/proc/net/ipv6_route", f"{'0' * 32} 00 {'0' * 32} 00 fe80{'0' * 27}1 00000400 00000001 "
                      "00000000 00000003     eth1")
        self.assertIn("default route", self.refused("bind", "eth1"))

    def test_the_nic_of_the_ssh_session(self):
        self.host.add_routes(("eth0", "00000000", "00000000"), ("eth1", "0000000A", "000000FF"))
        os.environ["SSH_CONNECTION"] = "10.1.2.3 50000 10.0.0.1 22"
        self.addCleanup(os.environ.pop, "SSH_CONNECTION")
        self.assertIn("carries your SSH session: refused", self.refused("bind", "--force", "eth1"))

    def test_one_with_routes_unless_forced(self):
        self.host.add_routes(("eth0", "00000000", "00000000"), ("eth1", "0000000A", "000000FF"))
        self.assertIn("in use: eth1 has a route to 10.0.0.0/8", self.refused("bind", "eth1"))
        self.assertEqual(0, self.run_tool(nics, "bind", "--force", "eth1")[0])

    def test_vfio_without_an_iommu_says_what_to_do(self):
        self.no_iommu()
        error = self.refused("bind", "eth1")
        self.assertIn("no IOMMU", error)
        self.assertIn("intel_iommu=on iommu=pt", error)
        self.assertIn("uio_pci_generic", error)

    def test_no_iommu_mode_where_the_kernel_has_none(self):
        self.no_iommu()
        self.assertIn("CONFIG_VFIO_NOIOMMU", self.refused("bind", "--no-iommu", "eth1"))

    def test_a_group_that_others_share(self):
        self.host.add_group(B, 2)
        self.assertIn(f"shares IOMMU group 2 with {B} (e1000e)", self.refused("bind", "eth1"))

    def test_all_of_a_group_in_one_command_are_taken(self):
        self.host.add_group(B, 2)
        self.assertEqual(0, self.run_tool(nics, "bind", "eth1", "eth2")[0])

    def test_uio_for_a_virtual_function_or_behind_an_iommu_or_under_secure_boot(self):
        self.assertIn("behind an IOMMU", self.refused("bind", "--driver", "uio_pci_generic", "eth1"))
        self.no_iommu()
        self.host.add("/sys/kernel/security/lockdown", "none [integrity] confidentiality")
        self.assertIn("Secure Boot", self.refused("bind", "--driver", "uio_pci_generic", "eth1"))
        self.host.add_link(f"{NIC}{A}/physfn", "../x")
        self.assertIn("virtual function", self.refused("bind", "--driver", "uio_pci_generic", "eth1"))

    def test_one_that_a_program_has_open(self):
        self.run_tool(nics, "bind", "eth1")
        self.host.add("/proc/77/comm", "pubwire")
        self.host.add_link("/proc/77/fd/9", "/dev/vfio/2")
        for argv in (("unbind", A), ("bind", "--driver", "uio_pci_generic", A)):
            self.assertIn("pubwire (PID 77) has it open", self.refused(*argv))
        self.assertEqual(0, self.run_tool(nics, "bind", A)[0])
        self.assertEqual(0, self.run_tool(nics, "bind", "eth2")[0])

    def test_the_second_is_refused_before_the_first_is_touched(self):
        self.refused("bind", "eth1", "eth0")

    def test_what_is_no_nic(self):
        self.assertIn("no network device", self.refused("bind", "09:00.0"))
        self.host.add_dir("/sys/class/net/dummy0")
        self.assertIn("net_af_packet0,iface=dummy0", self.refused("bind", "dummy0"))
        self.assertIn("neither", self.refused("bind", "eth77"))

    def test_a_driver_that_does_not_take_it_is_told(self):
        self.host.add_program("lspci", "")
        self.host.add_program("dpdk-devbind.py", "echo 'Error: bind failed for it'")
        status, _, error = self.run_tool(nics, "bind", "eth1")
        self.assertEqual(1, status)
        self.assertIn("not bound to vfio-pci but to e1000e: Error: bind failed for it", error)


class Binding(NicsTest):
    def test_to_vfio_and_back(self):
        status, said, error = self.run_tool(nics, "bind", "eth1", "01:00.1")
        self.assertEqual((0, "vfio-pci", "vfio-pci"), (status, self.driver(A), self.driver(B)), error)
        self.assertIn("e1000e -> vfio-pci; the interface eth1 is gone", said)
        self.assertEqual(0, self.run_tool(nics, "unbind", A)[0])
        self.assertEqual(("e1000e", "vfio-pci"), (self.driver(A), self.driver(B)))

    def test_repeated_changes_nothing(self):
        for argv in (("bind", "--persistent", A), ("unbind", A)):
            self.run_tool(nics, *argv)
            status, said, _ = self.assert_changes_nothing(nics, *argv)
            self.assertEqual(0, status)
            self.assertIn("nothing to change", said)

    def test_dry_run_says_and_changes_nothing(self):
        _, said, _ = self.assert_changes_nothing(nics, "bind", "--persistent", "--dry-run", "eth1")
        self.assertIn(f"would write {A} to {DRV}vfio-pci/bind", said)
        self.assertIn(f"would write {LIST}", said)
        self.run_tool(nics, "bind", "--persistent", "eth1")
        _, said, _ = self.assert_changes_nothing(nics, "unbind", "-n", A)
        self.assertIn("would", said)
        os.unlink(self.host.path(f"{NIC}{A}/driver"))
        self.assertIn("would", self.assert_changes_nothing(nics, "restore", "-n")[1])

    def test_devbind_does_it_where_it_is_there(self):
        self.host.add_program("lspci", "")
        self.host.add_program("dpdk-devbind.py", 'echo "$@" > $PUBWIRE_HOST_ROOT/asked\n'
                              f"ln -sfn ../../../bus/pci/drivers/vfio-pci $PUBWIRE_HOST_ROOT{NIC}{A}/driver")
        self.assertEqual(0, self.run_tool(nics, "bind", "eth1")[0])
        self.assertEqual(f"--bind=vfio-pci {A}", self.host.read("/asked"))
        self.assertEqual([], self.host.written)

    def test_loads_the_module(self):
        os.rmdir(self.host.path(DRV + "vfio-pci"))
        self.host.add_program("modprobe", "echo not found; exit 1")
        self.assertIn("kernel has no vfio-pci: not found", self.run_tool(nics, "bind", "eth1")[2])
        self.host.add_program("modprobe", f"mkdir $PUBWIRE_HOST_ROOT{DRV}$1")
        self.assertEqual(0, self.run_tool(nics, "bind", "eth1")[0])

    def test_uio_without_an_iommu(self):
        self.no_iommu()
        self.assertEqual(0, self.run_tool(nics, "bind", "--driver", "uio_pci_generic", "eth1")[0])
        self.assertEqual("uio_pci_generic", self.driver(A))

    def test_vfio_without_an_iommu_when_asked_and_the_kernel_can(self):
        self.no_iommu()
        unsafe = "/sys/module/vfio/parameters/enable_unsafe_noiommu_mode"
        self.host.add(unsafe, "N")
        self.assertEqual(0, self.run_tool(nics, "bind", "--no-iommu", "--persistent", "eth1")[0])
        self.assertEqual(("1", "vfio-pci"), (self.host.read(unsafe), self.driver(A)))
        self.assertIn("enable_unsafe_noiommu_mode=1", self.host.read("/etc/modprobe.d/pubwire-vfio.conf"))
        self.run_tool(nics, "unbind", A)
        self.assertFalse(self.host.exists("/etc/modprobe.d/pubwire-vfio.conf"))

    def test_bifurcated_ones_are_left_alone(self):
        self.host.add_nic("0000:05:00.0", driver="mlx5_core", interface="eth5", group=5)
        status, said, _ = self.assert_changes_nothing(nics, "bind", "--persistent", "eth5")
        self.assertEqual(0, status)
        self.assertIn("left alone", said)
        self.assertIn("--allow=0000:05:00.0", said)
        self.assertIn("bifurcated", self.run_tool(nics, "list")[1])

    def test_the_kernel_finds_the_driver_where_nobody_knows_it(self):
        self.host.add_nic("0000:06:00.0", driver="vfio-pci", group=6)
        self.assertEqual(0, self.run_tool(nics, "unbind", "06:00.0")[0])
        self.assertEqual("e1000e", self.driver("0000:06:00.0"))


class Persistent(NicsTest):
    def after_restart(self):
        """The kernel has the NICs again, and /run is empty."""
        for a, i in ((A, "eth1"), (B, "eth2")):
            self.host.add_nic(a, interface=i)
        shutil.rmtree(self.host.path("/run"), ignore_errors=True)

    def test_a_list_and_a_unit_bring_it_back_after_a_restart(self):
        self.run_tool(nics, "bind", "--persistent", A)
        self.assertIn(f"{A} vfio-pci 8086:10d3 e1000e 52:54:00:00:00:01", self.host.read(LIST))
        self.assertIn("restore", self.host.read(UNIT))
        self.after_restart()
        self.assertEqual(0, self.run_tool(nics, "restore")[0])
        self.assertEqual(("vfio-pci", "e1000e"), (self.driver(A), self.driver(B)))
        self.assert_changes_nothing(nics, "restore")

    def test_another_card_at_the_address_is_left_alone(self):
        for what in ("device", "MAC"):
            self.run_tool(nics, "bind", "--persistent", A)
            self.after_restart()
            if what == "device":
                self.host.add(f"{NIC}{A}/device", "0x1533")
            else:
                self.host.add(f"{NIC}{A}/device", "0x10d3")
                self.host.add(f"{NIC}{A}/net/eth1/address", "52:54:00:00:00:99")
            status, _, error = self.assert_changes_nothing(nics, "restore")
            self.assertEqual(1, status)
            self.assertIn(A, error)
            self.after_restart()

    def test_a_default_route_that_moved_there_is_respected(self):
        self.run_tool(nics, "bind", "--persistent", A)
        self.after_restart()
        self.host.add_routes(("eth1", "00000000", "00000000"))
        self.assertIn("default route", self.refused("restore"))

    def test_unbind_forgets_and_takes_the_unit_away(self):
        self.run_tool(nics, "bind", "--persistent", A, B)
        self.run_tool(nics, "unbind", A)
        self.assertNotIn(A, self.host.read(LIST))
        self.run_tool(nics, "unbind", B)
        self.assertFalse(self.host.exists(LIST) or self.host.exists(UNIT))

    def test_what_drove_it_before_is_known_after_a_restart(self):
        self.run_tool(nics, "bind", "--persistent", A)
        shutil.rmtree(self.host.path("/run"))
        self.run_tool(nics, "bind", "--persistent", A)
        self.assertIn(f"{A} vfio-pci 8086:10d3 e1000e 52:54:00:00:00:01", self.host.read(LIST))

    def test_driverctl_keeps_it_where_it_is_installed(self):
        self.host.add_program("driverctl", 'mkdir -p $PUBWIRE_HOST_ROOT/etc/driverctl.d\n'
                              'f=$PUBWIRE_HOST_ROOT/etc/driverctl.d/pci-$2\n'
                              'd=$PUBWIRE_HOST_ROOT/sys/bus/pci\n'
                              '[ $1 = set-override ] && echo $3 > $f || rm $f\n'
                              'ln -sfn ../../../bus/pci/drivers/${3:-e1000e} $d/devices/$2/driver')
        self.run_tool(nics, "bind", "--persistent", A)
        self.assertEqual("vfio-pci", self.host.read(f"/etc/driverctl.d/pci-{A}"))
        self.assertFalse(self.host.exists(LIST))
        self.assert_changes_nothing(nics, "bind", "--persistent", A)
        self.assertRegex(self.run_tool(nics, "list")[1], f"{A} .* at boot too")
        self.assertEqual(0, self.run_tool(nics, "unbind", A)[0])
        self.assertFalse(self.host.exists(f"/etc/driverctl.d/pci-{A}"))
        self.assertEqual("e1000e", self.driver(A))


class List(NicsTest):
    def test_every_nic_with_what_can_be_done(self):
        self.host.add_nic("0000:07:00.0", device="0x9999", group=7)
        self.run_tool(nics, "bind", "--persistent", B)
        status, said, _ = self.assert_changes_nothing(nics, "list")
        self.assertEqual(0, status)
        for words in (f"0000:00:03.0 .* eth0 .* up 10G +net_e1000_em +carries your default route: refused",
                      f"{A} .* eth1 .* can be bound$", f"{B} .* vfio-pci .* ready for pubwire, at boot too$",
                      "0000:07:00.0 .* DPDK has no driver for it"):
            self.assertRegex(said, "(?m)" + words)

    def test_for_programs(self):
        found = json.loads(self.run_tool(nics, "list", "--json")[1])
        self.assertEqual(["0000:00:03.0", A, B], [n["address"] for n in found])
        self.assertEqual("carries your default route", found[0]["refused"])

    def test_a_group_is_looked_up_beside_bridges(self):
        self.host.add_nic("0000:01:01.0", driver="pcieport", group=2)
        self.assertIsNone(binding.refuse(self.host, pci.find(self.host, A), "vfio-pci"))


if __name__ == "__main__":
    unittest.main()
