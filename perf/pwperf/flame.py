# SPDX-License-Identifier: BSD-3-Clause
"""A flame graph: each function as wide as its share of the samples, above the one that called it. SVG that needs no script;
the pointer on a function tells its figures. Colours are the rooms that functions belong to, light or dark as the reader's
screen is."""

from xml.sax.saxutils import escape

from . import stacks as stacks_of

WIDTH, ROW, HEAD, MARGIN = 1200, 16, 62, 10
CHAR = 6.7
# Frames below this share of the samples are left out, so that the file stays small.
LEAST = 0.002
COLOURS = {  # room: light, dark
    "worker": ("#d9d2c5", "#5d574b"), "wire": ("#a8d5a2", "#2f6b35"), "tcp": ("#9ec5e8", "#27598a"),
    "mqtt": ("#f2c58c", "#8a5a1c"), "forward": ("#f0a79b", "#8f3d33"), "base": ("#d3b8e6", "#5f4280"),
    "DPDK": ("#b5dcd9", "#2b6663"), "driver": ("#e6e08f", "#6b661f"), "C library": ("#e8b7cf", "#7d3a5c"),
    "kernel": ("#c9c9c9", "#4f4f4f"), "other": ("#e4e4e4", "#3d3d3d")}
CLASS = {room: f"r{i}" for i, room in enumerate(COLOURS)}


class Node:
    """A function called from one place; n samples in it or above it."""

    def __init__(self, name, room):
        self.name, self.room, self.n, self.children = name, room, 0, {}


def tree(stacks, where, known):
    root = Node("all", "worker")
    for stack, n in sorted(stacks.items()):
        root.n += n
        at = root
        for name, room in zip(stack, stacks_of.rooms_of(stack, where, known)):
            at = at.children.setdefault(name, Node(name, room))
            at.n += n
    return root


def visible(node, least, depth=0):
    """(depth of the deepest frame that is drawn, number of those that are not)."""
    deepest, hidden = depth, 0
    for child in node.children.values():
        if child.n < least:
            hidden += 1
            continue
        d, h = visible(child, least, depth + 1)
        deepest, hidden = max(deepest, d), hidden + h
    return deepest, hidden


def style():
    def rules(i):
        return "".join(f".{CLASS[room]} rect{{fill:{c[i]}}}" for room, c in COLOURS.items())
    return ("svg{background:#fff}text{font:11px monospace;fill:#111}.h{font-size:14px}rect{stroke:#fff;stroke-width:.5}"
            "g.f:hover rect{stroke:#000;stroke-width:1.5}" + rules(0)
            + "@media(prefers-color-scheme:dark){svg{background:#1b1b1b}text{fill:#eee}rect{stroke:#1b1b1b}"
            "g.f:hover rect{stroke:#fff}" + rules(1) + "}")


def draw(out, node, x, depth, scale, height, least, words):
    y = height - MARGIN - (depth + 1) * ROW
    width = node.n * scale
    out.append(f'<g class="f {CLASS[node.room]}"><title>{escape(words(node))}</title>'
               f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{ROW}"/>')
    fits = int((width - 4) / CHAR)
    if fits >= 3:
        name = node.name if len(node.name) <= fits else node.name[:fits - 1] + "…"
        out.append(f'<text x="{x + 3:.1f}" y="{y + 12}">{escape(name)}</text>')
    out.append("</g>\n")
    for child in sorted(node.children.values(), key=lambda c: c.name):
        if child.n >= least:
            draw(out, child, x, depth + 1, scale, height, least, words)
            x += child.n * scale


def legend(out, used):
    x = MARGIN
    for room in (r for r in COLOURS if r in used):
        out.append(f'<g class="{CLASS[room]}"><rect x="{x}" y="38" width="12" height="12"/></g>'
                   f'<text x="{x + 16}" y="48">{escape(room)}</text>')
        x += 30 + int(len(room) * CHAR)
    out.append("\n")


def svg(stacks, where, known, title, cycles=None, least=LEAST):
    """The picture, as text. cycles: of a message, shared out among the samples."""
    root = tree(stacks, where, known)
    if root.n == 0:
        raise ValueError("no samples")
    bound = max(1, root.n * least)
    deepest, hidden = visible(root, bound)
    height = HEAD + (deepest + 1) * ROW + MARGIN

    def words(node):
        share = node.n / root.n
        cost = f", {share * cycles:.0f} cycles a message" if cycles else ""
        return f"{node.name} ({node.room}): {share:.1%}{cost}"

    note = f"{root.n} samples; {hidden} branches below {least:.1%} are left out" if hidden else f"{root.n} samples"
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
           f'role="img" aria-label="{escape(title, {chr(34): "&quot;"})}">\n<style>{style()}</style>\n',
           f'<text class="h" x="{MARGIN}" y="20">{escape(title)}</text>'
           f'<text x="{WIDTH - MARGIN}" y="20" text-anchor="end">{note}</text>\n']
    legend(out, {r for stack in stacks for r in stacks_of.rooms_of(stack, where, known)})
    draw(out, root, MARGIN, 0, (WIDTH - 2 * MARGIN) / root.n, height, bound, words)
    out.append("</svg>\n")
    return "".join(out)
