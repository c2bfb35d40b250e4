# SPDX-License-Identifier: BSD-3-Clause
"""Programs of a revision, built beside the working tree. The last few stay in build/compare: to compare again is free."""

import hashlib
import os
import re
import shlex
import shutil
import subprocess

from . import bench, command
from .machine import REPO

DIR = os.path.join(REPO, "build", "compare")
KEEP = 6


def done(argv, cwd=REPO, **more):
    rc, said = command.output(argv, cwd=cwd, **more)
    if rc:
        raise bench.Failed(f"{shlex.join(argv)}: {said[-2000:]}")
    return said


class Unknown(Exception):
    """No such revision."""


def commit(rev):
    r = subprocess.run(["git", "-C", REPO, "rev-parse", "--verify", "--quiet", f"{rev}^{{commit}}"], capture_output=True, text=True,
                       check=False)
    if r.returncode:
        raise Unknown(f"{rev}: git knows no such revision; `.` is the working tree")
    return r.stdout.strip()


def benches(rev):
    """The names of a revision's perf/micro, by its sources; it need not be built."""
    path = "perf/micro/micro.h"
    if rev == ".":
        try:
            with open(os.path.join(REPO, path), encoding="utf-8") as f:
                text = f.read()
        except FileNotFoundError:
            text = ""
    else:
        text = subprocess.run(["git", "-C", REPO, "show", f"{commit(rev)}:{path}"], capture_output=True, text=True, check=False).stdout
    return re.findall(r'\bX\(\w+,\s*"([^"]+)"', text)


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
