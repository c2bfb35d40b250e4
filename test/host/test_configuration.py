# SPDX-License-Identifier: BSD-3-Clause
"""docs/configuration.md and docs/pubwire.yaml say what the program says: every key, range, word and
default, in both directions. PUBWIRE names the program."""

import copy
import json
import os
import re
import subprocess
import unittest

from made_up import REPO
from pages import code, tables
from pwhost import yamlread

PUBWIRE = os.environ.get("PUBWIRE")
LISTS = ("ports", "listeners", "brokers", "routes")
UNITS = {"": 1, "ms": 1, "s": 1000, "m": 60000, "min": 60000, "h": 3600000, "days": 86400000}
BYTES = {"": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
KINDS = {"time": "ms", "bytes": "bytes", "seconds": "s", "microseconds": "us"}


def read(path):
    with open(f"{REPO}/docs/{path}", encoding="utf-8") as f:
        return f.read()


def schema():
    out = subprocess.run([PUBWIRE, "--print-schema"], capture_output=True, text=True, check=True).stdout
    return json.loads(out)


def keys_of(node, path=""):
    """{path: (node, required)}; items of a list stand under "NAME[]"."""
    found = {}
    for key, value in node["properties"].items():
        at = f"{path}.{key}" if path else key
        found[at] = (value, key in node["required"])
        if value.get("type") == "object":
            found.update(keys_of(value, at))
        elif value.get("type") == "array" and value["items"].get("type") == "object":
            found.update(keys_of(value["items"], at + "[]"))
    return found


def quantity(text, unit):
    """A number as the page writes it, in the schema's unit; a day count is rounded down."""
    m = re.match(r"\s*(\d+) ?(\w*)", text)
    if not m:
        return None
    if unit == "bytes":
        factor = BYTES.get(m[2])
    elif unit in ("ms", "s"):
        factor = UNITS.get(m[2])
        if unit == "s" and m[2]:
            factor = factor and factor // 1000
    else:
        factor = 1
    return int(m[1]) * factor if factor else None


def same(page, program, unit):
    """Rounding that a reader forgives: 4 GiB for 4294967295, 49 days for 49.7."""
    if page == program:
        return True
    if unit == "bytes":
        return page == program + 1
    return unit == "ms" and program > 86400000 and page == program // 86400000 * 86400000


def number_problems(value, default, node):
    unit = node.get("x-unit")
    kind = next((k for k, u in KINDS.items() if value.startswith(k)), None)
    if KINDS.get(kind) != unit:
        yield f"a {unit or 'count'}, not '{value}'"
    m = re.search(r"(0, or )?(\d+(?: (?:ms|s|min|m|h|days|[KMG]iB)\b)?)(?: to (\S+(?: (?:ms|s|min|m|h|days|[KMG]iB)\b)?)| up to)",
                  value)
    if not m:
        yield f"has no range in '{value}'"
        return
    zero, least = "anyOf" in node, node.get("minimum")
    if zero:
        least = node["anyOf"][1]["minimum"]
    if bool(m[1]) != zero:
        yield f"{'takes 0 apart from its range' if zero else 'has no 0 apart'}, '{value}'"
    if not same(quantity(m[2], unit), least, unit):
        # "1 to 500 ms": the unit stands once.
        shared = re.search(r"(ms|s|h)$", m[3] or "")
        if not shared or quantity(f"{m[2]} {shared[1]}", unit) != least:
            yield f"begins at {least}, not as '{value}'"
    if m[3] and not same(quantity(m[3].rstrip(","), unit), node["maximum"], unit):
        yield f"ends at {node['maximum']}, not as '{value}'"
    if ("enum" in node) != value.startswith("power of two"):
        yield f"takes {'powers of two only' if 'enum' in node else 'any number'}, not '{value}'"
    if quantity(default.strip("`"), unit) != node["default"]:
        yield f"is {node['default']} where nothing is said, not '{default}'"


def text_problems(value, default, node, required):
    words = node.get("enum") or (node.get("items") or {}).get("enum")
    if "anyOf" in node and "enum" in node["anyOf"][0]:
        counted = re.match(r"\^(.*:)", node["anyOf"][1]["pattern"])[1] + "K"
        words = node["anyOf"][0]["enum"] + [counted]
    if words:
        expected = {w for w in words if isinstance(w, str)}
        if set(code(value)) != expected:
            yield f"takes {sorted(expected)}, not '{value}'"
    if "maxLength" in node and node["maxLength"] != 31 and not re.search(rf"up to {node['maxLength']} bytes", value):
        yield f"has up to {node['maxLength']} bytes, not '{value}'"
    if node.get("maxLength") == 31 and value != "name":
        yield f"is a name, not '{value}'"
    items = node.get("items") or {}
    if "maxLength" in items and f"{items['maxLength']} bytes" not in value:
        yield f"has items up to {items['maxLength']} bytes, not '{value}'"
    if node.get("type") == "array" and "list" not in value:
        yield f"is a list, not '{value}'"
    if required != (default == "required"):
        yield f"is {'' if required else 'not '}required, not '{default}'"
    if isinstance(node.get("default"), str) and code(default)[:1] != [node["default"]] and "else" not in default:
        yield f"is {node['default']} where nothing is said, not '{default}'"
    if "minItems" in node and "maxItems" in node and node["minItems"] != node["maxItems"]:
        m = re.search(r"list of (\d+) to (\d+)", value)
        if m and (int(m[1]), int(m[2])) != (node["minItems"], node["maxItems"]):
            yield f"has {node['minItems']} to {node['maxItems']} items, not '{value}'"


def mapping_problems(path, value, default, keys):
    """A small mapping that is told in one row: `hold`, `when_full`, `topic_prefix`, `log`."""
    below = {k: n for k, (n, _) in keys.items() if k.startswith(path + ".")}
    for k, node in below.items():
        name = k.rsplit(".", 1)[1]
        if f"`{name}`" not in value:
            yield f"has a key {name}, not in '{value}'"
        if "enum" in node and not {w for w in node["enum"]} <= set(code(value)):
            yield f"{name} takes {node['enum']}, not in '{value}'"
        if "maximum" in node:
            m = re.search(rf"`{name}`, (\d+) to (\d+(?: \w+)?)", value)
            if not m or int(m[1]) != node["minimum"] or not same(quantity(m[2], node.get("x-unit")),
                                                                 node["maximum"], node.get("x-unit")):
                yield f"{name} is {node['minimum']} to {node['maximum']}, not as in '{value}'"
        if "maxLength" in node and f"up to {node['maxLength']} bytes" not in value:
            yield f"{name} has up to {node['maxLength']} bytes, not in '{value}'"
        if node.get("default") is not None and f"{name}: {node['default']}" not in default:
            yield f"{name} is {node['default']} where nothing is said, not '{default}'"


def rows_of(page):
    """{path: (value, default, meaning)} of the tables that explain keys."""
    found, wrong = {}, []
    for heading, columns, rows in tables(page):
        if columns[:3] != ["key", "value", "default"]:
            continue
        section = "" if heading == "Top level" else heading + ("[]" if heading in LISTS else "") + "."
        for row in rows:
            path = section + (code(row[0]) or [row[0]])[0]
            if path in found:
                wrong.append(f"{path}: stands twice")
            found[path] = (row[1], row[2], row[3])
    return found, wrong


def problems(page, node):
    """What of a page is not so; one line each, beginning with the key."""
    rows, wrong = rows_of(page)
    keys = keys_of(node)
    sections = {path.rsplit(".", 1)[0] for path in rows if "." in path}
    for path, (what, required) in keys.items():
        parent = path.rsplit(".", 1)[0] if "." in path else ""
        if parent and parent not in sections and parent in rows:
            continue  # told in the row of its mapping
        if path not in rows:
            wrong.append(f"{path}: stands in no table")
            continue
        value, default, _ = rows[path]
        if "maximum" in what:
            wrong += [f"{path}: {p}" for p in number_problems(value, default, what)]
        elif what.get("type") == "object":
            if path not in sections:
                wrong += [f"{path}: {p}" for p in mapping_problems(path, value, default, keys)]
            if required != (default == "required"):
                wrong.append(f"{path}: is {'' if required else 'not '}required")
        else:
            wrong += [f"{path}: {p}" for p in text_problems(value, default, what, required)]
        items = what.get("items") or {}
        if "x-maximum" in items:
            m = re.search(r"times, (.*) to (.*)", value)
            if not m or [quantity(m[i], "ms") for i in (1, 2)] != [items["x-minimum"], items["x-maximum"]]:
                wrong.append(f"{path}: {items['x-minimum']} to {items['x-maximum']} ms, not '{value}'")
            told = re.findall(r"\w+", default.strip("`"))
            if [quantity(x, "ms") for x in told] != what["default"]:
                wrong.append(f"{path}: {what['default']} ms where nothing is said, not '{default}'")
    wrong += [f"{path}: is no key" for path in rows if path not in keys]
    return wrong


def example_problems(text, node):
    """pubwire.yaml: every key is there, none that is unknown; what is commented out is the default."""
    keys = keys_of(node)
    seen, wrong, stack = set(), [], []
    for number, raw in enumerate(text.splitlines(), 1):
        line = re.sub(r"^(\s*)# ?", r"\1", raw, count=1)
        m = re.match(r"(\s*)(- )?([a-z_0-9]+):(?: +(.*))?$", line)
        if not m or (raw.startswith("#") and not re.match(r"# +\w|# \w+:", raw)):
            continue
        depth = len(m[1]) + (2 if m[2] else 0)
        stack = [(d, k) for d, k in stack if d < depth]
        path = ".".join([k for _, k in stack] + [m[3]])
        path = re.sub(rf"^({'|'.join(LISTS)})\.", r"\1[].", path)
        stack.append((depth, m[3]))
        if path not in keys:
            wrong.append(f"{number}: {path} is no key")
            continue
        seen.add(path)
        what = keys[path][0]
        value = re.sub(r"\s+#.*$", "", m[4] or "").strip()
        below = re.match(r"\{(.*)\}$", value)
        for k in re.findall(r"(\w+): ", below[1]) if below else []:
            seen.add(f"{path}.{k}")
        if raw.lstrip().startswith("#") and "default" in what and value:
            unit = what.get("x-unit")
            if isinstance(what["default"], int) and not isinstance(what["default"], bool):
                right = quantity(value, unit) == what["default"]
            elif isinstance(what["default"], list) and what["default"] and isinstance(what["default"][0], int):
                right = [quantity(x, "ms") for x in re.findall(r"\w+", value)] == what["default"]
            else:
                told = what["default"]
                told = "[" + ", ".join(told) + "]" if isinstance(told, list) else str(told).lower()
                right = value.strip('"') == told
            if not right:
                wrong.append(f"{number}: {path} is {what['default']} where nothing is said, not {value}")
    return wrong + [f"{path} is not there" for path in keys if path not in seen]


TYPES = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float)}


def violations(value, node, path="file"):
    """What of a value a schema does not allow: the part of JSON Schema that --print-schema uses."""
    kinds = node.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(isinstance(value, TYPES[k]) for k in kinds):
        return [f"{path}: is no {kinds}"]
    wrong = []
    if "enum" in node and value not in node["enum"]:
        wrong.append(f"{path}: {value} is none of {node['enum']}")
    if "const" in node and value != node["const"]:
        wrong.append(f"{path}: {value} is not {node['const']}")
    if "anyOf" in node and all(violations(value, n, path) for n in node["anyOf"]):
        wrong.append(f"{path}: {value} is nothing of anyOf")
    if isinstance(value, str):
        if len(value) > node.get("maxLength", len(value)) or not re.search(node.get("pattern", ""), value):
            wrong.append(f"{path}: '{value}' does not fit")
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        if not node.get("minimum", value) <= value <= node.get("maximum", value):
            wrong.append(f"{path}: {value} is out of range")
    elif isinstance(value, list):
        if not node.get("minItems", 0) <= len(value) <= node.get("maxItems", len(value)):
            wrong.append(f"{path}: {len(value)} items")
        for i, item in enumerate(value):
            wrong += violations(item, node["items"], f"{path}[{i}]")
    elif isinstance(value, dict):
        wrong += [f"{path}: lacks {k}" for k in node.get("required", []) if k not in value]
        for k, v in value.items():
            if "properties" not in node:
                continue
            wrong += violations(v, node["properties"][k], f"{path}.{k}") if k in node["properties"] else [
                f"{path}.{k}: is unknown"]
    return wrong


@unittest.skipUnless(PUBWIRE, "PUBWIRE names no program")
class Page(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.schema = schema()
        cls.page = read("configuration.md")

    def test_page_and_program_say_the_same(self):
        self.assertEqual(problems(self.page, self.schema), [])

    def test_a_page_that_was_changed_is_found_out(self):
        changes = [
            ("| `vlan` | 0 to 4094 |", "| `vlan` | 0 to 4095 |", "ports[].vlan"),
            ("| `vlan` | 0 to 4094 |", "| `vlan` | 1 to 4094 |", "ports[].vlan"),
            ("| `mtu` | bytes, 576 to 9000 | 1500 |", "| `mtu` | bytes, 576 to 9000 | 1400 |", "ports[].mtu"),
            ("| `mtu` | bytes,", "| `mtu` | time,", "ports[].mtu"),
            ("| `mtu` | bytes,", "| `mut` | bytes,", "ports[].mut"),
            ("| `failover_delay` | time, 0 to 1 h | 5 s |", "| `failover_delay` | time, 0 to 1 h | 6 s |",
             "brokers[].failover_delay"),
            ("| `neighbours` | 0, or 64", "| `neighbours` | 0, or 32", "limits.neighbours"),
            ("| `neighbours` | 0, or 64", "| `neighbours` | 64", "limits.neighbours"),
            ("| `max_queued_messages` | power of two, 16", "| `max_queued_messages` | 16", "limits.max_queued_messages"),
            ("list of two times, 10 ms", "list of two times, 20 ms", "brokers[].restart_timeout"),
            ("`hash`, `failover`, `round_robin` | `all`", "`hash`, `failover` | `all`", "routes[].fanout"),
            ("`quorum:K`, `local` |", "`local` |", "routes[].ack"),
            ("each `block`, `drop` or `detach`", "each `block` or `drop`", "routes[].when_full"),
            ("`messages`, 0 to 32768", "`messages`, 0 to 32767", "brokers[].hold"),
            ("| `filter` | topic filter up to 255", "| `filter` | topic filter up to 256", "routes[].filter"),
            ("| `filter` | topic filter up to 255 bytes | required", "| `filter` | topic filter up to 255 bytes | `#`",
             "routes[].filter"),
            ("`auto`, `3.1.1`, `5.0` | `auto`", "`auto`, `3.1.1`, `5.0` | `5.0`", "brokers[].protocol"),
            ("| list of 1 to 16 | required", "| list of 1 to 17 | required", "listeners"),
        ]
        for old, new, key in changes:
            with self.subTest(change=new):
                self.assertIn(old, self.page)
                found = problems(self.page.replace(old, new), self.schema)
                self.assertTrue(any(p.startswith(key + ":") for p in found), found)

    def test_a_key_that_the_page_lacks_is_found_out(self):
        page = re.sub(r"(?m)^\| `topic_alias_maximum` .*\n", "", self.page)
        self.assertEqual(problems(page, self.schema), ["limits.topic_alias_maximum: stands in no table"])

    def test_example_has_every_key_and_shows_defaults(self):
        self.assertEqual(example_problems(read("pubwire.yaml"), self.schema), [])

    def test_an_example_that_was_changed_is_found_out(self):
        text = read("pubwire.yaml")
        for old, new in (("#   min_rto: 200ms", "#   min_rto: 300ms"), ("    # gateway:", "    # gatewya:"),
                         ("# protocols: [3.1.1, 5.0]\n", ""), ("    # fanout: all", "    # fanout: hash"),
                         ("#   user_timeout: 120s\n", "")):
            with self.subTest(change=new):
                self.assertIn(old, text)
                self.assertNotEqual(example_problems(text.replace(old, new), self.schema), [])


@unittest.skipUnless(PUBWIRE, "PUBWIRE names no program")
class Program(unittest.TestCase):
    def printed(self, name):
        r = subprocess.run([PUBWIRE, "--print-config", "--config", f"{REPO}/test/manage/data/{name}"],
                           capture_output=True, text=True, check=True)
        return yamlread.load(r.stdout)

    def test_defaults_of_the_schema_are_what_a_least_file_gets(self):
        config = self.printed("accept-least.yaml")
        seen = 0
        for path, (node, _) in keys_of(schema()).items():
            if "default" not in node or isinstance(node["default"], list) or path.startswith("http"):
                continue
            value = config
            for step in path.replace("[]", ".0").split("."):
                value = value[int(step)] if step.isdigit() and isinstance(value, list) else value.get(step)
                if value is None:
                    break
            if value is not None:
                self.assertEqual(str(value).lower(), str(node["default"]).lower(), path)
                seen += 1
        self.assertGreater(seen, 60)

    def test_what_is_printed_has_keys_of_the_schema_only(self):
        keys = keys_of(schema())

        def walk(value, path):
            if isinstance(value, dict):
                for k, v in value.items():
                    at = f"{path}.{k}" if path else k
                    self.assertIn(at, keys)
                    walk(v, at)
            elif isinstance(value, list) and value and isinstance(value[0], dict):
                for v in value:
                    walk(v, path + "[]")
        walk(self.printed("accept-everything.yaml"), "")

    def test_schema_allows_what_the_program_takes_and_no_more(self):
        config, node = self.printed("accept-everything.yaml"), schema()
        self.assertEqual(violations(config, node), [])

        def with_(change):
            c = copy.deepcopy(config)
            change(c)
            return violations(c, node)
        for change, key in ((lambda c: c["ports"][0].update(mtu=500), "ports[0].mtu"),
                            (lambda c: c["ports"][0].update(mtu="1500s"), "ports[0].mtu"),
                            (lambda c: c["brokers"][0].update(adress="x"), "brokers[0].adress"),
                            (lambda c: c["brokers"][0].pop("address"), "brokers[0]: lacks address"),
                            (lambda c: c["limits"].update(neighbours=1), "limits.neighbours"),
                            (lambda c: c["limits"].update(max_queued_messages=1000), "limits.max_queued_messages"),
                            (lambda c: c["routes"][0].update(ack="quorum:0"), "routes[0].ack"),
                            (lambda c: c["routes"][0].update(fanout="some"), "routes[0].fanout"),
                            (lambda c: c["listeners"].clear(), "listeners: 0 items"),
                            (lambda c: c.pop("routes"), "file: lacks routes")):
            self.assertTrue(any(key in v for v in with_(change)), key)
        for change in (lambda c: c["limits"].update(neighbours=0, connect_deadline="5s"),
                       lambda c: c["routes"][0].update(ack="quorum:12"),
                       lambda c: c["protocols"].append(5.0) or c["protocols"].pop(0)):
            self.assertEqual(with_(change), [])
