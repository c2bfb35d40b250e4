# SPDX-License-Identifier: BSD-3-Clause
"""What the programs of perf share: options that are refused where they are wrong, and an end that leaves nothing behind.

Exit status: 64 usage; 77 skipped, with the reason; 128 + N ended by signal N; 1 anything else that went wrong."""

import argparse
import json
import math
import os
import subprocess
import sys

from . import bench, scenario
from pwlab.process import end_on_signals

USAGE, LACKING = 64, 77
REPO = os.path.dirname(bench.HERE)
BUILD = os.path.join(REPO, "build", "release")


class Parser(argparse.ArgumentParser):
    """Of a program in perf: its text is the head of the file."""

    def __init__(self, name, doc):
        super().__init__(prog=f"perf/{name}", description=doc, formatter_class=argparse.RawTextHelpFormatter,
                         epilog="Ended by signal N it takes away what it has started; its exit status is 128 + N.")

    def error(self, message):
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: {message}\n")

    def machine_options(self, of="PUBWIRE,GENERATOR", most=2, build=BUILD):
        """Where it runs."""
        self.add_argument("--cpus", type=cpus(most), metavar=of, help="CPUs (the first ones that this process may use)")
        self.add_argument("--build", default=build, metavar="DIR", help=f"programs of this build ({os.path.relpath(build, REPO)})")
        self.add_argument("--no-huge", action="store_true", help="pages of 4 KiB, also where enough of 2 MiB are free")

    def json_option(self):
        self.add_argument("--json", type=file, metavar="FILE", help="the result, with all that was measured")


def number(least, most=math.inf, kind=int):
    """Of an option: whole, or with kind=float any."""
    def read(text):
        try:
            n = kind(text)
        except ValueError:
            n = math.nan
        if not least <= n <= most or math.isinf(n):
            words = f"{least} to {most}" if most < math.inf else f"at least {least}"
            raise argparse.ArgumentTypeError(f"'{text}': expected {'a whole' if kind is int else 'a'} number, {words}")
        return n
    return read


def seconds(text):
    return number(0.1, 86400, float)(text)


def cpus(most):
    """Two CPUs, or up to so many."""
    def read(text):
        words = text.split(",")
        if not all(w.isascii() and w.isdigit() for w in words) or not 2 <= len(set(map(int, words))) == len(words) <= most:
            raise argparse.ArgumentTypeError(f"'{text}': expected {'2' if most == 2 else f'2 or {most}'} different CPUs, as in 0,1")
        return [int(w) for w in words]
    return read


def file(text):
    """That can be written at the end, when all is measured."""
    where = os.path.dirname(os.path.abspath(text))
    if os.path.isdir(text) or not os.access(where, os.W_OK):
        raise argparse.ArgumentTypeError(f"'{text}': expected a file in a directory that can be written")
    return text


def refuse(name, what):
    print(f"perf/{name}: {what}", file=sys.stderr)
    sys.exit(USAGE)


def scenarios(name, names):
    """Those of some names, each once."""
    try:
        return [scenario.load(n) for n in dict.fromkeys(names)]
    except scenario.Bad as e:
        print(f"perf/{name}: {e}", file=sys.stderr)
        sys.exit(1 if e.broken else USAGE)


def write_json(path, what):
    if path:
        with open(path, "w", encoding="utf-8") as f:
            json.dump(what, f, indent=1)
            f.write("\n")


def output(argv, **more):
    """(exit status, all that it said) of a program that may have started others: where we are ended it is asked to end, and
    has the time to."""
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more) as p:
        try:
            said = p.communicate()[0]
        except BaseException:
            p.terminate()
            p.communicate()
            raise
    return p.returncode, said


def run(name, main, failures=()):
    """main(), as a program that ends as the head of this file says."""
    end_on_signals()
    try:
        main()
    except bench.Lacking as e:
        print(f"skipped: {e}")
        sys.exit(LACKING)
    except (bench.Failed, OSError, *failures) as e:
        sys.exit(f"perf/{name}: {e}")
