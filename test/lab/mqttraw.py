# SPDX-License-Identifier: BSD-3-Clause
"""MQTT packets by hand: what a test needs to speak, to misspeak, and to read the answer."""

import socket
import struct
import time

CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP = 1, 2, 3, 4, 5, 6, 7
SUBSCRIBE, SUBACK, PINGREQ, PINGRESP, DISCONNECT = 8, 9, 12, 13, 14


def length(n):
    """Variable byte integer, MQTT 5.0 1.5.5."""
    out = bytearray()
    while True:
        out.append(n & 0x7F | (0x80 if n > 0x7F else 0))
        n >>= 7
        if not n:
            return bytes(out)


def text(s):
    b = s.encode() if isinstance(s, str) else s
    return struct.pack("!H", len(b)) + b


def packet(first, body=b""):
    return bytes([first]) + length(len(body)) + body


def connect(client_id, version=4, clean=True, keepalive=60, will=None, props=b"", user=None,
            password=None):
    name = text("MQIsdp") if version == 3 else text("MQTT")
    flags = 2 if clean else 0
    if will:
        flags |= 4 | will[2] << 3
    if user is not None:
        flags |= 0x80
    if password is not None:
        flags |= 0x40
    body = name + bytes([version, flags]) + struct.pack("!H", keepalive)
    if version == 5:
        body += length(len(props)) + props
    body += text(client_id)
    if will:
        body += (b"\0" if version == 5 else b"") + text(will[0]) + text(will[1])
    for word in (user, password):
        if word is not None:
            body += text(word)
    return packet(0x10, body)


def publish(topic, payload=b"", qos=0, pid=0, version=4, dup=False, retain=False, props=b""):
    body = text(topic)
    if qos:
        body += struct.pack("!H", pid)
    if version == 5:
        body += length(len(props)) + props
    return packet(0x30 | dup << 3 | qos << 1 | retain, body + payload)


def puback(pid):
    return packet(0x40, struct.pack("!H", pid))


def ack(kind, pid):
    """PUBACK, PUBREC, PUBREL or PUBCOMP."""
    return packet(kind << 4 | (2 if kind == PUBREL else 0), struct.pack("!H", pid))


def subscribe(pid, topic, qos=1, version=4):
    return packet(0x82, struct.pack("!H", pid) + (b"\0" if version == 5 else b"") + text(topic)
                  + bytes([qos]))


def split_publish(first, body, version=4):
    """(topic, payload, qos, packet identifier) of a PUBLISH."""
    n = struct.unpack_from("!H", body)[0]
    topic, pos, qos, pid = body[2:2 + n].decode(), 2 + n, first >> 1 & 3, 0
    if qos:
        pid = struct.unpack_from("!H", body, pos)[0]
        pos += 2
    if version == 5:
        size, shift = 0, 0
        while True:
            b = body[pos]
            pos += 1
            size |= (b & 0x7F) << shift
            shift += 7
            if b < 0x80:
                break
        pos += size
    return topic, bytes(body[pos:]), qos, pid


class Peer:
    """A blocking connection that reads whole packets."""

    def __init__(self, sock):
        self.sock = sock
        self.buf = bytearray()

    def send(self, data):
        self.sock.sendall(data)

    def read(self, timeout=5.0):
        """(first byte, body); None at the end of the stream. Raises TimeoutError."""
        end = time.monotonic() + timeout
        while True:
            got = self._whole()
            if got:
                return got
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError("no packet")
            self.sock.settimeout(left)
            try:
                data = self.sock.recv(262144)
            except ConnectionError:
                return None
            if not data:
                return None
            self.buf += data

    def _whole(self):
        n = shift = 0
        for i in range(1, 5):
            if len(self.buf) <= i:
                return None
            n |= (self.buf[i] & 0x7F) << shift
            shift += 7
            if self.buf[i] < 0x80:
                break
        end = i + 1 + n
        if len(self.buf) < end:
            return None
        first, body = self.buf[0], bytes(self.buf[i + 1:end])
        del self.buf[:end]
        return first, body

    def connect(self, client_id, timeout=5.0, **kw):
        """CONNECT, and the CONNACK's (flags, code)."""
        self.send(connect(client_id, **kw))
        got = self.read(timeout)
        if got is None or got[0] != 0x20:
            raise ConnectionError(f"no CONNACK but {got}")
        return got[1][0], got[1][1]

    def reset(self):
        """Close with RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def close(self):
        self.sock.close()
