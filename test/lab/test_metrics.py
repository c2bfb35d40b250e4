# SPDX-License-Identifier: BSD-3-Clause
"""/metrics under traffic: what it says while messages flow, and that it agrees with telemetry."""

import json
import re
import time
import urllib.request

import kit
from kit import LabCase, Plan

PORT = 19883


def get(path):
    with urllib.request.urlopen(f"http://127.0.0.1:{PORT}{path}", timeout=10) as r:
        return r.read().decode()


def scrape():
    """{name: {labels as text: value}}"""
    page = {}
    for line in get("/metrics").splitlines():
        m = re.match(r"([a-z0-9_]+)(?:\{(.*)\})? (\S+)$", line)
        if m:
            page.setdefault(m[1], {})[m[2] or ""] = float(m[3])
    return page


class Metrics(LabCase):
    shape = dict(kit.SHAPES["two_workers"], sections=f"http: {{port: {PORT}, top_devices: 3}}\n")

    def total(self, page, name):
        return sum(page[name].values())

    def test_metrics_agree_with_telemetry_during_and_after_traffic(self):
        plan = Plan("metrics", 3000, 40, (1, 100, 700, 3000), (0, 1, 2))
        before = scrape()
        with kit.Collectors(self.brokers, "lab/#") as c:
            kit.brokers_up(len(self.brokers))
            self.assertEqual(get("/readyz"), "ready\n")
            p = kit.start_client("paho_py", 5, plan)
            pages = []
            while p.poll() is None:
                low = kit.ask("/pubwire/counters")["forward"]
                pages.append(scrape())
                high = kit.ask("/pubwire/counters")["forward"]
                for name in ("accepted", "acknowledged", "payload_bytes", "publishes_qos1"):
                    v = self.total(pages[-1], f"pubwire_forward_{name}_total")
                    self.assertTrue(low[name] <= v <= high[name], f"{name}: {low[name]} {v} {high[name]}")
            self.assertEqual(p.returncode, 0, p.communicate()[0][-500:])
            c.wait(plan.count)
        seen = [self.total(x, "pubwire_forward_accepted_total") for x in pages]
        self.assertEqual(seen, sorted(seen))
        self.assertGreater(len(set(seen)), 2, "messages came while it was asked")
        self.assertTrue(any(self.total(x, "pubwire_device_sessions") == 1 for x in pages))
        self.check_at_rest(before, scrape(), plan)

    def test_devices_that_send_most_are_listed_by_rate(self):
        slow, fast, mute = (kit.device(name) for name in ("slow", "fast-\"x", "mute"))
        try:
            rows, end, i = [], time.monotonic() + 20, 0
            while time.monotonic() < end and [r["client"] for r in rows] != ["fast-\"x", "slow"]:
                for _ in range(20):
                    i += 1
                    fast.send(kit.mq.publish("lab/fast", b"x", qos=1, pid=i % 60000 + 1))
                    if i % 4 == 0:
                        slow.send(kit.mq.publish("lab/slow", b"x"))
                    fast.read()
                    time.sleep(0.005)
                rows = json.loads(get("/status.json"))["talkers"]
            self.assertEqual([r["client"] for r in rows], ["fast-\"x", "slow"])
            self.assertEqual({r["address"] for r in rows}, {"10.77.0.2"})
            self.assertGreater(rows[0]["millirate"], 2 * rows[1]["millirate"])
            self.assertTrue(2000 < rows[0]["millirate"] < 1e6, rows)
            self.assertGreater(rows[1]["millirate"], 0)
            end = time.monotonic() + 20
            while rows and time.monotonic() < end:
                time.sleep(0.3)
                rows = json.loads(get("/status.json"))["talkers"]
            self.assertEqual(rows, [], "who sends nothing any more is not listed")
        finally:
            for d in (slow, fast, mute):
                d.close()

    def check_at_rest(self, before, page, plan):
        counters = kit.ask("/pubwire/counters")
        for name in ("accepted", "acknowledged", "completed_qos0", "payload_bytes", "bytes_by_ref", "bytes_copied"):
            self.assertEqual(self.total(page, f"pubwire_forward_{name}_total"), counters["forward"][name], name)
        gained = {n: self.total(page, n) - self.total(before, n) for n in page}
        self.assertEqual(gained["pubwire_forward_accepted_total"], plan.count)
        self.assertEqual(gained["pubwire_route_accepted_total"], plan.count)
        # 2 of 3 messages are of QoS 1 and 2.
        self.assertEqual(gained["pubwire_upstream_acked_total"], len(self.brokers) * plan.count * 2 // 3)
        for qos, n in (("0", plan.count // 3), ("1", plan.count * 2 // 3)):
            count = f'qos="{qos}"'
            self.assertEqual(page["pubwire_latency_seconds_count"][count] -
                             before["pubwire_latency_seconds_count"][count], n)
            self.assertEqual(page["pubwire_latency_seconds_bucket"][count + ',le="+Inf"'],
                             page["pubwire_latency_seconds_count"][count])
            self.assertGreater(page["pubwire_latency_seconds_sum"][count], 0)
        self.assertEqual(self.total(page, "pubwire_outstanding_messages"), 0)
        self.assertEqual(self.total(page, "pubwire_upstream_up"), self.total(page, "pubwire_upstream_connections"))
        self.assertEqual(page["pubwire_port_up"], {'port="devices"': 1, 'port="brokers"': 1})
        for port in ("devices", "brokers"):
            self.assertGreater(page["pubwire_port_receive_packets_total"][f'port="{port}"'], 0)
        status = json.loads(get("/status.json"))
        self.assertEqual([b["up"] for b in status["brokers"]], [b["connections"] for b in status["brokers"]])
        self.assertEqual(status["traffic"]["accepted"], counters["forward"]["accepted"])
        self.assertEqual(sum(n for _, n in status["latency"]["qos1"]),
                         page["pubwire_latency_seconds_count"]['qos="1"'])
