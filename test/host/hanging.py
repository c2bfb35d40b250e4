# SPDX-License-Identifier: BSD-3-Clause
"""What makes a port of net_pcap send without end, and its worker hang once nobody reads what it sends."""

import struct


def request(path):
    """Write a capture of one ARP request for 10.77.0.1."""
    frame = bytes.fromhex("ffffffffffff020000000009" "0806" "0001080006040001" "020000000009" "0a4d0009"
                          "000000000000" "0a4d0001") + bytes(18)
    with open(path, "wb") as f:
        f.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
        f.write(struct.pack("<IIII", 0, 0, len(frame), len(frame)) + frame)
