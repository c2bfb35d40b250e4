# SPDX-License-Identifier: BSD-3-Clause
"""What the sources say to operators: counters and their texts, log lines, messages."""

import glob
import re

from made_up import REPO

STRING = r'"(?:[^"\\]|\\.)*"'
# Adjacent strings are one; PRI... macros stand for a conversion.
GROUP = re.compile(rf"{STRING}(?:\s*(?:PRI\w+\s*)?{STRING})*")
CONVERSION = re.compile(r"%[-+ #0]*(?:\*|\d+)?(?:\.(?:\*|\d+))?(?:hh|h|ll|l|z|j)?[a-zA-Z%]")
COUNTERS = (("worker", "include/pubwire/worker/worker.h", "PW_WORKER_COUNTERS"),
            ("wire", "include/pubwire/wire/wire.h", "PW_WIRE_COUNTERS"),
            ("tcp", "include/pubwire/tcp/tcp.h", "PW_TCP_COUNTERS"),
            ("forward", "include/pubwire/forward/forward.h", "PW_DEVICE_COUNTERS"),
            ("upstream", "include/pubwire/forward/forward.h", "PW_UPSTREAM_COUNTERS"),
            ("route", "include/pubwire/forward/forward.h", "PW_ROUTE_COUNTERS"),
            ("auth", "include/pubwire/manage/access.h", "PW_AUTH_COUNTERS"),
            ("http", "lib/manage/http.c", "HTTP_COUNTERS"))


def read(path):
    with open(f"{REPO}/{path}", encoding="utf-8") as f:
        return f.read()


def c_files():
    found = []
    for pattern in ("lib/*/*.[ch]", "app/*.[ch]", "app/*/*.[ch]", "include/pubwire/*/*.h"):
        found += sorted(glob.glob(f"{REPO}/{pattern}"))
    return [p[len(REPO) + 1:] for p in found]


def joined(group):
    """The text of adjacent strings; conversions become "…"."""
    parts = re.findall(rf"({STRING})|(PRI\w+)", group)
    text = "".join(s[1:-1] if s else "u" for s, _ in parts)
    text = text.replace("\\n", "\n").replace('\\"', '"').replace("\\\\", "\\")
    return CONVERSION.sub(lambda m: "%" if m[0] == "%%" else "…", text)


def without_comments(text):
    # "/*" in a string begins none.
    return re.sub(rf"({STRING})|/\*.*?\*/", lambda m: m[1] or " ", text, flags=re.S)


def counters():
    """{room: [(name, help)]}"""
    found = {}
    for room, path, name in COUNTERS:
        text = read(path).replace("\\\n", "\n")
        m = re.search(rf"#define {name}\(X\)(.*?)\n(?=\n|PW_|#)", text, re.S)
        found[room] = [(a, joined(b)) for a, b in re.findall(rf"X\((\w+),\s*({GROUP.pattern})\)", m[1])]
    return found


def lists_of_counters():
    """Every list of counters that there is, but for the example in counter.h."""
    found = set()
    for path in c_files():
        if path != "include/pubwire/base/counter.h":
            found |= {(path, m) for m in re.findall(r"PW_COUNTER_STRUCT\(\w+, (\w+)\)", read(path))}
    return found


def remedies():
    """{(room, counter): text} of lib/manage/drops.c"""
    return {(m[1], m[2]): joined(m[3]) for m in re.finditer(
        rf'\{{"(\w+)", "(\w+)",\s*({GROUP.pattern})\}}', read("lib/manage/drops.c"))}


def log_lines(levels):
    """[(path, [texts])] of log calls of these levels."""
    found = []
    for path in c_files():
        text = without_comments(read(path))
        for m in re.finditer(rf"\bPW_LOG(?:_EVERY)?\(((?:[^;\"]|{STRING})*?)\);", text, re.S):
            level = re.search(r",\s*(EMERG|ALERT|CRIT|ERR|WARNING|NOTICE|INFO|DEBUG)\s*,", m[1])
            if level and level[1] in levels:
                found.append((path, [joined(g) for g in GROUP.findall(m[1])]))
    return found


def said():
    """All texts of the program, and of scripts/pwhost, in one."""
    texts = []
    for path in c_files():
        texts += [joined(g) for g in GROUP.findall(without_comments(read(path)))]
    return "\n".join(texts)


def fragments(text):
    """What stands between "…", without blanks and marks at the ends."""
    return [f.strip(" :(),;.") for f in re.split("…|\n", text) if f.strip(" :(),;.")]
