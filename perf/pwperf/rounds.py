# SPDX-License-Identifier: BSD-3-Clause
"""Short measurements that are repeated: testpmd, each scenario with its window full, testpmd again."""

# Two rates of testpmd that differ by more tell of other work, not of what lay between them.
QUIET = 0.3


def apart(a, b):
    """By how much two rates differ, as a share of the greater."""
    return abs(a - b) / max(a, b, 1)


class Share:
    """A rate as a share of testpmd's frames of 64 bytes, sent before and after."""

    def __init__(self, rate, before, after):
        self.rate = rate
        self.wire = (before + after) / 2
        self.ratio = rate / max(self.wire, 1)
        self.quiet = apart(before, after) <= QUIET


def of(b, scenarios, seconds, before=None):
    """({name: trial}, {name: Share}, testpmd's rate at the end). before: testpmd's rate at the end of the last round."""
    if before is None:
        before = b.wire64(seconds)
    trials = {s.name: b.trial(s, seconds) for s in scenarios}
    after = b.wire64(seconds)
    shares = {n: Share(t["delivered_per_second"] / t["copies"], before, after) for n, t in trials.items()}
    return trials, shares, after
