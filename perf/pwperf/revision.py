# SPDX-License-Identifier: BSD-3-Clause
"""Programs of a revision, built beside the working tree. The last few stay in build/compare: to compare again is free."""

import hashlib
import os
import shlex
import shutil
import subprocess

from . import bench
from .machine import REPO

DIR = os.path.join(REPO, "build", "compare")
KEEP = 6


def done(argv, cwd=REPO, **kw):
    r = subprocess.run(argv, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **kw)
    if r.returncode:
        raise bench.Failed(f"{shlex.join(argv)}: {r.stdout[-2000:]}")
    return r.stdout


class Unknown(Exception):
    """No such revision."""


def commit(rev):
    r = subprocess.run(["git", "-C", REPO, "rev-parse", "--verify", "--quiet", f"{rev}^{{commit}}"], capture_output=True, text=True,
                       check=False)
    if r.returncode:
        raise Unknown(f"{rev}: git knows no such revision; `.` is the working tree")
    return r.stdout.strip()


def sources(rev, where):
    """Of the revision into a directory; of the working tree what git would look at."""
    if rev == ".":
        files = done(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]).split("\0")
        for f in (f for f in files if f and os.path.isfile(os.path.join(REPO, f))):
            to = os.path.join(where, f)
            os.makedirs(os.path.dirname(to), exist_ok=True)
            # Times go with it, so that ninja builds what changed only.
            shutil.copy2(os.path.join(REPO, f), to)
        return
    with subprocess.Popen(["git", "-C", REPO, "archive", commit(rev)], stdout=subprocess.PIPE) as git:
        done(["tar", "-x", "-C", where], stdin=git.stdout)
    if git.returncode:
        raise bench.Failed(f"git archive {rev}: {git.returncode}")


def forget():
    """All but those that were used last."""
    there = sorted((os.path.join(DIR, d) for d in os.listdir(DIR)), key=os.path.getmtime, reverse=True)
    for d in there[KEEP:]:
        shutil.rmtree(d)


def build(rev, options=(), targets=("app/pubwire",)):
    """The build directory of a revision, release, with options of meson."""
    of = rev if rev == "." else commit(rev)[:12]
    name = ("tree" if rev == "." else of) + ("-" + hashlib.sha256(" ".join(options).encode()).hexdigest()[:6] if options else "")
    where = os.path.join(DIR, name)
    out = os.path.join(where, "build", "release")
    os.makedirs(where, exist_ok=True)
    if rev == "." or not os.path.exists(os.path.join(out, "build.ninja")):
        sources(rev, where)
    if not os.path.exists(os.path.join(out, "build.ninja")):
        done(["meson", "setup", out, where, "-Dbuildtype=release", *options])
    done(["ninja", "-C", out, *targets])
    os.utime(where)
    forget()
    return out
