# SPDX-License-Identifier: BSD-3-Clause
"""DPDK programs that run, by file prefix."""

import fcntl
import os
import struct

from . import program

RUNTIME = "/var/run/dpdk"
# struct flock: type, whence, start, length, pid.
_FLOCK = "hhqqi"


def holder(host, prefix):
    """PID of the program that has a file prefix: it keeps a lock on its `config`. None: nobody; -1:
    somebody whom this user may not see."""
    path = host.path(f"{RUNTIME}/{prefix}/config")
    try:
        fd = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return None
    except OSError:
        return -1
    try:
        asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        kind, _, _, _, pid = struct.unpack(_FLOCK, fcntl.fcntl(fd, fcntl.F_GETLK, asked))
        return None if kind == fcntl.F_UNLCK else pid
    finally:
        os.close(fd)


def configuration(host, pid):
    """Path of the configuration that a running pubwire has; None where it is no pubwire."""
    words = host.read(f"/proc/{pid}/cmdline", "").split("\0")
    if os.path.basename(words[0]) != "pubwire":
        return None
    for word, following in zip(words, words[1:] + [""]):
        if word in ("-c", "--config"):
            return _below(host, pid, following)
        if word.startswith("--config="):
            return _below(host, pid, word[len("--config="):])
        if word == "--":
            break
    return host.path(program.CONFIG)


def _below(host, pid, path):
    """A path as that process understands it."""
    try:
        where = os.readlink(host.path(f"/proc/{pid}/cwd"))
    except OSError:
        where = "/"
    return os.path.normpath(os.path.join(where, path))


def stale(host, directory, prefix):
    """True where the hugepage files of a prefix belong to no program: EAL locks each that it has."""
    for name in host.list(directory):
        if name.startswith(prefix + "map_"):
            try:
                fd = os.open(host.path(f"{directory}/{name}"), os.O_RDONLY)
            except OSError:
                return False
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return False
            finally:
                os.close(fd)
    return holder(host, prefix) is None
