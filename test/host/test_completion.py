# SPDX-License-Identifier: BSD-3-Clause
"""Completion for bash: what the function offers for a line that is being written."""

import os
import shutil
import subprocess
import tempfile
import unittest

from made_up import SCRIPTS

PUBWIRE = os.environ.get("PUBWIRE", "")
PUBWIRECTL = os.path.join(os.path.dirname(PUBWIRE), "pubwirectl")
ASK = r"""
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
"_${COMP_FUNCTION}" "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\n' "${COMPREPLY[@]}"
"""


@unittest.skipUnless(shutil.which("bash"), "there is no bash")
class Completion(unittest.TestCase):
    def offered(self, name, program, *words, cwd="/", env=None):
        r = subprocess.run(["bash", "-c", ASK, "bash", f"{SCRIPTS}/completion/{name}.bash", program, *words], cwd=cwd,
                           env=dict(os.environ, COMP_FUNCTION=name, **(env or {})), text=True, check=False,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
        self.assertEqual("", r.stderr)
        return r.stdout.split()


@unittest.skipUnless(os.access(PUBWIRE, os.X_OK), "PUBWIRE names no program")
class PubwireTest(Completion):
    def ask(self, *words, **kw):
        return self.offered("pubwire", PUBWIRE, *words, **kw)

    def test_options(self):
        self.assertEqual({"--config", "-c", "--check-config", "--print-config", "--print-schema", "--version", "-V",
                          "--help", "-h", "--"}, set(self.ask("")))
        self.assertEqual(["--check-config"], self.ask("--ch"))

    def test_files_behind_config(self):
        with tempfile.TemporaryDirectory() as d:
            with open(d + "/some.yaml", "w", encoding="ascii"):
                pass
            for words in (("--config", "so"), ("-c", "so"), ("--config", "=", "so"), ("--config", "=")):
                self.assertEqual(["some.yaml"], self.ask(*words, cwd=d), words)

    def test_arguments_of_eal(self):
        self.assertEqual(["--no-huge"], self.ask("-c", "x", "--", "--no-h"))
        self.assertEqual([], self.ask("-c", "x", "--", "--check"))


@unittest.skipUnless(os.access(PUBWIRECTL, os.X_OK), "no pubwirectl is built beside pubwire")
class PubwirectlTest(Completion):
    def ask(self, *words, **kw):
        return self.offered("pubwirectl", PUBWIRECTL, *words, **kw)

    def commands(self):
        text = subprocess.run([PUBWIRECTL, "--help"], check=True, stdout=subprocess.PIPE, text=True).stdout
        return [line.split()[0] for line in text.splitlines() if line[:2] == "  " and line[2:3].isalpha()]

    def test_commands_and_options(self):
        self.assertEqual(sorted(self.commands() + ["-p", "--file-prefix", "--socket", "--json", "-V", "--version", "-h",
                                                   "--help"]), sorted(self.ask("")))
        self.assertEqual(["devices"], self.ask("--json", "dev"))

    def test_options_of_the_command(self):
        self.assertEqual(["--find"], self.ask("devices", "--fin"))
        self.assertEqual(["--find"], self.ask("-p", "x", "devices", "--fin"))
        self.assertEqual([], self.ask("status", "--fin"))
        self.assertEqual(["--json"], self.ask("devices", "--js"))
        self.assertEqual(["warning"], self.ask("log-level", "tcp", "warn"))

    def test_files_to_write_and_sockets(self):
        with tempfile.TemporaryDirectory() as d:
            with open(d + "/some.pcapng", "w", encoding="ascii"):
                pass
            for words in (("capture", "-d", "x", "-w", "so"), ("capture", "--write", "so"), ("--socket", "so")):
                self.assertEqual(["some.pcapng"], self.ask(*words, cwd=d), words)
            self.assertEqual([], self.ask("drops", "-w", "so", cwd=d))

    def test_prefixes_of_what_runs(self):
        with tempfile.TemporaryDirectory() as d:
            for name in ("one", "other"):
                os.makedirs(f"{d}/dpdk/pwt{name}")
            with open(f"{d}/dpdk/pwtone/dpdk_telemetry.v2", "w", encoding="ascii"):
                pass
            env = {"RUNTIME_DIRECTORY": d}
            self.assertEqual(["pwtone"], self.ask("-p", "pwt", env=env))
            self.assertEqual(["pwtone"], self.ask("--file-prefix", "=", "pwt", env=env))


if __name__ == "__main__":
    unittest.main()
