# SPDX-License-Identifier: BSD-3-Clause
"""The guest's kernel and file system, made of Debian's packages; nothing is installed here.

base.cpio holds what changes seldom (busybox, kernel modules, python3, DPDK's drivers as this machine has them)
and is made anew when a package of the machine changes. payload.cpio holds what scripts/install puts on a
host, and is made for every run."""

import glob
import hashlib
import lzma
import os
import shutil
import subprocess
import tarfile

import archive

HERE = os.path.dirname(os.path.realpath(__file__))
REPO = os.path.dirname(os.path.dirname(HERE))
CACHE = os.path.join(REPO, "build", "vm")
PYTHON = "/usr/bin/python3"

# With what each depends on; depmod looks after the order.
MODULES = """uio uio_pci_generic vfio vfio_virqfd vfio_iommu_type1 vfio-pci vfio-pci-core irqbypass
 virtio virtio_ring virtio_pci virtio_pci_modern_dev virtio_pci_legacy_dev virtio_console virtio_net failover
 net_failover e1000 e1000e igb dca i2c-algo-bit i2c-core ptp pps_core vmxnet3 tun tap vhost vhost_iotlb
 vhost_net""".split()
DRIVERS = "bus_pci bus_vdev mempool_ring net_e1000 net_virtio net_vmxnet3 net_tap net_af_packet".split()
PROGRAMS = ("/usr/bin/dpdk-devbind.py", "/usr/bin/dpdk-hugepages.py", "/usr/bin/lspci", "/usr/bin/kmod",
            "/usr/bin/ip")
# libgcc is opened by name when a thread ends, which no list of dependencies says.
LIBRARIES = ("/usr/lib/x86_64-linux-gnu/libgcc_s.so.1",)
# What the scripts for the host import, some of it only when it is needed.
IMPORTS = """
import sys, os, pkgutil, importlib.util
sys.path.insert(0, sys.argv[1])
import encodings.ascii, encodings.idna, encodings.latin_1, encodings.utf_8
import argparse, platform, glob, locale, gettext, signal, shutil, subprocess, json, socket, fnmatch
import pwhost
for m in pkgutil.iter_modules(pwhost.__path__):
    importlib.import_module("pwhost." + m.name)
for m in list(sys.modules.values()):
    f = getattr(m, "__file__", None) or ""
    if f.startswith("/usr/lib/python3"):
        print(f)
        c = importlib.util.cache_from_source(f) if f.endswith(".py") else ""
        if os.path.exists(c):
            print(c)
"""
# lspci reads the whole list of names for every device, which takes the guest a second.
VENDORS = ("8086", "1af4", "15ad", "1b36", "1234")


class Missing(Exception):
    """What this machine lacks for a guest; the reason of a skip."""


def quietly(argv, cwd):
    """Runs apt-get, which waits for minutes where it has no network; what it has fetched is looked for after."""
    try:
        subprocess.run(argv, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False,
                       stderr=subprocess.DEVNULL, timeout=90)
    except subprocess.TimeoutExpired:
        pass


def output(argv):
    return subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                          check=False).stdout


class Tree:
    """A directory that becomes the guest's root; files keep the places that they have on this machine."""

    def __init__(self, root, below=None):
        self.root, self.below = root, below
        shutil.rmtree(root, ignore_errors=True)
        os.makedirs(root)

    def path(self, path):
        full = self.root + path
        os.makedirs(os.path.dirname(full), exist_ok=True)
        return full

    def has(self, path):
        return os.path.lexists(self.root + path) or (self.below and os.path.lexists(self.below + path))

    def copy(self, path):
        """A file; and where it is a link, the link and what it points to. EAL must find a driver that a library
        is linked to by one name only, or it loads it twice."""
        head = path.split("/")[1]
        if head in ("lib", "lib64", "bin", "sbin"):
            path = "/usr" + path
        if self.has(path):
            return
        if os.path.islink(path):
            target = os.readlink(path)
            os.symlink(target, self.path(path))
            self.copy(os.path.normpath(os.path.join(os.path.dirname(path), target)))
        else:
            shutil.copy2(path, self.path(path))

    def copy_with_libraries(self, paths):
        for path in paths:
            self.copy(path)
        for line in output(["ldd", *paths]).splitlines():
            words = line.split()
            for w in words:
                if w.startswith("/") and not w.endswith(":"):
                    self.copy(w)

    def write(self, path, text, mode=0o644):
        with open(self.path(path), "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(self.path(path), mode)


def packages():
    """{name: path} of the packages that are unpacked; downloaded where they are not there yet."""
    debs = os.path.join(CACHE, "debs")
    os.makedirs(debs, exist_ok=True)
    for lists in ("as they are", "refreshed"):
        names = [w[-1] for w in map(str.split, output(["apt-cache", "depends", "linux-image-amd64"]).splitlines())
                 if w[:1] == ["Depends:"] and w[-1].startswith("linux-image-")][:1] + ["busybox-static"]
        for name in names:
            if not glob.glob(f"{debs}/{name}_*.deb"):
                quietly(["apt-get", "-q", "download", name], debs)
        found = {n: sorted(glob.glob(f"{debs}/{n}_*.deb"))[-1:] for n in names}
        if len(names) == 2 and all(found.values()):
            return {n: paths[0] for n, paths in found.items()}
        if lists == "as they are":
            quietly(["apt-get", "-q", "update"], debs)
    raise Missing("apt-get download has no linux-image-amd64 or no busybox-static")


def unpack_kernel(deb, tree):
    """Its image becomes CACHE/vmlinux, its modules the tree's. Returns the version."""
    modules, version = {m + ".ko" for m in MODULES}, None
    p = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE)
    with tarfile.open(fileobj=p.stdout, mode="r|") as tar:
        for member in tar:
            name = os.path.basename(member.name)
            if name.startswith("vmlinuz-"):
                version = name[len("vmlinuz-"):]
                try:
                    kernel = archive.elf_kernel(tar.extractfile(member).read())
                except (ValueError, lzma.LZMAError) as e:
                    raise Missing(f"{deb}: {member.name} is not compressed as Debian's kernels are: {e}") from e
                with open(os.path.join(CACHE, "vmlinux"), "wb") as f:
                    f.write(kernel)
            elif member.isfile() and (name in modules or name in (
                    "modules.builtin", "modules.builtin.modinfo", "modules.order")):
                with open(tree.path("/usr" + member.name[1:]), "wb") as f:
                    shutil.copyfileobj(tar.extractfile(member), f)
    if p.wait() or version is None:
        raise Missing(f"{deb} contains no kernel, or is damaged: remove it")
    return version


def unpack_busybox(deb, tree):
    p = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE)
    with tarfile.open(fileobj=p.stdout, mode="r|") as tar:
        for member in tar:
            if member.name.endswith("bin/busybox"):
                with open(tree.path("/usr/bin/busybox"), "wb") as f:
                    shutil.copyfileobj(tar.extractfile(member), f)
    p.wait()
    busybox = tree.path("/usr/bin/busybox")
    os.chmod(busybox, 0o755)
    for applet in output([busybox, "--list"]).split():
        if not tree.has("/usr/bin/" + applet):
            os.symlink("busybox", tree.path("/usr/bin/" + applet))


def python_files():
    listed = output([PYTHON, "-B", "-c", IMPORTS, os.path.join(REPO, "scripts")]).split()
    if not listed:
        raise Missing(f"{PYTHON} cannot import scripts/pwhost")
    return listed


def vendor_names(tree):
    """The part of the list of PCI names that is about QEMU's devices."""
    keep, kept = False, []
    with open("/usr/share/misc/pci.ids", encoding="utf-8", errors="replace") as f:
        for line in f:
            if not line.startswith(("\t", "#", "\n")):
                keep = line.startswith(("C ",) + VENDORS)
            if keep:
                kept.append(line)
    tree.write("/usr/share/misc/pci.ids", "".join(kept))


def build_base():
    """CACHE/vmlinux and CACHE/base.cpio."""
    debs, python = packages(), python_files()
    kernel = next(n for n in debs if n.startswith("linux-image"))
    with open(__file__, "rb") as a, open(os.path.join(HERE, "init"), "rb") as b:
        sources = a.read() + b.read()
    key = hashlib.sha256("\n".join([str(sorted(debs.values())), output(["dpkg-query", "-W"])] + python)
                         .encode() + sources).hexdigest()
    stamp = os.path.join(CACHE, "stamp")
    if os.path.exists(stamp):
        with open(stamp, encoding="ascii") as f:
            if f.read() == key:
                return
        os.unlink(stamp)
    tree = Tree(os.path.join(CACHE, "root"))
    for d in ("bin", "sbin", "lib", "lib64"):
        os.makedirs(f"{tree.root}/usr/{d}")
        os.symlink("usr/" + d, f"{tree.root}/{d}")
    for d in ("proc", "sys", "dev", "run", "tmp", "etc", "var", "root"):
        os.makedirs(f"{tree.root}/{d}")
    os.symlink("/run", tree.path("/var/run"))
    version = unpack_kernel(debs[kernel], tree)
    pmds = glob.glob("/usr/lib/x86_64-linux-gnu/dpdk/pmds-*")
    plugins = [p for d in DRIVERS for p in glob.glob(f"{pmds[0]}/librte_{d}.so.*")] if pmds else []
    if not plugins:
        raise Missing("DPDK's drivers are not installed: scripts/deps build host")
    tree.copy_with_libraries([*PROGRAMS, *LIBRARIES, *plugins, os.path.realpath(PYTHON)])
    tree.copy(PYTHON)
    for path in python:
        tree.copy(path)
    for name in ("modprobe", "rmmod", "lsmod", "modinfo"):
        os.symlink("../bin/kmod", tree.path("/usr/sbin/" + name))
    unpack_busybox(debs["busybox-static"], tree)
    subprocess.run(["depmod", "-b", tree.root, version], check=True)
    vendor_names(tree)
    tree.write("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n")
    tree.write("/etc/os-release", "ID=debian\nVERSION_ID=12\n")
    shutil.copy2(os.path.join(HERE, "init"), tree.path("/init"))
    os.chmod(tree.path("/init"), 0o755)
    archive.pack(tree.root, os.path.join(CACHE, "base.cpio"))
    with open(stamp, "w", encoding="ascii") as f:
        f.write(key)


def build_payload(program):
    """CACHE/payload.cpio: what scripts/install puts on a host, and the libraries of the program."""
    tree = Tree(os.path.join(CACHE, "payload"), os.path.join(CACHE, "root"))
    r = subprocess.run(["scripts/install", "--destdir", tree.root, "--program", program], cwd=REPO, text=True,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if r.returncode:
        raise RuntimeError("scripts/install: " + r.stdout)
    for line in output(["ldd", program]).splitlines():
        for w in line.split():
            if w.startswith("/"):
                tree.copy(w)
    shutil.copy2(os.path.join(HERE, "ask.py"), tree.path("/usr/local/lib/ask.py"))
    archive.pack(tree.root, os.path.join(CACHE, "payload.cpio"))


def build(program):
    """Path of the kernel, path of the initial file system."""
    build_base()
    build_payload(program)
    whole = os.path.join(CACHE, "initrd")
    with open(whole, "wb") as out:
        for part in ("base.cpio", "payload.cpio"):
            with open(os.path.join(CACHE, part), "rb") as f:
                shutil.copyfileobj(f, out)
    return os.path.join(CACHE, "vmlinux"), whole
