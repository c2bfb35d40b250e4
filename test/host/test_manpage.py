# SPDX-License-Identifier: BSD-3-Clause
"""pubwire.yaml(5), which is made of docs/configuration.md."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest

from made_up import REPO
from pages import code, tables
from pwhost import manpage

SOURCE = f"{REPO}/docs/configuration.md"


class Page(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with open(SOURCE, encoding="utf-8") as f:
            cls.source = f.read()
        cls.page = manpage.page(cls.source)

    def shown(self, text, *args):
        if shutil.which("man") is None:
            self.skipTest("skipped: man-db is not installed")
        with tempfile.TemporaryDirectory() as d:
            path = os.path.join(d, "x.5")
            with open(path, "w", encoding="utf-8") as f:
                f.write(text)
            r = subprocess.run(["man", "-E", "UTF-8", *args, "-l", path], capture_output=True, text=True, check=False,
                               env=dict(os.environ, MANWIDTH="120", MANPAGER="cat", MAN_KEEP_FORMATTING="",
                                        LC_ALL="C.UTF-8", TERM="dumb"))
        return r.stdout, r.stderr

    def test_man_shows_it_without_a_warning(self):
        out, err = self.shown(self.page, "--warnings")
        self.assertEqual(err, "")
        self.assertIn("SEE ALSO", out)

    def test_man_would_warn(self):
        _, err = self.shown(self.page + ".nosuchmacro\n", "--warnings")
        self.assertIn("nosuchmacro", err)

    def test_every_key_and_every_word_of_its_meaning_is_there(self):
        out, _ = self.shown(self.page, "--no-hyphenation", "--no-justification")
        flat = " ".join(out.split())
        for _, columns, rows in tables(self.source):
            if columns[:1] != ["key"]:
                continue
            for row in rows:
                self.assertIn(f"{code(row[0])[0]}: {row[1].replace('`', '')}", flat)
                for word in row[3].replace("`", "").split():
                    if "[" not in word and "]" not in word and "*" not in word:
                        self.assertIn(word, flat)

    def test_nothing_of_markdown_is_left(self):
        for line in self.page.splitlines():
            self.assertNotIn("](", line)
            self.assertNotIn("```", line)
            self.assertFalse(line.startswith("|"), line)


class Parts(unittest.TestCase):
    def made(self, text):
        return manpage.page("# Title\n\n" + text)

    def test_letters_that_troff_would_take_for_its_own_stay_letters(self):
        self.assertIn(".PP\n\\&.TH is no macro here\n", self.made(".TH is no macro here\n"))
        self.assertIn("\\&'x\n", self.made("'x\n"))
        self.assertIn("a\\eb \\fB\\-\\-x\\ey\\fR\n", self.made("a\\b `--x\\y`\n"))

    def test_links_name_their_page(self):
        self.assertIn("see \\fIdocs/x.md\\fR and there (\\fIdocs/y.md\\fR)", self.made("see [x.md](x.md) and [there](y.md#z)\n"))

    def test_code_keeps_its_lines(self):
        self.assertIn(".nf\n\\&a: 1\n\\&  .b: 2\n.fi\n", self.made("    a: 1\n      .b: 2\n\nrest\n"))
        self.assertIn(".nf\n\\&a\n.fi\n", self.made("```yaml\na\n```\n"))

    def test_what_is_not_known_is_refused(self):
        with self.assertRaises(manpage.Unreadable):
            self.made("> a quotation\n")
        with self.assertRaises(manpage.Unreadable):
            manpage.page("no heading\n")

    def test_program_writes_the_file(self):
        with tempfile.TemporaryDirectory() as d:
            target = os.path.join(d, "pubwire.yaml.5")
            subprocess.run([sys.executable, f"{REPO}/scripts/pwhost/manpage.py", SOURCE, target], check=True)
            with open(target, encoding="utf-8") as f:
                self.assertTrue(f.read().startswith('.\\" Made of'))
