# SPDX-License-Identifier: BSD-3-Clause
"""The manual pages of programs: well-formed, and with the options that --help has, no more and no fewer."""

import os
import re
import shutil
import subprocess
import unittest

from made_up import REPO

PUBWIRE = os.environ.get("PUBWIRE", "")
PUBWIRECTL = os.path.join(os.path.dirname(PUBWIRE), "pubwirectl")
PAGES = os.path.join(REPO, "docs", "man")


def out(*argv, **kw):
    return subprocess.run(argv, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                          check=False, **kw).stdout


def page(name):
    with open(f"{PAGES}/{name}", encoding="utf-8") as f:
        return f.read()


def section(text, name):
    return re.search(rf"^\.SH {name}\n(.*?)(?=^\.SH |\Z)", text, re.M | re.S)[1]


def plain(text):
    return re.sub(r"\\f.", "", text).replace("\\-", "-").replace('"', "").replace(" ,", ",")


def entries(text):
    """Option names that head an entry, which a .TP comes before."""
    return {o for head in re.findall(r"^\.TP\n(.*)$", text, re.M)
            for o in re.findall(r"(?<![\w-])--?[A-Za-z][\w-]*", plain(head))}


def helped(text):
    """Option names of lines that begin with them."""
    return {o for head in re.findall(r"^ +(-.*?)(?:  |$)", text, re.M)
            for o in re.findall(r"(?<![\w-])--?[A-Za-z][\w-]*", head)}


class ManualTest(unittest.TestCase):
    def test_pages_are_well_formed(self):
        if not shutil.which("man"):
            self.skipTest("there is no man")
        for name in sorted(os.listdir(PAGES)):
            said = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", f"{PAGES}/{name}"],
                                  env=dict(os.environ, LC_ALL="C.UTF-8", MANROFFSEQ="", MANWIDTH="80"), text=True,
                                  check=False, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE).stderr
            self.assertEqual("", said, name)

    @unittest.skipUnless(os.access(PUBWIRE, os.X_OK), "PUBWIRE names no program")
    def test_pubwire_has_every_option(self):
        self.assertEqual(helped(out(PUBWIRE, "--help")), entries(section(page("pubwire.8"), "OPTIONS")))

    @unittest.skipUnless(os.access(PUBWIRE, os.X_OK), "PUBWIRE names no program")
    def test_pubwire_has_every_exit_status(self):
        said = re.search(r"Exit status: (.*)", out(PUBWIRE, "--help"))[1]
        self.assertEqual(re.findall(r"\b(\d+) ", said),
                         re.findall(r"^\.B (\d+)$", section(page("pubwire.8"), "EXIT STATUS"), re.M))

    @unittest.skipUnless(os.access(PUBWIRECTL, os.X_OK), "no pubwirectl is built beside pubwire")
    def test_pubwirectl_has_every_command_and_option(self):
        text, said = page("pubwirectl.8"), out(PUBWIRECTL, "--help")
        self.assertEqual(helped(said), entries(section(text, "OPTIONS")))
        described = dict(re.findall(r"^\.SS (\S+).*\n((?:(?!\.S[SH] ).*\n)*)", section(text, "COMMANDS"), re.M))
        described = {plain(name): entries(part) for name, part in described.items()}
        commands = re.findall(r"^  ([a-z][a-z-]*)  ", said, re.M)
        self.assertEqual({c: helped(out(PUBWIRECTL, c, "--help")) for c in commands}, described)

    @unittest.skipUnless(os.access(PUBWIRECTL, os.X_OK), "no pubwirectl is built beside pubwire")
    def test_pubwirectl_has_every_exit_status(self):
        said = re.search(r"Exit status: ([^.]*)", out(PUBWIRECTL, "--help"))[1]
        self.assertEqual(re.findall(r"\b(\d+) ", said),
                         re.findall(r"^\.B (\d+)$", section(page("pubwirectl.8"), "EXIT STATUS"), re.M))


if __name__ == "__main__":
    unittest.main()
