# SPDX-License-Identifier: BSD-3-Clause
"""A package of this tree, and an overlay of this machine's root to install it in, which goes away with the
test. PUBWIRE_DEB names a package that is there already."""

import ctypes
import glob
import os
import re
import shutil
import subprocess
import tempfile
import unittest

from made_up import SCRIPTS

CONFIG = "/etc/pubwire/pubwire.yaml"
CLONE_NEWNS = 0x00020000


def run(*argv, **kw):
    kw.setdefault("check", False)
    return subprocess.run(argv, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          stdin=subprocess.DEVNULL, **kw)


class Built(unittest.TestCase):
    """One build for all: without optimisation, which is most of its time."""

    dir = None
    deb = None

    @classmethod
    def setUpClass(cls):
        for tool in ("dpkg-buildpackage", "dh"):
            if not shutil.which(tool):
                raise unittest.SkipTest(f"there is no {tool} (scripts/deps package)")
        Built.deb = Built.deb or os.environ.get("PUBWIRE_DEB")
        Built.dir = Built.dir or tempfile.TemporaryDirectory(prefix="pwpackage")
        if Built.deb:
            return
        r = run(f"{SCRIPTS}/package", "--out", Built.dir.name,
                env=dict(os.environ, DEB_BUILD_OPTIONS="noopt nostrip noautodbgsym nocheck parallel=2",
                         DEB_CFLAGS_STRIP="-g"))
        debs = glob.glob(Built.dir.name + "/pubwire_*.deb")
        if r.returncode or len(debs) != 1:
            raise AssertionError(f"scripts/package ended with {r.returncode}: {r.stdout}")
        Built.deb = debs[0]


class Root(Built):
    """An overlay of this machine's root."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if os.geteuid():
            raise unittest.SkipTest("an overlay of the root needs root")
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(CLONE_NEWNS):
            raise unittest.SkipTest("no mount namespace: " + os.strerror(ctypes.get_errno()))
        run("mount", "--make-rprivate", "/")

    def setUp(self):
        self.top = os.path.join(Built.dir.name, "root")
        os.mkdir(self.top)
        self.addCleanup(lambda: (run("umount", "-R", "-l", self.top), os.rmdir(self.top)))
        run("mount", "-t", "tmpfs", "tmpfs", self.top)
        for d in ("upper", "work", "all"):
            os.mkdir(f"{self.top}/{d}")
        self.upper, self.root = self.top + "/upper", self.top + "/all"
        r = run("mount", "-t", "overlay", "overlay", "-o",
                f"lowerdir=/,upperdir={self.upper},workdir={self.top}/work", self.root)
        if r.returncode:
            self.skipTest("no overlay of the root: " + r.stdout.strip())
        for d in ("/proc", "/dev"):
            run("mount", "--rbind", d, self.root + d)
        self.chroot("dpkg --purge pubwire")
        # Nobody here keeps services from being started.
        self.chroot("rm -rf /usr/sbin/policy-rc.d /etc/pubwire /etc/default/pubwire /usr/local/sbin/pubwire*")

    def chroot(self, command):
        return run("chroot", self.root, "/bin/sh", "-c", command,
                   env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "LANG": "C.UTF-8"})

    def must(self, command):
        r = self.chroot(command)
        self.assertEqual(0, r.returncode, r.stdout)
        return r.stdout

    def write(self, path, text, mode=0o644):
        full = self.root + path
        os.makedirs(os.path.dirname(full), exist_ok=True)
        if os.path.lexists(full):
            os.unlink(full)
        with open(full, "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(full, mode)

    def read(self, path):
        try:
            with open(self.root + path, encoding="utf-8") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def exists(self, path):
        return os.path.lexists(self.root + path)

    def install(self, deb=None):
        shutil.copy(deb or self.deb, self.root + "/tmp/new.deb")
        try:
            return self.must("dpkg --force-confold --install /tmp/new.deb")
        finally:
            os.unlink(self.root + "/tmp/new.deb")

    def newer(self, version):
        """The same package under another version, with one more line in the configuration that it brings."""
        d, deb = f"{Built.dir.name}/newer", f"{Built.dir.name}/pubwire-newer.deb"
        run("dpkg-deb", "-R", self.deb, d, check=True)
        try:
            control = f"{d}/DEBIAN/control"
            with open(control, encoding="utf-8") as f:
                text = re.sub(r"^Version:.*$", f"Version: {version}", f.read(), flags=re.M)
            with open(control, "w", encoding="utf-8") as f:
                f.write(text)
            with open(d + CONFIG, "a", encoding="utf-8") as f:
                f.write("# newer\n")
            run("dpkg-deb", "--root-owner-group", "-Znone", "-b", d, deb, check=True)
        finally:
            shutil.rmtree(d)
        return deb
