# SPDX-License-Identifier: BSD-3-Clause
"""Between pubwire and one broker: nothing passes, or nobody is let in. Others in pw-brk reach it."""

import shutil
import unittest

from pwlab import net
from pwlab.process import sh


def needed():
    if not shutil.which("nft"):
        raise unittest.SkipTest("nft is not installed: scripts/deps test")


def _nft(text):
    sh("ip", "netns", "exec", net.namespace("brk"), "nft", text)


def _table(broker):
    return f"inet pubwire_{broker + 1}"


def _chains(broker, inbound, outbound):
    t, a, p = _table(broker), net.broker_address(broker), net.PUBWIRE["brk"]
    _nft(f"add table {t}; "
         f"add chain {t} in {{ type filter hook input priority 0; }}; "
         f"add chain {t} out {{ type filter hook output priority 0; }}; "
         + (f"add rule {t} in ip saddr {p} ip daddr {a} {inbound}; " if inbound else "")
         + (f"add rule {t} out ip saddr {a} ip daddr {p} {outbound}" if outbound else ""))


def cut(broker):
    """Drop what goes to the broker and what comes from it: a path that is gone without a word."""
    _chains(broker, "drop", "drop")


def shut(broker):
    """Refuse pubwire's connections, as if nobody listened."""
    _chains(broker, "meta l4proto tcp reject with tcp reset", None)


def mend(broker):
    _nft(f"delete table {_table(broker)}")
