#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Pauses of perf/run: who had a CPU, what that held up, and the percentiles apart from it."""

import os
import subprocess
import sys
import tempfile
import time
import unittest

REPO = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
sys.path.insert(0, os.path.join(REPO, "perf"))
from pwperf import pauses  # noqa: E402

MS = 1000000


class Pauses(unittest.TestCase):
    def test_who_is_none_of_ours_and_not_idle_has_taken_the_cpu(self):
        ran = [(5, 7, 70), (10, 8, 80), (20, 0, 0), (30, 7, 71), (40, 9, 90), (60, 7, 70), (80, 9, 91)]
        found = pauses.taken(ran, (7,), 12, 90, name=lambda tid: f"t{tid}")
        self.assertEqual(found, [(12, 20, "t80"), (40, 60, "t90"), (80, 90, "t91")])
        self.assertEqual(pauses.by_name([(0, MS, "a"), (0, 3 * MS, "b"), (5 * MS, 6 * MS, "a")]), {"b": 3, "a": 2})

    def test_a_pause_holds_up_what_comes_until_it_is_worked_off(self):
        self.assertEqual(pauses.held_up([(100, 200, "")], 0), [(100, 200)])
        self.assertEqual(pauses.held_up([(100, 200, "")], 0.5), [(100, 300)])
        self.assertEqual(pauses.held_up([(100, 200, "")], 0.9)[0][0], 100)
        self.assertAlmostEqual(pauses.held_up([(100, 200, "")], 0.9)[0][1], 1100)
        # The second one begins before the first is worked off: 50 of it are left, and come on top.
        self.assertEqual(pauses.held_up([(250, 350, ""), (100, 200, "")], 0.5), [(100, 500)])
        self.assertEqual(pauses.held_up([(400, 500, ""), (100, 200, "")], 0.5), [(100, 300), (400, 600)])
        self.assertEqual(pauses.held_up([(1, 2, "")], 1), [(1, float("inf"))])

    def slots(self, text):
        with tempfile.NamedTemporaryFile("w", encoding="ascii") as f:
            f.write(text)
            f.flush()
            return pauses.Slots(f.name)

    def test_messages_that_were_due_in_a_pause_are_left_out_and_no_others(self):
        s = self.slots(f"1000 {1000 + 10 * MS} {MS}\n" + "".join(f"{i} 2000:990 9000:10\n" for i in range(10) if i != 4)
                       + "4 2000:10 5000000:990\n" + f"pause {1000 + 7 * MS} {1001 + 7 * MS}\n")
        every = s.apart([])
        self.assertEqual((every["count"], every["left_out_share"]), (10000, 0))
        self.assertEqual((every["p50"], every["p99"]), (2, 5000))
        found = s.apart([(1000 + 4 * MS + 5, 1000 + 4 * MS + 6)])
        self.assertEqual((found["count"], found["left_out_share"]), (9000, 0.1))
        self.assertEqual((found["p99"], found["p99_9"]), (2, 9))
        self.assertEqual(s.apart([(0, 2000 + MS), (1000 + 9 * MS, float("inf"))])["left_out_share"], 0.3)
        self.assertEqual(s.pauses, [(1000 + 7 * MS, 1001 + 7 * MS, pauses.GENERATOR)])
        # Too few are left to speak of percentiles.
        self.assertEqual(s.apart([(0, 1000 + 9 * MS)]), {"count": 0, "left_out_share": 1})

    def test_the_kernel_tells_who_took_a_cpu(self):
        cpu = max(os.sched_getaffinity(0))
        try:
            watch = pauses.Watch([cpu])
        except pauses.Unwatched as e:
            self.skipTest(str(e))
        self.addCleanup(watch.close)
        watch.start()
        begin = time.monotonic_ns()
        subprocess.run(["taskset", "-c", str(cpu), sys.executable, "-c", "for _ in range(3000000): pass"], check=True)
        end = time.monotonic_ns()
        watch.stop()
        ran = watch.switches()[cpu]
        other = pauses.taken(ran, (os.getpid(),), begin, end)
        self.assertTrue(other)
        self.assertGreater(sum(pauses.by_name(other).values()), 1)
        for a, b, _ in other:
            self.assertLess(a, b)
            self.assertGreaterEqual(a, begin)
            self.assertLessEqual(b, end)

    def test_a_cpu_that_is_not_there_is_said_to_be_unwatched(self):
        with self.assertRaises(pauses.Unwatched) as e:
            pauses.Watch([4095])
        self.assertIn("perf_event_open", str(e.exception))


if __name__ == "__main__":
    unittest.main()
