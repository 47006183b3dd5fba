"""tests/e2e/world.py - places, people and the cables between them, for tests with the real programs.

A World gives every person a host of their own: a network namespace joined to others by veth cables
when we are root, or just a loopback port otherwise. It starts the real staffettad there, speaks to it through the real
staffetta, and stops by process id everything that it started.
"""
import argparse
import atexit
import http.client
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

SKIPPED = 77          # what ctest takes for "not possible here"
HERE = os.path.dirname(os.path.abspath(__file__))


def can_make_namespaces():
    """Root, with a kernel and an `ip` that make network namespaces, join them by a cable, and run programs inside. All
    of it is tried: in a container or a chroot the first step may work and the next not."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return False
    name, cable = f"staffetta-try-{os.getpid()}", f"st{os.getpid()}"
    steps = (["netns", "add", name],
             ["-n", name, "link", "add", cable + "a", "type", "veth", "peer", "name", cable + "b"],
             ["-n", name, "link", "set", "lo", "up"],
             ["netns", "exec", name, "true"])
    works = all(subprocess.run(["ip", *step], capture_output=True).returncode == 0 for step in steps)
    subprocess.run(["ip", "netns", "del", name], capture_output=True)
    return works


def wait_for(condition, what, seconds=30.0, pause=0.05):
    """Asks until `condition` gives something true, and returns that. The deadline is generous: it ends a test that
    would hang, it is never a measure."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds:.0f} s in vain: {what}")
        time.sleep(pause)


def free_port():
    """A port of loopback that nobody has now. Not one that the kernel gives out: a daemon comes back to its port after it
    was away, and meanwhile any program's call could have been given it."""
    while True:
        port = random.SystemRandom().randrange(10000, 32000)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def arguments(doc):
    """A parser of what every test here takes; `doc` is the test's."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True, help="folder of the programs")
    parser.add_argument("--keep", action="store_true", help="keep the folder with data and logs")
    return parser


class Failed(Exception):
    """A `staffetta` that ended with another status than was asked for."""

    def __init__(self, arguments, status, out, err):
        super().__init__(f"staffetta {' '.join(arguments)}: status {status}\n{out}{err}")
        self.status, self.out, self.err = status, out, err


class LocalApi(http.client.HTTPConnection):
    """HTTP on a program's own socket."""

    def __init__(self, path):
        super().__init__("staffetta", timeout=60)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Person:
    def __init__(self, world, name):
        self.world, self.name = world, name
        self.data = os.path.join(world.folder, name)
        self.daemon = None
        self.log = os.path.join(world.folder, name + ".log")
        self.flags = []
        self.port = None
        self.namespace = None

    # --- the programs ---

    def _inside(self, command):
        return ["ip", "netns", "exec", self.namespace] + command if self.namespace else command

    def run(self, *arguments, status=0, text=None):
        """staffetta with --data; gives its standard output, or raises Failed."""
        command = [self.world.program("staffetta"), "--data", self.data, *arguments]
        done = subprocess.run(self._inside(command), capture_output=True, text=True, input=text, timeout=120)
        if done.returncode != status:
            raise Failed(arguments, done.returncode, done.stdout, done.stderr)
        return done.stdout

    def ask(self, *arguments, text=None):
        """The same with --json: a list of the objects it printed."""
        return [json.loads(line) for line in self.run("--json", *arguments, text=text).splitlines() if line.strip()]

    def has_uplink(self):
        return any(g["ready"] for g in self.ask("gateways"))

    def api(self, method, path, body=None):
        """What the daemon itself answers, past the command line; only success is expected."""
        api = LocalApi(os.path.join(self.data, "api.sock"))
        api.request(method, path, None if body is None else json.dumps(body))
        answer = api.getresponse()
        text = answer.read().decode()
        api.close()
        assert answer.status in (200, 201), f"{method} {path}: {answer.status} {text}"
        return json.loads(text)

    def start(self, *flags):
        """Starts the daemon and waits until its socket answers."""
        assert self.daemon is None
        if flags:
            self.flags = list(flags)
        command = [self.world.program("staffettad"), "--data", self.data, *self.world.flags_for(self), *self.flags]
        with open(self.log, "ab") as log:
            self.daemon = subprocess.Popen(self._inside(command), stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        self.world.daemons.append(self.daemon)
        wait_for(self._answers, f"{self.name}'s daemon to answer (see {self.log})")

    def _answers(self):
        if self.daemon.poll() is not None:
            with open(self.log, errors="replace") as log:
                raise AssertionError(f"{self.name}'s daemon ended with {self.daemon.returncode}:\n{log.read()[-2000:]}")
        try:
            return self.ask("status")
        except Failed:
            return None

    def stop(self):
        """SIGTERM and a clean end, which is checked."""
        self._end(signal.SIGTERM)
        assert self.ended == 0, f"{self.name}'s daemon ended with {self.ended}, see {self.log}"

    def kill(self):
        """kill -9: no chance to tidy up."""
        self._end(signal.SIGKILL)

    def _end(self, how):
        if self.daemon is None:
            return
        # `ip netns exec` replaces itself by the program, so this is the daemon itself.
        self.daemon.send_signal(how)
        self.ended = self.daemon.wait(timeout=30)
        self.world.daemons.remove(self.daemon)
        self.daemon = None

    # --- words for tests ---

    def befriend(self, other, via="card"):
        link = other.run(via).split()[-1] if via == "card" else other.ask(via)[0]["link"]
        self.run("add", link, "--as", other.name)

    def send(self, other, text):
        return self.ask("send", other.name, text)[0]["id"]

    def state(self, message_id):
        return self.ask("show", message_id)[0]

    def texts_from(self, other):
        return [m["text"] for m in self.ask("messages", other.name) if m["direction"] == "in"]

    def neighbours(self):
        return self.ask("neighbours")


class Cable:
    """A wire between two people that can be plugged and unplugged; optionally a bad one, or one that is listened to."""

    def __init__(self, world, a, b, loss=0.0, delay=0.0, record=None, seed=1):
        self.world, self.a, self.b = world, a, b
        self.process = None
        n = world.next_number()
        self.ends = [(a, f"s{n}a"), (b, f"s{n}b")]
        if loss or delay or record:
            self._through_a_box(n, loss, delay, record, seed)
        else:
            world.ip("link", "add", f"s{n}a", "netns", a.namespace, "type", "veth", "peer", "name", f"s{n}b", "netns", b.namespace)
        for i, (person, interface) in enumerate(self.ends):
            world.ip("-n", person.namespace, "addr", "add", f"10.77.{n}.{i + 1}/24", "dev", interface)
        self.address = {a: f"10.77.{n}.1", b: f"10.77.{n}.2"}

    def _through_a_box(self, n, loss, delay, record, seed):
        box = self.world.add_namespace(f"box{n}")
        for (person, interface), inner in zip(self.ends, ("in0", "in1")):
            self.world.ip("link", "add", interface, "netns", person.namespace, "type", "veth", "peer", "name", inner, "netns", box)
            self.world.ip("-n", box, "link", "set", inner, "up")
            # The box sees frames as the sender's interface made them, so that one must not leave checksums to hardware.
            subprocess.run(["ip", "netns", "exec", person.namespace, sys.executable, os.path.join(HERE, "cable.py"),
                            "--only-switch-offloads-off", interface], check=True)
        ready_r, ready_w = os.pipe()
        command = ["ip", "netns", "exec", box, sys.executable, os.path.join(HERE, "cable.py"), "--loss", str(loss),
                   "--delay", str(delay), "--seed", str(seed), "--ready", str(ready_w), "in0", "in1"]
        if record:
            command += ["--record", record]
        self.process = subprocess.Popen(command, pass_fds=[ready_w])
        self.world.others.append(self.process)
        os.close(ready_w)
        assert os.read(ready_r, 1) == b"!", "the cable did not start"
        os.close(ready_r)

    def plug(self):
        for person, interface in self.ends:
            self.world.ip("-n", person.namespace, "link", "set", interface, "up")

    def unplug(self):
        for person, interface in self.ends:
            self.world.ip("-n", person.namespace, "link", "set", interface, "down")


class World:
    def __init__(self, binaries, namespaces=None, keep=False):
        self.binaries = os.path.abspath(binaries)
        self.namespaces = can_make_namespaces() if namespaces is None else namespaces
        self.folder = tempfile.mkdtemp(prefix="staffetta-e2e-")
        self.keep = keep
        self.daemons, self.others, self.made, self.number = [], [], [], 0
        self.folders = []     # made elsewhere
        self.people = {}
        # What the person who runs this has configured for a node of their own is none of these nodes' business.
        os.environ["XDG_CONFIG_HOME"] = os.path.join(self.folder, "config")
        os.environ.pop("STAFFETTA_DATA", None)
        atexit.register(self.close)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: sys.exit(1))

    def program(self, name):
        return os.path.join(self.binaries, name)

    def next_number(self):
        self.number += 1
        return self.number

    def ip(self, *arguments):
        subprocess.run(["ip", *arguments], check=True)

    def add_namespace(self, name):
        full = f"sta{os.getpid()}-{name}"
        self.ip("netns", "add", full)
        self.made.append(full)
        self.ip("-n", full, "link", "set", "lo", "up")
        return full

    def person(self, name):
        who = Person(self, name)
        if self.namespaces:
            who.namespace = self.add_namespace(name)
        else:
            who.port = free_port()
        self.people[name] = who
        return who

    def flags_for(self, person):
        common = ["--receipt-delay", "0"]
        if self.namespaces:
            return common
        return common + ["--no-discovery", "--listen", f"127.0.0.1:{person.port}"]

    def cable(self, a, b, **how):
        return Cable(self, a, b, **how)

    def close(self):
        for process in self.daemons + self.others:
            if process.poll() is None:
                process.kill()
                process.wait()
        self.daemons, self.others = [], []
        for name in self.made:
            subprocess.run(["ip", "netns", "del", name], capture_output=True)
        self.made = []
        for folder in self.folders:
            shutil.rmtree(folder, ignore_errors=True)
        if not self.keep:
            shutil.rmtree(self.folder, ignore_errors=True)


def bytes_under(folder):
    """Every byte of every file below a folder, with its name."""
    for where, _, files in os.walk(folder):
        for name in files:
            path = os.path.join(where, name)
            if os.path.isfile(path):
                with open(path, "rb") as f:
                    yield path, f.read()


def assert_absent(secrets, folder_or_file, whose):
    """None of the secrets (name -> bytes) stands anywhere in those files. The check proves that it can see: a
    file that holds nothing at all is a failure of the test."""
    looked_at = 0
    files = bytes_under(folder_or_file) if os.path.isdir(folder_or_file) else [(folder_or_file, open(folder_or_file, "rb").read())]
    for path, content in files:
        looked_at += len(content)
        for what, secret in secrets.items():
            assert secret not in content, f"{what} stands in {whose}: {path}"
    assert looked_at > 2048, f"{whose} holds only {looked_at} bytes: nothing was looked at"

