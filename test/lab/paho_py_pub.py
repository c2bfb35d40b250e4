#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Python Paho as a device: paho_py_pub.py ADDRESS VERSION CLIENT COUNT TOPICS SIZES QOS (see kit.py)"""

import sys
import time

import paho.mqtt.client as mqtt


def content(client, i, size):
    unit = f"{client}/{i};".encode()
    return (unit * (size // len(unit) + 1))[:size]


def main():
    address, version, name, count, topics = sys.argv[1:6]
    sizes, qos = ([int(x) for x in a.split(",")] for a in sys.argv[6:8])
    count, topics = int(count), int(topics)
    kind = mqtt.MQTTv5 if version == "5" else mqtt.MQTTv311
    c = mqtt.Client(client_id=name, protocol=kind)
    c.max_inflight_messages_set(20)
    state = {"refused": None}

    def on_connect(_client, _data, _flags, rc, *_props):
        state["refused"] = int(getattr(rc, "value", rc))

    c.on_connect = on_connect
    c.connect(address, 1883, keepalive=30)
    c.loop_start()
    end = time.monotonic() + 10
    while state["refused"] is None and time.monotonic() < end:
        time.sleep(0.005)
    if state["refused"] != 0:
        sys.exit(f"paho_py_pub: CONNACK {state['refused']}")
    sent = []
    for i in range(count):
        sent.append(c.publish(f"lab/{name}/{i % topics}", content(name, i, sizes[i % len(sizes)]),
                              qos=qos[i % len(qos)]))
    for m in sent:
        m.wait_for_publish(60)
        if not m.is_published():
            sys.exit("paho_py_pub: not everything was acknowledged")
    c.disconnect()
    c.loop_stop()


if __name__ == "__main__":
    main()
