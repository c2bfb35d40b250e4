#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Subscribe to a broker and write down what comes: collector.py ADDRESS FILTER OUT

A line a message: topic, length, SHA-1, QoS, retain, separated by tabs. Writes "ready" to standard
output when subscribed. Subscribes at QoS 1, so that the broker drops nothing for us."""

import hashlib
import os
import socket
import sys

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import mqttraw as mq  # noqa: E402


def main():
    address, topic_filter, out = sys.argv[1:4]
    sock = socket.create_connection((address, 1883), timeout=10)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    peer = mq.Peer(sock)
    if peer.connect(f"collector-{os.getpid()}", keepalive=0)[1] != 0:
        sys.exit("collector: refused")
    peer.send(mq.subscribe(1, topic_filter))
    if peer.read()[0] != 0x90:
        sys.exit("collector: no SUBACK")
    with open(out, "w", encoding="utf-8", buffering=1) as f:
        print("ready", flush=True)
        while True:
            got = peer.read(timeout=86400)
            if got is None:
                return
            first, body = got
            if first >> 4 != mq.PUBLISH:
                continue
            topic, payload, qos, pid = mq.split_publish(first, body)
            f.write(f"{topic}\t{len(payload)}\t{hashlib.sha1(payload).hexdigest()}\t{qos}\t"
                    f"{first & 1}\n")
            if qos:
                peer.send(mq.puback(pid))


if __name__ == "__main__":
    main()
