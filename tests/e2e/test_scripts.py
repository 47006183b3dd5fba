#!/usr/bin/env python3
"""tests/e2e/test_scripts.py - the echo bot of docs/scripts.md as it stands there; what a program for messages can and cannot do; programs that
hang, fail, multiply or are not there lose no message and are told in the log; following and exports."""
import ctypes
import json
import os
import re
import subprocess

from world import HERE, World, arguments, wait_for

ROOT = os.path.dirname(os.path.dirname(HERE))

# Looks around in its cell and writes down what it found.
SPY = r'''#!/usr/bin/env python3
import json, os, resource, sys, time
message = json.load(sys.stdin)
seen = {"text": message["text"], "environment": sorted(os.environ), "cwd": os.getcwd(), "home": os.environ["HOME"]}
seen["descriptors"] = {n: os.readlink("/proc/self/fd/" + n) for n in os.listdir("/proc/self/fd") if os.path.exists("/proc/self/fd/" + n)}
seen["no_new_privileges"] = [l.split()[1] for l in open("/proc/self/status") if l.startswith("NoNewPrivs")][0]
seen["limits"] = [resource.getrlimit(w)[0] for w in (resource.RLIMIT_AS, resource.RLIMIT_CORE, resource.RLIMIT_NOFILE)]
seen["leads"] = os.getpid() == os.getpgid(0) == os.getsid(0)
def tries(what):
    try:
        what()
        return True
    except (OSError, MemoryError):
        return False
data = os.environ["STAFFETTA_DATA"]
seen["memory"] = tries(lambda: bytearray(1 << 30))
seen["vault"] = tries(lambda: open(data + "/vault", "rb").read())
seen["key"] = tries(lambda: open(data + "/key", "rb").read())
seen["elsewhere"] = tries(lambda: open(os.path.dirname(os.getcwd()) + "/spilled", "w"))
open("seen.new", "w").write(json.dumps(seen))
os.rename("seen.new", "seen.json")
'''

# Each leaves a file with its process id, and a child that would outlive it.
HANGING = '''#!/bin/sh
sleep 1000 &
echo $! > child.$$
sleep 1000
'''
FAILING = '''#!/bin/sh
sleep 1000 &
echo $! > left
exit 7
'''
SLOW = '''#!/usr/bin/env python3
import json, os, sys, time
text = json.load(sys.stdin)["text"]
open("started." + text, "w")
while not os.path.exists("go"):
    time.sleep(0.02)
open("done." + text, "w")
'''


def is_running(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


class Bot:
    def __init__(self, world, name, text, mode=0o755):
        self.folder = os.path.join(world.folder, "bot-" + name)
        os.makedirs(self.folder)
        self.path = os.path.join(self.folder, name)
        with open(self.path, "w") as f:
            f.write(text)
        os.chmod(self.path, mode)

    def file(self, name):
        return os.path.join(self.folder, name)


def log_of(person):
    with open(person.log, errors="replace") as f:
        return f.read()


def unread(person):
    return [m["text"] for m in person.ask("inbox", "--keep-unread")]


def echo_bot(world, ana, ben):
    with open(os.path.join(ROOT, "docs", "scripts.md")) as f:
        code = re.search(r"```python\n(.*?echo\.py.*?)```", f.read(), re.S).group(1)
    assert len(code.strip().splitlines()) <= 10, "an echo bot of ten lines"
    bot = Bot(world, "echo.py", code)
    ben.start("--peer", f"127.0.0.1:{ana.port}", "--on-message", bot.path)
    for text in ("hello, is there an echo?", "--with dashes", "a \u201cquote\u201d; $(rm -rf /) `x`\nand a second line"):
        ana.run("send", ben.name, "--", text)
        wait_for(lambda: "Echo: " + text in ana.texts_from(ben), f"the echo of {text!r}; see {ben.log}")
    # An echo is not echoed.
    assert not any(t.startswith("Echo: Echo") for t in ana.texts_from(ben))
    assert len(unread(ben)) == 3
    ben.run("read", ana.name)
    ben.stop()


def the_cell(world, ana, ben):
    bot = Bot(world, "spy", SPY)
    ben.start("--peer", f"127.0.0.1:{ana.port}", "--on-message", bot.path)
    ana.send(ben, "look around")
    wait_for(lambda: os.path.exists(bot.file("seen.json")), f"the spy's report; see {ben.log}")
    with open(bot.file("seen.json")) as f:
        seen = json.load(f)
    assert seen["text"] == "look around"
    assert set(seen["environment"]) - {"LC_CTYPE"} == {"PATH", "HOME", "TMPDIR", "STAFFETTA_DATA", "LC_ALL"}, seen
    # Its own listing is a descriptor, too; all others are the three, the first of which is the message alone.
    ours = {n: to for n, to in seen["descriptors"].items() if not to.endswith("/fd")}
    assert set(ours) == {"0", "1", "2"} and "memfd:message" in ours["0"] and ours["1"] == ours["2"] == "/dev/null", seen
    assert seen["no_new_privileges"] == "1" and seen["leads"] and seen["cwd"] == seen["home"] == bot.folder
    assert seen["limits"] == [512 << 20, 0, 64] and not seen["memory"]
    # landlock_create_ruleset(NULL, 0, LANDLOCK_CREATE_RULESET_VERSION), a number that is the same on every machine
    walls = ctypes.CDLL(None).syscall(444, None, ctypes.c_size_t(0), 1) > 0
    if walls:
        assert not seen["vault"] and not seen["key"] and not seen["elsewhere"], seen
    print("in its cell:", "walls" if walls else "no Landlock in this kernel", seen["limits"])
    ben.run("read", ana.name)
    ben.stop()


def hangs_and_fails(world, ana, ben):
    hanging, failing = Bot(world, "hang", HANGING), Bot(world, "fail", FAILING)
    ben.start("--peer", f"127.0.0.1:{ana.port}", "--on-message", hanging.path, "--on-message-time", "1s")
    ids = [ana.send(ben, f"hang {n}") for n in range(3)]
    wait_for(lambda: all(f"took longer than 1 s with message {i}" in log_of(ben) for i in ids), "the log to tell of those that hang")
    children = [int(open(hanging.file(n)).read()) for n in os.listdir(hanging.folder) if n.startswith("child.")]
    assert len(children) == 3
    wait_for(lambda: not any(map(is_running, children)), "what they had started to end")
    assert sorted(unread(ben)) == ["hang 0", "hang 1", "hang 2"]
    ben.stop()
    ben.start("--peer", f"127.0.0.1:{ana.port}", "--on-message", failing.path)
    failed = ana.send(ben, "fail")
    wait_for(lambda: f"failed with status 7 for message {failed}" in log_of(ben), "the log to tell of one that fails")
    left = int(open(failing.file("left")).read())
    wait_for(lambda: not is_running(left), "what it left behind to end")
    ben.stop()
    for name, path, says in (("gone", os.path.join(world.folder, "nowhere", "bot"), "no such program"),
                             ("plain", Bot(world, "plain", FAILING, 0o644).path, "may not be run"),
                             ("inside", os.path.join(ben.data, "bot"), "may not be run")):
        with open(os.path.join(ben.data, "bot"), "w") as f:
            f.write(FAILING)
        os.chmod(os.path.join(ben.data, "bot"), 0o755)
        ben.start("--peer", f"127.0.0.1:{ana.port}", "--on-message", path)
        message = ana.send(ben, name)
        wait_for(lambda: re.search(f"could not be run for message {message}.*{says}", log_of(ben)), f"the log to tell of {name}; see {ben.log}")
        ben.stop()
    ben.start("--peer", f"127.0.0.1:{ana.port}")
    assert sorted(unread(ben)) == ["fail", "gone", "hang 0", "hang 1", "hang 2", "inside", "plain"]
    assert all(text not in log_of(ben) for text in ("hang 0", "look around"))
    ben.run("read", ana.name)
    ben.stop()


def two_at_a_time(world, ana, ben):
    bot = Bot(world, "slow", SLOW)
    ben.start("--peer", f"127.0.0.1:{ana.port}", "--on-message", bot.path)
    for n in range(6):
        ana.send(ben, f"s{n}")
    wait_for(lambda: len(unread(ben)) == 6, "all six messages")
    wait_for(lambda: len([n for n in os.listdir(bot.folder) if n.startswith("started.")]) == 2, "two to run")
    # While they run the daemon answers as ever, and no third one has begun.
    assert ben.ask("status")[0]["state"] == "ok"
    assert len([n for n in os.listdir(bot.folder) if n.startswith("started.")]) == 2
    open(bot.file("go"), "w").close()
    wait_for(lambda: len([n for n in os.listdir(bot.folder) if n.startswith("done.")]) == 6, "all six to be done")
    ben.run("read", ana.name)
    ben.stop()


def follow_and_export(world, ana, ben):
    ben.start("--peer", f"127.0.0.1:{ana.port}")
    ana.send(ben, "before")
    wait_for(lambda: unread(ben) == ["before"], "the first message")
    command = [world.program("staffetta"), "--data", ben.data, "--json", "inbox", "--follow", "--mark-read"]
    follower = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    world.others.append(follower)
    assert json.loads(follower.stdout.readline())["text"] == "before"
    ana.send(ben, "after")
    assert json.loads(follower.stdout.readline())["text"] == "after"
    wait_for(lambda: unread(ben) == [], "what was printed to be read")
    ben.stop()
    assert follower.wait(timeout=30) in (1, 3)
    world.others.remove(follower)
    ben.run("status", status=3)
    ben.start()
    lines = [json.loads(line) for line in ben.run("--json", "messages", ana.name, "--keep-unread").splitlines()]
    assert [m["text"] for m in lines][-2:] == ["before", "after"] and [m["number"] for m in lines] == sorted(m["number"] for m in lines)
    text = ben.run("messages", ana.name, "--keep-unread")
    assert "before" in text and "after" in text and "\x1b" not in text
    ben.run("show", "ffff", status=4)
    ben.run("send", "nobody", "x", status=4)
    ben.run("send", ana.name, status=2)
    ben.stop()


def main():
    options = arguments(__doc__).parse_args()
    world = World(options.bin, namespaces=False, keep=options.keep)
    ana, ben = world.person("ana"), world.person("ben")
    for person in (ana, ben):
        person.run("init", "--name", person.name)
    ana.start()
    ben.start("--peer", f"127.0.0.1:{ana.port}")
    ana.befriend(ben)
    ben.befriend(ana)
    first = ana.send(ben, "hello")
    wait_for(lambda: ana.state(first)["state"] == "delivered", "the first message")
    ben.run("read", ana.name)
    ben.stop()
    for part in (echo_bot, the_cell, hangs_and_fails, two_at_a_time, follow_and_export):
        part(world, ana, ben)
        print(part.__name__, "ok")


main()
