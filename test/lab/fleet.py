# SPDX-License-Identifier: BSD-3-Clause
"""Devices that publish at a rate, at QoS 1 or 2, and know what was acknowledged to them, and when."""

import hashlib
import selectors
import time

import kit
import mqttraw as mq


class Device:
    """Publishes "ID/NUMBER ...." to a topic of its own, at most `window` messages in flight."""

    def __init__(self, name, topic, qos=1, version=4, rate=12, window=12, size=300):
        self.name, self.topic, self.qos, self.version = name, topic, qos, version
        self.rate, self.window, self.size = rate, window, size
        self.sent, self.acked, self.refused = {}, {}, {}  # by number: when; refused: the code
        self.flying, self.number, self.due, self.lost = {}, 0, 0.0, False
        self.peer = kit.device(name, version=version)
        self.peer.sock.setblocking(False)

    def text(self, n):
        return f"{self.name}/{n} ".encode().ljust(self.size, b".")

    def publish(self, now):
        """What may leave: the next message, when its time has come."""
        if self.lost or now < self.due or len(self.flying) >= self.window:
            return
        # One that was held up does not make up for it.
        self.due = max(self.due + 1 / self.rate, now)
        n, self.number = self.number, self.number + 1
        pid = n % 60000 + 1
        self.flying[pid], self.sent[n] = n, now
        self.send(mq.publish(self.topic, self.text(n), self.qos, pid, self.version))

    def send(self, data):
        # A window is far below the socket's buffer: a short write means it is stuck.
        self.peer.sock.settimeout(20)
        try:
            self.peer.send(data)
        except ConnectionError:
            pass  # reading says so too
        self.peer.sock.setblocking(False)

    def readable(self, now):
        """False when the connection has ended."""
        try:
            data = self.peer.sock.recv(65536)
        except BlockingIOError:
            return True
        except ConnectionError:
            data = b""
        self.lost = not data
        self.peer.buf += data
        while (got := self.peer._whole()) is not None:
            self.answer(got[0] >> 4, got[1], now)
        return not self.lost

    def answer(self, kind, body, now):
        pid = int.from_bytes(body[:2], "big")
        code = body[2] if len(body) > 2 else 0
        if kind == mq.PUBCOMP:
            self.flying.pop(pid, None)
            return
        if kind != (mq.PUBACK if self.qos == 1 else mq.PUBREC) or pid not in self.flying:
            return
        n = self.flying[pid]
        if code >= 0x80:
            self.refused[n] = code
        else:
            self.acked[n] = now
        if self.qos == 2 and code < 0x80:
            self.send(mq.ack(mq.PUBREL, pid))
        else:
            del self.flying[pid]

    def close(self):
        if not self.lost:
            self.send(b"\xe0\x00")
        self.peer.close()


class Fleet:
    def __init__(self, devices):
        self.devices = devices
        self.sel = selectors.DefaultSelector()
        for d in devices:
            self.sel.register(d.peer.sock, selectors.EVENT_READ, d)

    def turn(self, more):
        now = time.monotonic()
        if more:
            for d in self.devices:
                d.publish(now)
        for k, _ in self.sel.select(0.01):
            if not k.data.readable(time.monotonic()):
                self.sel.unregister(k.fileobj)

    def run(self, seconds, actions=()):
        """Publish for a while; actions are (second, function) pairs."""
        start, todo = time.monotonic(), sorted(actions, key=lambda a: a[0])
        for i, d in enumerate(self.devices):
            d.due = start + i / len(self.devices) / d.rate
        while (now := time.monotonic() - start) < seconds or todo:
            while todo and now >= todo[0][0]:
                todo.pop(0)[1]()
            self.turn(True)

    def drain(self, timeout=30.0):
        """No new messages; wait for what is out. True when all is answered."""
        end = time.monotonic() + timeout
        while any(d.flying and not d.lost for d in self.devices) and time.monotonic() < end:
            self.turn(False)
        return not any(d.flying for d in self.devices)

    def close(self):
        for d in self.devices:
            d.close()
        self.sel.close()


class Record:
    """What a collector has written, by device and number: how often, and in which order first."""

    def __init__(self, rows, devices):
        known = {hashlib.sha1(d.text(n)).hexdigest(): (d, n) for d in devices for n in d.sent}
        self.times = {d: {} for d in devices}  # dicts keep the order of first copies
        self.strange = []
        for row in rows:
            d, n = known.get(row[2], (None, None))
            if d is None or d.topic != row[0]:
                self.strange.append(row)
            else:
                self.times[d][n] = self.times[d].get(n, 0) + 1
