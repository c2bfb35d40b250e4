# SPDX-License-Identifier: BSD-3-Clause
"""Peers that break the rules harm themselves only."""

import os
import random
import struct
import time

import kit
import mqttraw as mq
from kit import LabCase

C4, C5 = mq.connect("bad"), mq.connect("bad", version=5)

# What is sent after nothing, after a 3.1.1 CONNECT or after a 5.0 CONNECT; each ends the connection.
MALFORMED = {
    "not_mqtt": (b"", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
    "publish_before_connect": (b"", mq.publish("t", b"x")),
    "zero_bytes": (b"", bytes(64)),
    "wrong_protocol_name": (b"", mq.packet(0x10, mq.text("MQTX") + b"\x04\x02\0\x3c" + mq.text("x"))),
    "connect_reserved_flag": (b"", mq.packet(0x10, mq.text("MQTT") + b"\x04\x03\0\x3c" + mq.text("x"))),
    "connect_cut_short": (b"", mq.packet(0x10, mq.text("MQTT") + b"\x04\x02\0")),
    "will_qos_3": (b"", mq.packet(0x10, mq.text("MQTT") + b"\x04\x1e\0\x3c" + mq.text("x")
                                  + mq.text("w") + mq.text("m"))),
    "second_connect": (C4, C4),
    "length_of_five_bytes": (C4, b"\x30\xff\xff\xff\xff\x01"),
    "reserved_type_0": (C4, b"\x00\x00"),
    "type_15_in_3_1_1": (C4, b"\xf0\x00"),
    "publish_qos_3": (C4, mq.packet(0x36, mq.text("t") + b"\0\1x")),
    "publish_identifier_0": (C4, mq.publish("t", b"x", 1, 0)),
    "topic_with_wildcard": (C4, mq.publish("a/#", b"x")),
    "topic_with_nul": (C4, mq.publish("a\0b", b"x")),
    "topic_not_utf8": (C4, mq.publish(b"a\xc3\x28", b"x")),
    "topic_surrogate": (C4, mq.publish(b"\xed\xa0\x80", b"x")),
    "empty_topic": (C4, mq.publish("", b"x")),
    "topic_longer_than_packet": (C4, b"\x30\x05\xff\xffabc"),
    "pingreq_with_body": (C4, b"\xc0\x01\x00"),
    "pubrel_wrong_flags": (C4, b"\x60\x02\0\1"),
    "server_packet_connack": (C4, b"\x20\x02\0\0"),
    "server_packet_suback": (C4, b"\x90\x03\0\1\0"),
    "subscribe_without_filter": (C4, b"\x82\x02\0\1"),
    "unknown_property_5": (C5, mq.publish("t", b"x", version=5, props=b"\x7e\0")),
    "properties_too_long_5": (C5, mq.packet(0x30, mq.text("t") + b"\x20x")),
    "topic_alias_0_5": (C5, mq.publish("t", b"x", version=5, props=b"\x23\0\0")),
    "topic_alias_unknown_5": (C5, mq.publish("", b"x", version=5, props=b"\x23\0\7")),
    "property_twice_5": (C5, mq.publish("t", b"x", version=5, props=b"\x01\1\x01\1")),
    "subscription_identifier_in_publish_5": (C5, mq.publish("t", b"x", version=5, props=b"\x0b\1")),
}


class BadPeers(LabCase):
    shape = kit.SHAPES["two_workers"]

    def setUp(self):
        super().setUp()
        self.good = kit.device("witness")
        self.addCleanup(self.good.close)
        self.pid = 0

    def witness(self):
        """The connection beside goes on as if nothing was."""
        self.pid = self.pid % 60000 + 1
        self.good.send(mq.publish("witness", b"here", 1, self.pid))
        self.assertEqual(self.good.read(), (0x40, struct.pack("!H", self.pid)))

    def malformed(self, name):
        before, bad = MALFORMED[name]
        d = kit.device()
        if before:
            d.send(before)
            self.assertEqual(d.read()[1][1], 0)
        d.send(bad)
        # A reason may come first (CONNACK, or DISCONNECT in 5.0); then the end.
        while (got := d.read(5)) is not None:
            self.assertIn(got[0], (0x20, 0xE0), f"answered with {got}")
            if got[0] == 0xE0:
                self.assertTrue(name.endswith("_5"), "DISCONNECT from a server is 5.0 only")
                self.assertGreaterEqual(got[1][0], 0x80)
            else:
                self.assertNotEqual(got[1][1], 0, "CONNACK says success")
        d.close()
        self.witness()

    def test_nothing_after_the_bad_packet_is_forwarded(self):
        with kit.Collectors(self.brokers, "mixed/#") as c:
            d = kit.device("mixed")
            d.send(mq.publish("mixed/1", b"good") + b"\xf0\x00" + mq.publish("mixed/2", b"never"))
            self.assertIsNone(d.read())
            d.close()
            c.wait(1)
            time.sleep(0.3)
            for b in self.brokers:
                self.assertEqual([r[0] for r in c.rows(b)], ["mixed/1"])

    def test_packet_larger_than_the_limit(self):
        d = kit.device("huge")
        try:
            d.send(b"\x30\xff\xff\xff\x7f\x00\x01t")
            self.assertIsNone(d.read())
        except ConnectionError:
            pass
        d.close()
        self.witness()

    def test_random_bytes(self):
        rnd = random.Random(1883)
        for n in range(60):
            d = kit.device()
            try:
                if n % 2:
                    d.send(C4)
                    d.read()
                d.send(rnd.randbytes(rnd.randrange(1, 3000)))
                d.reset()
            except OSError:
                d.close()
        self.witness()

    def test_connections_that_never_speak(self):
        """200 half-open MQTT sessions beside one that works; then they are reset."""
        idle = [kit.device() for _ in range(200)]
        self.witness()
        for d in idle:
            d.reset()
        self.witness()

    def test_a_connection_without_connect_is_closed(self):
        """CONNECT must come within its deadline (10 s)."""
        d = kit.device()
        start = time.monotonic()
        self.assertIsNone(d.read(14))
        self.assertGreater(time.monotonic() - start, 5)
        d.close()

    def test_reset_in_the_middle_of_a_packet(self):
        """Buffers of what never became a packet go back."""
        for n in range(50):
            d = kit.device(f"half-{n}")
            whole = mq.publish("half", os.urandom(40000), 1, 1)
            d.send(whole[:1 + n * 700])
            d.reset()
        self.witness()

    def test_device_that_does_not_read(self):
        """Its PUBACKs pile up in its own window only."""
        peer = mq.Peer(kit.connect_from("dev", kit.PUBWIRE, bufs=4096))
        peer.connect("deaf")
        frames = b"".join(mq.publish("deaf", b"x" * 20, 1, 1 + i % 60000) for i in range(5000))
        peer.sock.settimeout(3)
        try:
            peer.sock.sendall(frames)
        except TimeoutError:
            pass
        for _ in range(10):
            self.witness()
        peer.reset()
        self.witness()

    def test_device_that_vanishes_with_messages_in_flight(self):
        for n in range(20):
            d = kit.device(f"vanish-{n}")
            d.send(b"".join(mq.publish("vanish", b"y" * 500, 1, i + 1) for i in range(40)))
            d.reset()
        self.witness()


def _add_tests():
    for name in MALFORMED:
        def run(self, n=name):
            self.malformed(n)
        setattr(BadPeers, f"test_malformed_{name}", run)


_add_tests()
