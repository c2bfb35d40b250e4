#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Subscribe to a broker and write down what comes: collector.py ADDRESS FILTER OUT [CLIENT_ID]

A line a message: topic, length, SHA-1, QoS, retain, separated by tabs. Writes "ready" to standard
output when subscribed. Subscribes at QoS 2: the broker drops nothing for us, and a message of QoS 2
stands here as often as it was delivered to the broker. With CLIENT_ID its session is kept by the
broker, and it comes back, "ready" again, whenever the connection ends."""

import hashlib
import os
import socket
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import mqttraw as mq  # noqa: E402


def subscribe(address, topic_filter, client_id):
    """A connection that is subscribed, and what has come before SUBACK."""
    sock = socket.create_connection((address, 1883), timeout=10)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    peer, early = mq.Peer(sock), []
    if peer.connect(client_id or f"collector-{os.getpid()}", clean=client_id is None, keepalive=0)[1] != 0:
        sys.exit("collector: refused")
    peer.send(mq.subscribe(1, topic_filter, qos=2))
    while (got := peer.read()) is not None and got[0] != 0x90:
        early.append(got)
    if got is None:
        raise ConnectionError("no SUBACK")
    return peer, early


def collect(peer, early, out, known):
    """Until the connection ends. `known`: what came last by packet identifier.

    A broker that was restarted may send again, with DUP and the old identifier, what it was told to be
    here already (mosquitto 2.0 does so after PUBREC, too): that says nothing about the broker's
    own publishers, whose every message has an identifier of its own."""
    while True:
        got = early.pop(0) if early else peer.read(timeout=86400)
        if got is None:
            return
        first, body = got
        if first >> 4 == mq.PUBLISH:
            topic, payload, qos, pid = mq.split_publish(first, body)
            digest = hashlib.sha1(payload).hexdigest()
            if not (first & 8 and known.get(pid) == (topic, digest)):
                out.write(f"{topic}\t{len(payload)}\t{digest}\t{qos}\t{first & 1}\n")
            if qos:
                known[pid] = topic, digest
                peer.send(mq.ack(mq.PUBACK if qos == 1 else mq.PUBREC, pid))
        elif first >> 4 == mq.PUBREL:
            peer.send(mq.ack(mq.PUBCOMP, int.from_bytes(body[:2], "big")))


def main():
    address, topic_filter, path = sys.argv[1:4]
    client_id = sys.argv[4] if len(sys.argv) > 4 else None
    known = {}
    with open(path, "w", encoding="utf-8", buffering=1) as out:
        while True:
            try:
                peer, early = subscribe(address, topic_filter, client_id)
                print("ready", flush=True)
                collect(peer, early, out, known)
            except (OSError, TimeoutError):
                if client_id is None:
                    raise
            if client_id is None:
                return
            time.sleep(0.03)


if __name__ == "__main__":
    main()
