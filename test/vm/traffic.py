# SPDX-License-Identifier: BSD-3-Clause
"""What goes through the guest: mosquitto's own programs on both ends, every message known by its hash."""

import hashlib
import os
import random
import subprocess
import threading

import net

# None, less than a frame, about one (1460 bytes of TCP, less PUBLISH's header), several, many.
SIZES = (0, 1, 100, 1400, 1446, 1461, 3000, 20000, 100000)
STREAM = 1500  # messages of one connection: more than a ring has descriptors
PATIENCE = 90.0


class Broker:
    """mosquitto in the brokers' namespace."""

    def __init__(self, logs):
        conf = os.path.join(logs, "mosquitto.conf")
        with open(conf, "w", encoding="utf-8") as f:
            f.write("listener 1883\nallow_anonymous true\nuser root\nmax_queued_messages 0\n"
                    "max_inflight_messages 0\nlog_dest stderr\nlog_type all\nset_tcp_nodelay true\n")
        self.log = os.path.join(logs, "mosquitto.log")
        with open(self.log, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(net.inside("brk", "mosquitto", "-c", conf), stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log)

    def lines(self, words):
        """How many lines of its log contain all of the words."""
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return sum(all(w in line for w in words) for line in f)

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Collector:
    """A subscriber of the broker's: hashes by topic."""

    def __init__(self, broker, name):
        self.got, self.total = {}, 0
        self.process = subprocess.Popen(
            net.inside("brk", "mosquitto_sub", "-h", "127.0.0.1", "-i", name, "-t", "#", "-q", "2", "-F", "%t %x"),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()
        net.wait("the subscriber's SUBACK", lambda: broker.lines(["Sending SUBACK to " + name]), 20)

    def _read(self):
        for line in self.process.stdout:
            topic, _, data = line.rstrip("\n").partition(" ")
            self.got.setdefault(topic, []).append(hashlib.sha256(bytes.fromhex(data)).hexdigest())
            self.total += 1

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.thread.join()


def _start(topic, qos, address, data, lines=False):
    p = subprocess.Popen(
        net.inside("dev", "timeout", str(int(PATIENCE)), "mosquitto_pub", "-h", address, "-t", topic, "-q", str(qos),
                   "-V", "5" if qos == 1 else "311", "-l" if lines else "-s" if data else "-n"),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    threading.Thread(target=lambda: _feed(p, data), daemon=True).start()
    return p


def _feed(p, data):
    try:
        p.stdin.write(data)
        p.stdin.close()
    except OSError:
        pass  # it has ended, and what it said is told


def _ended(publishers):
    """What went wrong with any of them."""
    wrong = []
    for topic, p in publishers.items():
        text = p.stdout.read().decode(errors="replace")
        if p.wait():
            wrong.append(f"publisher of {topic} ended with {p.returncode}: {text.strip()}")
    return wrong


def messages(tag, seed):
    """{topic: (QoS, payload)}; each size by each QoS."""
    rng = random.Random(seed)
    return {f"{tag}/{qos}/{size}": (qos, rng.randbytes(size)) for qos in (0, 1, 2) for size in SIZES}


def _compare(expected, got):
    wrong = []
    for topic, hashes in expected.items():
        found = got.get(topic, [])
        missing = len(hashes) - len(found)
        if sorted(found) != sorted(hashes):
            wrong.append(f"{topic}: {len(found)} of {len(hashes)} messages came"
                         + ("" if missing else ", other ones than were sent"))
    return wrong


def exchange(collector, tag, patience=PATIENCE):
    """Every size by every QoS, by IPv4 and IPv6 in turn, and a stream of QoS 1. (messages, what was wrong)."""
    expected, publishers = {}, {}
    for i, (topic, (qos, data)) in enumerate(messages(tag, tag).items()):
        expected[topic] = [hashlib.sha256(data).hexdigest()]
        publishers[topic] = _start(topic, qos, (net.PUBWIRE if i % 2 else net.PUBWIRE6)["dev"], data)
    wrong = _ended(publishers)
    lines = [f"{tag} {i} " + "x" * (i % 700) for i in range(STREAM)]
    topic = f"{tag}/stream"
    expected[topic] = [hashlib.sha256(line.encode()).hexdigest() for line in lines]
    wrong += _ended({topic: _start(topic, 1, net.PUBWIRE["dev"], "\n".join(lines).encode() + b"\n", lines=True)})
    count = sum(map(len, expected.values()))

    def came():
        return all(len(collector.got.get(topic, ())) >= len(hashes) for topic, hashes in expected.items())

    try:
        net.wait("messages at the broker", came, patience if not wrong else 5)
    except RuntimeError:
        pass  # which ones is told by name
    return count, wrong + _compare(expected, collector.got)


def one(collector, topic, text, patience=PATIENCE):
    """One message of QoS 1; None, or what was wrong."""
    wrong = _ended({topic: _start(topic, 1, net.PUBWIRE["dev"], text.encode())})
    if wrong:
        return wrong[0]
    net.wait("a message at the broker", lambda: topic in collector.got, patience)
    same = collector.got[topic] == [hashlib.sha256(text.encode()).hexdigest()]
    return None if same else f"{topic}: another message came than was sent"
