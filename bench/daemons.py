"""bench/daemons.py - figures of the real programs: daemons as people run them, asked through their API.

Uses the worlds of tests/e2e: network namespaces where root is to be had, loopback otherwise. Each function gives plain
numbers; bench/run holds them against their limits.
"""
import contextlib
import http.client
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "e2e"))
from world import World, can_make_namespaces, wait_for  # noqa: E402,F401

LATENCY_PAUSE_S = 0.02      # between messages, as if people wrote them
SETTLE_S = 30               # after the first messages, until a pair is idle


# ---- What the kernel says of a process ----

def cpu_ms(person):
    with open(f"/proc/{person.daemon.pid}/schedstat") as f:
        return int(f.read().split()[0]) / 1e6


def wake_ups(person):
    """Times it went to sleep by itself, which is how often it woke."""
    with open(f"/proc/{person.daemon.pid}/status") as f:
        return int(re.search(r"^voluntary_ctxt_switches:\s*(\d+)", f.read(), re.M).group(1))


def resident_kb(person):
    """Resident memory without the mapping of LMDB's file, which is page cache."""
    total, is_counted = 0, True
    with open(f"/proc/{person.daemon.pid}/smaps") as f:
        for line in f:
            if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
                is_counted = not line.rstrip().endswith("data.mdb")
            elif line.startswith("Rss:") and is_counted:
                total += int(line.split()[1])
    return total


def sent_bytes(person, interface):
    shown = subprocess.run(["ip", "-n", person.namespace, "-s", "-j", "link", "show", interface],
                           capture_output=True, text=True, check=True).stdout
    return json.loads(shown)[0]["stats64"]["tx"]["bytes"]


# ---- The API ----

class Api(http.client.HTTPConnection):
    def __init__(self, person):
        super().__init__("staffetta", timeout=60)
        self.path = os.path.join(person.data, "api.sock")

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)

    def post_text(self, friend, text):
        self.request("POST", f"/v1/friends/{friend}/messages", json.dumps({"text": text}))
        answer = self.getresponse()
        body = json.loads(answer.read())
        assert answer.status == 201, body
        return body["id"]


@contextlib.contextmanager
def world_of(binaries, namespaces):
    world = World(binaries, namespaces=namespaces)
    try:
        yield world
    finally:
        world.close()


def meet(ana, ben):
    """Friends who have written to each other and whose receipts have come."""
    ana.run("init", "--name", "Ana")
    ben.run("init", "--name", "Ben")
    ana.befriend(ben)
    ben.befriend(ana)
    for one, other in ((ana, ben), (ben, ana)):
        message = one.send(other, "hello")
        wait_for(lambda: one.state(message)["state"] == "delivered", "the first message")


def connected_pair(world):
    ana, ben = world.person("ana"), world.person("ben")
    ana.start()
    ben.start("--peer", f"127.0.0.1:{ana.port}")
    meet(ana, ben)
    return ana, ben


# ---- Figures ----

def message_latency(binaries, count):
    """Milliseconds from the request at one daemon to the event at the other: the median, and what 95 of 100 are within."""
    took_ms = []
    with world_of(binaries, False) as world:
        ana, ben = connected_pair(world)
        listening = Api(ben)
        listening.request("GET", "/v1/events")
        events, api = listening.getresponse(), Api(ana)
        for i in range(count):
            time.sleep(LATENCY_PAUSE_S)
            began = time.monotonic()
            message = api.post_text("ben", f"{i:03} " + "x" * 96).encode()
            while True:
                line = events.readline()
                assert line, "the event stream ended"
                if line.startswith(b"data:") and message in line and b'"in"' in line:
                    break
            took_ms.append((time.monotonic() - began) * 1e3)
    return statistics.median(took_ms), sorted(took_ms)[int(len(took_ms) * 0.95)]


class IdlePair:
    """Two daemons on a cable with nothing to say, left alone while other things are measured. Bytes are all that either
    end's interface sends: beacons, pings, TCP, and what the kernel says for itself."""

    def __init__(self, binaries):
        self.world = World(binaries, namespaces=True)
        self.people = [self.world.person("ana"), self.world.person("ben")]
        self.cable = self.world.cable(*self.people)
        self.cable.plug()
        for person in self.people:
            person.start()
        meet(*self.people)
        self.begins_at = time.monotonic() + SETTLE_S
        self.began = None

    def begin(self):
        time.sleep(max(0, self.begins_at - time.monotonic()))
        self.began, self.first = time.monotonic(), self._counters()

    def end(self, seconds):
        """(bytes a second of both together, wake-ups a second of the busier one)"""
        time.sleep(max(0, self.began + seconds - time.monotonic()))
        passed, last = time.monotonic() - self.began, self._counters()
        self.world.close()
        return (sum(new[0] - old[0] for new, old in zip(last, self.first)) / passed,
                max(new[1] - old[1] for new, old in zip(last, self.first)) / passed)

    def _counters(self):
        return [(sent_bytes(person, interface), wake_ups(person)) for person, interface in self.cable.ends]


def relay_memory_and_start(binaries, bundles):
    """Kilobytes of a relay when it has taken bundles from a stick, of one that took them over a link from it, of the giver after
    that, and of one that starts with them; milliseconds from starting the program to an answer of its API (median of 5)."""
    with world_of(binaries, False) as world:
        caro, dora = world.person("caro"), world.person("dora")
        caro.start("--relay")
        spool = os.path.join(world.folder, "fill.staffetta")
        subprocess.run([world.program("bench_spool"), str(bundles), spool], check=True)
        caro.run("import", spool)
        assert caro.ask("status")[0]["store"]["bundles"] == bundles
        imported_kb = resident_kb(caro)
        dora.start("--relay", "--peer", f"127.0.0.1:{caro.port}")
        wait_for(lambda: dora.ask("status")[0]["store"]["bundles"] == bundles, "the other relay to have all", 120)
        linked_kb = max(resident_kb(caro), resident_kb(dora))
        dora.stop()
        caro.stop()
        started_ms, started_kb = [], 0
        for _ in range(5):
            began = time.monotonic()
            api = start_alone(caro)
            started_ms.append((time.monotonic() - began) * 1e3)
            api.close()
            started_kb = max(started_kb, resident_kb(caro))
            caro.stop()
    return {"imported": imported_kb, "linked": linked_kb, "started": started_kb}, statistics.median(started_ms)


def start_alone(person):
    """Starts the daemon without the pauses of World, which would be most of what is measured; gives a connection that was
    answered."""
    world = person.world
    person.daemon = subprocess.Popen([world.program("staffettad"), "--data", person.data, "--relay", *world.flags_for(person)],
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    world.daemons.append(person.daemon)

    def answered():
        api = Api(person)
        try:
            api.request("GET", "/v1/status")
            return api if api.getresponse().status == 200 else None
        except (FileNotFoundError, ConnectionRefusedError):
            return None
    return wait_for(answered, "the daemon's first answer", pause=0.001)


def many_messages(binaries, count, part=500):
    """Messages to one connected friend, one after the other as fast as the API takes them. CPU milliseconds of the sender's daemon
    for one, at the beginning and at the end (medians of parts); seconds until all were delivered; CPU milliseconds of
    `staffetta messages`."""
    parts = []
    with world_of(binaries, False) as world:
        ana, ben = connected_pair(world)
        api, last = Api(ana), None

        def is_caught_up():
            return ana.state(last)["state"] == "delivered"
        for first in range(0, count, part):
            began_ms = cpu_ms(ana)
            for i in range(part):
                last = api.post_text("ben", f"{first + i:05} " + "x" * 94)
            parts.append((cpu_ms(ana) - began_ms) / part)
            wait_for(is_caught_up, "the messages to be delivered", 60)
        before_ms = cpu_ms(ana)
        assert len(ana.ask("messages", "ben")) == count + 2
        list_ms = cpu_ms(ana) - before_ms
        wait_for(lambda: len(ben.texts_from(ana)) == count + 1, "all messages", 60)
    third = max(1, len(parts) // 3)
    return statistics.median(parts[:third]), statistics.median(parts[-third:]), list_ms
