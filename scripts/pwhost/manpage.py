#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Makes the manual page pubwire.yaml(5) of docs/configuration.md, so that the two cannot differ.

Usage: manpage.py CONFIGURATION_MD [OUTPUT]

Reads the part of Markdown that the page uses: headings, paragraphs, lists, tables, indented and fenced
code, `code`, *stress*, links. What it does not know it refuses."""

import re
import sys

HEAD = r""".\" Made of docs/configuration.md.
.TH PUBWIRE.YAML 5 "" "pubwire" "File formats"
.SH NAME
pubwire.yaml \- configuration of the MQTT forwarder pubwire
.SH DESCRIPTION
"""
TAIL = r""".SH FILES
.TP
.I /etc/pubwire/pubwire.yaml
The configuration, unless \fB\-\-config\fR names another one.
.SH SEE ALSO
.BR pubwire (8),
.BR pubwirectl (8),
.BR crypt (3)
.PP
What is named \fIdocs/...\fR here lies in \fI/usr/share/doc/pubwire\fR or \fI/usr/local/share/doc/pubwire\fR.
"""


class Unreadable(Exception):
    """Markdown that is not known here."""


def plain(text):
    """Letters that troff would take for its own."""
    return text.replace("\\", "\\e").replace("-", "\\-")


def _link(m):
    text, target = m[1], m[2].partition("#")[0]
    if not target or re.match(r"https?:", target):
        return text if not target else f"{text} ({target})"
    shown = text.replace("`", "")
    return f"*docs/{target}*" if shown in (target, target.removesuffix(".md")) else f"{text} (*docs/{target}*)"


def inline(text):
    """One line or cell of running text."""
    out, text = [], re.sub(r"\[([^\]]*)\]\(([^)\s]+)\)", _link, text)
    for i, part in enumerate(re.split(r"(`[^`]*`)", text)):
        if i % 2:
            out.append("\\fB" + plain(part[1:-1]) + "\\fR")
            continue
        for k, piece in enumerate(re.split(r"\*+([^*\s][^*]*)\*+", part)):
            out.append("\\fI" + plain(piece) + "\\fR" if k % 2 else plain(piece))
    line = "".join(out)
    return "\\&" + line if line[:1] in (".", "'") else line


def cells(line):
    return [c.strip().replace("\\|", "|") for c in re.split(r"(?<!\\)\|", line.strip()[1:-1])]


def table(rows):
    """A row is an item: its first cell, and below it what the others say."""
    columns, out = [c.lower() for c in cells(rows[0])], []
    for row in rows[2:]:
        row = cells(row)
        if columns[:3] == ["key", "value", "default"]:
            named = f"{inline(row[0])}: {inline(row[1])}" if row[1] else inline(row[0])
            default = ", ".join(d for d in [inline(row[2])] if d)
            if default:
                default = f" ({default})" if default in ("required", "none") else f" (default {default})"
            out += [".TP", named + default] + [inline(c) or "\\&" for c in row[3:]]
        else:
            out += [".TP", inline(row[0]) or "\\&"]
            rest = [f"{inline(c)}" for c in row[1:] if c]
            out += [";\n".join(rest) or "\\&"]
    return out


def code(lines):
    return [".PP", ".in +4n", ".nf"] + ["\\&" + plain(line) for line in lines] + [".fi", ".in"]


def is_block(line):
    """True where a line begins something other than text."""
    return not line.strip() or re.match(r"#|\||- |\d+\. |```|    ", line) is not None


def _take(lines, i, inside):
    """Index of the first line from i on that does not belong inside."""
    while i < len(lines) and inside(lines[i]):
        i += 1
    return i


def body(lines):
    out, i = [], 0
    while i < len(lines):
        line = lines[i]
        heading = re.match(r"(#+) (.*)", line)
        if not line.strip():
            i += 1
        elif heading:
            if len(heading[1]) > 1:
                out.append(f".SH {inline(heading[2]).upper()}" if len(heading[1]) == 2 else
                           f".SS {inline(heading[2])}")
            i += 1
        elif line.startswith("|"):
            end = _take(lines, i, lambda x: x.startswith("|"))
            out += table(lines[i:end])
            i = end
        elif line.startswith("```"):
            end = _take(lines, i + 1, lambda x: not x.startswith("```"))
            out += code(lines[i + 1:end])
            i = end + 1
        elif line.startswith("    "):
            end = _take(lines, i, lambda x: x.startswith("    ") or not x.strip())
            block = [x[4:] for x in lines[i:end]]
            while block and not block[-1].strip():
                block.pop()
            out += code(block)
            i = end
        elif re.match(r"- |\d+\. ", line):
            mark, text = re.match(r"(- |\d+\. )(.*)", line).groups()
            end = _take(lines, i + 1, lambda x: x.startswith("  ") and x.strip())
            out.append(".IP " + ("\\(bu" if mark == "- " else mark.strip()) + " 3")
            out.append(inline(" ".join([text] + [x.strip() for x in lines[i + 1:end]])))
            i = end
        elif re.match(r"[>!<]", line):
            raise Unreadable(line)
        else:
            end = _take(lines, i + 1, lambda x: not is_block(x))
            out += [".PP", inline(" ".join(x.strip() for x in lines[i:end]))]
            i = end
    return out


def page(text):
    """The manual page of a configuration.md."""
    lines = text.splitlines()
    if not lines or not lines[0].startswith("# "):
        raise Unreadable("no heading")
    return HEAD + "\n".join(body(lines[1:])) + "\n" + TAIL


def main():
    if len(sys.argv) not in (2, 3):
        print(__doc__.strip(), file=sys.stderr)
        return 64
    with open(sys.argv[1], encoding="utf-8") as f:
        text = page(f.read())
    if len(sys.argv) == 2:
        sys.stdout.write(text)
    else:
        with open(sys.argv[2], "w", encoding="utf-8") as f:
            f.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
