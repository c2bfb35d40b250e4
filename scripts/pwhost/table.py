# SPDX-License-Identifier: BSD-3-Clause
"""Tables that a person reads, and verdicts in them."""

import shutil
import textwrap

OK, WARN, BAD, SKIP = "ok", "look", "NOT OK", "-"


class Row:
    """One line of a table of verdicts: what was looked at, the verdict, what was found, what to do."""

    def __init__(self, name, verdict, found, how=""):
        self.name, self.verdict, self.found, self.how = name, verdict, found, how

    def as_dict(self):
        return {"check": self.name, "verdict": self.verdict, "found": self.found, "how": self.how}


def render(head, rows):
    """Columns as wide as what is in them, the last as it is."""
    rows = [[str(c) for c in r] for r in rows]
    width = [max(len(r[i]) for r in [head] + rows) for i in range(len(head))]
    lines = ("  ".join(c.ljust(w) for c, w in zip(r, width)).rstrip() for r in [head] + rows)
    return "\n".join(lines)


def verdicts(rows):
    """Rows with the remedy below each that has one."""
    name = max([len(r.name) for r in rows] + [5])
    columns = max(72, min(110, shutil.get_terminal_size((100, 24)).columns))
    indent = " " * (name + 10)
    lines = []
    for r in rows:
        lines += textwrap.wrap(r.found, columns, initial_indent=f"{r.name:{name}}  {r.verdict:6}  ",
                               subsequent_indent=indent, break_long_words=False,
                               break_on_hyphens=False) or [f"{r.name:{name}}  {r.verdict}"]
        if r.how:
            lines += textwrap.wrap(r.how, columns, initial_indent=indent + "-> ",
                                   subsequent_indent=indent + "   ", break_long_words=False,
                                   break_on_hyphens=False)
    return "\n".join(lines)


def size(n):
    """Bytes in a unit that divides them well: 2 MB, 1 GB, 34.5 MB (powers of two)."""
    for unit, shift in (("GB", 30), ("MB", 20), ("kB", 10)):
        if n >= 1 << shift:
            value = n / (1 << shift)
            return f"{value:.0f} {unit}" if value == int(value) else f"{value:.1f} {unit}"
    return f"{n} B"


def plural(n, one, many=None):
    return f"{n} {one if n == 1 else many or one + 's'}"
