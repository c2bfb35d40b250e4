# SPDX-License-Identifier: BSD-3-Clause
"""Formats of the guest's image: the archive that Linux unpacks as its first root, and the ELF kernel inside a
bzImage."""

import lzma
import os
import stat
import struct


def _entry(out, name, info, data):
    """One file in the format "newc" (Documentation/driver-api/early-userspace/buffer-format.rst)."""
    path = name.encode() + b"\0"
    fields = (info.st_ino, info.st_mode, 0, 0, 1, int(info.st_mtime), len(data), 0, 0, 0, 0, len(path), 0)
    head = b"070701" + b"".join(b"%08x" % (f & 0xffffffff) for f in fields) + path
    out.write(head + b"\0" * (-len(head) % 4) + data + b"\0" * (-len(data) % 4))


def pack(root, path):
    """Write the tree below root as a cpio archive. Owners become root."""
    with open(path + ".part", "wb") as out:
        for base, dirs, files in os.walk(root):
            dirs.sort()
            for name in [""] * (base == root) + sorted(dirs + files):
                full = os.path.join(base, name) if name else root
                info, data = os.lstat(full), b""
                if stat.S_ISLNK(info.st_mode):
                    data = os.readlink(full).encode()
                elif stat.S_ISREG(info.st_mode):
                    with open(full, "rb") as f:
                        data = f.read()
                _entry(out, os.path.relpath(full, root), info, data)
        _entry(out, "TRAILER!!!", os.stat_result((0,) * 10), b"")
    os.rename(path + ".part", path)


def elf_kernel(image):
    """The kernel in a bzImage that is compressed with XZ, as Debian's is: QEMU starts it by its PVH entry, and the
    guest, slow as it is, need not decompress it. Offsets: Documentation/x86/boot.rst, "The Real-Mode
    Kernel Header"."""
    if image[0x202:0x206] != b"HdrS":
        raise ValueError("no bzImage")
    setup = (image[0x1f1] or 4) + 1
    offset, length = struct.unpack_from("<II", image, 0x248)
    start = setup * 512 + offset
    kernel = lzma.LZMADecompressor(lzma.FORMAT_XZ).decompress(image[start:start + length])
    if kernel[:4] != b"\x7fELF":
        raise ValueError("what the bzImage contains is no ELF file")
    return kernel
