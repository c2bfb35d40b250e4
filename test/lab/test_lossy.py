# SPDX-License-Identifier: BSD-3-Clause
"""pubwire's TCP against the kernel's, through a bad cable: every byte arrives, in bounded time, and
every buffer is back. How fast is measured by perf/lossy, not here."""

import os
import shutil
import unittest

import kit
import lossy
from lossy import LEFT, RIGHT

# A mobile network's round trip, but short enough for a test.
PATH = {"d": 4, "r": 100, "q": 50}
# Bytes of a transfer, all connections together: what 20 s are ample for.
TOTAL = {0: 4 << 20, 1: 1 << 20, 5: 256 << 10, 20: 48 << 10}


class Cable(unittest.TestCase):
    """A case over a cable of its own."""

    family = 4

    @classmethod
    def setUpClass(cls):
        if os.geteuid():
            raise unittest.SkipTest("namespaces need root")
        if not shutil.which("ethtool"):
            raise unittest.SkipTest("ethtool is not installed (scripts/deps lab)")
        cls.programs = {n: kit.helper(n) for n in ("lossy_wire", "tcp_peer", "tcp_host")}
        # Cleaned up where this fails half-way, too.
        cls.addClassCleanup(lossy.down)
        lossy.up()

    def transfer(self, wire, **kw):
        # With waits of a second at most a test is over in time however its luck is.
        kw = {"family": self.family, "seconds": 60, "seed": wire.get("s", 1), "max_rto": 1000} | kw
        with lossy.cable(self.programs["lossy_wire"], **(PATH | wire)) as counters:
            left, right = lossy.Transfer(self.programs, True, **kw).run()
        # Otherwise an offload is on, and this was no test of a cable.
        for side in counters.values():
            self.assertEqual(side["too_long"] + side["partial_checksum"], 0, counters)
        self.assertTrue(right["buffers_back"])
        return left, right, counters

    def mixed(self):
        self.transfer({"l": 2, "o": 3, "u": 2, "c": 1, "s": 13}, conns=10, size=100000, both=True)

    def at(self, loss, conns):
        """Both ways: the kernel opens and sends, then pubwire does."""
        for n, end in enumerate((LEFT, RIGHT)):
            size = TOTAL[loss] // (conns if conns == 1 else conns // 4)
            _, _, counters = self.transfer({"l": loss, "s": 100 * loss + n}, conns=conns, size=size,
                                           sender=end, opener=end)
            lost = sum(side["lost"] for side in counters.values())
            self.assertEqual(lost > 0, loss > 0)


class LossyIPv4(Cable):
    def test_no_loss_1_connection(self):
        self.at(0, 1)

    def test_no_loss_50_connections(self):
        self.at(0, 50)

    def test_loss_of_1_percent_1_connection(self):
        self.at(1, 1)

    def test_loss_of_1_percent_50_connections(self):
        self.at(1, 50)

    def test_loss_of_5_percent_1_connection(self):
        self.at(5, 1)

    def test_loss_of_5_percent_50_connections(self):
        self.at(5, 50)

    def test_loss_of_20_percent_1_connection(self):
        self.at(20, 1)

    def test_loss_of_20_percent_50_connections(self):
        self.at(20, 50)

    def test_the_accepting_side_sends(self):
        """As a broker does to a subscriber: NewReno where pubwire sends. The opener speaks first,
        as in MQTT: a SYN cookie whose ACK is lost is made good by the data that follows, and by
        nothing else."""
        for end, opener in ((LEFT, RIGHT), (RIGHT, LEFT)):
            self.transfer({"l": 1, "s": 9}, conns=10, size=200000, sender=end, opener=opener,
                          greeting=100)

    def test_reordered_and_doubled(self):
        for end in (LEFT, RIGHT):
            _, _, c = self.transfer({"o": 5, "u": 3, "h": 6, "s": 11}, conns=4, size=1 << 20,
                                    sender=end, opener=end)
            self.assertGreater(min(c["left0"]["doubled"], c["right0"]["held_back"]), 0)

    def test_a_turned_bit_never_gets_through(self):
        for end in (LEFT, RIGHT):
            _, right, c = self.transfer({"c": 3, "s": 12}, conns=4, size=200000, sender=end,
                                        opener=end)
            self.assertGreater(c["left0"]["corrupted"], 0)
            self.assertGreater(right["wire"]["drop_l4_cksum"], 0)

    def test_everything_at_once_both_ways_at_once(self):
        self.mixed()

    def test_what_was_heard_is_said_again_from_the_same_buffers(self):
        """The path of a forwarder: a buffer that was received waits in a send queue, and may be
        sent again."""
        _, right, _ = self.transfer({"l": 2, "o": 2, "s": 14}, conns=10, size=200000, echo=True)
        self.assertGreater(right["tcp"]["retransmits"], 0)
        self.assertEqual(right["tcp"]["bytes_linearised"], 0)


class LossyIPv6(Cable):
    """What differs is below TCP: one case of each kind will do."""

    family = 6

    def test_no_loss_50_connections(self):
        self.at(0, 50)

    def test_loss_of_5_percent_1_connection(self):
        self.at(5, 1)

    def test_everything_at_once_both_ways_at_once(self):
        self.mixed()


if __name__ == "__main__":
    unittest.main()
