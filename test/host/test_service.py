# SPDX-License-Identifier: BSD-3-Clause
"""pubwire.service under a systemd of its own, that runs in namespaces on an overlay of this machine's root: a
start that is ready when it says so, the journal, reload, the watchdog, an upgrade, with all that the unit
forbids. Without hugepages and NICs: ports are files and a pipe."""

import os
import re
import shutil
import signal
import subprocess
import time
import unittest

from overlay import CONFIG, Root, run
from hanging import request

PATIENCE = 60.0
CPU = min(os.sched_getaffinity(0))
# A port whose driver writes what it sends into a pipe, and hangs where nobody reads it.
YAML = f"""\
eal: ["--lcores=0@{CPU},1@{CPU}", --no-huge, --no-pci, "--vdev=net_null1,no-rx=1",
      "--vdev=net_pcap0,rx_pcap=/etc/pubwire/in.pcap,tx_pcap=/run/sent,infinite_rx=1"]
workers: {{lcores: [1]}}
ports:
  - {{name: dev, device: net_pcap0, addresses: [10.77.0.1/16]}}
  - {{name: brk, device: net_null1, addresses: [10.78.0.1/16]}}
listeners: [{{name: mqtt, address: 10.77.0.1}}]
brokers: [{{name: a, address: 10.78.0.11, connect_timeout: 500ms}}]
routes: [{{filter: "#", brokers: [a]}}]
limits: {{drain_deadline: 1s}}
"""
READER = """\
import os, time
fd = os.open("/run/sent", os.O_RDWR | os.O_NONBLOCK)
while True:
    try:
        if os.path.exists("/run/hang"):
            time.sleep(0.05)
        else:
            os.read(fd, 65536)
    except BlockingIOError:
        time.sleep(0.002)
"""
# Bytes that nobody has read; there is room for 16 writes at least, of 65536 bytes in all.
WAITING = """\
import array, fcntl, os, termios
n = array.array("i", [0])
fcntl.ioctl(os.open("/run/sent", os.O_RDONLY | os.O_NONBLOCK), termios.FIONREAD, n)
print(n[0])
"""
READER_UNIT = """\
[Unit]
DefaultDependencies=no
[Service]
ExecStartPre=/usr/bin/mkfifo /run/sent
ExecStart=/usr/bin/python3 /etc/pubwire/reader.py
"""
# Of all that a boot starts only the journal: the rest is this machine's, or would change its kernel.
JOURNAL = "[Unit]\nDefaultDependencies=no\nWants=systemd-journald.socket systemd-journald.service\n"
BARE = "[Unit]\nDefaultDependencies=no\nRequires=sysinit.target\n"
BOOT = """\
set -e
mount -t proc proc proc
mount -o bind,ro proc/sys proc/sys
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
exec chroot . /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin container=test \
    /lib/systemd/systemd --unit=multi-user.target --log-target=null
"""


def cgroup():
    """A new control group below our own; None where there is none to be had."""
    with open("/proc/mounts", encoding="ascii") as f:
        mounts = [line.split()[1] for line in f if line.split()[2] == "cgroup2"]
    with open("/proc/self/cgroup", encoding="ascii") as f:
        own = [line.strip()[3:] for line in f if line.startswith("0::")]
    for top in mounts:
        path = f"{top}{own[0] if own else ''}/pubwire-test-{os.getpid()}"
        try:
            os.mkdir(path)
            return path
        except OSError:
            continue
    return None


@unittest.skipUnless(os.path.exists("/lib/systemd/systemd"), "there is no systemd")
class ServiceTest(Root):
    def setUp(self):
        super().setUp()
        self.install()
        self.chroot("rm -rf /etc/systemd/system/* /lib/systemd/system/*.wants /usr/local/lib/systemd")
        for unit, text in (("sysinit.target", JOURNAL), ("basic.target", BARE), ("multi-user.target", BARE),
                           ("reader.service", READER_UNIT)):
            self.write("/etc/systemd/system/" + unit, text)
        self.write("/etc/systemd/system/pubwire.service.d/test.conf", "[Service]\nWatchdogSec=2\n")
        self.write("/etc/pubwire/reader.py", READER)
        self.write(CONFIG, YAML)
        self.write("/etc/default/pubwire", 'PUBWIRE_EAL="--file-prefix=tried --log-level=pubwire.app:debug"\n'
                   "PUBWIRE_PREFIX=tried\n")
        request(self.root + "/etc/pubwire/in.pcap")
        self.boot()

    def boot(self):
        for d in ("/proc", "/dev"):
            run("umount", "-R", "-l", self.root + d)
        run("mount", "--rbind", "/dev", self.root + "/dev")
        group = cgroup()
        if group is None:
            self.skipTest("no control group of our own (cgroup2) for systemd")
        self.addCleanup(self.dissolve, group)

        def join():
            with open(group + "/cgroup.procs", "w", encoding="ascii") as f:
                f.write(str(os.getpid()))

        self.outer = subprocess.Popen(["unshare", "--mount", "--pid", "--uts", "--ipc", "--cgroup", "--net", "--fork",
                                       "--kill-child", "sh", "-c", BOOT], cwd=self.root, preexec_fn=join,
                                      stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.addCleanup(self.shut)
        self.init = None
        end = time.monotonic() + PATIENCE
        while self.init is None or self.inside("systemctl", "is-active", "multi-user.target").returncode:
            if self.outer.poll() is not None or time.monotonic() > end:
                self.shut()
                self.skipTest("no systemd in namespaces here: " + self.outer.stdout.read().decode().strip()[-200:])
            children = run("pgrep", "-P", str(self.outer.pid)).stdout.split()
            self.init = children[0] if children else None
            time.sleep(0.1)

    def shut(self):
        if self.outer.poll() is None:
            self.outer.send_signal(signal.SIGKILL)  # and with it systemd, and with that all of its namespace
            self.outer.wait()

    @staticmethod
    def dissolve(group):
        """The control groups, once their processes have ended."""
        end = time.monotonic() + PATIENCE
        while os.path.isdir(group) and time.monotonic() < end:
            run("find", group, "-depth", "-type", "d", "-exec", "rmdir", "{}", ";")
            time.sleep(0.05)

    def inside(self, *argv):
        return run("nsenter", "-t", self.init, "-m", "-p", "-u", "-i", "-n", "-C", "-r", "-w", "env", "-i",
                   "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "SYSTEMD_PAGER=cat", *argv)

    def good(self, *argv):
        r = self.inside(*argv)
        self.assertEqual(0, r.returncode, f"{argv}: {r.stdout}\n{self.journal()}")
        return r.stdout

    def journal(self, *options):
        return self.inside("journalctl", "--no-pager", "-u", "pubwire", *options).stdout

    def show(self, name):
        return self.good("systemctl", "show", "--value", "-p", name, "pubwire").strip()

    def until(self, what, holds):
        end = time.monotonic() + PATIENCE
        while not holds():
            if time.monotonic() > end:
                self.fail(f"{what}: {self.inside('systemctl', 'status', 'pubwire').stdout}\n{self.journal()}")
            time.sleep(0.1)

    def test_a_life(self):
        self.good("systemctl", "start", "reader")
        self.good("systemctl", "start", "pubwire")
        # What is ready when start returns.
        self.assertEqual("running", self.show("SubState"))
        self.assertRegex(self.show("StatusText"), r"^0 of 1 brokers connected \(a: .*\); 0 devices, 0 messages/s$")
        self.good("test", "-S", "/run/dpdk/tried/dpdk_telemetry.v2")
        first = self.show("MainPID")

        self.good("systemctl", "reload", "pubwire")
        self.until("a reload is logged", lambda: "pubwire.manage: reload: " in self.journal())
        self.until("the journal has priorities", lambda: "no answer to the TCP handshake" in self.journal("-p", "warning"))
        self.assertNotIn("is running", self.journal("-p", "warning"))
        lines = [re.sub(r"^.*?\]: ", "", line) for line in self.journal().splitlines()]
        self.assertEqual(1, sum(line.startswith("pubwire.manage: reload: ") for line in lines), lines)

        self.write(CONFIG, YAML + "nonsense: 1\n")
        self.assertNotEqual(0, self.inside("systemctl", "reload", "pubwire").returncode)
        self.until("the reason is logged", lambda: "nonsense: unknown key" in self.journal())
        self.assertEqual(("running", first), (self.show("SubState"), self.show("MainPID")))
        self.write(CONFIG, YAML)

        self.good("touch", "/run/hang")
        self.until("the status names a worker that hangs",
                   lambda: self.show("StatusText").startswith("worker 0 on lcore 1 has made no turn"))
        self.until("systemd ends it", lambda: "Watchdog timeout" in self.journal() or self.show("NRestarts") != "0")
        self.good("rm", "/run/hang")
        self.until("it runs again", lambda: self.show("NRestarts") == "1" and self.show("SubState") == "running")
        second = self.show("MainPID")
        self.assertNotEqual(first, second)
        self.assertIn("has made no turn", self.journal("-p", "crit"))

        shutil.copy(self.newer("9.0-1"), self.root + "/etc/new.deb")
        self.good("dpkg", "--force-confold", "--install", "/etc/new.deb")
        self.assertEqual("running", self.show("SubState"))
        self.assertNotEqual(second, self.show("MainPID"))
        self.assertIn("pubwire.app: drained", self.journal())

        self.good("dpkg", "--purge", "pubwire")
        self.assertEqual("", self.inside("pgrep", "-x", "pubwire").stdout)

    def test_a_drain_has_the_time_that_its_deadline_asks_for(self):
        self.write("/etc/systemd/system/pubwire.service.d/test.conf",
                   "[Service]\nWatchdogSec=0\nTimeoutStopSec=100ms\n")
        self.good("systemctl", "start", "reader")
        self.good("systemctl", "start", "pubwire")
        # A worker that hangs does not drain: the deadline decides, which lies behind TimeoutStopSec.
        self.good("touch", "/run/hang")
        self.until("the pipe is full", self.full)
        self.inside("systemctl", "stop", "pubwire", "--no-block")
        self.until("the deadline ends the drain", lambda: "the drain did not end in time" in self.journal())
        self.good("rm", "/run/hang")
        self.until("it ends", lambda: self.show("ActiveState") == "inactive")

    def full(self):
        """True where bytes wait and no more come."""
        before = int(self.good("python3", "-c", WAITING))
        time.sleep(0.2)
        return before > 10000 and before == int(self.good("python3", "-c", WAITING))

    def test_a_wrong_configuration_is_not_tried_again(self):
        self.write(CONFIG, YAML + "nonsense: 1\n")
        self.assertNotEqual(0, self.inside("systemctl", "start", "pubwire").returncode)
        self.assertEqual(("failed", "78", "0"), (self.show("ActiveState"), self.show("ExecMainStatus"),
                                                 self.show("NRestarts")))
        self.assertIn("nonsense: unknown key", self.journal("-p", "err"))


if __name__ == "__main__":
    unittest.main()
