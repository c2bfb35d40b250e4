# SPDX-License-Identifier: BSD-3-Clause
"""In the guest: python3 ask.py COMMAND... asks pubwire by DPDK's telemetry socket, and prints one JSON object."""

import json
import socket
import sys

s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.settimeout(20)
s.connect("/var/run/dpdk/pubwire/dpdk_telemetry.v2")
s.recv(4096)
found = {}
for command in sys.argv[1:]:
    s.send(command.encode())
    found.update(json.loads(s.recv(65536)))
print(json.dumps(found))
