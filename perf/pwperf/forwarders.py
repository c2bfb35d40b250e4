# SPDX-License-Identifier: BSD-3-Clause
"""What stands between devices and brokers, over the kernel's network: how each is set up, started, and known to be ready."""

import os
import shutil

from . import bench

# Neither logs, nor limits that a thousand devices reach, nor more than one thread: one CPU is what is measured.
HAPROXY = """
global
  nbthread 1
  maxconn {connections}
defaults
  mode tcp
  timeout connect 5s
  timeout client 1h
  timeout server 1h
frontend mqtt
  bind 10.77.0.1:1883
  default_backend brokers
backend brokers
  server b0 10.78.0.11:1883
"""

NGINX = """
daemon off;
user root;
pid {dir}/nginx.pid;
error_log stderr warn;
worker_processes 1;
load_module {module};
events {{ worker_connections {sockets}; }}
stream {{
  access_log off;
  server {{
    listen 10.77.0.1:1883;
    proxy_pass 10.78.0.11:1883;
    proxy_timeout 1h;
    tcp_nodelay on;
  }}
}}
"""

# It gives nothing up, and waits for nobody.
MOSQUITTO = """
user root
listener 1883 10.77.0.1
allow_anonymous true
log_type error
log_type warning
sys_interval 0
persistence false
set_tcp_nodelay true
max_queued_messages 0
max_queued_bytes 0
max_inflight_messages 0
max_inflight_bytes 0
"""

MOSQUITTO_BRIDGE = """
connection b{i}
address 10.78.0.{host}:1883
bridge_protocol_version mqttv311
cleansession true
notifications false
try_private false
bridge_attempt_unsubscribe false
restart_timeout 1
topic # out {qos}
"""

NGINX_MODULE = "/usr/lib/nginx/modules/ngx_stream_module.so"
LISTENER = "01004D0A:075B"  # 10.77.0.1:1883 in /proc/net/tcp
LISTENS = "0A"


def processes(pid):
    """A process and those that it has started."""
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", encoding="ascii", errors="replace") as f:
                    parents[int(name)] = int(f.read().rsplit(")", 1)[1].split()[1])
            except (OSError, IndexError):
                continue
    out = [pid]
    for p in out:
        out += [child for child, parent in parents.items() if parent == p]
    return out


def listens(pid):
    """True where 10.77.0.1:1883 is open in the network of a process."""
    try:
        with open(f"/proc/{pid}/net/tcp", encoding="ascii") as f:
            rows = [line.split() for line in f][1:]
    except OSError:
        return False
    return any(r[1] == LISTENER and r[3] == LISTENS for r in rows)


class Forwarder:
    """name; program; proxied: a connection of a broker for each of a device; polls: its CPU is never idle."""

    proxied = True
    polls = False
    frames = False

    def __init__(self, name, package, most_brokers):
        self.name, self.package, self.most_brokers = name, package, most_brokers
        self.program = shutil.which(name, path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")

    def lacking(self, s):
        """Why it cannot do a job; None where it can."""
        if self.program is None:
            return f"{self.package} is not installed: scripts/deps perf"
        if s.brokers > self.most_brokers:
            return "a proxy of streams has one broker"
        return None

    def ready(self, p, b):
        return listens(p.pid)


class Haproxy(Forwarder):
    def __init__(self):
        super().__init__("haproxy", "haproxy", 1)

    def argv(self, b, s):
        return [self.program, "-db", "-f", b.write("haproxy.cfg", HAPROXY.format(connections=s.connections + 64))]


class Nginx(Forwarder):
    def __init__(self):
        super().__init__("nginx", "nginx-light", 1)

    def lacking(self, s):
        if self.program and not os.path.exists(NGINX_MODULE):
            return "libnginx-mod-stream is not installed: scripts/deps perf"
        return super().lacking(s)

    def argv(self, b, s):
        return [self.program, "-p", b.dir.name, "-e", "stderr", "-c",
                b.write("nginx.conf", NGINX.format(dir=b.dir.name, module=NGINX_MODULE, sockets=2 * s.connections + 128))]


class Mosquitto(Forwarder):
    proxied = False

    def __init__(self):
        super().__init__("mosquitto", "mosquitto", 16)

    def argv(self, b, s):
        text = MOSQUITTO + "".join(MOSQUITTO_BRIDGE.format(i=i, host=11 + i, qos=s.load.get("qos", 0))
                                   for i in range(s.brokers))
        return [self.program, "-c", b.write("mosquitto.conf", text)]


class PubwireAfPacket(Forwarder):
    """pubwire where the kernel's peers are, over af_packet."""

    proxied = False
    polls = True
    frames = True

    def __init__(self):
        super().__init__("pubwire-af_packet", "pubwire", 16)
        self.program = ""

    def argv(self, b, s):
        text = bench.configuration(b.cpus[:1], s).replace("net_memif", "net_af_packet")
        eal = [a for a in b.eal("pw", None, "server", 0) if "net_memif" not in a]
        # A ring that holds all that is on its way.
        eal += [f"--vdev=net_af_packet{i},iface={dev},qpairs=1,blocksz=131072,framesz=2048,framecnt=8192,qdisc_bypass=1"
                for i, dev in enumerate(("devices", "brokers"))]
        return [b.pubwire_bin, "--config", b.write("af_packet.yaml", text), "--", *eal]

    def ready(self, p, b):
        return "is running" in b.said(self.name)
