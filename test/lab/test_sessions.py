# SPDX-License-Identifier: BSD-3-Clause
"""Sessions as a device sees them: CONNECT answers, keepalive, take-over, will, SUBSCRIBE."""

import time

import kit
import mqttraw as mq
from kit import LabCase


class Sessions:
    """Mixed into a case for each shape."""

    def test_ping(self):
        d = kit.device("ping")
        for _ in range(3):
            d.send(b"\xc0\x00")
            self.assertEqual(d.read(), (0xD0, b""))
        d.close()

    def test_connack_of_each_version(self):
        for version in (3, 4, 5):
            d = kit.device()
            self.assertEqual(d.connect(f"version-{version}", version=version), (0, 0))
            d.send(mq.publish("t", b"x", 1, 7, version))
            got = d.read()
            self.assertEqual((got[0], got[1][:2]), (0x40, b"\0\7"))
            d.close()

    def test_unknown_protocol_level_is_refused(self):
        d = kit.device()
        d.send(mq.connect("future", version=6))
        got = d.read()
        # 3.1.1: 0x01 unacceptable protocol level; 5.0: 0x84 unsupported protocol version
        if got is not None:
            self.assertEqual(got[0], 0x20)
            self.assertIn(got[1][1], (0x01, 0x84))
            self.assertIsNone(d.read())
        d.close()

    def test_empty_identifier_with_clean_session(self):
        for version in (4, 5):
            d = kit.device()
            self.assertEqual(d.connect("", version=version)[1], 0)
            d.close()

    def test_empty_identifier_without_clean_session_is_refused(self):
        """[MQTT-3.1.3-8]"""
        d = kit.device()
        self.assertEqual(d.connect("", clean=False)[1], 2)
        self.assertIsNone(d.read())
        d.close()

    def test_subscribe_is_refused_honestly(self):
        d = kit.device("sub4")
        d.send(mq.subscribe(9, "a/#"))
        self.assertEqual(d.read(), (0x90, b"\0\x09\x80"))
        d.send(b"\xc0\x00")
        self.assertEqual(d.read()[0], 0xD0, "the connection goes on")
        d.close()
        d = kit.device("sub5", version=5)
        d.send(mq.subscribe(10, "a/#", version=5))
        first, body = d.read()
        self.assertEqual((first, body[:2]), (0x90, b"\0\x0a"))
        self.assertGreaterEqual(body[-1], 0x80)
        d.close()

    def test_keepalive_expiry_closes(self):
        """1.5 times the keepalive, [MQTT-3.1.2-24]."""
        d = kit.device("quiet", keepalive=1)
        start = time.monotonic()
        self.assertIsNone(d.read(6))
        took = time.monotonic() - start
        self.assertGreater(took, 1.4)
        self.assertLess(took, 3)
        d.close()

    def test_traffic_keeps_alive(self):
        d = kit.device("lively", keepalive=1)
        for _ in range(5):
            time.sleep(0.7)
            d.send(b"\xc0\x00")
            self.assertEqual(d.read()[0], 0xD0)
        d.close()

    def test_take_over(self):
        """The same identifier again and again, from ports that reach every worker."""
        old = kit.device("twin", version=5)
        for n in range(12):
            new = kit.device("twin", version=5 if n % 2 else 4)
            got = old.read()
            if n % 2 == 0 and got is not None:
                self.assertEqual((got[0], got[1][:1]), (0xE0, b"\x8e"), "session taken over")
                got = old.read()
            self.assertIsNone(got, "the old connection ends")
            new.send(b"\xc0\x00")
            self.assertEqual(new.read()[0], 0xD0, "the new one lives")
            old.close()
            old = new
        old.close()

    def test_will_of_a_device_that_vanishes(self):
        with kit.Collectors(self.brokers, "will/#") as c:
            d = kit.device("mortal", will=("will/mortal", b"gone", 1))
            d.reset()
            c.wait(1, 10)
            for b in self.brokers:
                self.assertEqual(c.got(b), {kit.key("will/mortal", b"gone"): 1})

    def test_no_will_after_disconnect(self):
        with kit.Collectors(self.brokers, "will/#") as c:
            d = kit.device("polite", will=("will/polite", b"gone", 1))
            d.send(b"\xe0\x00")
            self.assertIsNone(d.read())
            d.close()
            time.sleep(1)
            for b in self.brokers:
                self.assertEqual(c.count(b), 0)

    def test_retain_flag_is_kept(self):
        with kit.Collectors(self.brokers, "retain/#") as c:
            d = kit.device("keeper")
            d.send(mq.publish("retain/x", b"kept", 1, 1, retain=True))
            self.assertEqual(d.read()[0], 0x40)
            c.wait(1)
        # A subscriber that comes later is given it.
        with kit.Collectors(self.brokers, "retain/#") as c:
            c.wait(1, 5)
            for b in self.brokers:
                self.assertEqual([r[4] for r in c.rows(b)], ["1"])
            d.send(mq.publish("retain/x", b"", 1, 2, retain=True))
            self.assertEqual(d.read()[0], 0x40)
        d.close()

    def test_several_packets_in_one_segment(self):
        d = kit.device("pile")
        d.send(b"".join(mq.publish("pile", b"%d" % i, 1, i) for i in range(1, 33)) + b"\xc0\x00")
        acks, pings = [], 0
        while len(acks) < 32 or not pings:
            first, body = d.read()
            if first == 0x40:
                acks.append(body[0] << 8 | body[1])
            else:
                pings += 1
        self.assertEqual(acks, list(range(1, 33)))
        d.close()

    def test_a_packet_byte_by_byte(self):
        with kit.Collectors(self.brokers, "slow/#") as c:
            d = kit.device("slow")
            for b in mq.publish("slow/topic", b"drop by drop", 1, 3):
                d.send(bytes([b]))
                time.sleep(0.003)
            self.assertEqual(d.read(), (0x40, b"\0\3"))
            d.close()
            c.wait(1)
            for b in self.brokers:
                self.assertEqual(c.got(b), {kit.key("slow/topic", b"drop by drop"): 1})


class OneWorker(Sessions, LabCase):
    shape = kit.SHAPES["one_worker"]


class TwoWorkers(Sessions, LabCase):
    shape = kit.SHAPES["two_workers"]


class Split(Sessions, LabCase):
    shape = kit.SHAPES["split"]
