#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A broker as nobody wants it: bad_broker.py ADDRESS HOW [NUMBER] [--ports P,P...]

silent        takes connections and says nothing, not even CONNACK
mute          says CONNACK and reads, and acknowledges nothing
slow          says CONNACK, reads 1 KB a second, acknowledges what it has read
reset N       resets each connection when it has seen N packets and answered all but the last: 0 at once, 1 after CONNECT ...
refuse CODE   says CONNACK with this code
answer CODE   refuses every message of 5.0 with this reason, and acknowledges those of 3.1.1
well          none of this, but as it should be"""

import argparse
import os
import socket
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "test", "lab"))
import mqttraw as mq  # noqa: E402


class Leg:
    def __init__(self, sock, how, number):
        self.sock, self.how, self.number = sock, how, number
        self.peer, self.version, self.packets = mq.Peer(sock), 4, 0

    def connack(self, code):
        # 5.0 has properties, an error none that matter.
        self.sock.sendall(mq.packet(0x20, bytes([0, code]) + (b"\0" if self.version == 5 else b"")))

    def answer(self, first, body):
        """What a broker says to a packet, b"" for nothing."""
        kind = first >> 4
        if kind == mq.PUBREL:
            return mq.ack(mq.PUBCOMP, int.from_bytes(body[:2], "big"))
        if kind == mq.PINGREQ:
            return b"\xd0\0"
        if kind != mq.PUBLISH or self.how == "mute":
            return b""
        _, _, qos, pid = mq.split_publish(first, body, self.version)
        if qos == 0:
            return b""
        said = mq.PUBACK if qos == 1 else mq.PUBREC
        if self.how == "answer" and self.version == 5:
            return mq.packet(said << 4, struct.pack("!HB", pid, self.number))
        return mq.ack(said, pid)

    def packet(self, first, body):
        """False when the connection is over."""
        self.packets += 1
        if first >> 4 == mq.CONNECT:
            self.version = body[6]
            self.connack(self.number if self.how == "refuse" else 0)
            if self.how == "refuse":
                return False
        else:
            said = self.answer(first, body)
            if said:
                self.sock.sendall(said)
        return True

    def over(self):
        return self.how == "reset" and self.packets >= self.number

    def serve(self):
        while not self.over():
            if self.how == "slow":
                time.sleep(1)
            data = self.sock.recv(1024 if self.how == "slow" else 262144)
            if not data:
                return
            self.peer.buf += data if self.how != "silent" else b""
            while not self.over() and (got := self.peer._whole()) is not None:
                if not self.packet(*got):
                    return
        self.peer.reset()

    def run(self):
        try:
            self.serve()
        except OSError:
            pass
        finally:
            self.sock.close()


def listen(a, port):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if a.how == "slow":
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # connections inherit it
    s.bind((a.address, port))
    s.listen(64)
    return s


def accept(s, a):
    while True:
        leg = Leg(s.accept()[0], a.how, a.number)
        threading.Thread(target=leg.run, daemon=True).start()


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("address")
    p.add_argument("how", choices=("silent", "mute", "slow", "reset", "refuse", "answer", "well"))
    p.add_argument("number", nargs="?", type=lambda s: int(s, 0), default=0)
    p.add_argument("--ports", type=lambda s: [int(x) for x in s.split(",")], default=[1883])
    a = p.parse_args()
    sockets = [listen(a, port) for port in a.ports]
    for s in sockets[1:]:
        threading.Thread(target=accept, args=(s, a), daemon=True).start()
    accept(sockets[0], a)


if __name__ == "__main__":
    main()
