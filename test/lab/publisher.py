# SPDX-License-Identifier: BSD-3-Clause
"""Many QoS 1 publishers in one thread that know what was acknowledged to them, and when."""

import selectors
import time

import kit
import mqttraw as mq


class Publisher:
    """`connections` devices, each with `window` messages in flight; payload "P<device>/<number> ...".

    sent and acked map (device, number) to the time of it."""

    def __init__(self, connections=20, window=10, size=200, version=4, name="P"):
        self.size, self.window, self.version, self.name = size, window, version, name
        self.sent, self.acked, self.duplicates = {}, {}, 0
        self.peers = [kit.device(f"{name}{d}", version=version) for d in range(connections)]
        self.next = [0] * connections
        self.flying = [dict() for _ in range(connections)]
        self.sel = selectors.DefaultSelector()
        for d, p in enumerate(self.peers):
            p.sock.setblocking(False)
            self.sel.register(p.sock, selectors.EVENT_READ, d)
        self.lost = []

    def topic(self, d):
        return f"kill/{self.name}{d}"

    def fill(self, d):
        out = bytearray()
        while len(self.flying[d]) < self.window:
            n = self.next[d]
            self.next[d] += 1
            pid = n % 60000 + 1
            text = f"{self.name}{d}/{n} ".encode()
            out += mq.publish(self.topic(d), text.ljust(self.size, b"."), 1, pid, self.version)
            self.flying[d][pid] = n
            self.sent[d, n] = time.monotonic()
        if out:
            # A window is far below the socket's buffer: a short write means it is stuck.
            p = self.peers[d]
            p.sock.setblocking(True)
            p.sock.settimeout(20)
            try:
                p.send(bytes(out))
            except ConnectionError:
                pass  # reading says so too, after what is still to be read
            p.sock.setblocking(False)

    def turn(self, timeout, more):
        for k, _ in self.sel.select(timeout):
            d, p = k.data, self.peers[k.data]
            try:
                data = p.sock.recv(65536)
            except BlockingIOError:
                continue
            except ConnectionError:
                data = b""
            if not data:
                self.lost.append(d)
                self.sel.unregister(p.sock)
                continue
            p.buf += data
            while (got := p._whole()) is not None:
                if got[0] != 0x40:
                    continue
                pid = got[1][0] << 8 | got[1][1]
                n = self.flying[d].pop(pid, None)
                if n is None:
                    self.duplicates += 1
                else:
                    self.acked[d, n] = time.monotonic()
            if more:
                self.fill(d)

    def run(self, seconds, actions=()):
        """Publish for a while; actions are (second, function) pairs, in order."""
        start, todo = time.monotonic(), list(actions)
        for d in range(len(self.peers)):
            self.fill(d)
        while time.monotonic() - start < seconds and not self.lost:
            while todo and time.monotonic() - start >= todo[0][0]:
                todo.pop(0)[1]()
            self.turn(0.02, True)

    def drain(self, timeout=30.0):
        """No new messages; wait for the PUBACKs that are out. True when all have come."""
        end = time.monotonic() + timeout
        while any(self.flying) and time.monotonic() < end and not self.lost:
            self.turn(0.05, False)
        return not any(self.flying)

    def close(self):
        for p in self.peers:
            try:
                p.sock.setblocking(True)
                p.send(b"\xe0\x00")
            except OSError:
                pass
            p.close()
        self.sel.close()
