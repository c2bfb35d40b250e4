# SPDX-License-Identifier: BSD-3-Clause
"""What can be said of two things that were measured by turns.

A figure of A and one of B are taken in each round, next to each other, and only their ratio is looked at: what disturbs a
round disturbs both. Ratios of rounds are judged by their ranks, so a round that went wrong weighs no more than any other
(Wilcoxon's signed ranks, exact; the estimate is the median of Walsh averages, by Hodges and Lehmann). That the order is A B, B A, A B, ...
makes the ratios of two equal things lie symmetrically about 1, which is all that is assumed of them."""

import math
import statistics

ALPHA = 0.05


def median(values):
    return statistics.median(values)


def walsh(values):
    """The means of all pairs, each value with itself too, in order."""
    return sorted((a + b) / 2 for i, a in enumerate(values) for b in values[i:])


def tail(n):
    """[P(W <= 0), P(W <= 1), ...] of the signed-rank sum of n differences about 0."""
    ways = [1]
    for rank in range(1, n + 1):
        more = [0] * rank + ways
        ways = [w + (ways[i] if i < len(ways) else 0) for i, w in enumerate(more)]
    out, total = [], 0
    for w in ways:
        total += w
        out.append(total / 2 ** n)
    return out


def interval(values, alpha=ALPHA):
    """(low, high): where the centre of the values lies, wrong in at most alpha of all cases; None where they are too few."""
    k = sum(2 * p <= alpha for p in tail(len(values)))
    if k == 0:
        return None
    means = walsh(values)
    return means[k - 1], means[len(means) - k]


def least_rounds(alpha):
    """As many as interval() needs."""
    n = 1
    while 2 / 2 ** n > alpha:
        n += 1
    return n


class Change:
    """What B is to A: ratio, and the interval in which it lies (low, high; None with too few rounds)."""

    def __init__(self, a, b, alpha=ALPHA):
        if len(a) != len(b) or not a or min(a) <= 0 or min(b) <= 0:
            raise ValueError("as many of A as of B, all above 0")
        logs = [math.log(y / x) for x, y in zip(a, b)]
        self.ratio = math.exp(median(walsh(logs)))
        limits = interval(logs, alpha)
        self.low, self.high = (math.exp(l) for l in limits) if limits else (None, None)

    @property
    def outside(self):
        """-1 or 1 where B is less or more than A beyond what the noise explains, else 0; None with too few rounds."""
        if self.low is None:
            return None
        return (self.low > 1) - (self.high < 1)
