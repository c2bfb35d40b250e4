#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Run the lab's tests: test/lab/run.py [-k WORD]... [--keep]

A line a test, "ok", "FAIL" or "skip" with the time it took; the last line counts them. --keep leaves
the lab of the last test up. Exit code 1 when a test failed."""

import argparse
import os
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import kit  # noqa: E402


class Result(unittest.TestResult):
    """One line a test, as it happens."""

    def __init__(self):
        super().__init__()
        self.passed, self.ended = 0, set()

    def startTest(self, test):
        super().startTest(test)
        self.began = time.monotonic()

    def line(self, word, test, why=""):
        name = test.id() if hasattr(test, "id") else str(test)
        took = time.monotonic() - getattr(self, "began", time.monotonic())
        print(f"{word:4} {name} ({took:.1f} s)" + (f": {why}" if why else ""), flush=True)

    def addSuccess(self, test):
        self.passed += 1
        self.line("ok", test)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.line("skip", test, reason)

    def fail(self, test, err):
        self.line("FAIL", test)
        text = "".join(self._exc_info_to_string(err, test)) if hasattr(test, "id") else str(err)
        print("     " + text.rstrip().replace("\n", "\n     "), flush=True)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.fail(test, err)

    def addError(self, test, err):
        super().addError(test, err)
        self.fail(test, err)

    def failed(self):
        # A test whose clean-up fails too is one failed test.
        return len({t.id() for t, _ in self.failures + self.errors})


def cases(suite):
    for t in suite:
        if isinstance(t, unittest.TestSuite):
            yield from cases(t)
        else:
            yield t


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    p.add_argument("-k", action="append", default=[], metavar="WORD",
                   help="only tests whose name contains it")
    p.add_argument("--keep", action="store_true", help="leave the lab up")
    a = p.parse_args()
    found = unittest.TestLoader().discover(os.path.dirname(os.path.realpath(__file__)))
    chosen = [t for t in cases(found) if not a.k or any(k in t.id() for k in a.k)]
    # Cases of one shape together: the lab goes up once for each.
    chosen.sort(key=lambda t: (str(sorted(getattr(t, "shape", {}).items())), t.id()))
    suite = unittest.TestSuite(chosen)
    result = Result()
    try:
        suite.run(result)
    finally:
        if not a.keep:
            kit.lab.down()
    print(f"{result.passed} passed, {result.failed()} failed, {len(result.skipped)} skipped")
    return 1 if result.failed() else 0


if __name__ == "__main__":
    sys.exit(main())
