# SPDX-License-Identifier: BSD-3-Clause
"""scripts/install and uninstall: what is copied, what is never overwritten, what is left behind."""

import os
import shutil
import stat
import subprocess
import unittest

from made_up import SCRIPTS, HostTest
from pwhost import install, names, program, uninstall

CONFIG = "/etc/pubwire/pubwire.yaml"
DEFAULTS = "/etc/default/pubwire"
MANIFEST = "/usr/local/lib/pubwire/manifest"


class Installed(HostTest):
    def setUp(self):
        super().setUp()
        self.program = os.path.join(self.dir, "built")
        with open(self.program, "w", encoding="ascii") as f:
            f.write("#!/bin/sh\necho pubwire 0.1.0\n")
        os.chmod(self.program, 0o755)

    def install(self, *argv):
        return self.run_tool(install, "--program", self.program, *argv)

    def files(self, top=""):
        """Files and links below a directory of the host."""
        found = []
        for base, dirs, names in os.walk(self.host.path(top or "/")):
            found += [os.path.join(base, n)[len(self.dir):] for n in names + dirs
                      if not os.path.isdir(os.path.join(base, n)) or os.path.islink(os.path.join(base, n))]
        return sorted(found)


class InstallTest(Installed):
    def test_program_scripts_unit_documentation_and_configuration(self):
        status, said, error = self.install()
        self.assertEqual(0, status, error)
        for path in ("sbin/pubwire", "sbin/pubwire-doctor", "sbin/pubwire-nics", "lib/pubwire/pwhost/host.py",
                     "lib/pubwire/uninstall", "share/doc/pubwire/configuration.md", "share/man/man5/pubwire.yaml.5",
                     *(f"share/man/man8/pubwire-{t}.8" for t in names.TOOLS)):
            self.assertTrue(os.path.exists(self.host.path("/usr/local/" + path)), path)
        unit = self.host.read("/usr/local/lib/systemd/system/pubwire.service")
        self.assertIn("ExecStart=/usr/local/sbin/pubwire --config", unit)
        self.assertNotIn("@prefix@", unit)
        self.assertEqual(0o640, stat.S_IMODE(os.stat(self.host.path(CONFIG)).st_mode))
        self.assertIn("systemctl enable --now pubwire", said)

    def test_repeated_changes_nothing(self):
        self.install()
        status, said, _ = self.assert_changes_nothing(install, "--program", self.program)
        self.assertEqual(0, status)
        self.assertIn("nothing to change", said)

    def test_dry_run_changes_nothing(self):
        self.assertIn("would write", self.assert_changes_nothing(install, "--program", self.program, "-n")[1])
        self.install()
        self.assertIn("would remove", self.assert_changes_nothing(uninstall, "--purge", "-n")[1])

    def test_a_configuration_is_never_overwritten(self):
        self.host.add(CONFIG, "mine")
        _, said, _ = self.install()
        self.assertEqual("mine", self.host.read(CONFIG))
        self.assertIn("stays as it is", said)

    def test_an_upgrade_replaces_what_differs_and_removes_what_went(self):
        self.install()
        gone = "/usr/local/lib/pubwire/pwhost/gone.py"
        self.host.add(gone, "")
        with open(self.host.path(MANIFEST), "a", encoding="ascii") as f:
            f.write(f"{'0' * 64} {gone}\n")
        with open(self.program, "a", encoding="ascii") as f:
            f.write("# newer\n")
        _, said, _ = self.install()
        self.assertEqual(["remove " + gone, "replace " + MANIFEST, "replace /usr/local/sbin/pubwire"],
                         sorted(line for line in said.splitlines() if line.startswith(("re", "write"))))

    def test_what_is_installed_runs_without_the_tree(self):
        self.install()
        script = self.host.path("/usr/local/sbin/pubwire-hugepages")
        r = subprocess.run([script, "show"], check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                           cwd="/", env={"PATH": "/usr/bin:/bin", "PUBWIRE_HOST_ROOT": self.dir})
        self.assertEqual(0, r.returncode, r.stdout)
        r = subprocess.run([self.host.path("/usr/local/sbin/pubwire-nics"), "bind", "nosuch"], check=False, text=True,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           env={"PATH": "/usr/bin:/bin", "PUBWIRE_HOST_ROOT": self.dir})
        self.assertIn("pubwire-nics list shows them", r.stdout)
        self.assertEqual([], [f for f in self.files() if "__pycache__" in f])

    def test_the_installed_program_is_the_one_that_is_asked(self):
        self.install()
        self.assertEqual(self.host.path("/usr/local/sbin/pubwire"), program.find(self.host))

    def test_destdir_and_prefix(self):
        d = os.path.join(self.dir, "image")
        self.host.root = ""  # a package is built on the real host, into a directory
        try:
            self.assertEqual(0, self.install("--destdir", d, "--prefix", "/usr")[0])
        finally:
            self.host.root = self.dir
        for path in ("/usr/sbin/pubwire", "/lib/systemd/system/pubwire.service", CONFIG):
            self.assertTrue(self.host.exists("/image" + path), path)
        self.assertEqual("../lib/pubwire/nics", os.readlink(d + "/usr/sbin/pubwire-nics"))
        self.assertNotIn("image", self.host.read("/image/lib/systemd/system/pubwire.service"))
        self.assertNotIn("image", self.host.read("/image/usr/lib/pubwire/manifest"))

    def test_programs_beside_the_one_that_is_named_go_along(self):
        shutil.copy(self.program, os.path.join(self.dir, "pubwirectl"))
        self.install()
        self.assertTrue(os.access(self.host.path("/usr/local/sbin/pubwirectl"), os.X_OK))

    def test_what_people_have_set_in_etc_default_stays(self):
        self.host.add(DEFAULTS, "PUBWIRE_EAL=--mine")
        self.install()
        self.assertEqual("PUBWIRE_EAL=--mine", self.host.read(DEFAULTS))

    def test_a_package_lists_and_removes_files_itself(self):
        self.install()
        mine = set(self.files("/usr"))
        self.run_tool(uninstall)
        self.install("--packaged")
        # Debian's copyright file says what LICENSE says.
        self.assertEqual({MANIFEST, "/usr/local/lib/pubwire/uninstall", "/usr/local/share/doc/pubwire/LICENSE"},
                         mine - set(self.files("/usr")))

    def test_nothing_built_says_what_to_do(self):
        build, install.BUILD = install.BUILD, "build/none"
        try:
            _, _, error = self.assert_changes_nothing(install)
        finally:
            install.BUILD = build
        self.assertIn("scripts/build release", error)


class UninstallTest(Installed):
    def test_removes_what_install_made_and_keeps_the_configuration(self):
        before = self.files()
        self.install()
        self.host.add("/usr/local/sbin/other", "")
        self.assertEqual(0, self.run_tool(uninstall)[0])
        self.assertEqual(sorted(before + [CONFIG, DEFAULTS, "/usr/local/sbin/other"]), self.files())
        self.assertFalse(self.host.exists("/usr/local/lib/pubwire"))
        self.assertFalse(self.host.exists("/usr/local/share/doc/pubwire"))

    def test_purge_removes_the_configuration_too(self):
        self.install()
        self.run_tool(uninstall, "--purge")
        self.assertFalse(self.host.exists("/etc/pubwire"))
        self.assertFalse(self.host.exists(DEFAULTS))
        self.assertIn("nothing to change", self.assert_changes_nothing(uninstall, "--purge")[1])

    def test_a_second_time_says_that_nothing_is_there(self):
        self.install()
        self.run_tool(uninstall)
        self.assertIn("nothing is installed there", self.assert_changes_nothing(uninstall)[2])

    def test_the_installed_uninstall_removes_itself(self):
        self.install()
        r = subprocess.run([self.host.path("/usr/local/lib/pubwire/uninstall")], check=False, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True, env=dict(os.environ, PUBWIRE_HOST_ROOT=self.dir))
        self.assertEqual(0, r.returncode, r.stdout)
        self.assertFalse(self.host.exists("/usr/local/lib/pubwire"))

    def test_boot_units_that_ran_its_scripts_go_too(self):
        self.install()
        units = "/etc/systemd/system/"
        self.host.add(units + "pubwire-tune.service", "ExecStart=/usr/local/sbin/pubwire-tune --set thp")
        self.host.add(units + "pubwire-nics.service", f"ExecStart={SCRIPTS}/nics restore")
        self.run_tool(uninstall)
        self.assertFalse(self.host.exists(units + "pubwire-tune.service"))
        self.assertTrue(self.host.exists(units + "pubwire-nics.service"))

    def test_boot_units_of_another_prefix_stay(self):
        self.install("--prefix", "/usr")
        unit = "/etc/systemd/system/pubwire-tune.service"
        self.host.add(unit, "ExecStart=/usr/local/sbin/pubwire-tune --set thp")
        self.run_tool(uninstall, "--prefix", "/usr")
        self.assertTrue(self.host.exists(unit))

    def test_systemd_stops_it_first_where_it_runs(self):
        self.install()
        self.host.add_dir("/run/systemd/system")
        self.host.add_program("systemctl", 'echo "$@" >> $PUBWIRE_HOST_ROOT/asked')
        self.run_tool(uninstall)
        self.assertEqual("disable --now pubwire.service\ndaemon-reload", self.host.read("/asked"))

    def test_systemd_finds_nothing_wrong_with_the_unit(self):
        if shutil.which("systemd-analyze") is None:
            self.skipTest("no systemd-analyze")
        self.install()
        shutil.copy(self.program, self.program + "ctl")
        text = self.host.read("/usr/local/lib/systemd/system/pubwire.service").replace("/usr/local/sbin/pubwire",
                                                                                      self.program)
        self.host.add("/pubwire.service", text)
        unit = self.host.path("/pubwire.service")
        r = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], check=False, text=True,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual("", r.stdout.strip())
        # What systemd calls exposed begins at 7.0; root without any of the unit's bounds would have 9.6.
        r = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=45", unit], check=False,
                           text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual(0, r.returncode, r.stdout[-300:])


if __name__ == "__main__":
    unittest.main()
