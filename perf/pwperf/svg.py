# SPDX-License-Identifier: BSD-3-Clause
"""Plots as SVG, legible on light and on dark pages: colours are classes, which a page in the dark swaps. Each has a ground of its own,
since a picture can't know that of the page that shows it."""

import math
from xml.sax.saxutils import escape

WIDTH = 760
# Of text, in units of its size: a little more than what common fonts take.
GLYPH = 0.56
SMALL, TITLE = 12, 15

LIGHT = {"ground": "#fcfcfb", "text": "#1d1d1b", "quiet": "#5e5d58", "line": "#dedcd5",
         "colours": ("#2a78d6", "#eb6834", "#1baf7a", "#8a6fd1", "#d99a00", "#8b8a84")}
DARK = {"ground": "#1a1a19", "text": "#f2f1ec", "quiet": "#b5b3aa", "line": "#3a3936",
        "colours": ("#4f97ea", "#e8733f", "#2bbd87", "#a593e6", "#dda52a", "#98968f")}


def rules(c):
    out = [f".ground{{fill:{c['ground']}}}", f"text{{fill:{c['text']}}}", f".quiet{{fill:{c['quiet']}}}",
           f".grid{{stroke:{c['line']}}}", f".mark{{stroke:{c['text']}}}"]
    for i, colour in enumerate(c["colours"]):
        out += [f".f{i}{{fill:{colour}}}", f".s{i}{{stroke:{colour};fill:none}}"]
    return "".join(out)


STYLE = (f"text{{font:{SMALL}px system-ui,'Segoe UI',Helvetica,Arial,sans-serif}}.title{{font-size:{TITLE}px;font-weight:600}}"
         ".grid{stroke-width:1}.mark{stroke-width:2}" + rules(LIGHT)
         + "@media (prefers-color-scheme:dark){" + rules(DARK) + "}")


def wide(text, size=SMALL):
    return len(text) * size * GLYPH


def short(v):
    """A figure with three digits that count: 2.85 M, 940 k, 12.3."""
    for unit, name in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if abs(v) >= 0.9995 * unit:
            return f"{v / unit:.3g}{name}"
    return f"{v:.3g}"


def steps(greatest, count=5):
    """Round values from 0 to the first at or above the greatest."""
    if greatest <= 0:
        return [0, 1]
    raw = greatest / count
    unit = 10 ** math.floor(math.log10(raw))
    step = next(m * unit for m in (1, 2, 2.5, 5, 10) if m * unit >= raw * 0.999)
    return [i * step for i in range(math.ceil(greatest / step - 1e-9) + 1)]


def decades(least, greatest):
    """Powers of ten around both."""
    low, high = math.floor(math.log10(least) + 1e-9), math.ceil(math.log10(greatest) - 1e-9)
    return [10.0 ** e for e in range(low, max(high, low + 1) + 1)]


class Picture:
    """What is drawn, in the order in which it is."""

    def __init__(self, height, title, below):
        self.height, self.title = height, title
        self.parts = []
        self.text(16, 26, title, "title")
        self.text(16, 46, below, "quiet")

    def text(self, x, y, words, kind="", at="start"):
        anchor = "" if at == "start" else f' text-anchor="{at}"'
        style = f' class="{kind}"' if kind else ""
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}"{style}{anchor}>{escape(words)}</text>')

    def line(self, x1, y1, x2, y2, kind="grid"):
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>')

    def rect(self, x, y, w, h, colour):
        self.parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(w, 0):.1f}" height="{max(h, 0):.1f}" rx="2" class="f{colour}"/>')

    def curve(self, points, colour):
        to = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(f'<polyline points="{to}" class="s{colour}" stroke-width="2"/>')
        self.parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" class="f{colour}"/>' for x, y in points]

    def legend(self, names, y):
        """Returns the height that it took."""
        x, first = 16, y
        for i, name in enumerate(names):
            if x > 16 and x + 18 + wide(name) > WIDTH - 16:
                x, y = 16, y + 20
            self.rect(x, y - 10, 12, 12, i)
            self.text(x + 18, y, name)
            x += 18 + wide(name) + 22
        return y - first + 20

    def xml(self):
        return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {self.height:.0f}" width="{WIDTH}" '
                f'height="{self.height:.0f}" role="img" aria-label="{escape(self.title, {chr(34): "&quot;"})}">\n<style>{STYLE}</style>\n'
                f'<rect class="ground" width="{WIDTH}" height="{self.height:.0f}" rx="6"/>\n' + "\n".join(self.parts) + "\n</svg>\n")


def ladder(wanted, gap, low, high):
    """Heights for labels near those wanted, none nearer than gap to the next, all between low and high."""
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    at = [min(max(wanted[i], low), high) for i in order]
    for i in range(1, len(at)):
        at[i] = max(at[i], at[i - 1] + gap)
    if at and at[-1] > high:
        at[-1] = high
        for i in range(len(at) - 2, -1, -1):
            at[i] = min(at[i], at[i + 1] - gap)
    out = [0.0] * len(at)
    for place, i in enumerate(order):
        out[i] = at[place]
    return out


def columns(title, below, names, groups, unit):
    """Groups of upright bars: [(label, [a value or None for each name])]; each bar carries its figure."""
    p = Picture(380, title, below)
    top = 86 + (p.legend(names, 74) if len(names) > 1 else 0)
    bottom, left, right = 336, 74, WIDTH - 16
    marks = steps(max(v for _, vs in groups for v in vs if v is not None) * 1.02)
    high = bottom - top - 10

    def y(v):
        return bottom - high * v / marks[-1]
    for m in marks:
        p.line(left, y(m), right, y(m))
        p.text(left - 8, y(m) + 4, short(m) if m else "0", "quiet", "end")
    p.text(16, top - 12, unit, "quiet")
    room = (right - left) / len(groups)
    bar = min(64, room * 0.8 / len(names))
    for i, (label, values) in enumerate(groups):
        middle = left + room * (i + 0.5)
        p.text(middle, bottom + 22, label, "", "middle")
        there = [(n, v) for n, v in enumerate(values) if v is not None]
        for place, (n, v) in enumerate(there):
            x = middle + (place - len(there) / 2) * bar
            p.rect(x + 2, y(v), bar - 4, bottom - y(v), n)
            p.text(x + bar / 2, y(v) - 5, short(v), "", "middle")
    return p.xml()


def rows(title, below, names, groups, unit, log=False, marks=None):
    """Groups of lying bars: [(label, [(index of the name, value, words behind the bar)], a mark or None)]."""
    count = sum(len(bars) for _, bars, _ in groups)
    head = 62 + (24 if len(names) > 1 else 0)
    p = Picture(head + count * 20 + len(groups) * 14 + 50, title, below)
    if len(names) > 1:
        p.legend(names, 72)
    left = 24 + max(wide(label) for label, _, _ in groups)
    right = WIDTH - 30 - max(wide(words) for _, bars, _ in groups for _, _, words in bars)
    values = [v for _, bars, _ in groups for _, v, _ in bars] + [m for _, _, m in groups if m]
    ticks = marks or (decades(min(values) * 0.8, max(values)) if log else steps(max(values)))
    base = math.log10(ticks[0]) if log else 0
    span = (math.log10(ticks[-1]) if log else ticks[-1]) - base

    def x(v):
        return left + (right - left) * ((math.log10(v) if log else v) - base) / span
    end = p.height - 40
    for t in ticks:
        p.line(x(t), head, x(t), end)
        p.text(x(t), end + 16, short(t) if t else "0", "quiet", "middle")
    p.text((left + right) / 2, end + 32, unit, "quiet", "middle")
    y = head + 4
    for label, bars, mark in groups:
        y += 7
        p.text(left - 8, y + len(bars) * 10 + 4, label, "", "end")
        first = y
        for n, v, words in bars:
            p.rect(left, y + 2, x(v) - left, 16, n)
            hidden = mark and x(v) - 4 < x(mark) < x(v) + 10 + wide(words)
            p.text((x(mark) if hidden else x(v)) + 6, y + 14, words)
            y += 20
        if mark:
            p.line(x(mark), first, x(mark), y, "mark")
        y += 7
    return p.xml()


def curves(title, below, series, ticks_x, unit_x, unit_y, marks_y=None):
    """Curves with their names at their ends: {name: [(place among ticks_x, value)]}; the upright axis is logarithmic."""
    p = Picture(380, title, below)
    left, top, bottom = 74, 84, 320
    right = WIDTH - 34 - max(wide(n) for n in series)
    values = [v for points in series.values() for _, v in points]
    marks = marks_y or decades(min(values), max(values))
    base, span = math.log10(marks[0]), math.log10(marks[-1] / marks[0])

    def y(v):
        return bottom - (bottom - top) * (math.log10(v) - base) / span

    def x(place):
        return left + 14 + (right - left - 28) * place / max(len(ticks_x) - 1, 1)
    for m in marks:
        p.line(left, y(m), right, y(m))
        p.text(left - 8, y(m) + 4, short(m), "quiet", "end")
    for i, t in enumerate(ticks_x):
        p.text(x(i), bottom + 20, t, "", "middle")
    p.text((left + right) / 2, bottom + 42, unit_x, "quiet", "middle")
    p.text(16, top - 14, unit_y, "quiet")
    ends = ladder([y(points[-1][1]) for points in series.values()], 16, top, bottom)
    for i, ((name, points), end) in enumerate(zip(series.items(), ends)):
        p.curve([(x(place), y(v)) for place, v in points], i)
        # Where curves meet, names stand away from their ends.
        p.rect(right + 4, end - 4, 8, 8, i)
        p.text(right + 18, end + 4, name)
    return p.xml()
