# SPDX-License-Identifier: BSD-3-Clause
"""Below MQTT: ICMP, closed ports, bursts, many connects, addresses added by hand."""

import json
import socket

import kit
import mqttraw as mq
from kit import LabCase, net


class Network:
    """Mixed into a case for each driver."""

    def ping(self, side, *args):
        p = kit.inside(side, ["ping", "-n", "-i", "0.05", "-W", "2"] + list(args)
                       + [net.PUBWIRE[side]])
        out = p.communicate(timeout=30)[0]
        self.assertEqual(p.returncode, 0, out)
        self.assertIn(" 0% packet loss", out)

    def test_ping_from_both_sides(self):
        self.ping("dev", "-c", "10")
        self.ping("brk", "-c", "10")

    def test_ping_of_a_full_frame(self):
        self.ping("dev", "-c", "5", "-s", "1472", "-M", "do")

    def test_ping_after_the_neighbour_was_forgotten(self):
        for side in net.SIDES:
            kit.inside(side, ["ip", "neigh", "flush", "all"]).communicate()
            self.ping(side, "-c", "2")

    def test_a_closed_port_refuses(self):
        for side in net.SIDES:
            with self.assertRaises(ConnectionRefusedError):
                kit.connect_from(side, net.PUBWIRE[side], 1884)

    def test_the_listener_is_on_the_device_side_only(self):
        with self.assertRaises(ConnectionRefusedError):
            kit.connect_from("brk", net.PUBWIRE["brk"], kit.PORT)

    def test_address_added_by_hand(self):
        """All of 10.77.0.0/16 is on-link."""
        kit.inside("dev", ["ip", "addr", "add", "10.77.200.9/16", "dev", net.inner("dev")]).communicate()
        s = kit.connect_from("dev", kit.PUBWIRE, source=("10.77.200.9", 0))
        self.assertEqual(mq.Peer(s).connect("elsewhere"), (0, 0))
        s.close()
        kit.inside("dev", ["ip", "addr", "del", "10.77.200.9/16", "dev", net.inner("dev")]).communicate()

    def test_connects_in_a_row(self):
        for n in range(300):
            d = kit.device(f"row-{n % 7}-{n}")
            d.send(b"\xe0\x00")
            d.close()

    def test_half_close(self):
        """A device that has shut its sending side is still told what it is owed."""
        d = kit.device("half")
        d.send(mq.publish("half", b"z", 1, 5))
        d.sock.shutdown(socket.SHUT_WR)
        got = d.read()
        self.assertIn(got, ((0x40, b"\0\5"), None))
        d.close()

    def flood(self, *args):
        p = kit.inside("dev", [kit.helper("flood")] + list(args) + [kit.PUBWIRE])
        out = p.communicate(timeout=120)[0]
        self.assertEqual(p.returncode, 0, out)
        return json.loads(out.splitlines()[-1])

    def test_burst_of_qos_1(self):
        n = 100000
        got = self.flood("-c", "32", "-n", "64", "-s", "300", "-m", str(n), "-d", "90")
        self.assertEqual(got["acked"], n)

    def test_burst_of_qos_0(self):
        """QoS 0 with when_full block: nothing is dropped either."""
        n = 100000
        before = self.dropped()
        self.flood("-q", "0", "-c", "8", "-s", "300", "-m", str(n), "-d", "90")
        self.assertEqual(self.dropped(), before)

    def test_burst_of_large_messages(self):
        n = 300
        got = self.flood("-c", "6", "-n", "2", "-s", "524288", "-m", str(n), "-d", "90", "-V", "5")
        self.assertEqual(got["acked"], n)

    def dropped(self):
        return sum(v for k, v in kit.ask("/pubwire/counters")["forward"].items() if "dropped" in k)


class AfPacket(Network, LabCase):
    shape = kit.SHAPES["two_workers"]
    settle_s = 20


class Tap(Network, LabCase):
    shape = dict(kit.SHAPES["one_worker"], driver="tap")
    settle_s = 20


class AfXdp(Network, LabCase):
    shape = dict(kit.SHAPES["one_worker"], driver="af_xdp")
    settle_s = 20
