# SPDX-License-Identifier: BSD-3-Clause
"""The host that is looked at and changed: files below a root, and programs.

PUBWIRE_HOST_ROOT=DIR makes DIR the root, with a sys, proc and etc of its own; that is for tests. Paths in
the rest of the package are those of a real host. Programs are then looked for below DIR only, so that
nothing of the real host is changed by accident."""

import glob as _glob
import os
import shutil
import subprocess
import sys
import tempfile

from . import names

ROOT_VARIABLE = "PUBWIRE_HOST_ROOT"
_SEARCH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


class HostError(Exception):
    """Something that a person has to read; the text says what to do."""


class Host:
    def __init__(self, dry_run=False, root=None, out=None):
        root = os.environ.get(ROOT_VARIABLE, "/") if root is None else root
        self.root = os.path.realpath(root).rstrip("/")
        self.dry_run = dry_run
        self.out = out or sys.stdout
        self.changes = 0

    # Looking.

    @property
    def real(self):
        """True where the root is that of this machine."""
        return self.root == ""

    def path(self, path):
        return self.root + path

    def exists(self, path):
        return os.path.lexists(self.path(path))

    def isdir(self, path):
        return os.path.isdir(self.path(path))

    def read(self, path, default=None):
        """Text of a file without the blanks around it; default where there is none, or none to read."""
        try:
            with open(self.path(path), encoding="utf-8", errors="replace") as f:
                return f.read().strip()
        except OSError:
            return default

    def number(self, path, default=None):
        try:
            return int(self.read(path, ""), 0)
        except ValueError:
            return default

    def glob(self, pattern):
        """Matching paths, in the order of the numbers in them."""
        found = _glob.glob(_glob.escape(self.root) + pattern)
        return sorted((p[len(self.root):] for p in found), key=_by_number)

    def list(self, path):
        try:
            return sorted(os.listdir(self.path(path)), key=_by_number)
        except OSError:
            return []

    def link(self, path):
        """Last part of what a symbolic link points to; None where there is no link."""
        try:
            return os.path.basename(os.readlink(self.path(path)))
        except OSError:
            return None

    def which(self, program):
        """Path on this machine of a program of the host, or None."""
        if self.real:
            return shutil.which(program, path=os.environ.get("PATH", "") + ":" + ":".join(_SEARCH))
        for d in _SEARCH:
            if os.access(self.path(f"{d}/{program}"), os.X_OK):
                return self.path(f"{d}/{program}")
        return None

    def ask(self, argv, timeout=30):
        """Run what changes nothing. (status, what it printed)."""
        env = dict(os.environ, LC_ALL="C", **({} if self.real else {ROOT_VARIABLE: self.root}))
        try:
            r = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=env,
                               stderr=subprocess.STDOUT, text=True, errors="replace", check=False,
                               timeout=timeout)
        except subprocess.TimeoutExpired:
            return 124, f"no answer within {timeout} s"
        except OSError as e:
            return 127, str(e)
        return r.returncode, r.stdout.strip()

    # Changing. Each of these says what it does, and does nothing in a dry run.

    def say(self, text):
        print(names.spoken(text), file=self.out, flush=True)

    def changed(self, text):
        self.changes += 1
        self.say(("would " if self.dry_run else "") + text)
        return not self.dry_run

    def put(self, path, value, what=None):
        """Write to a file of the kernel, unless that is what it says. What it says then."""
        before = self.read(path)
        if before == str(value):
            return before
        if not self.changed(f"write {value} to {path}" + (f" ({what})" if what else "")):
            return str(value)
        try:
            self._write(path, str(value))
        except OSError as e:
            raise HostError(f"{path}: cannot write {value}: {_why(e)}") from e
        return self.read(path)

    def poke(self, path, value):
        """Write to a file of the kernel that cannot be read, such as bind."""
        if self.changed(f"write {value} to {path}" if value.strip() else f"empty {path}"):
            try:
                self._write(path, value)
            except OSError as e:
                raise HostError(f"{path}: cannot write {value}: {_why(e)}") from e

    def _write(self, path, value):
        """The kernel's side of a write; tests put a kernel here."""
        with open(self.path(path), "w", encoding="ascii") as f:
            f.write(value)

    def file(self, path, text, mode=0o644):
        """A file with this text (or bytes) and mode. True where that is news."""
        data = text.encode() if isinstance(text, str) else text
        full = self.path(path)
        try:
            with open(full, "rb") as f:
                if f.read() == data and os.stat(full).st_mode & 0o7777 == mode:
                    return False
            verb = "replace"
        except OSError:
            verb = "write"
        if self.changed(f"{verb} {path}"):
            try:
                self._replace(full, data, mode)
            except OSError as e:
                raise HostError(f"{path}: {_why(e)}") from e
        return True

    @staticmethod
    def _replace(full, data, mode):
        os.makedirs(os.path.dirname(full), exist_ok=True)
        fd, temporary = tempfile.mkstemp(dir=os.path.dirname(full), prefix=".pubwire-")
        try:
            with os.fdopen(fd, "wb") as f:
                f.write(data)
            os.chmod(temporary, mode)
            os.replace(temporary, full)
        except OSError:
            os.unlink(temporary)
            raise

    def symlink(self, target, path):
        full = self.path(path)
        if os.path.islink(full) and os.readlink(full) == target:
            return False
        if os.path.lexists(full) and not os.path.islink(full):
            raise HostError(f"{path} is there and is no link: move it away")
        if self.changed(f"link {path} to {target}"):
            try:
                os.makedirs(os.path.dirname(full), exist_ok=True)
                if os.path.islink(full):
                    os.unlink(full)
                os.symlink(target, full)
            except OSError as e:
                raise HostError(f"{path}: {_why(e)}") from e
        return True

    def mkdir(self, path):
        if not self.isdir(path) and self.changed(f"make the directory {path}"):
            try:
                os.makedirs(self.path(path), exist_ok=True)
            except OSError as e:
                raise HostError(f"{path}: {_why(e)}") from e

    def remove(self, path):
        """Remove a file or link. True where there was one."""
        if not self.exists(path):
            return False
        if self.changed(f"remove {path}"):
            try:
                os.unlink(self.path(path))
            except OSError as e:
                raise HostError(f"{path}: {_why(e)}") from e
        return True

    def rmdir(self, path):
        """Remove a directory if it is empty. (In a dry run it is not, as nothing was removed.)"""
        if not self.isdir(path) or self.list(path):
            return False
        if self.changed(f"remove the directory {path}"):
            os.rmdir(self.path(path))
        return True

    def run(self, argv, check=True, timeout=120):
        """Run what changes something. What it printed; a failure is a HostError with that."""
        if not self.changed("run " + " ".join(argv)):
            return ""
        program = self.which(argv[0])
        if program is None:
            raise HostError(f"{argv[0]} is not installed")
        status, text = self.ask([program] + argv[1:], timeout)
        if status and check:
            raise HostError(f"{' '.join(argv)}: {text or f'status {status}'}")
        return text

    def finish(self):
        """The last line of what changes things."""
        if self.changes == 0:
            self.say("nothing to change")
        elif self.dry_run:
            self.say("dry run: nothing was changed")


def _why(error):
    text = error.strerror or str(error)
    if isinstance(error, PermissionError) and os.geteuid() != 0:
        text += " (run as root)"
    return text


def _by_number(text):
    """node2 before node10."""
    parts, digits = [], ""
    for c in text + "\0":
        if c.isdigit() and c.isascii():
            digits += c
            continue
        if digits:
            parts.append((1, int(digits), ""))
            digits = ""
        parts.append((0, 0, c))
    return parts
