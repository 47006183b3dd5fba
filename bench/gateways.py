"""bench/gateways.py - figures of the real gateway under many users: what a link costs in CPU and in memory.

The users are one program (bench_links); what is measured is the gateway's own process, from outside.
"""
import os
import re
import resource
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "e2e"))
from gateway import Gateway  # noqa: E402
from world import World  # noqa: E402


class Users:
    def __init__(self, binaries, link, count):
        self.process = subprocess.Popen([os.path.join(binaries, "bench_links"), link, str(count)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.hear("ready")

    def hear(self, name):
        line = self.process.stdout.readline()
        found = re.match(name + r"=(\d+)", line)
        assert found, f"bench_links: {line!r}, {self.process.poll()}"
        return int(found.group(1))

    def ping(self):
        self.process.stdin.write("ping\n")
        self.process.stdin.flush()
        return self.hear("ping_ms")

    def close(self):
        self.process.stdin.write("close\n")
        self.process.stdin.close()
        self.process.wait(60)


def gateway_cpu_us(gateway):
    with open(f"/proc/{gateway.process.pid}/schedstat") as f:
        return int(f.read().split()[0]) / 1e3


def gateway_kb(gateway):
    """Memory of its own: not what is mapped from files, which is page cache."""
    with open(f"/proc/{gateway.process.pid}/status") as f:
        return int(re.search(r"^RssAnon:\s*(\d+)", f.read(), re.M).group(1))


def room_for_links():
    """How many links a process may have here, by its descriptors; some are for other things."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1] - 500


def many_links(binaries, count, fresh):
    """Of `count` idle links: bytes each, and the milliseconds until all have answered a ping; of `fresh` new ones: the gateway's CPU
    each, and OpenSSL's own for its side of a handshake."""
    world = World(binaries, namespaces=False)
    gateway = Gateway(world)
    link = gateway.invite("bench")
    gateway.start()
    # Once before, so that what is made at first use is made.
    Users(binaries, link, 50).close()
    floors, costs = [], []
    for _ in range(3):
        done = subprocess.run([os.path.join(binaries, "bench_links"), "--floor", str(fresh)], capture_output=True, text=True, check=True)
        floors.append(float(done.stdout.split("=")[1]))
        before = gateway_cpu_us(gateway)
        users = Users(binaries, link, fresh)
        costs.append((gateway_cpu_us(gateway) - before) / fresh)
        users.close()
    before = gateway_kb(gateway)
    users = Users(binaries, link, count)
    held = gateway_kb(gateway)
    ping_ms = min(users.ping() for _ in range(3))
    users.close()
    gateway.stop()
    world.close()
    return {"bytes": (held - before) * 1024 / count, "ping_ms": ping_ms, "link_us": min(costs), "floor_us": min(floors)}
