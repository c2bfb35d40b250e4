# SPDX-License-Identifier: BSD-3-Clause
"""The host is reached over the ports: what is not pubwire's goes to the kernel's interface beside a port
and back, within its rate, while MQTT flows. Devices' pings pubwire answers, brokers' the kernel."""

import contextlib
import ipaddress
import os
import socket
import struct
import subprocess
import threading
import time
import unittest

import kit
import mqttraw as mq
from kit import LabCase, net, proc

EDGE, BACK = "pw-edge", "pw-back"
RATE = 400
BFD = 3784
VRRP = 112
VRRP_GROUP = "224.0.0.18"
SSH = 2222
PATIENCE = 15

# Sends datagrams to HOST PORT until one comes back, or COUNT of them and is done.
UDP = """
import socket, sys
host, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
s = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(0.5)
s.connect((host, port))
for i in range(count or 20):
    try:
        s.send(b"hello %d" % i)
        if not count:
            print(s.recv(100).decode())
            break
    except (TimeoutError, ConnectionRefusedError):  # the kernel says that nobody listens
        pass
"""

# Joins the group, says so by an advertisement, and waits for one from another host.
ADVERT = """
import socket, struct, sys
own, group, proto = sys.argv[1], sys.argv[2], int(sys.argv[3])
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, proto)
s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(group) + socket.inet_aton(own))
s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(own))
s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
s.settimeout(0.5)
for i in range(30):
    s.sendto(b"advert of dev", (group, 0))
    try:
        data, who = s.recvfrom(2000)
        if who[0] != own:
            print(who[0], data[20:].decode())
            break
    except TimeoutError:
        pass
"""


def counters():
    return kit.ask("/pubwire/counters")


def line(interface, icmp):
    return f"    kernel: {{interface: {interface}, rate: {RATE}, icmp: {icmp}, driver: tap}}\n"


def until(holds, what, patience=PATIENCE):
    end = time.monotonic() + patience
    while not holds():
        if time.monotonic() > end:
            raise AssertionError(f"not within {patience} s: {what}")
        time.sleep(0.02)


@contextlib.contextmanager
def answering(sock, work):
    """work(sock) in a thread, again and again; it may wait in the socket."""
    over = threading.Event()
    sock.settimeout(0.2)

    def run():
        while not over.is_set():
            with contextlib.suppress(TimeoutError):
                work(sock)
    t = threading.Thread(target=run)
    t.start()
    try:
        yield
    finally:
        over.set()
        t.join(PATIENCE)
        sock.close()


@unittest.skipUnless(os.path.exists("/dev/net/tun"), "this machine has no /dev/net/tun")
class Kernel(LabCase):
    shape = dict(kit.SHAPES["one_worker"], driver="tap",
                 port_lines={"dev": line(EDGE, "pubwire"), "brk": line(BACK, "kernel")})

    def ping(self, argv, side=None):
        """Pings until one has come back: the first may be lost to the rate."""
        where = ["ip", "netns", "exec", net.namespace(side)] if side else []
        out = subprocess.run(where + ["ping", "-n", "-c", "1", "-i", "0.1", "-w", str(PATIENCE)] + argv,
                             capture_output=True, text=True, check=False)
        self.assertRegex(out.stdout, r"bytes from", out.stdout + out.stderr)

    def udp(self, host, count=0, port=BFD):
        return kit.inside("dev", ["/usr/bin/python3", "-c", UDP, host, str(port), str(count)])

    def test_bfd_goes_both_ways(self):
        hosts = [kit.PUBWIRE] + ([kit.PUBWIRE6] if net.has_ipv6() else [])
        for host in hosts:
            s = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
            s.bind((host, BFD))

            def echo(sock):
                data, who = sock.recvfrom(100)
                sock.sendto(b"from the kernel: " + data, who)
            with answering(s, echo):
                out = self.udp(host).communicate(timeout=PATIENCE)[0]
            self.assertIn("from the kernel: hello", out)

    def test_closed_ports_are_refused_by_the_kernel(self):
        before = counters()
        for host in [kit.PUBWIRE] + ([kit.PUBWIRE6] if net.has_ipv6() else []):
            with self.assertRaises(ConnectionRefusedError):
                kit.connect_from("dev", host, 1884)
        after = counters()
        self.assertEqual(after["tcp"]["resets_out"], before["tcp"]["resets_out"])
        self.assertGreater(after["worker"]["to_kernel"], before["worker"]["to_kernel"])
        self.assertGreater(after["worker"]["from_kernel"], before["worker"]["from_kernel"])

    def test_interface_has_what_the_port_has(self):
        text = subprocess.run(["ip", "addr", "show", EDGE], capture_output=True, text=True, check=True).stdout
        mac = kit.ask("/pubwire/ports")["0"]["mac"]
        self.assertIn(mac.lower(), text)
        self.assertIn(f"inet {kit.PUBWIRE}/16", text)
        self.assertEqual(kit.ask("/pubwire/ports")["0"]["kernel"], EDGE)
        if net.has_ipv6():
            b = bytes(int(x, 16) for x in mac.split(":"))
            local = bytes([0xfe, 0x80] + 6 * [0] + [b[0] ^ 2]) + b[1:3] + b"\xff\xfe" + b[3:]
            self.assertIn(f"inet6 {kit.PUBWIRE6}/64", text)
            self.assertIn(f"inet6 {ipaddress.IPv6Address(local)}/64", text)
            self.assertEqual(text.count("inet6 "), 2)
            self.assertNotIn("tentative", text)

    def test_multicast_arrives_and_leaves(self):
        """VRRP: a raw socket of the host hears an advertisement from the wire, and is heard."""
        s = socket.socket(socket.AF_INET, socket.SOCK_RAW, VRRP)
        own = socket.inet_aton(kit.PUBWIRE)
        s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(VRRP_GROUP) + own)
        s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, own)
        s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
        heard = []

        def answer(sock):
            data, who = sock.recvfrom(2000)
            heard.append((who[0], data[20:]))
            sock.sendto(b"advert of host", (VRRP_GROUP, 0))
        with answering(s, answer):
            out = kit.inside("dev", ["/usr/bin/python3", "-c", ADVERT, "10.77.0.2", VRRP_GROUP,
                                     str(VRRP)]).communicate(timeout=2 * PATIENCE)[0]
        self.assertEqual(out.strip(), f"{kit.PUBWIRE} advert of host")
        self.assertIn(("10.77.0.2", b"advert of dev"), heard)

    def test_pings_are_answered_by_whom_the_file_names(self):
        for options in [["-4", "dev", net.PUBWIRE["dev"]], ["-4", "brk", net.PUBWIRE["brk"]],
                        ["-6", "dev", net.PUBWIRE6["dev"]], ["-6", "brk", net.PUBWIRE6["brk"]]]:
            family, side, host = options
            if family == "-6" and not net.has_ipv6():
                continue
            before = counters()["wire"]["icmp_echo_in"]
            self.ping([family, host], side)
            answered = counters()["wire"]["icmp_echo_in"] - before
            self.assertEqual(answered > 0, side == "dev", f"{options}: {answered} answered by pubwire")

    def test_pings_of_the_host_come_back(self):
        self.ping(["-4", "10.77.0.2"])
        self.ping(["-4", net.broker_address(0)])
        if net.has_ipv6():
            self.ping(["-6", "fd77::2"])

    def test_too_much_for_the_kernel_is_dropped_and_counted(self):
        before = counters()["worker"]
        began = time.monotonic()
        dev = kit.device("through the flood")
        p = self.udp(kit.PUBWIRE, 6 * RATE, port=9)
        for i in range(50):
            dev.send(mq.publish("lab/flood", b"x", qos=1, pid=i + 1))
            self.assertEqual(dev.read(), (0x40, struct.pack("!H", i + 1)))
        self.assertEqual(p.wait(PATIENCE), 0)
        until(lambda: counters()["worker"]["drop_kernel_rate"] > before["drop_kernel_rate"], "a drop")
        took = time.monotonic() - began + 1
        given = counters()["worker"]["to_kernel"] - before["to_kernel"]
        self.assertLessEqual(given, 2 * RATE * (took + 1))  # of both ports
        dev.send(mq.packet(0xe0))
        dev.sock.close()
        p.stdout.close()

    def test_ssh_like_session_beside_mqtt(self):
        """A server of the host on the port's address takes bytes and gives them back, while a device
        publishes."""
        server = socket.create_server((kit.PUBWIRE, SSH))
        blob = os.urandom(100000)

        def serve(sock):
            c = sock.accept()[0]
            c.settimeout(4 * PATIENCE)
            with c:
                got = b""
                while len(got) < len(blob):
                    got += c.recv(65536)
                c.sendall(got)
        dev = kit.device("beside ssh")
        result = []

        def client():
            s = kit.connect_from("dev", kit.PUBWIRE, SSH, timeout=4 * PATIENCE)
            with s:
                s.sendall(blob)
                got = b""
                while len(got) < len(blob):
                    part = s.recv(65536)
                    if not part:
                        break
                    got += part
                result.append(got == blob)
        with answering(server, serve):
            t = threading.Thread(target=client)
            t.start()
            n = 0
            while t.is_alive() or n < 100:
                n += 1
                dev.send(mq.publish("lab/ssh", b"x" * 100, qos=1, pid=n % 60000 + 1))
                self.assertEqual(dev.read()[0], 0x40)
            t.join()
        self.assertEqual(result, [True])
        dev.send(mq.packet(0xe0))
        dev.sock.close()

    def test_without_the_interface_mqtt_goes_on(self):
        """Last: its operator deletes the interface while all of it runs."""
        subprocess.run(["ip", "link", "del", EDGE], check=True)
        said = f"the kernel's interface {EDGE} was deleted"
        until(lambda: said in proc.tail("pubwire", 100), "a line in the log")
        before = counters()["worker"]["drop_kernel_refused"]
        dev = kit.device("without a kernel")
        p = self.udp(kit.PUBWIRE, 50, port=9)
        for i in range(200):
            dev.send(mq.publish("lab/gone", b"x", qos=1, pid=i + 1))
            self.assertEqual(dev.read(), (0x40, struct.pack("!H", i + 1)))
        self.assertEqual(p.wait(PATIENCE), 0)
        p.stdout.close()
        until(lambda: counters()["worker"]["drop_kernel_refused"] > before, "a drop is counted")
        self.ping(["-4", net.PUBWIRE["dev"]], "dev")
        self.ping(["-4", net.PUBWIRE["brk"]], "brk")  # the other one is still there
        self.assertEqual(proc.tail("pubwire", 1000).count(said), 1)
        dev.send(mq.packet(0xe0))
        dev.sock.close()
