#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The parts of scripts/test, and the count of every test case in them."""

import argparse
import glob
import json
import os
import re
import subprocess
import sys
import time

REPO = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
PARTS = ("build", "unit", "asan", "format", "fuzz", "perf", "package", "lab", "vm")
# cmocka's lines: "[ RUN      ] name", "[       OK ] name", "[  FAILED  ] name", "[  SKIPPED ] name"
CMOCKA = re.compile(r"^\[\s*(RUN|OK|FAILED|SKIPPED|ERROR)\s*\] (\w\S*)\s*$", re.M)


class Count:
    def __init__(self):
        self.passed, self.failed, self.skipped = 0, 0, 0
        self.bad = []

    def case(self, ok, name, why=""):
        if ok:
            self.passed += 1
        else:
            self.failed += 1
            self.bad.append(name)
            print(f"FAIL {name}" + (": " + why if why else ""), flush=True)

    def skip(self, name, why):
        self.skipped += 1
        print(f"skip {name}: {why}", flush=True)


def say(text):
    print(f"== {text}", flush=True)


def run(argv, **kw):
    return subprocess.run(argv, cwd=REPO, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False, **kw)


def build(count, kind, *options):
    start = time.monotonic()
    r = run(["scripts/build", kind, *options])
    count.case(r.returncode == 0, f"build {kind}", r.stdout[-3000:])
    say(f"build {kind}: {'ok' if r.returncode == 0 else 'FAILED'} "
        f"({time.monotonic() - start:.0f} s)")
    return r.returncode == 0


def count_executable(count, kind, test):
    """Cases of one meson test: cmocka's where it has any, else the executable is the case."""
    text = (test.get("stdout") or "") + "\n" + (test.get("stderr") or "")
    state = {}
    for word, name in CMOCKA.findall(text):
        if word == "RUN":
            state.setdefault(name, "no result")
        elif name in state or word != "FAILED":
            state[name] = word
    where = f"{kind}: {test['name']}"
    good = test["result"] in ("OK", "EXPECTEDFAIL")
    if test["result"] == "SKIP":
        count.skip(where, "the test says so")
        return
    for name, word in sorted(state.items()):
        if word == "SKIPPED":
            count.skip(f"{where}: {name}", "the case says so")
        else:
            count.case(word == "OK", f"{where}: {name}", word)
    if not state:
        count.case(good, where, test["result"])
    elif not good and all(w in ("OK", "SKIPPED") for w in state.values()):
        # Every case was content, but the process was not: a crash at exit, a leak, a time-out.
        count.case(False, where, test["result"])
    if not good:
        print("     " + text.strip()[-3000:].replace("\n", "\n     "), flush=True)


def meson_tests(count, kind, slack):
    start, before = time.monotonic(), (count.passed, count.failed)
    logs = os.path.join(REPO, "build", kind, "meson-logs")
    for old in glob.glob(os.path.join(logs, "testlog*.json")):
        os.unlink(old)
    env = dict(os.environ, ASAN_OPTIONS="detect_leaks=0:abort_on_error=1",
               UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1")
    r = run(["meson", "test", "-C", f"build/{kind}", "--no-rebuild", "-t", str(slack)], env=env)
    try:
        with open(os.path.join(logs, "testlog.json"), encoding="utf-8") as f:
            tests = [json.loads(line) for line in f if line.strip()]
    except OSError:
        count.case(False, f"meson test in build/{kind}", r.stdout[-2000:])
        return
    for t in tests:
        count_executable(count, kind, t)
    say(f"{kind} tests: {count.passed - before[0]} passed, {count.failed - before[1]} failed "
        f"({time.monotonic() - start:.0f} s)")


def check_format(count):
    files = run(["git", "ls-files", "*.c", "*.h"]).stdout.split()
    r = run(["clang-format", "--dry-run", "-Werror"] + files)
    wrong = sorted({line.split(":")[0] for line in r.stdout.splitlines() if ": error:" in line})
    count.case(r.returncode == 0, "clang-format", "clang-format -i " + " ".join(wrong))
    say("format: " + ("ok" if r.returncode == 0 else f"{len(wrong)} files differ"))


def fuzz(count):
    script = os.path.join(REPO, "scripts", "fuzz")
    if not os.path.exists(script):
        count.skip("fuzz", "there is no scripts/fuzz")
        return
    if not glob.glob("/usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.fuzzer-*.a"):
        count.skip("fuzz", "clang has no fuzzer runtime here")
        return
    start = time.monotonic()
    r = run(["scripts/fuzz"], timeout=600)
    count.case(r.returncode == 0, "fuzz", r.stdout[-3000:])
    say(f"fuzz: {'ok' if r.returncode == 0 else 'FAILED'} ({time.monotonic() - start:.0f} s)")


def told(count, part, argv, env=None):
    """A program that prints a line a test, and counts them in its last one."""
    start = time.monotonic()
    p = subprocess.Popen(argv, cwd=REPO, text=True, env=env, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT)
    tail = ""
    for line in p.stdout:
        print(line, end="", flush=True)
        tail = line.strip() or tail
    rc = p.wait()
    m = re.match(r"(\d+) passed, (\d+) failed, (\d+) skipped$", tail)
    if m:
        count.passed += int(m[1])
        count.failed += int(m[2])
        count.skipped += int(m[3])
        if int(m[2]):
            count.bad.append(f"{part} (see above)")
    else:
        count.case(False, part, f"the runner ended with {rc}: {tail}")
    say(f"{part}: {tail} ({time.monotonic() - start:.0f} s)")


def package(count):
    start = time.monotonic()
    r = run(["/usr/bin/python3", "test/host/run.py", "test_package", "test_service"], timeout=900)
    count_executable(count, "package", {"name": "scripts/package", "stdout": r.stdout,
                                        "result": "FAIL" if r.returncode else "OK"})
    for line in r.stdout.splitlines():
        if line.startswith("# skipped"):
            print("     " + line[2:])
    say(f"package: {'FAILED' if r.returncode else 'ok'} ({time.monotonic() - start:.0f} s)")


def perf(count):
    """What pubwire passes on beside testpmd, held against the baseline: noise is only said."""
    start = time.monotonic()
    r = run(["perf/baseline", "compare"])
    print("     " + r.stdout.strip().replace("\n", "\n     "), flush=True)
    if r.returncode == 77:
        count.skip("perf/baseline compare", r.stdout.strip().splitlines()[-1].removeprefix("skipped: "))
    else:
        count.case(r.returncode == 0, "perf/baseline compare", f"it ended with {r.returncode}")
    say(f"perf: {'FAILED' if r.returncode not in (0, 77) else 'ok'} ({time.monotonic() - start:.0f} s)")


def lab(count):
    if os.geteuid():
        count.skip("lab", "namespaces need root")
        return
    env = dict(os.environ, PUBWIRE=os.path.join(REPO, "build", "release", "app", "pubwire"))
    told(count, "lab", ["/usr/bin/python3", "test/lab/run.py"], env)


def main():
    p = argparse.ArgumentParser(prog="scripts/test")
    p.add_argument("--only", action="append", choices=PARTS, help="only this part (repeatable)")
    parts = p.parse_args().only or PARTS
    count, start = Count(), time.monotonic()
    release = asan = True
    if {"build", "unit", "perf", "lab", "vm"} & set(parts):
        # Across files the compiler sees, and says, more.
        release = build(count, "release", "--", "-Dwerror=true")
    if "build" in parts:
        # The debug build is that of the sanitizers without them, and is not made a second time.
        build(count, "clang")
    if "asan" in parts:
        asan = build(count, "asan")
    if "unit" in parts and release:
        meson_tests(count, "release", 2)
    if "asan" in parts and asan:
        meson_tests(count, "asan", 6)
    if "format" in parts:
        check_format(count)
    if "fuzz" in parts:
        fuzz(count)
    if "perf" in parts and release:
        perf(count)
    if "package" in parts:
        package(count)
    if "lab" in parts and release:
        lab(count)
    if "vm" in parts and release:
        told(count, "vm", ["/usr/bin/python3", "test/vm/run.py"])
    if count.bad:
        say("failed: " + "; ".join(count.bad))
    say(f"took {time.monotonic() - start:.0f} s")
    print(f"{count.passed} passed, {count.failed} failed, {count.skipped} skipped", flush=True)
    return 1 if count.failed else 0


if __name__ == "__main__":
    sys.exit(main())
