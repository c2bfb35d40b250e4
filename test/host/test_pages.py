# SPDX-License-Identifier: BSD-3-Clause
"""The pages of docs/: their links lead somewhere, README leads to each of them, what they quote is said, and
the commands and keys that they name are there."""

import glob
import importlib.util
import os
import re
import subprocess
import unittest

import sources
from made_up import REPO
from pages import anchors, code, links, tables, unfenced
from pwhost import names

PAGES = ["README.md", "CONTRIBUTING.md"] + sorted(p[len(REPO) + 1:] for p in glob.glob(f"{REPO}/docs/*.md"))


def link_problems(path, text, read=sources.read):
    """Relative links to files and headings that are not there."""
    wrong = []
    for target in links(text):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        where = os.path.normpath(os.path.join(os.path.dirname(path), file)) if file else path
        if file and not os.path.exists(f"{REPO}/{where}"):
            wrong.append(f"{path}: {target} leads nowhere")
        elif anchor and anchor not in anchors(read(where) if file else text):
            wrong.append(f"{path}: {target} has no such heading")
    return wrong


def quotes(text):
    """Lines that a page says the program says."""
    return [q for _, columns, rows in tables(text) if columns[0] == "what it says" for r in rows for q in code(r[0])
            if not q.startswith("EAL: ")]


def quote_problems(text, said):
    return [f"nobody says '{f}' of '{q}'" for q in quotes(text) for f in sources.fragments(q) if f not in said]


def all_said():
    """Of the program, and of the scripts for the host."""
    texts = [sources.said()]
    for path in glob.glob(f"{REPO}/scripts/pwhost/*.py"):
        with open(path, encoding="utf-8") as f:
            text = re.sub(r'"\s*\n\s*f?"', "", f.read())
        # Fields of f-strings, two levels deep.
        texts.append(re.sub(r"\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}", "…", text))
    return "\n".join(texts)


class Links(unittest.TestCase):
    def test_every_link_leads_somewhere(self):
        wrong = []
        for path in PAGES:
            wrong += link_problems(path, sources.read(path))
        self.assertEqual(wrong, [])

    def test_a_link_that_leads_nowhere_is_found_out(self):
        self.assertEqual(link_problems("docs/x.md", "[a](nosuch.md)"), ["docs/x.md: nosuch.md leads nowhere"])
        self.assertEqual(link_problems("docs/x.md", "[a](tcp.md#nosuch)"), ["docs/x.md: tcp.md#nosuch has no such heading"])
        self.assertEqual(link_problems("docs/x.md", "# A `b` c-d\n[a](#a-b-c-d)"), [])
        self.assertEqual(link_problems("docs/x.md", "`[a](nosuch.md)`"), [])

    def test_every_page_is_reached_from_the_readme(self):
        seen, todo = set(), ["README.md"]
        while todo:
            path = todo.pop()
            if path in seen or not path.endswith(".md"):
                continue
            seen.add(path)
            for target in links(sources.read(path)):
                if not re.match(r"[a-z]+:", target) and target.partition("#")[0]:
                    todo.append(os.path.normpath(os.path.join(os.path.dirname(path), target.partition("#")[0])))
        direct = set(links(sources.read("README.md")))
        self.assertEqual([p for p in PAGES if p not in seen], [])
        self.assertEqual([p for p in PAGES if p.startswith("docs/") and p not in direct], [])


class TestedNics(unittest.TestCase):
    def test_the_table_is_what_the_tests_in_guests_write(self):
        spec = importlib.util.spec_from_file_location("matrix", f"{REPO}/test/vm/matrix.py")
        matrix = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(matrix)
        rows = [r for _, columns, rows in tables(sources.read("docs/nics.md")) if columns == list(matrix.HEAD) for r in rows]
        self.assertNotEqual([], rows)
        for row in rows:
            self.assertRegex(row[matrix.HEAD.index("idle")], "^(adaptive|interrupt), (woken|by the clock)$", row)


class Quotes(unittest.TestCase):
    def test_what_is_quoted_is_said(self):
        said = all_said()
        for path in PAGES:
            with self.subTest(page=path):
                self.assertEqual(quote_problems(sources.read(path).replace("...", "…"), said), [])

    def test_a_quotation_that_nobody_says_is_found_out(self):
        page = "| what it says | x |\n| --- | --- |\n| `stuck: connected, but …` | x |\n| `stuck in the mud` | x |\n"
        self.assertEqual(quote_problems(page, all_said()), ["nobody says 'stuck in the mud' of 'stuck in the mud'"])


class Quickstart(unittest.TestCase):
    """What README names first does nothing where it is asked what it does."""

    def ask(self, *args):
        return subprocess.run([f"{REPO}/scripts/quickstart", *args], capture_output=True, text=True, timeout=20)

    def test_help_is_printed_and_nothing_done(self):
        said = self.ask("--help")
        self.assertEqual((said.returncode, said.stdout.split()[:3]), (0, ["See", "pubwire", "work,"]))
        self.assertNotIn("1/4", said.stdout)

    def test_arguments_are_refused(self):
        self.assertEqual(self.ask("--dry-run").returncode, 64)


class Named(unittest.TestCase):
    """Commands, telemetry and counters that pages name."""

    def named(self, pattern):
        return {(path, m) for path in PAGES for m in re.findall(pattern, sources.read(path))}

    def test_tools_are_there(self):
        known = set(names.TOOLS)
        there = {os.path.basename(p) for p in glob.glob(f"{REPO}/scripts/*") + glob.glob(f"{REPO}/perf/*")}
        units = {"hugepages", "nics", "tune", "lab"}  # the last is a file prefix
        for path, tool in self.named(r"\bpubwire-([a-z]+)(?=[\s`,:;.)]|$)(?!\.service)"):
            self.assertTrue(tool in known | units, f"{path}: pubwire-{tool}")
        for path, tool in self.named(r"(?<![\w/])scripts/(\w+)\b(?!/|\.)"):
            self.assertIn(tool, there, f"{path}: scripts/{tool}")

    def test_telemetry_commands_are_there(self):
        known = set(re.findall(r"\bX\((\w+), tel_", sources.read("lib/manage/telemetry.c")))
        self.assertIn("counters", known)
        for path, command in self.named(r"`/pubwire/([a-z_]+)"):
            self.assertIn(command, known, path)
        rows = re.findall(r"^\| `/pubwire/.*", sources.read("docs/configuration.md"), re.M)
        self.assertEqual(known - set(re.findall(r"`/pubwire/([a-z_]+)`", " ".join(r.split(" | ")[0] for r in rows))),
                         set(), "configuration.md has a row for each")

    def test_commands_of_pubwirectl_are_there(self):
        known = set()
        for path in glob.glob(f"{REPO}/app/ctl/*.c"):
            known |= set(re.findall(r'"([a-z][a-z-]+)"', sources.read(path[len(REPO) + 1:])))
        for path, command in self.named(r"(?:`|    |-- )pubwirectl ([a-z-]+)"):
            self.assertIn(command, known, path)

    def test_counters_in_troubleshooting_are_there(self):
        known = {name for rows in sources.counters().values() for name, _ in rows}
        text = sources.read("docs/troubleshooting.md")
        for name in set(re.findall(r"`((?:drop|dropped)_\w+)`", text)) | {"steered_out", "retransmits", "redelivered"}:
            self.assertIn(name, known)

    def test_no_line_is_left_of_a_merge(self):
        for path in PAGES:
            for line in unfenced(sources.read(path)):
                self.assertFalse(re.match(r"(<<<<<<<|=======|>>>>>>>)", line), path)
