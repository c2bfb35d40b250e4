# SPDX-License-Identifier: BSD-3-Clause
"""scripts/package: what it builds, and what installing, upgrading, removing and purging it leaves of a root."""

import glob
import os
import re
import shutil
import tempfile
import unittest

from made_up import REPO, SCRIPTS
from overlay import CONFIG, Built, Root, run

# What dpkg and the libraries' caches note for themselves.
NOTES = re.compile(r"/(var/(lib/dpkg|log|cache|lib/systemd)|etc/ld\.so\.cache|run/systemd|systemctl|usr/bin/systemctl)")
# Says what it is asked, and that the service runs, or not.
SYSTEMCTL = """#!/bin/sh
echo "$@" >> /systemctl.said
case "$*" in *is-active*) [ -e /systemctl.active ] ;; *is-enabled*) echo disabled; exit 1 ;; esac
"""


class PackageTest(Built):
    def test_it_holds_what_install_installs(self):
        listed = {line.split(None, 5)[5].split(" -> ")[0][1:]
                  for line in run("dpkg-deb", "-c", self.deb).stdout.splitlines() if line[0] != "d"}
        with tempfile.TemporaryDirectory() as d:
            programs = os.path.join(d, "built")
            os.mkdir(programs)
            for name in ("pubwire", "pubwirectl"):
                if f"/usr/sbin/{name}" in listed:
                    shutil.copy("/bin/true", f"{programs}/{name}")
            r = run(f"{SCRIPTS}/install", "--packaged", "--prefix", "/usr", "--destdir", d + "/root", "--program",
                    programs + "/pubwire")
            self.assertEqual(0, r.returncode, r.stdout)
            installed = {os.path.join(base, n)[len(d + "/root"):] for base, _, names in os.walk(d + "/root")
                         for n in names}
        own = {"/usr/share/doc/pubwire/changelog.Debian.gz", "/usr/share/doc/pubwire/copyright",
               "/usr/share/lintian/overrides/pubwire"}
        # Compressed by debhelper, and links to pages with them.
        self.assertEqual(sorted(installed | own), sorted(re.sub(r"(/man/.*)\.gz$", r"\1", p) for p in listed))

    def test_it_depends_on_what_dpdk_loads_by_itself(self):
        # No program is linked with the driver of ring pools, and without it no buffer can be reserved.
        self.assertIn("librte-mempool-ring23", run("dpkg-deb", "-f", self.deb, "Depends").stdout)

    def test_lintian_finds_no_error(self):
        if not shutil.which("lintian"):
            self.skipTest("there is no lintian")
        # What is left out of this build for its time.
        r = run("lintian", "--fail-on", "error", "--suppress-tags", "unstripped-binary-or-object", self.deb)
        self.assertEqual(0, r.returncode, r.stdout)

    def test_everything_that_deps_installs_for_a_build_is_asked_for(self):
        with open(f"{SCRIPTS}/deps", encoding="utf-8") as f:
            wanted = re.search(r'\[build\]="([^"]*)"', f.read())[1].split()
        with open(f"{SCRIPTS}/debian/control", encoding="utf-8") as f:
            asked = re.search(r"^Build-Depends:(.*?)^\S", f.read(), re.M | re.S)[1]
        asked = {re.split(r"[ :(]", a.strip())[0] for a in asked.split(",")}
        # build-essential is never asked for.
        self.assertEqual([], sorted(set(wanted) - asked - {"gcc", "libc6-dev"}))

    def test_a_version_that_is_not_the_programs_is_refused(self):
        with tempfile.TemporaryDirectory() as d:
            shutil.copytree(REPO, d + "/tree", symlinks=True,
                            ignore=lambda top, names: set(names) - {"scripts", "meson.build"} if top == REPO else ())
            with open(d + "/tree/meson.build", encoding="utf-8") as f:
                text = f.read()
            with open(d + "/tree/meson.build", "w", encoding="utf-8") as f:
                f.write(re.sub(r"version: '[^']*',", "version: '9.9.9',", text, count=1))
            r = run(d + "/tree/scripts/package", "--out", d)
            self.assertEqual(1, r.returncode)
            self.assertIn("meson.build says 9.9.9", r.stdout)


class RootTest(Root):
    """Where systemd says that it is asked, and does nothing."""

    def setUp(self):
        super().setUp()
        self.write("/usr/bin/systemctl", SYSTEMCTL, 0o755)
        self.chroot("mkdir -p /run/systemd/system /etc/default/grub.d")
        self.before = self.changed()

    def changed(self):
        """Files, links and directories of the root that are not as they were."""
        found = set()
        for base, dirs, names in os.walk(self.upper):
            found |= {os.path.join(base, n)[len(self.upper):] for n in names + dirs}
        return {p for p in found if not NOTES.match(p) and p not in ("/var", "/var/lib", "/run", "/etc", "/usr",
                                                                     "/usr/bin", "/proc", "/dev", "/tmp")}

    def test_installed_it_runs_and_is_not_started(self):
        self.install()
        for path in ("/usr/sbin/pubwire", "/usr/sbin/pubwire-doctor", "/lib/systemd/system/pubwire.service",
                     "/etc/default/pubwire", "/usr/share/doc/pubwire/grafana-dashboard.json"):
            self.assertTrue(self.exists(path), path)
        self.assertIn("pubwire", self.must("pubwire --version"))
        self.assertIn("usage", self.must("pubwire-nics --help"))
        self.assertEqual("640", self.must(f"stat -c %a {CONFIG}").strip())
        self.assertEqual([], glob.glob(self.root + "/etc/systemd/system/*.wants/pubwire.service"))
        self.assertNotRegex(self.read("/systemctl.said"), "(?m)start pubwire.service$")

    def test_an_upgrade_restarts_what_runs_and_keeps_what_was_edited(self):
        self.install()
        self.write(CONFIG, self.read(CONFIG) + "# mine\n", 0o640)
        self.write("/systemctl.active", "")
        said = self.install(self.newer("9.0-1"))
        self.assertIn("Setting up pubwire (9.0-1)", said)
        self.assertTrue(self.read(CONFIG).endswith("# mine\n"))
        self.assertIn("restart pubwire.service", self.read("/systemctl.said"))
        self.assertNotIn("stop pubwire.service", self.read("/systemctl.said"))

    def test_an_upgrade_starts_nothing(self):
        self.install()
        self.install(self.newer("9.0-1"))
        self.assertTrue(self.read(CONFIG).endswith("# newer\n"))
        self.assertNotRegex(self.read("/systemctl.said"), "(?m)(start|stop) pubwire.service$")

    def test_removed_it_leaves_the_configuration_and_no_unit_that_runs_a_script(self):
        self.install()
        units = "/etc/systemd/system/"
        for name, command in (("pubwire-nics", "/usr/sbin/pubwire-nics restore"),
                              ("pubwire-tune", "/usr/local/sbin/pubwire-tune --set all"),
                              ("pubwire-hugepages", "/bin/sh -c 'echo 8 > /dev/null'")):
            self.write(f"{units}{name}.service", f"[Service]\nExecStart={command}\n")
            self.must(f"mkdir -p {units}multi-user.target.wants && ln -s {units}{name}.service "
                      f"{units}multi-user.target.wants/")
        self.write("/etc/pubwire/nics", "0000:01:00.0 vfio-pci 8086:1521\n")
        said = self.must("dpkg --remove pubwire")
        self.assertIn("pubwire-nics.service runs a script that goes away", said)
        self.assertIn("stop pubwire.service", self.read("/systemctl.said"))
        self.assertFalse(self.exists(units + "pubwire-nics.service"))
        self.assertFalse(self.exists(units + "multi-user.target.wants/pubwire-nics.service"))
        # Not the package's script, and none at all.
        self.assertTrue(self.exists(units + "pubwire-tune.service"))
        self.assertTrue(self.exists(units + "pubwire-hugepages.service"))
        self.assertTrue(self.exists(CONFIG) and self.exists("/etc/default/pubwire"))
        self.assertFalse(self.exists("/usr/sbin/pubwire") or self.exists("/usr/lib/pubwire"))

    def test_purged_it_leaves_nothing(self):
        self.install()
        self.write("/etc/pubwire/nics", "0000:01:00.0 vfio-pci 8086:1521\n")
        self.write("/etc/default/grub.d/pubwire-hugepages.cfg", "")
        self.write("/etc/modprobe.d/pubwire-vfio.conf", "")
        self.write("/etc/systemd/system/pubwire-hugepages.service", "[Service]\nExecStart=/bin/true\n")
        self.write("/etc/systemd/system/irqbalance.service.d/pubwire.conf", "")
        self.must("ln -s /etc/systemd/system/pubwire-hugepages.service /etc/systemd/system/multi-user.target.wants/")
        self.must("dpkg --purge pubwire")
        left = {p for p in self.changed() - self.before if os.path.lexists(self.root + p)}
        # A directory that something was in is copied up by the overlay.
        self.assertEqual([], sorted(p for p in left if not (os.path.isdir(p) and os.path.isdir(self.root + p))))


if __name__ == "__main__":
    unittest.main()
