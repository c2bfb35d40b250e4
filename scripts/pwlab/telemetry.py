# SPDX-License-Identifier: BSD-3-Clause
"""Client of the DPDK telemetry socket (protocol v2, one JSON reply a request)."""

import json
import os
import socket


class TelemetryError(Exception):
    """The socket is not there, or the reply is not what the protocol says."""


def socket_path(prefix, runtime_dir=None):
    """Where EAL puts the socket: as root below /var/run, else below XDG_RUNTIME_DIR or /tmp."""
    if runtime_dir is None:
        runtime_dir = os.environ.get("RUNTIME_DIRECTORY")
    if runtime_dir is None:
        runtime_dir = "/var/run" if os.geteuid() == 0 else os.environ.get("XDG_RUNTIME_DIR", "/tmp")
    return os.path.join(runtime_dir, "dpdk", prefix, "dpdk_telemetry.v2")


class Telemetry:
    """One connection; use as a context manager, or call close()."""

    def __init__(self, prefix="pubwire-lab", path=None, timeout=3.0):
        self.path = path or socket_path(prefix)
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.sock.settimeout(timeout)
        try:
            self.sock.connect(self.path)
            hello = json.loads(self.sock.recv(1024))
        except (OSError, ValueError) as e:
            self.sock.close()
            raise TelemetryError(f"{self.path}: {e}; no program with this --file-prefix answers"
                                 ) from e
        self.version = hello.get("version", "")
        self.pid = hello.get("pid", 0)
        self.max_output = int(hello.get("max_output_len", 16384))

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    def ask(self, command):
        """Send one command ("/pubwire/counters,0"); return the value of the reply."""
        try:
            self.sock.send(command.encode())
            # The reply may be a little over max_output_len: the command's name wraps it.
            reply = json.loads(self.sock.recv(self.max_output + 1024))
        except (OSError, ValueError) as e:
            raise TelemetryError(f"{self.path}: {command}: {e}") from e
        value = next(iter(reply.values())) if reply else None
        if value is None:
            raise TelemetryError(f"{command}: no such command, or not with these parameters")
        return value


def ask(command, prefix="pubwire-lab", timeout=3.0):
    """One command on a connection of its own."""
    with Telemetry(prefix, timeout=timeout) as t:
        return t.ask(command)
