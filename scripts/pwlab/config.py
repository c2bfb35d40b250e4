# SPDX-License-Identifier: BSD-3-Clause
"""Files that the lab writes: pubwire's configuration, mosquitto's, and EAL's arguments."""

import os

from . import net
from .process import RUN_DIR, SUFFIX, run_path

PREFIX = "pubwire-lab" + SUFFIX


def vdevs(driver, queues):
    """(--vdev arguments, device names of the ports in configuration) by side."""
    args, names = [], {}
    for i, side in enumerate(net.SIDES):
        dev = net.outer(side)
        names[side] = f"net_{driver}{i}"
        if driver == "af_packet":
            # 64 frames of 2 KB a block: few, large mappings. 8192 frames hold what 32 devices with
            # a hundred kilobytes each in flight send at once; with 2048 the kernel dropped some.
            args.append(f"net_af_packet{i},iface={dev},qpairs={queues},blocksz=131072,"
                        "framesz=2048,framecnt=8192,qdisc_bypass=1")
        elif driver == "af_xdp":
            args.append(f"net_af_xdp{i},iface={dev},start_queue=0,queue_count={queues}")
        else:
            args.append(f"net_tap{i},iface={dev}")
    return args, names


def eal_devices(opts):
    """EAL's arguments for the ports, and what keeps this process apart from others."""
    args = [f"--file-prefix={PREFIX}", "--no-pci"]
    return args + ["--vdev=" + v for v in vdevs(opts["driver"], len(opts["lcores"]))[0]]


def eal_lcores(opts):
    """Worker i is lcore i + 1, on its CPU; the main lcore, 0, shares the first CPU."""
    where = [min(os.sched_getaffinity(0))] + opts["lcores"]
    return "--lcores=" + ",".join(f"{i}@{cpu}" for i, cpu in enumerate(where))


def eal_command_line(opts, huge):
    """What follows "--" on pubwire's command line. A file of the user's names its own CPUs."""
    args = eal_devices(opts) if opts["config"] else []
    return args if huge else args + ["--no-huge", "-m", "512"]


def forwarding(opts):
    """The sections of brokers and routes: everything to all of them."""
    text = ["brokers:\n"]
    for i in range(opts["brokers"]):
        # The last ones, where IPv6 is asked for.
        v6 = i >= opts["brokers"] - opts["ipv6_brokers"]
        # A broker of the lab is near, and back within moments when a test restarts it.
        text.append(f"  - name: broker{i + 1}\n"
                    f"    address: \"{net.broker_address(i, v6)}\"\n"
                    "    port: 1883\n"
                    "    connect_timeout: 2s\n"
                    "    restart_timeout: [100ms, 1s]\n")
    text.append("routes:\n"
                "  - name: everything\n"
                "    filter: \"#\"\n"
                f"    brokers: [{', '.join(f'broker{i + 1}' for i in range(opts['brokers']))}]\n"
                "    fanout: all\n"
                "    ack: all\n"
                "    when_full:\n"
                "      qos0: block     # a demonstration loses nothing\n"
                "      qos1: block\n")
    return "".join(text)


def write_pubwire(opts):
    """The configuration of the demonstration. Returns its path."""
    names = vdevs(opts["driver"], len(opts["lcores"]))[1]
    n = len(opts["lcores"])
    if opts["split"]:
        half = max(1, n // 2)
        roles = (f"  devices: [{', '.join(str(i) for i in range(1, half + 1))}]\n"
                 f"  brokers: [{', '.join(str(i) for i in range(half + 1, n + 1))}]\n")
    else:
        roles = f"  lcores: [{', '.join(str(i) for i in range(1, n + 1))}]\n"
    text = ["# Written by scripts/lab; give your own with --config.\n"
            "eal:\n" + "".join(f"  - \"{a}\"\n" for a in eal_devices(opts) + [eal_lcores(opts)]) +
            "instance: lab\n"
            "log:\n"
            "  level: info\n"
            "workers:\n" + roles +
            f"  idle: {opts.get('idle', 'adaptive')}\n"
            "memory:\n"
            "  packet_buffers: 32768\n"
            "ports:\n"]
    for side, port in (("dev", "devices"), ("brk", "brokers")):
        text.append(f"  - name: {port}\n"
                    f"    device: {names[side]}\n"
                    f"    addresses: [{net.PUBWIRE[side]}/16"
                    + (f", \"{net.PUBWIRE6[side]}/64\"" if net.has_ipv6() else "") + "]\n"
                    + opts.get("port_lines", {}).get(side, ""))
    text.append("listeners:\n"
                "  - name: mqtt\n"
                f"    address: {net.PUBWIRE['dev']}\n"
                "    port: 1883\n")
    if net.has_ipv6():
        text.append("  - name: mqtt-ipv6\n"
                    f"    address: \"{net.PUBWIRE6['dev']}\"\n"
                    "    port: 1883\n")
    # A test with brokers and routes of its own gives both sections whole.
    text.append(opts.get("forwarding") or forwarding(opts))
    text.append(opts.get("sections", ""))  # what a test wants besides
    path = run_path("pubwire.yaml")
    with open(path, "w", encoding="utf-8") as f:
        f.write("".join(text))
    return path


def write_mosquitto(i, persistence, ports=(1883,)):
    """Configuration of broker i: it drops nothing and waits for nobody. Returns its path."""
    name = f"mosquitto-{i + 1}"
    store = os.path.join(RUN_DIR, name)
    lines = [f"listener {port} {net.broker_address(i)}" for port in ports]
    if net.has_ipv6():
        lines += [f"listener 1883 {net.broker_address(i, v6=True)}"]
    lines += [
        "allow_anonymous true",
        # It stays root: everything it writes is below the lab's own directory.
        "user root",
        "log_dest stderr", "log_type error", "log_type warning", "log_type notice",
        "log_type information",
        "sys_interval 0",
        "set_tcp_nodelay true",
        # 0 means no limit: what a subscriber has not taken yet waits, QoS 0 too.
        "max_queued_messages 0", "max_queued_bytes 0",
        "max_inflight_messages 0", "max_inflight_bytes 0",
        "message_size_limit 0",
        "persistence " + ("true" if persistence else "false"),
    ]
    if persistence:
        os.makedirs(store, exist_ok=True)
        lines += [f"persistence_location {store}/", "autosave_interval 5"]
    path = run_path(name + ".conf")
    with open(path, "w", encoding="utf-8") as f:
        f.write("\n".join(lines) + "\n")
    return path
