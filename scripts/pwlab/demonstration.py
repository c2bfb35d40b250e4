#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The messages of scripts/quickstart: mosquitto_pub as devices, mosquitto_sub on every broker."""

import collections
import hashlib
import os
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
from pwlab import config, net  # noqa: E402
from pwlab.telemetry import Telemetry, TelemetryError  # noqa: E402

# (payload bytes, messages at QoS 0, messages at QoS 1)
SIZES = ((32, 500, 500), (256, 500, 500), (1024, 500, 500), (8192, 100, 100), (131072, 10, 10))
PATIENCE = 60


def inside(side, argv, **kw):
    return subprocess.Popen(["ip", "netns", "exec", net.namespace(side)] + argv, **kw)


def lines(size, count, qos):
    """Distinct printable payloads: number, then hexadecimal digits that follow from it."""
    for i in range(count):
        seed = hashlib.sha256(f"{size}/{qos}/{i}".encode()).hexdigest()
        yield (f"{qos}-{i}-" + seed * (size // 64 + 1))[:size].encode()


def digest(topic, payload):
    return topic, hashlib.sha256(payload).hexdigest()


class Subscriber(threading.Thread):
    """mosquitto_sub on a broker; what it prints, counted by topic and hash."""

    def __init__(self, broker, total):
        super().__init__(daemon=True)
        self.got, self.left = collections.Counter(), total
        self.p = inside("brk", ["mosquitto_sub", "-h", net.broker_address(broker), "-q", "1", "-t",
                                "quickstart/#", "-C", str(total), "-F", "%t %p"],
                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def run(self):
        for line in self.p.stdout:
            topic, _, payload = line.rstrip(b"\n").partition(b" ")
            self.got[digest(topic.decode(), payload)] += 1
            self.left -= 1


def subscribed(n):
    """Wait until n subscribers have a connection; mosquitto_sub itself does not say so."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        out = subprocess.run(["ip", "netns", "exec", net.namespace("brk"), "ss", "-tnH", "state",
                              "established", "sport", "=", ":1883"], capture_output=True, text=True,
                             check=False).stdout
        peers = [a.split()[-1].rsplit(":", 1)[0] for a in out.splitlines()]
        local = [p for p in peers if p != net.PUBWIRE["brk"]]
        if len(local) >= n:
            time.sleep(0.3)  # SUBSCRIBE follows CONNECT at once
            return
        time.sleep(0.05)
    raise TelemetryError(f"{n} subscribers were started, not all of them reached their brokers")


def publish(want):
    """All sizes and both QoS, two devices at a time."""
    for version, (size, n0, n1) in zip(("mqttv311", "mqttv5") * len(SIZES), SIZES):
        running = []
        for qos, n in ((0, n0), (1, n1)):
            topic = f"quickstart/{size}/qos{qos}"
            payloads = list(lines(size, n, qos))
            want.update(digest(topic, p) for p in payloads)
            p = inside("dev", ["mosquitto_pub", "-h", net.PUBWIRE["dev"], "-V", version, "-t", topic,
                               "-q", str(qos), "-l"], stdin=subprocess.PIPE)
            feed = threading.Thread(target=p.communicate, args=(b"\n".join(payloads) + b"\n",))
            feed.start()
            running.append((p, feed, topic))
        for p, feed, topic in running:
            feed.join(PATIENCE)
            if feed.is_alive() or p.returncode != 0:
                p.kill()
                print(f"  mosquitto_pub to {topic} failed", file=sys.stderr)
                return False
        print(f"  {size:>7} bytes: {n0} of QoS 0 and {n1} of QoS 1 published by MQTT "
              f"{'5.0' if version == 'mqttv5' else '3.1.1'} devices", flush=True)
    return True


def compare(broker, sub, want):
    missing, strange = want - sub.got, sub.got - want
    verdict = "every message there, hashes equal"
    if missing or strange:
        verdict = f"{sum(missing.values())} MISSING, {sum(strange.values())} not sent or sent twice"
    print(f"  broker {broker + 1} ({net.broker_address(broker)}): {sum(sub.got.values())} of "
          f"{sum(want.values())} received: {verdict}")
    return not missing and not strange


def micro(ns):
    # The loop reads its clock once a turn: less than a turn is no time at all.
    return f"{ns / 1000:,.0f} us" if ns >= 1000 else "under 1 us"


# What a message can come to; the first ones are shown always, the others where there are any.
ENDS = (("acknowledged", "acknowledged"), ("completed_qos0", "of QoS 0 done"),
        ("outstanding", "outstanding"), ("given_up_qos0", "of QoS 0 that no broker was given"),
        ("orphaned", "whose device had gone"), ("dropped_on_shutdown", "given up at the end"))


def balance(ledger):
    """Both sides of it are the same number."""
    ends = [f"{ledger[key]:,} {what}" for i, (key, what) in enumerate(ENDS) if i < 3 or ledger[key]]
    wrong = f", {ledger['unexplained']} UNEXPLAINED" if ledger["unexplained"] else ""
    return f"{ledger['accepted']:,} accepted = " + " + ".join(ends) + wrong


def table(took, brokers):
    with Telemetry(config.PREFIX) as t:
        f = t.ask("/pubwire/counters")["forward"]
        latency, pools, ledger = (t.ask("/pubwire/" + c) for c in ("latency", "pools", "ledger"))
    framed = f["bytes_by_ref"] + f["bytes_copied"]
    q0, q1 = latency["qos0"], latency["qos1"]
    rows = [
        ("messages accepted", f"{f['accepted']:,} (QoS 0: {f['publishes_qos0']:,}, QoS 1: "
                              f"{f['publishes_qos1']:,}) in {took:.1f} s, each for {brokers} brokers"),
        ("payload bytes", f"{f['payload_bytes']:,}"),
        ("frame bytes by reference", f"{f['bytes_by_ref']:,} "
                                     f"({100 * f['bytes_by_ref'] / max(framed, 1):.1f} %)"),
        ("frame bytes copied", f"{f['bytes_copied']:,} (small frames, and short pieces of large ones)"),
        ("inside pubwire, QoS 0", f"p50 {micro(q0['p50'])}, p99 {micro(q0['p99'])}: PUBLISH in, until "
                                  "in every broker's send queue"),
        ("inside pubwire, QoS 1", f"p50 {micro(q1['p50'])}, p99 {micro(q1['p99'])}: PUBLISH in, until "
                                  "acknowledged by every broker and to the device"),
        ("buffers in use now", ", ".join(f"{name.split('_')[0]} {row['in_use']} of {row['count']}"
                                         for name, row in pools.items() if isinstance(row, dict))),
        ("ledger", balance(ledger)),
    ]
    width = max(len(name) for name, _ in rows)
    print()
    for name, value in rows:
        print(f"  {name:<{width}}  {value}")
    print()
    return not ledger["unexplained"]


def main():
    total, brokers = sum(a + b for _, a, b in SIZES), 2
    subs = [Subscriber(b, total) for b in range(brokers)]
    for s in subs:
        s.start()
    try:
        subscribed(brokers)
        want, start = collections.Counter(), time.monotonic()
        good = publish(want)
        end = time.monotonic() + (PATIENCE if good else 2)
        for s in subs:
            s.join(max(0.0, end - time.monotonic()))
        took = time.monotonic() - start
        for b, s in enumerate(subs):
            good &= compare(b, s, want)
        return 0 if table(took, brokers) and good else 1
    except TelemetryError as e:
        print(f"  {e}", file=sys.stderr)
        return 1
    finally:
        for s in subs:
            if s.p.poll() is None:
                s.p.kill()
            s.p.wait()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
