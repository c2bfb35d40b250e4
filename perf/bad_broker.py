#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A broker as nobody wants it: bad_broker.py ADDRESS silent|mute|slow

silent  takes connections and says nothing, not even CONNACK
mute    says CONNACK and reads, and acknowledges nothing
slow    says CONNACK, reads 1 KB a second, acknowledges what it has read"""

import os
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "test", "lab"))
import mqttraw as mq  # noqa: E402


def serve(sock, how):
    peer, version = mq.Peer(sock), 4
    try:
        while True:
            if how == "slow":
                time.sleep(1)
            data = sock.recv(1024 if how == "slow" else 262144)
            if not data:
                return
            if how == "silent":
                continue
            peer.buf += data
            while (got := peer._whole()) is not None:
                kind = got[0] >> 4
                if kind == mq.CONNECT:
                    version = got[1][6]
                    sock.sendall(mq.packet(0x20, b"\0\0" + (b"\0" if version == 5 else b"")))
                elif kind == mq.PUBLISH and how == "slow":
                    _, _, qos, pid = mq.split_publish(*got, version)
                    if qos:
                        sock.sendall(mq.ack(mq.PUBACK, pid))
                elif kind == mq.PINGREQ:
                    sock.sendall(b"\xd0\0")
    except OSError:
        pass
    finally:
        sock.close()


def main():
    address, how = sys.argv[1:3]
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if how == "slow":
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # connections inherit it
    s.bind((address, 1883))
    s.listen(64)
    while True:
        threading.Thread(target=serve, args=(s.accept()[0], how), daemon=True).start()


if __name__ == "__main__":
    main()
