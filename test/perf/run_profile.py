#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""perf/profile: stacks folded from what perf prints, the flame graph, the tables, and one scenario for a moment.

  run_profile.py BUILD-DIRECTORY"""

import json
import os
import re
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree as ET

REPO = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
sys.path.insert(0, os.path.join(REPO, "perf"))
from pwperf import bench, flame, inside, stacks  # noqa: E402,F401

BUILD = ""
PUBWIRE = "(/build/app/pubwire)"
END = f"""\t           39255 pw_worker_turn {PUBWIRE}
\t           36973 loop {PUBWIRE}
\t            f59c [unknown] (/usr/lib/librte_eal.so.23.0)
\t          1098eb clone3 (/usr/lib/x86_64-linux-gnu/libc.so.6)
"""
MEMIF = "(/usr/lib/x86_64-linux-gnu/dpdk/pmds-23.0/librte_net_memif.so.23.0)"
RECEIVE = f"""
\t            aa68 [unknown] {MEMIF}
\t           39d19 rte_eth_rx_burst (inlined)
\t           39d19 receive.part.0 {PUBWIRE}
""" + END
SETTLE = f"""
\t           5d467 settle (inlined)
\t           5d467 pw_tcp_flush {PUBWIRE}
""" + END
CUT = f"""
\t           5e062 pw_tcp_timer_update {PUBWIRE}
\t           5e062 pw_tcp_timer_update {PUBWIRE}
\t               0 [unknown] ([unknown])
"""
COUNTING = f"""
\t           5e062 rte_rdtsc (inlined)
\t           5e062 pw_stage_enter (inlined)
""" + END
TURN = ("loop", "pw_worker_turn")


class Folding(unittest.TestCase):
    def test_stacks_run_from_the_loop_to_the_innermost_function(self):
        found, where, counting = stacks.fold("\n".join([RECEIVE, SETTLE, RECEIVE]))
        self.assertEqual(found, {TURN + ("receive", "rte_eth_rx_burst", "[net_memif]"): 2, TURN + ("pw_tcp_flush", "settle"): 1})
        self.assertIn("librte_net_memif", where["[net_memif]"])
        self.assertEqual(where["settle"], PUBWIRE[1:-1])
        self.assertEqual(counting, 0)

    def test_a_stack_that_does_not_reach_the_loop_says_so(self):
        found, _, _ = stacks.fold(CUT)
        self.assertEqual(list(found), [(stacks.CUT, "[[unknown]]", "pw_tcp_timer_update")])

    def test_what_counts_the_stages_is_no_stack(self):
        found, _, counting = stacks.fold(COUNTING + "\n" + SETTLE)
        self.assertEqual((sum(found.values()), counting), (1, 1))
        self.assertEqual(stacks.fold("")[0], {})

    def test_names_lose_what_compilers_add(self):
        for name in ("f", "f.part.0", "f.constprop.0.isra.1", "f.lto_priv.0", "f.cold", "f+0x12", "f@plt"):
            self.assertEqual(stacks.frame(f"\t  1f {name} {PUBWIRE}")[0], "f")
        self.assertEqual(stacks.frame("\t  1f f (/a b/c (deleted))"), ("f", "/a b/c (deleted)"))
        self.assertIsNone(stacks.frame("pubwire 123 456.7: cpu-clock:"))

    def test_a_function_counts_once_where_it_calls_itself(self):
        own, all_ = stacks.self_and_inclusive({("a", "b", "a"): 3, ("a",): 1})
        self.assertEqual((own, all_), ({"a": 4}, {"a": 4, "b": 3}))


class Rooms(unittest.TestCase):
    def test_the_sources_say_where_a_function_belongs(self):
        known = stacks.sources()
        self.assertEqual(known["pw_worker_turn"], {"worker"})
        self.assertEqual(known["pw_tcp_flush"], {"tcp"})
        self.assertIn("base", known["pw_pool_at"])
        self.assertNotIn("if", known)

    def test_of_several_of_one_name_the_callers_room_is_taken(self):
        known = {"a": {"tcp"}, "twice": {"tcp", "wire"}, "w": {"wire"}}
        self.assertEqual(stacks.rooms_of(("a", "twice", "w", "twice"), {}, known), ["tcp", "tcp", "wire", "wire"])

    def test_what_is_not_ours_has_a_place_too(self):
        for name, dso, room in (("memcpy", "/usr/lib/x86_64-linux-gnu/libc.so.6", "C library"), ("x", "[kernel.kallsyms]", "kernel"),
                                ("rte_rdtsc", "/build/app/pubwire", "DPDK"), ("[net_memif]", MEMIF[1:-1], "driver"),
                                ("main", "/build/app/pubwire", "other")):
            self.assertEqual(stacks.outside(name, dso), room)


class Flame(unittest.TestCase):
    def draw(self, folded, **kw):
        root = ET.fromstring(flame.svg(folded, {}, {"f": {"tcp"}}, 'a "title" <&>', **kw))
        out = {}
        for g in root.findall(".//{*}g"):
            title, rect = g.find("{*}title"), g.find("{*}rect")
            if title is not None:
                out[title.text] = {k: float(rect.get(k)) for k in ("x", "y", "width")}
        return out

    def test_frames_are_as_wide_as_their_share_and_stand_on_their_caller(self):
        f = self.draw({("r", "f"): 3, ("r", "std::vector<int>"): 1}, cycles=800)
        words = {t.split(" (")[0]: r for t, r in f.items()}
        self.assertIn("f (tcp): 75.0%, 600 cycles a message", f)
        r, a, b = words["r"], words["f"], words["std::vector<int>"]
        self.assertAlmostEqual(a["width"] / r["width"], 0.75, 2)
        self.assertAlmostEqual(a["width"] + b["width"], r["width"], 0)
        self.assertEqual({r["x"], r["x"] + a["width"]}, {a["x"], b["x"]})
        self.assertEqual(a["y"], r["y"] - flame.ROW)

    def test_slivers_are_left_out_and_counted(self):
        folded = {("r", f"f{i}"): 1 for i in range(1000)}
        folded[("r", "big")] = 1000
        text = flame.svg(folded, {}, {}, "t")
        self.assertIn("1000 branches below 0.2% are left out", text)
        self.assertLess(len(text), 10000)
        self.assertEqual(text.count("<title>"), 3)

    def test_every_room_has_a_colour_in_light_and_dark(self):
        self.assertEqual(set(flame.COLOURS), set(stacks.ROOMS) | set(stacks.OTHERS))
        text = flame.svg({("r",): 1}, {}, {}, "t")
        self.assertIn("prefers-color-scheme:dark", text)
        self.assertNotIn("<script", text)

    def test_without_samples_there_is_no_picture(self):
        with self.assertRaises(ValueError):
            flame.svg({}, {}, {}, "t")


class Inside(unittest.TestCase):
    def test_stages_are_shared_out_among_the_messages_between_two_readings(self):
        row = {"messages": 10, "tcp_in": 100, "wire_in": 50, "empty_turns": 1000, "switches": 7, "cycles_of_1000_switches": 25000}
        after = {"messages": 110, "tcp_in": 30100, "wire_in": 10050, "empty_turns": 41000, "switches": 407,
                 "cycles_of_1000_switches": 25000}
        s = inside.Stages(row, after)
        self.assertEqual((s.messages, s.cycles), (100, {"tcp_in": 30000, "wire_in": 10000}))
        lines = "\n".join(s.lines())
        self.assertRegex(lines, r"tcp_in +300\.0 +75\.0%")
        self.assertRegex(lines, r"all of them +400\.0 .* 50\.0% of the CPU")
        self.assertIn("100.0 of these cycles: 4.00 switches a message, 25 cycles each", lines)

    def test_heap_calls_are_counted_by_thread(self):
        program = """
import ctypes, sys, threading
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]
def work():
    print(threading.get_native_id())
    for _ in range(5000):
        libc.free(libc.malloc(1000))
t = threading.Thread(target=work)
t.start()
t.join()
"""
        library = os.path.join(BUILD, "perf", "liballocations.so")
        with tempfile.TemporaryDirectory() as d:
            path = os.path.join(d, "calls")
            r = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False,
                               env={**os.environ, "LD_PRELOAD": library, "PERF_ALLOCATIONS": path})
            self.assertEqual(r.returncode, 0, r.stderr)
            calls = inside.heap_calls(path)
            self.assertEqual(inside.heap_calls(path + "-not"), {})
        self.assertGreaterEqual(calls[int(r.stdout)], 10000)
        self.assertEqual(len(calls), 2)
        # Without a file to count into it does nothing.
        r = subprocess.run(["/bin/true"], env={"LD_PRELOAD": library}, check=False)
        self.assertEqual(r.returncode, 0)


class Program(unittest.TestCase):
    def run_it(self, *argv):
        return subprocess.run([os.path.join(REPO, "perf", "profile"), *argv], capture_output=True, text=True, check=False)

    def test_it_says_what_it_wants(self):
        for argv in ((), ("no-such",), ("one-64", "--seconds", "0"), ("one-64", "--rate", "0"), ("one-64", "--frequency", "x")):
            r = self.run_it(*argv)
            self.assertEqual(r.returncode, 64, argv)
            self.assertTrue(r.stderr)
        self.assertEqual(self.run_it("--help").returncode, 0)

    def test_what_is_not_built_is_skipped_with_the_reason(self):
        with tempfile.TemporaryDirectory() as d:
            r = self.run_it("one-64", "--build", d)
        self.assertEqual(r.returncode, 77, r.stderr)
        self.assertIn("skipped: ", r.stdout)
        with tempfile.TemporaryDirectory() as d:
            r = self.run_it("one-64", "--build", os.path.join(d, "profile"))
        self.assertIn("scripts/build profile\n", r.stdout)

    def test_a_scenario_is_profiled(self):
        with tempfile.TemporaryDirectory() as d:
            svg, out = os.path.join(d, "flame.svg"), os.path.join(d, "json")
            r = self.run_it("connections-100", "--rate", "5000", "--seconds", "0.5", "--no-huge", "--build", BUILD, "--top", "5",
                            "--svg", svg, "--json", out)
            if r.returncode == 77:
                self.skipTest(r.stdout.strip().splitlines()[-1])
            self.assertEqual(r.returncode, 0, r.stdout + r.stderr)
            with open(out, encoding="utf-8") as f:
                result = json.load(f)
            root = ET.parse(svg).getroot()
        self.assertTrue(root.tag.endswith("svg"))
        self.assertEqual(result["heap_calls"]["worker"], 0)
        self.assertIn("heap calls while measuring: 0 by the worker", r.stdout)
        self.assertGreater(result["samples"], 10)
        self.assertGreaterEqual(result["inclusive"]["loop"], result["inclusive"]["pw_worker_turn"])
        self.assertTrue(re.search(r"^(stages: this build does not|tcp_in )", r.stdout, re.M))


if __name__ == "__main__":
    BUILD = sys.argv.pop(1)
    unittest.main()
