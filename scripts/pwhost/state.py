# SPDX-License-Identifier: BSD-3-Clause
"""What a setting was before the first change, so that it can be put back.

In /run: it is about the running kernel, and is gone with it."""

import json
import os

from .host import HostError

DIRECTORY = "/run/pubwire-host"


class Before:
    """Values by key, in one file. The first one noted stays."""

    def __init__(self, host, name):
        self.host = host
        self.path = f"{DIRECTORY}/{name}.json"
        try:
            self.values = json.loads(host.read(self.path) or "{}")
        except ValueError:
            self.values = {}

    def note(self, key, value):
        if key not in self.values:
            self.values[key] = value
            self._save()

    def forget(self, key):
        if self.values.pop(key, None) is not None:
            self._save()

    def _save(self):
        if self.host.dry_run:
            return
        full = self.host.path(self.path)
        try:
            if not self.values:
                if os.path.exists(full):
                    os.unlink(full)
                return
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, "w", encoding="utf-8") as f:
                json.dump(self.values, f, indent=1)
        except OSError as e:
            raise HostError(f"{self.path}: {e.strerror} (run as root)") from e
