# SPDX-License-Identifier: BSD-3-Clause
"""Reads the pages below docs/: headings, tables, code, links."""

import re


def unfenced(text):
    """The lines of a page outside ``` blocks."""
    inside = False
    for line in text.splitlines():
        if line.lstrip().startswith("```"):
            inside = not inside
            yield ""
            continue
        yield "" if inside else line


def cells(line):
    """Of a table's row; a bar after a backslash separates nothing."""
    return [c.strip().replace("\\|", "|") for c in re.split(r"(?<!\\)\|", line.strip().strip("|"))]


def tables(text):
    """(heading, columns, rows) of each table."""
    heading, found, lines = "", [], list(unfenced(text)) + [""]
    for i, line in enumerate(lines):
        m = re.match(r"#+ (.*)", line)
        if m:
            heading = m[1].strip()
        if re.match(r"\|[ :|-]+\|$", line) and i > 0 and lines[i - 1].startswith("|"):
            rows, k = [], i + 1
            while lines[k].startswith("|"):
                rows.append(cells(lines[k]))
                k += 1
            found.append((heading, cells(lines[i - 1]), rows))
    return found


def code(text):
    """What stands between single backticks."""
    return re.findall(r"`([^`]+)`", text)


def slug(heading):
    """The anchor that a heading gets."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").strip().lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


def anchors(text):
    seen, found = {}, set()
    for line in unfenced(text):
        m = re.match(r"#+ (.*)", line)
        if m:
            s = slug(m[1])
            found.add(s if s not in seen else f"{s}-{seen[s]}")
            seen[s] = seen.get(s, 0) + 1
    return found


def links(text):
    """Targets of links outside of code."""
    for line in unfenced(text):
        if line.startswith("    "):
            continue
        yield from re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`]*`", "", line))
