#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A broker that writes down, then acknowledges: recording_broker.py ADDRESS RECORD [VERSION]

Every PUBLISH is one line of RECORD before its PUBACK leaves, written with one write(2): what this
broker has acknowledged is in the file even when the process is killed a moment later. Started again,
it goes on at the end of the file. A line: client identifier, packet identifier, QoS, DUP, topic,
SHA-1 of the payload, the payload's first 48 bytes up to a blank, the version; separated by tabs.
With VERSION, 4 (3.1.1) or 5, the other one is refused.

Session state is only whether there was one: a client that comes back with clean start off is told
"session present"."""

import asyncio
import hashlib
import os
import signal
import socket
import sys

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import mqttraw as mq  # noqa: E402


class Broker:
    def __init__(self, record, only=None):
        self.only = only
        self.record = os.open(record, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self.sessions = set()

    async def serve(self, reader, writer):
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer = Parser()
        client = None
        try:
            while True:
                data = await reader.read(262144)
                if not data:
                    break
                lines, answers = [], []
                for first, body in peer.feed(data):
                    kind = first >> 4
                    if kind == mq.CONNECT:
                        client = self.connect(body, answers, peer)
                        if client is None:
                            writer.write(b"".join(answers))
                            return
                    elif kind == mq.PUBLISH:
                        self.publish(client, first, body, peer.version, lines, answers)
                    elif kind == mq.PINGREQ:
                        answers.append(b"\xd0\x00")
                    elif kind == mq.DISCONNECT:
                        return
                if lines:
                    os.write(self.record, "".join(lines).encode())
                writer.write(b"".join(answers))
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    def connect(self, body, answers, peer):
        n = int.from_bytes(body[:2], "big")
        peer.version = body[2 + n]
        if self.only and peer.version != self.only:
            answers.append(mq.packet(0x20, b"\0\x84\0" if self.only == 5 else b"\0\1"))
            return None
        clean = body[3 + n] & 2
        # With 3.1.1 a session that began clean ends with its connection [MQTT-3.1.2-6].
        keep = not clean
        pos = 6 + n
        if peer.version == 5:
            end = pos + 1 + body[pos]  # properties: less than 128 bytes from a forwarder
            keep = session_expiry(body[pos + 1:end]) > 0
            pos = end
        size = int.from_bytes(body[pos:pos + 2], "big")
        client = body[pos + 2:pos + 2 + size].decode()
        if clean:
            self.sessions.discard(client)
        present = client in self.sessions
        if keep:
            self.sessions.add(client)
        else:
            self.sessions.discard(client)
        answers.append(mq.packet(0x20, bytes([present, 0]) + (b"\0" if peer.version == 5 else b"")))
        return client

    def publish(self, client, first, body, version, lines, answers):
        topic, payload, qos, pid = mq.split_publish(first, body, version)
        start = payload[:48].split(b" ")[0].decode("ascii", "replace")
        lines.append(f"{client}\t{pid}\t{qos}\t{first >> 3 & 1}\t{topic}\t"
                     f"{hashlib.sha1(payload).hexdigest()}\t{start}\t{version}\n")
        if qos:
            answers.append(mq.puback(pid))


def session_expiry(props):
    """Of the properties of CONNECT (5.0 3.1.2.11.2): 0 where it is not there."""
    sizes = {0x11: 4, 0x21: 2, 0x22: 2, 0x27: 4, 0x17: 1, 0x19: 1}
    at = 0
    while at < len(props):
        size = sizes[props[at]]
        if props[at] == 0x11:
            return int.from_bytes(props[at + 1:at + 5], "big")
        at += 1 + size
    return 0


class Parser:
    """Whole packets out of a stream."""

    def __init__(self):
        self.buf = bytearray()
        self.version = 4

    def feed(self, data):
        self.buf += data
        pos = 0
        while True:
            n = shift = 0
            i = pos + 1
            while i < len(self.buf):
                n |= (self.buf[i] & 0x7F) << shift
                shift += 7
                i += 1
                if self.buf[i - 1] < 0x80:
                    break
            else:
                break
            if len(self.buf) < i + n:
                break
            yield self.buf[pos], bytes(self.buf[i:i + n])
            pos = i + n
        del self.buf[:pos]


async def main():
    address, record = sys.argv[1:3]
    broker = Broker(record, *map(int, sys.argv[3:]))
    server = await asyncio.start_server(broker.serve, address, 1883, backlog=128)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    print("ready", flush=True)
    await stop.wait()
    server.close()


if __name__ == "__main__":
    asyncio.run(main())
