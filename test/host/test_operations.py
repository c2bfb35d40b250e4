# SPDX-License-Identifier: BSD-3-Clause
"""docs/operations.md has every counter, drop, alert and warning that there is, and none that there is not."""

import re
import unittest

import sources
from made_up import REPO
from pages import code, tables
from test_sizing import PUBWIRE, size

SEVERE = ("EMERG", "ALERT", "CRIT", "ERR", "WARNING")


def page():
    return sources.read("docs/operations.md")


def counter_problems(text):
    wrong, rooms = [], sources.counters()
    remedies = sources.remedies()
    told = {}
    for heading, _, rows in tables(text):
        if heading.startswith("Counters: "):
            told[heading[len("Counters: "):]] = {code(r[0])[0]: r for r in rows}
    for room, rows in rooms.items():
        mine = told.pop(room, {})
        for name, means in rows:
            row = mine.pop(name, None)
            if row is None:
                wrong.append(f"{room}: {name} is not there; expected | `{name}` | {means} | what to do |")
            elif row[1] != means:
                wrong.append(f"{room}: {name} means '{means}', not '{row[1]}'")
            elif row[2] != remedies.get((room, name), row[2]):
                wrong.append(f"{room}: {name}: the program's remedy is '{remedies[room, name]}', not '{row[2]}'")
        wrong += [f"{room}: there is no {name}" for name in mine]
    return wrong + [f"there is no room {room}" for room in told]


def log_rows(text):
    for heading, columns, rows in tables(text):
        if heading == "Log lines" and columns[0] == "line":
            return [code(r[0])[0] for r in rows]
    return []


def log_problems(text):
    rows, wrong = log_rows(text), []
    quoted = "\n".join(rows)
    for path, texts in sources.log_lines(SEVERE):
        longest = max((f for t in texts for f in sources.fragments(t)), key=len, default="")
        if longest not in quoted:
            wrong.append(f"{path}: '{longest}' stands in no row of Log lines")
    said = sources.said()
    for row in rows:
        wrong += [f"no source says '{f}'" for f in sources.fragments(row) if f not in said]
    return wrong


def alert_problems(text):
    there = set(re.findall(r"- alert: (\w+)", sources.read("docs/prometheus-alerts.yml")))
    told = {code(r[0])[0] for _, columns, rows in tables(text) if columns[0] == "alert" for r in rows}
    return sorted(there ^ told)


class Page(unittest.TestCase):
    def test_every_counter_is_there_with_its_meaning_and_remedy(self):
        self.assertEqual(counter_problems(page()), [])

    def test_no_list_of_counters_is_left_out(self):
        self.assertEqual(sources.lists_of_counters(), {(path, name) for _, path, name in sources.COUNTERS})

    def test_every_warning_is_there(self):
        self.assertGreater(len(sources.log_lines(SEVERE)), 15)
        self.assertEqual(log_problems(page()), [])

    def test_every_alert_is_there(self):
        self.assertEqual(alert_problems(page()), [])

    def test_a_page_that_was_changed_is_found_out(self):
        for old, new, by in (("| `drop_runt` |", "| `drop_rumt` |", counter_problems),
                             ("| Turns that found work |", "| Turns that found none |", counter_problems),
                             ("LLDP, STP and the like", "LLDP and the like", counter_problems),
                             ("### Counters: route", "### Counters: rout", counter_problems),
                             ("; next attempt in", "; next try in", log_problems),
                             ("| `the drain did not end in time: stopping`", "| `drained`", log_problems),
                             ("| `PubwirePortDown` |", "| `PubwirePortUp` |", alert_problems)):
            with self.subTest(change=new):
                self.assertIn(old, page())
                self.assertNotEqual(by(page().replace(old, new)), [])

    @unittest.skipUnless(PUBWIRE, "PUBWIRE names no program")
    def test_examples_of_sizing_are_what_it_says(self):
        text = page()
        examples = re.findall(r"\n    scripts/sizing (--[^\n]*)\n\n((?:    [^\n]*\n)+)", text)
        self.assertEqual(len(examples), 3)
        for argv, shown in examples:
            _, out, _ = size(*argv.split())
            for line in shown.splitlines():
                name, said = line[4:24].strip(), line[24:].strip()
                self.assertIn(name, out)
                if name != "memory":
                    self.assertIn(f"{name:20} {said}", out)
                    continue
                # The plan follows the program; the page has its size.
                planned = next(x for x in out.splitlines() if x.startswith("memory"))
                mine, theirs = (int(re.search(r"(\d+) pages", x)[1]) for x in (said, planned))
                self.assertLess(abs(mine - theirs), 0.1 * theirs, f"{REPO}/docs/operations.md: {planned}")
