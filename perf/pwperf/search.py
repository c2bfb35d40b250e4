# SPDX-License-Identifier: BSD-3-Clause
"""The highest rate without loss, in the spirit of RFC 2544 26.1: trials at a rate that the clock sets, each of which holds
or does not; bounded in number."""


def holds(r, rate):
    """Nothing was lost, and as much left as was due."""
    return r["lost"] == 0 and r["sent_per_second"] >= 0.98 * rate


# A generator that was further behind than this was kept from its CPU: it sent a burst afterwards that nobody asked for.
DISTURBED_US = 1000


def undisturbed(trial, rate, repeats, tell):
    """A trial; again, so many times at most, where it lost messages and the machine had kept the generator from its CPU. One
    that could not send what was due, and lost nothing, was held up by the far end: that is an answer."""
    r = trial(rate)
    while repeats > 0 and r["lost"] and r["behind_us"] > DISTURBED_US:
        tell(rate, r)
        r = trial(rate)
        repeats -= 1
    return r


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
