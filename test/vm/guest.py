# SPDX-License-Identifier: BSD-3-Clause
"""A guest: QEMU without KVM, commands in the guest by a virtio-serial port, QEMU's monitor by QMP."""

import json
import os
import socket
import subprocess
import tempfile
import time

import net

# no_timer_check: the kernel's test of the timer's interrupt counts ticks against a busy loop, which an
# emulated CPU fails now and then, and hangs.
KERNEL = ("console=ttyS0,115200 loglevel=4 panic=-1 no_timer_check tsc=reliable random.trust_cpu=on mitigations=off "
          "nokaslr cryptomgr.notests")
FIRST_SLOT = 16


class GuestError(Exception):
    """What the guest did wrong; the text is for a person."""


class Nic:
    """One NIC of the guest and the TAP behind it."""

    def __init__(self, model, side, index):
        self.model, self.side = model, side
        self.id = f"{model.name}-{side}"
        self.slot = FIRST_SLOT + index
        self.mac = f"52:54:00:70:77:{self.slot:02x}"
        # Behind root ports, buses are counted from 1, in the order of the ports.
        self.address = None if model.own_port else f"0000:00:{self.slot:02x}.0"

    def arguments(self, iommu, fds):
        port = []
        where = f"addr={self.slot:x}"
        if self.model.own_port:
            port = ["-device", f"pcie-root-port,id=port-{self.id},chassis={self.slot},addr={self.slot:x}"]
            where = f"bus=port-{self.id}"
        given = "fds=" + ":".join(map(str, fds)) if len(fds) > 1 else f"fd={fds[0]}"
        return port + ["-netdev", f"tap,id={self.id},{given}", "-device",
                       f"{self.model.device},id=nic-{self.id},netdev={self.id},mac={self.mac},{where},romfile="
                       + self.model.options(iommu)]


class Guest:
    def __init__(self, qemu, kernel, initrd, models, iommu, logs, smp=3, memory=768):
        self.logs = logs
        self.dir = tempfile.mkdtemp(prefix="pwvm-", dir="/run")
        self.nics = {}
        for model in models:
            for side in net.SIDES:
                self.nics[model.name, side] = Nic(model, side, len(self.nics))
        for bus, nic in enumerate((n for n in self.nics.values() if n.model.own_port), 1):
            nic.address = f"0000:{bus:02x}:00.0"
        fds = {n.id: net.open_tap(net.tap_name(n.model.name, n.side), n.side, n.model.queues)
               for n in self.nics.values()}
        argv = [qemu, "-machine", "q35,kernel-irqchip=split", "-accel", "tcg,thread=multi", "-cpu", "Nehalem",
                "-smp", str(smp), "-m", str(memory), "-nodefaults", "-display", "none", "-no-reboot",
                "-kernel", kernel, "-initrd", initrd,
                "-append", KERNEL + (" intel_iommu=on iommu=pt" if iommu else ""),
                "-serial", f"file:{logs}/console.log"]
        if iommu:
            argv += ["-device", "intel-iommu,intremap=on,aw-bits=48"]
        argv += ["-device", "virtio-serial-pci,addr=3",
                 "-chardev", f"socket,id=orders,path={self.dir}/orders,server=on,wait=off",
                 "-device", "virtserialport,chardev=orders,name=orders",
                 "-qmp", f"unix:{self.dir}/qmp,server=on,wait=off"]
        for nic in self.nics.values():
            argv += nic.arguments(iommu, fds[nic.id])
        with open(f"{logs}/qemu.log", "w", encoding="utf-8") as log:
            log.write(" ".join(argv) + "\n")
            log.flush()
            self.began = time.monotonic()
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            pass_fds=[fd for some in fds.values() for fd in some])
        for some in fds.values():
            for fd in some:
                os.close(fd)
        self.number, self.rest = 0, b""
        self.orders = self.connect("orders")
        self.qmp = self.connect("qmp").makefile("rw", encoding="utf-8")
        self.qmp.readline()
        self.monitor("qmp_capabilities")

    def alive(self):
        return self.process.poll() is None

    def since_power_on(self):
        return time.monotonic() - self.began

    def connect(self, name):
        s = socket.socket(socket.AF_UNIX)

        def there():
            try:
                s.connect(f"{self.dir}/{name}")
                return True
            except OSError:
                return False

        try:
            net.wait("QEMU's socket", there, 20, self.alive)
        except RuntimeError as e:
            raise GuestError(f"{e}: see {self.logs}/qemu.log") from e
        return s

    def monitor(self, command, **arguments):
        """One command of QMP."""
        self.qmp.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.qmp.flush()
        while True:
            line = self.qmp.readline()
            if not line:
                raise GuestError(f"QEMU has ended: see {self.logs}/qemu.log")
            answer = json.loads(line)
            if "error" in answer:
                raise GuestError(f"QEMU's {command}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]

    def set_link(self, model, side, up):
        self.monitor("set_link", name=self.nics[model.name, side].id, up=up)

    def _answer(self, number, patience):
        end = time.monotonic() + patience
        while True:
            head, newline, body = self.rest.partition(b"\n")
            if newline:
                which, status, length = map(int, head.split())
                if len(body) >= length:
                    self.rest = body[length:]
                    if which == number:
                        return status, body[:length].decode(errors="replace")
                    continue
            self.orders.settimeout(max(0.01, end - time.monotonic()))
            try:
                part = self.orders.recv(65536)
            except socket.timeout:
                raise GuestError(f"no answer within {patience:.0f} s; {self.logs}/console.log may say why") from None
            if not part:
                raise GuestError(f"QEMU has ended: see {self.logs}/qemu.log")
            self.rest += part

    def wait_until_up(self, patience=120.0):
        self._answer(0, patience)

    def run(self, command, patience=120.0):
        """(status, output) of a line for the guest's shell."""
        self.number += 1
        self.orders.sendall(f"{self.number} {command}\n".encode())
        began = time.monotonic()
        try:
            status, text = self._answer(self.number, patience)
        except GuestError as e:
            raise GuestError(f"{command}: {e}") from e
        with open(f"{self.logs}/guest.log", "a", encoding="utf-8") as log:
            log.write(f"[{self.since_power_on():.1f}] # {command}\n{text}[{status}, "
                      f"{time.monotonic() - began:.1f} s]\n")
        return status, text

    def sh(self, command, patience=120.0):
        """Output of a command that has to succeed."""
        status, text = self.run(command, patience)
        if status:
            raise GuestError(f"{command}: ended with {status}: {text.strip()}")
        return text

    def write(self, path, text):
        """A file in the guest; a line of an order is a line, so it goes as octal numbers where need be."""
        quoted = "".join(c if c.isalnum() or c in " .,:/[]{}_-#" else f"\\{ord(c):03o}" for c in text)
        self.sh(f"printf '{quoted}' > {path}")

    def off(self):
        """Power off, at once."""
        if self.alive():
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.orders.close()
        for name in os.listdir(self.dir):
            os.unlink(os.path.join(self.dir, name))
        os.rmdir(self.dir)
