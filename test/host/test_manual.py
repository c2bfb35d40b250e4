# SPDX-License-Identifier: BSD-3-Clause
"""The manual pages of programs: well-formed, and with the options that --help has, no more and no fewer."""

import os
import re
import shutil
import subprocess
import unittest

from made_up import REPO, SCRIPTS
from pwhost import names, tunables

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


def commands(text):
    """{command: options that head an entry} of the sections of COMMANDS."""
    found = re.findall(r"^\.SS (\S+).*\n((?:(?!\.S[SH] ).*\n)*)", section(text, "COMMANDS"), re.M)
    return {plain(name): entries(part) for name, part in found}


class ToolTest(unittest.TestCase):
    """Of the scripts that are installed as commands."""

    def help(self, *argv):
        return out(f"{SCRIPTS}/{argv[0]}", *argv[1:], "--help", env=dict(os.environ, COLUMNS="200"))

    def test_every_installed_command_has_a_page(self):
        there = [f"pubwire-{t}.8" for t in names.TOOLS]
        self.assertEqual(sorted(there), sorted(n for n in os.listdir(PAGES) if n.startswith("pubwire-")))
        for name in there:
            text = page(name)
            self.assertIn(f'.TH {name[:-2].upper()} 8 ""', text)
            self.assertIn(f".SH NAME\n{name[:-2]} \\- ", text)
            self.assertIn(f".BR {name[:-2]} (8)", page("pubwire.8"))

    def test_pages_have_every_option(self):
        for tool in names.TOOLS:
            self.assertEqual(helped(self.help(tool)), entries(section(page(f"pubwire-{tool}.8"), "OPTIONS")), tool)

    def test_pages_have_every_command_with_its_options(self):
        with_commands = []
        for tool in names.TOOLS:
            said = self.help(tool)
            wanted = {c: helped(self.help(tool, c)) - {"-h", "--help"} for c in re.findall(r"^    ([a-z]+)  ", said, re.M)}
            if wanted:
                with_commands.append(tool)
                self.assertEqual(wanted, commands(page(f"pubwire-{tool}.8")), tool)
        self.assertEqual(["hugepages", "nics"], with_commands)

    def test_the_page_of_tune_has_every_tunable(self):
        named = re.findall(r"^\.TP\n\.B (\S+)$", section(page("pubwire-tune.8"), "TUNABLES"), re.M)
        self.assertEqual([t.name for t in tunables.ALL], [plain(n) for n in named])

    def test_pages_say_how_it_ends(self):
        for tool in names.TOOLS:
            self.assertEqual(["0", "1", "64"],
                             re.findall(r"^\.B (\d+)$", section(page(f"pubwire-{tool}.8"), "EXIT STATUS"), re.M), tool)


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
        named = re.findall(r"^  ([a-z][a-z-]*)  ", said, re.M)
        self.assertEqual({c: helped(out(PUBWIRECTL, c, "--help")) for c in named}, commands(text))

    @unittest.skipUnless(os.access(PUBWIRECTL, os.X_OK), "no pubwirectl is built beside pubwire")
    def test_pubwirectl_has_every_exit_status(self):
        said = re.search(r"Exit status: ([^.]*)", out(PUBWIRECTL, "--help"))[1]
        self.assertEqual(re.findall(r"\b(\d+) ", said),
                         re.findall(r"^\.B (\d+)$", section(page("pubwirectl.8"), "EXIT STATUS"), re.M))


if __name__ == "__main__":
    unittest.main()
