# SPDX-License-Identifier: BSD-3-Clause
"""Reads the YAML that `pubwire --print-config` writes: block mappings and lists of mappings by
indentation, and scalars, [lists] and {mappings} on one line. Not YAML at large: files of people are
read by pubwire itself, which prints them in this form."""


class Unreadable(Exception):
    """Not that form."""


def load(text):
    lines = []
    for line in text.splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            lines.append((len(line) - len(line.lstrip()), line.strip()))
    value, rest = _block(lines, 0)
    if rest:
        raise Unreadable(rest[0][1])
    return value


def _block(lines, indent):
    if lines and lines[0][1].startswith("- "):
        return _sequence(lines, lines[0][0])
    found = {}
    while lines and lines[0][0] == indent and not lines[0][1].startswith("- "):
        key, colon, rest = lines[0][1].partition(":")
        if not colon:
            raise Unreadable(lines[0][1])
        lines = lines[1:]
        rest = rest.strip()
        if rest and not rest.startswith("#"):
            found[key] = _inline(rest)
        elif lines and (lines[0][0] > indent or lines[0][1].startswith("- ")):
            found[key], lines = _block(lines, lines[0][0])
        else:
            found[key] = None
    return found, lines


def _sequence(lines, indent):
    found = []
    while lines and lines[0][0] == indent and lines[0][1].startswith("- "):
        # The item's first key stands beside the dash; its other keys stand below that key.
        lines = [(indent + 2, lines[0][1][2:].strip())] + lines[1:]
        item, lines = _block(lines, indent + 2)
        found.append(item)
    return found, lines


def _inline(text):
    value, rest = _flow(text, "")
    rest = rest.strip()
    if rest and not rest.startswith("#"):
        raise Unreadable(text)
    return value


def _flow(text, end):
    """One value at the start of text, up to one of the characters of end. (value, what follows)."""
    text = text.lstrip()
    if text.startswith("["):
        return _flow_list(text[1:])
    if text.startswith("{"):
        return _flow_mapping(text[1:])
    if text.startswith('"'):
        return _quoted(text[1:])
    i = 0
    while i < len(text) and text[i] not in end and not text[i:].startswith(" #"):
        i += 1
    word = text[:i].strip()
    return (int(word) if word.isdigit() else word), text[i:]


def _flow_list(text):
    found = []
    text = text.lstrip()
    while not text.startswith("]"):
        value, text = _flow(text, ",]")
        found.append(value)
        text = _after_item(text, "]")
    return found, text[1:]


def _flow_mapping(text):
    found = {}
    text = text.lstrip()
    while not text.startswith("}"):
        key, colon, text = text.partition(":")
        if not colon:
            raise Unreadable(key)
        found[key.strip()], text = _flow(text, ",}")
        text = _after_item(text, "}")
    return found, text[1:]


def _after_item(text, close):
    text = text.lstrip()
    if text.startswith(","):
        return text[1:].lstrip()
    if not text.startswith(close):
        raise Unreadable(text or f"no {close}")
    return text


def _quoted(text):
    out, i = "", 0
    while i < len(text) and text[i] != '"':
        if text[i] == "\\" and text[i + 1:i + 2] == "x":
            out += chr(int(text[i + 2:i + 4], 16))
            i += 4
        else:
            i += text[i] == "\\"
            out += text[i:i + 1]
            i += 1
    if i >= len(text):
        raise Unreadable(text)
    return out, text[i + 1:]
