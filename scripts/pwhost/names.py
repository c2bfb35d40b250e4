# SPDX-License-Identifier: BSD-3-Clause
"""What the scripts are called: scripts/nics in the source tree, pubwire-nics where they are installed."""

import os
import re

SCRIPTS = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
INSTALLED = os.path.basename(SCRIPTS) != "scripts"
TOOLS = ("doctor", "hugepages", "nics", "sizing", "tune")


def spoken(text):
    """Text for a person, with the names that a shell here would find."""
    if not INSTALLED:
        return text
    return re.sub(r"scripts/(" + "|".join(TOOLS) + r")\b", r"pubwire-\1", text)
