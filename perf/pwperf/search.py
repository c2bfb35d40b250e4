# SPDX-License-Identifier: BSD-3-Clause
"""The highest rate without loss, in the spirit of RFC 2544 26.1: trials at a rate that the clock sets, each of which holds
or does not; bounded in number."""


def holds(r, rate):
    """Nothing was lost, and as much left as was due."""
    return r["lost"] == 0 and r["sent_per_second"] >= 0.98 * rate


def highest(trial, guess, steps, tell):
    """(rate, [(rate, held)]): at most steps trials, the first at the guess. 0 where none held."""
    low, high, rate, trials = 0.0, None, guess, []
    for _ in range(steps):
        if rate < 1:
            break
        r = trial(int(rate))
        held = holds(r, int(rate))
        tell(int(rate), r)
        trials.append((int(rate), held))
        if held:
            low = rate
        else:
            high = rate
        rate = low * 1.25 if high is None else (low + high) / 2
    return int(low), trials
