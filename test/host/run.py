#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Tests of scripts/pwhost on made-up hosts, in lines that scripts/test counts case by case.

Usage: run.py MODULE...; PUBWIRE names the built program, for the tests that ask it."""

import os
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))


class Lines(unittest.TextTestResult):
    """As cmocka prints them."""

    @staticmethod
    def _line(word, test):
        # Of a class as a whole: "setUpClass (module.Class)".
        print(f"[ {word:>8} ] {test.id().replace(' ', '_')}", flush=True)

    def startTest(self, test):
        unittest.TestResult.startTest(self, test)
        print(f"[ RUN      ] {test.id()}", flush=True)

    def addSuccess(self, test):
        self._line("OK", test)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._line("FAILED", test)

    def addError(self, test, err):
        super().addError(test, err)
        self._line("FAILED", test)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self._line("SKIPPED", test)
        print(f"# skipped: {reason}", flush=True)


def main():
    suite = unittest.defaultTestLoader.loadTestsFromNames(sys.argv[1:])
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=0, resultclass=Lines).run(suite)
    return 0 if result.wasSuccessful() and result.testsRun else 1


if __name__ == "__main__":
    sys.exit(main())
