# SPDX-License-Identifier: BSD-3-Clause
"""In the devices' namespace: frames.py INTERFACE MAC prints which SYNs were answered, of three to pubwire with that
Ethernet address: a right one, one with a wrong TCP checksum, one with a wrong IPv4 checksum. JSON: [1, 0, 0]."""

import json
import socket
import struct
import sys
import time

SOURCE, TARGET, PORT = "10.77.0.2", "10.77.0.1", 1883
FIRST = 61001  # source ports, which no ephemeral range reaches


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def syn(port, wrong):
    """IPv4 packet; wrong: "", "tcp" or "ip"."""
    addresses = socket.inet_aton(SOURCE) + socket.inet_aton(TARGET)
    tcp = struct.pack("!HHIIBBHHH", port, PORT, 1000, 0, 5 << 4, 2, 64000, 0, 0)
    check = checksum(addresses + struct.pack("!HH", socket.IPPROTO_TCP, len(tcp)) + tcp) ^ (wrong == "tcp")
    tcp = tcp[:16] + struct.pack("!H", check) + tcp[18:]
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), port, 0, 64, socket.IPPROTO_TCP, 0) + addresses
    check = checksum(head) ^ (wrong == "ip")
    return head[:10] + struct.pack("!H", check) + head[12:] + tcp


def main():
    interface, mac = sys.argv[1:]
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
    s.bind((interface, 0))
    head = bytes.fromhex(mac.replace(":", "")) + s.getsockname()[4] + b"\x08\x00"
    answered = [0, 0, 0]
    # The right one last: when it is answered, the others would have been.
    for i in (1, 2, 0):
        s.send(head + syn(FIRST + i, ("", "tcp", "ip")[i]))
    end = time.monotonic() + 10
    while not answered[0] and time.monotonic() < end:
        s.settimeout(max(0.01, end - time.monotonic()))
        try:
            frame = s.recv(2048)
        except socket.timeout:
            break
        port = struct.unpack_from("!H", frame, 36)[0] if len(frame) >= 54 else 0
        if frame[6:12] == head[:6] and frame[47] == 0x12 and FIRST <= port < FIRST + 3:
            answered[port - FIRST] = 1
    print(json.dumps(answered))


if __name__ == "__main__":
    main()
