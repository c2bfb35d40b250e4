# SPDX-License-Identifier: BSD-3-Clause
"""What the command lines have in common: --dry-run, errors as one line, statuses."""

import argparse
import signal
import sys

from . import names
from .host import Host, HostError

FINE, FAILED, USAGE = 0, 1, 64


class Parser(argparse.ArgumentParser):
    """A wrong command line ends with 64, as pubwire's does."""

    def __init__(self, *args, **kw):
        kw.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(*args, **kw)

    def error(self, message):
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: {message}\n")


def dry_run_option(parser):
    parser.add_argument("-n", "--dry-run", action="store_true",
                        help="say what would be changed, and change nothing")


def run(name, parser, work, argv=None, host=None):
    """Parse, work(host, arguments), and end. host is given by tests."""
    try:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    except ValueError:  # not the main thread
        pass
    args = parser.parse_args(argv)
    if host is None:
        host = Host(dry_run=getattr(args, "dry_run", False))
    else:
        host.dry_run = getattr(args, "dry_run", False)
    try:
        return work(host, args) or FINE
    except HostError as e:
        host.out.flush()
        print(names.spoken(f"{name}: {e}"), file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print(f"{name}: interrupted", file=sys.stderr)
        return 130
