#!/usr/bin/env python3
"""tests/daemon/test_programs.py BIN - the real daemon and the real command over loopback: the contract of verbs and exit
statuses, configuration and signals, passphrase and panic, bad clients, and a disk that fills up."""
import json
import os
import signal
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from world import Failed, World, wait_for   # noqa: E402

MESSAGE_KEYS = {"id", "friend", "direction", "text", "time", "state", "copies"}


def refused(person, status, *arguments, says="", text=None):
    """The command fails with this status and one line on standard error."""
    try:
        person.run(*arguments, text=text)
    except Failed as e:
        assert e.status == status, f"{arguments}: status {e.status}, not {status}: {e.err}"
        assert e.err.count("\n") == 1 and e.err.startswith("staffetta: "), f"{arguments}: not one line: {e.err!r}"
        assert says in e.err, f"{arguments}: {says!r} is not in {e.err!r}"
        return
    raise AssertionError(f"{arguments}: done, though status {status} was due")


def daemon_ends(world, status, *flags, says=""):
    done = subprocess.run([world.program("staffettad"), *flags], capture_output=True, text=True, timeout=30)
    assert done.returncode == status, f"{flags}: status {done.returncode}, not {status}: {done.stderr}"
    assert says in done.stderr, f"{flags}: {says!r} is not in {done.stderr!r}"


def log_of(person):
    with open(person.log, errors="replace") as log:
        return log.read()


def without_daemon(world, ana):
    for verb in (["status"], ["card"], ["send", "x", "y"], ["inbox"], ["messages", "x"], ["neighbours"], ["unlock"],
                 ["inbox", "--follow"], ["gateways"], ["show", "abcd"]):
        refused(ana, 3, *verb, says="no daemon")
    assert '"bad"' in ana_doctor_without_daemon(ana)
    refused(ana, 2, "init", says="--name")
    refused(ana, 2, "init", "--name", "x" * 33)
    refused(ana, 2, "init", "--name", "a\nb")
    assert not os.path.exists(os.path.join(ana.data, "vault")), "a refused name leaves no vault"
    ana.run("init", "--name", "Ana Aldini")
    refused(ana, 5, "init", "--name", "Ana Aldini", says="already")
    assert os.stat(ana.data).st_mode & 0o777 == 0o700
    for name in ("vault", "key", "generation"):
        assert os.stat(os.path.join(ana.data, name)).st_mode & 0o77 == 0, name
    refused(ana, 2, "dance")
    refused(ana, 2, "panic", says="--yes")
    refused(ana, 2, "verify")
    refused(ana, 2, "disappear", "ben", "soon")
    refused(ana, 2, "settings", "colour", "blue")
    refused(ana, 2, "completion", "tcsh")
    refused(ana, 2, "remove", "ben", says="--yes")     # nobody is there to be asked
    refused(ana, 3, "status", says=f"staffettad --data {ana.data}")
    # What a package is made of asks for no home.
    bare = subprocess.run([world.program("staffetta"), "completion", "bash"], capture_output=True, env={}, timeout=30)
    assert bare.returncode == 0 and b"staffetta" in bare.stdout, bare


def ana_doctor_without_daemon(ana):
    try:
        ana.run("--json", "doctor")
    except Failed as e:
        assert e.status == 3
        return e.out
    raise AssertionError("doctor is content without a daemon")


def wrong_configuration(world, ana):
    path = os.path.join(world.folder, "wrong.conf")
    with open(path, "w") as f:
        f.write("# fine\nlisten = nowhere\n")
    daemon_ends(world, 2, "--config", path, says=f"{path}:2: listen wants ADDRESS:PORT")
    daemon_ends(world, 2, "--config", path + ".missing", says="No such file")
    daemon_ends(world, 2, "--colour", says="--colour is no flag")
    daemon_ends(world, 2, "--data", says="needs a value")
    daemon_ends(world, 1, "--data", "/proc/staffetta", says="cannot be made")
    daemon_ends(world, 1, "--data", os.path.join(world.folder, "x" * 200 + "/" + "y" * 200), "--no-discovery", "--listen",
                "127.0.0.1:0", says="--api")
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    taken.listen()
    daemon_ends(world, 1, "--data", os.path.join(world.folder, "other"), "--no-discovery", "--listen",
                f"127.0.0.1:{taken.getsockname()[1]}", says="listen")
    taken.close()


def talk(world, ana, ben):
    ben.run("init", "--name", "Ben Bruni")
    ana.start()
    ben.start("--peer", f"127.0.0.1:{ana.port}")
    daemon_ends(world, 1, "--data", ana.data, says="another staffettad")
    assert os.stat(os.path.join(ana.data, "api.sock")).st_mode & 0o777 == 0o600

    refused(ana, 4, "send", "ben", "x", says="no friend")
    refused(ana, 5, "add", "staffetta:#nonsense", says="link")
    refused(ana, 5, "add", ana.run("card").strip(), says="own card")
    refused(ana, 5, "gateway", "add", "x", says="no gateway link")
    assert ana.run("--json", "gateways") == ""
    link = ben.run("card").strip()
    ana.run("add", link, "--as", "ben")
    refused(ana, 5, "add", link[:-6] + ("AAAAAA" if link[-6:] != "AAAAAA" else "BBBBBB"), says="link")
    ben.run("add", ana.run("card").strip(), "--as", "ana")
    assert [f["name"] for f in ana.ask("friends")] == ["ben"] and ana.run("friends", "--names") == "ben\n"

    message = ana.send(ben, "hello")
    wait_for(lambda: [m["text"] for m in ben.ask("inbox")] == ["hello"], "the text in the inbox")
    wait_for(lambda: ana.state(message)["state"] == "delivered", "the receipt")
    shown = ana.state(message[:6])
    assert MESSAGE_KEYS <= set(shown) and shown["id"] == message and shown["direction"] == "out"
    assert "delivered" in ana.run("show", message)
    assert ben.run("messages", "ana", "--keep-unread").count("hello") == 1
    assert len(ben.ask("inbox")) == 1, "--keep-unread and --json leave it unread"
    ben.run("messages", "ANA")
    assert ben.ask("inbox") == []
    wait_for(lambda: ana.state(message)["state"] == "read", "the read mark")
    assert ben.ask("messages", "ana")[0]["state"] == "read"

    refused(ana, 4, "show", "zzzz")
    refused(ana, 4, "show", "0123456789abcdef")
    refused(ana, 2, "send", "ben", "")
    refused(ana, 2, "send", "ben")
    refused(ana, 2, "send", "ben", "x", "--life", "soon")
    refused(ana, 2, "send", "ben", "x", "--life", "15d")
    refused(ana, 5, "send", "ben", "-", text="x" * 16001)
    ana.run("send", "ben", "-", text="x" * 16000 + "\n")
    path = os.path.join(world.folder, "note")
    with open(path, "wb") as f:
        f.write(b"\xff\xfe no text")
    refused(ana, 5, "send", "ben", "--file", path, says="UTF-8")
    refused(ana, 4, "send", "ben", "--file", path + ".missing")
    with open(path, "w") as f:
        f.write("from a file\n")
    ana.run("send", "ben", "--file", path, "--life", "1d")
    wait_for(lambda: "from a file" in ben.texts_from(ana), "the text of the file")
    refused(ben, 4, "import", path + ".missing")
    refused(ben, 1, "import", path, says="export")

    assert json.loads(ana.run("--json", "verify", "ben"))["verified"] is False
    ana.run("verify", "ben", "--yes")
    assert ana.ask("friends")[0]["state"] == "verified"
    ana.run("disappear", "ben", "1h")
    assert ana.ask("friends")[0]["disappear_s"] == 3600
    ana.run("disappear", "ben", "off")
    ana.run("rename", "ben", "Benedetto")
    ana.run("rename", "benedetto", "ben")
    ana.run("settings", "read-marks", "on")
    assert len(ana.ask("neighbours")) == 1
    ana.run("delete", message)
    refused(ana, 4, "show", message)
    picture = os.path.join(world.folder, "card.png")
    ana.run("invite", "--qr", "--png", picture)
    assert open(picture, "rb").read(8) == b"\x89PNG\r\n\x1a\n" and os.stat(picture).st_mode & 0o77 == 0


class Follower:
    """A `staffetta ... --follow` whose output grows."""

    def __init__(self, person, *arguments):
        self.out = os.path.join(person.world.folder, "follow-" + arguments[0])
        with open(self.out, "wb") as out:
            self.process = subprocess.Popen([person.world.program("staffetta"), "--data", person.data, "--json", *arguments],
                                            stdout=out, stderr=subprocess.DEVNULL)
        person.world.others.append(self.process)

    def texts(self):
        with open(self.out) as f:
            return [json.loads(line)["text"] for line in f if line.endswith("\n")]


def follow(ana, ben):
    messages, inbox = Follower(ben, "messages", "ana", "--follow"), Follower(ben, "inbox", "--follow", "--mark-read")
    before = ben.texts_from(ana)
    wait_for(lambda: messages.texts() == before, "the follower to print what was")
    ana.send(ben, "one")
    ana.send(ben, "two")
    wait_for(lambda: messages.texts() == before + ["one", "two"], "the follower to print what comes")
    wait_for(lambda: inbox.texts()[-2:] == ["one", "two"], "the inbox to print what comes")
    for f in (messages, inbox):
        f.process.terminate()
        f.process.wait()
        ben.world.others.remove(f.process)


def stranger(world, ana):
    """Who writes to a card is read, and said to be nobody's friend until accepted; removing asks, or wants --yes."""
    eve = world.person("eve")
    eve.run("init", "--name", "Eve")
    eve.start("--peer", f"127.0.0.1:{ana.port}")
    eve.befriend(ana)
    eve.send(ana, "you do not know me")
    inbox = wait_for(lambda: "you do not know me" in ana.run("inbox") and ana.run("inbox"), "the stranger's text")
    assert "not accepted" in inbox, inbox
    assert "staffetta accept Eve" in ana.run("friends"), "what to do is said"
    ana.run("accept", "eve")
    assert "not accepted" not in ana.run("inbox") and "no answer yet" not in ana.run("friends")
    ana.run("block", "eve")
    assert "staffetta unblock Eve" in ana.run("friends")
    assert [f["blocked"] for f in ana.ask("friends") if f["name"] == "Eve"] == [True]
    refused(ana, 5, "send", "eve", "no", says="unblock")
    assert "blocked" not in ana.run("unblock", "eve")
    refused(ana, 2, "remove", "eve", says="--yes")
    ana.run("remove", "eve", "--yes")
    refused(ana, 4, "remove", "eve", "--yes")
    eve.stop()


def reload(world, ana, ben):
    """SIGHUP: wrong values change nothing, right ones do."""
    ana.stop()
    ben.stop()
    path = os.path.join(world.folder, "ana.conf")
    with open(path, "w") as f:
        f.write("log-level = info\n")
    ana.start("--config", path)
    ben.start("--log-level", "info")        # no peer: they cannot meet
    with open(path, "w") as f:
        f.write("log-level = info\npeer = \n")
    ana.daemon.send_signal(signal.SIGHUP)
    wait_for(lambda: "stays as it was" in log_of(ana) and f"{path}:2: peer" in log_of(ana), "the complaint")
    assert ana.neighbours() == []
    with open(path, "w") as f:
        f.write(f"peer = 127.0.0.1:{ben.port}\nreceipt-delay = 5m\n")
    ana.daemon.send_signal(signal.SIGHUP)
    wait_for(lambda: "read anew" in log_of(ana), "the reload")
    wait_for(lambda: any(n["ready"] for n in ana.neighbours()), "the new peer to be called")
    with open(path, "a") as f:
        f.write("capacity = 64M\n")
    ana.daemon.send_signal(signal.SIGHUP)
    wait_for(lambda: ana.ask("status")[0]["store"]["capacity"] == 64 << 20, "the new capacity")
    wait_for(lambda: any(n["ready"] for n in ana.neighbours()), "the link to come back")
    ana.run("card")


def raw(person):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(10)
    s.connect(os.path.join(person.data, "api.sock"))
    return s


def answer_of(s):
    """Everything until the daemon closes, or nothing if it just does."""
    data = b""
    try:
        while True:
            block = s.recv(65536)
            if not block:
                return data
            data += block
    except (ConnectionResetError, BrokenPipeError):
        return data


def bad_clients(ana, ben):
    requests = [b"\0" * 1000, b"GET\r\n\r\n", b"GET /v1/status HTTP/9.9\r\n\r\n", b"BREW /v1/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
                b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\n\r\n", b"GET /v1/status HTTP/1.1\r\n" + b"A: b\r\n" * 20000 + b"\r\n",
                b"POST /v1/init HTTP/1.1\r\nContent-Length: 99999999999\r\nConnection: close\r\n\r\n",
                b"POST /v1/init HTTP/1.1\r\nContent-Length: -5\r\nConnection: close\r\n\r\n",
                b"POST /v1/init HTTP/1.1\r\nConnection: close\r\nContent-Length: 3\r\n\r\n{{{"]
    for request in requests:
        with raw(ana) as s:
            try:
                s.sendall(request)
                s.shutdown(socket.SHUT_WR)
            except (BrokenPipeError, ConnectionResetError):
                pass
            answer = answer_of(s)
            assert b"200 OK" not in answer, request[:40]
    # One connection for many requests, in one write.
    with raw(ana) as s:
        one = b"GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n"
        s.sendall(one * 9 + one.replace(b"Host: x", b"Connection: close"))
        assert answer_of(s).count(b"HTTP/1.1 200") == 10
    # Many at once that say nothing, and one that leaves before its answer.
    idle = [raw(ana) for _ in range(200)]
    with raw(ana) as s:
        s.sendall(b"POST /v1/invite HTTP/1.1\r\nHost: x\r\n\r\n")
    assert ana.ask("status")[0]["state"] == "ok"
    for s in idle:
        s.close()
    # One that listens and never reads keeps nobody waiting, and costs bounded memory.
    with raw(ana) as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.sendall(b"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
        for i in range(60):
            ana.send(ben, str(i) + "x" * 15000)
        assert ana.ask("status")[0]["state"] == "ok"
    assert ana.ask("status")[0]["pid"] == ana.daemon.pid


def passphrase(world, ana):
    dora = world.person("dora")
    dora.run("init", "--name", "Dora", "--passphrase", text="correct horse\n")
    dora.start("--peer", f"127.0.0.1:{ana.port}")
    status = dora.ask("status")[0]
    assert status["identity"] == "locked" and status["name"] is None
    refused(dora, 5, "card", says="unlock")
    refused(dora, 5, "unlock", says="does not open", text="wrong horse\n")
    dora.run("unlock", text="correct horse\n")
    refused(dora, 5, "unlock", says="nothing is locked", text="correct horse\n")
    ana.befriend(dora)
    dora.stop()
    # What comes while it is locked is carried, and read once it is open.
    dora.start()
    ana.send(dora, "while you slept")
    wait_for(lambda: dora.ask("status")[0]["store"]["bundles"] > 0, "the locked node to carry the message")
    dora.run("unlock", text="correct horse\n")
    wait_for(lambda: any(m["text"] == "while you slept" for m in dora.ask("inbox")), "the message to be read after unlocking")
    # Changed with a daemon, used from a file without one.
    dora.run("passphrase", text="battery staple\n")
    dora.stop()
    path = os.path.join(world.folder, "passphrase")
    with open(path, "w") as f:
        f.write("battery staple\n")
    dora.start("--passphrase-file", path)
    assert dora.ask("status")[0]["identity"] == "open"
    dora.stop()
    refused(dora, 2, "passphrase", text="\n")
    dora.run("passphrase", "--none", text="battery staple\n")
    dora.start("--relay")
    assert dora.ask("status")[0]["identity"] == "relay"
    refused(dora, 5, "card", says="relay")
    dora.stop()
    dora.start("--log-level", "info")
    assert dora.ask("status")[0]["identity"] == "open"

    secrets = [b"correct horse", b"battery staple", b"while you slept", b"Dora"]
    log = open(dora.log, "rb").read()
    assert not any(s in log for s in secrets), "a secret, a name or a text stands in the log"
    dora.run("panic", "--yes")
    assert dora.daemon.wait(timeout=30) == 0
    world.daemons.remove(dora.daemon)
    dora.daemon = None
    assert not any(os.path.exists(os.path.join(dora.data, n)) for n in ("vault", "key", "db", "generation", "api.sock"))
    dora.start()
    assert dora.ask("status")[0]["identity"] == "none"
    refused(dora, 1, "card", says="init")
    dora.stop()
    dora.run("init", "--name", "Dora")
    dora.run("panic", "--yes")
    assert not os.path.exists(os.path.join(dora.data, "vault"))


def service_manager(world):
    """Ready, alive, reloading, stopping; and a passphrase from a credential."""
    greta = world.person("greta")
    greta.run("init", "--name", "Greta", "--passphrase", text="from a credential\n")
    credentials = os.path.join(world.folder, "credentials")
    os.makedirs(credentials)
    with open(os.path.join(credentials, "passphrase"), "w") as f:
        f.write("from a credential\n")
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    path = os.path.join(world.folder, "notify")
    manager.bind(path)
    manager.settimeout(60)       # a passphrase costs seconds on purpose, and more on a busy machine
    environment = dict(os.environ, NOTIFY_SOCKET=path, WATCHDOG_USEC="600000", CREDENTIALS_DIRECTORY=credentials)
    daemon = subprocess.Popen([world.program("staffettad"), "--data", greta.data, *world.flags_for(greta)], env=environment,
                              stderr=open(greta.log, "ab"))
    world.daemons.append(daemon)
    seen = []

    def told(word):
        while not any(word in s for s in seen):
            try:
                seen.append(manager.recv(4096).decode())
            except TimeoutError:
                raise AssertionError(f"not told {word} but {seen}; ended: {daemon.poll()}; {log_of(greta)}") from None
        return True

    told("READY=1")
    if greta.ask("status")[0]["identity"] != "open":
        raise AssertionError("the credential did not open the vault")
    told("WATCHDOG=1")
    seen.clear()
    daemon.send_signal(signal.SIGHUP)
    told("RELOADING=1")
    told("MONOTONIC_USEC=")
    told("READY=1")
    daemon.send_signal(signal.SIGTERM)
    told("STOPPING=1")
    assert daemon.wait(timeout=30) == 0
    world.daemons.remove(daemon)
    manager.close()


def rolled_back(ana):
    """A database put back from a copy is noticed."""
    import shutil
    ana.stop()
    copy = ana.data + "-copy"
    shutil.copytree(os.path.join(ana.data, "db"), copy)
    ana.start()
    ana.stop()
    shutil.rmtree(os.path.join(ana.data, "db"))
    shutil.move(copy, os.path.join(ana.data, "db"))
    ana.start()
    assert any(c["check"] == "restored" for c in ana.ask("doctor"))


def full_disk(world):
    """On a small disk of its own, where this machine lets us mount one."""
    eva = world.person("eva")
    os.makedirs(eva.data, mode=0o700)
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m,mode=0700", "tmpfs", eva.data],
                                           capture_output=True).returncode != 0:
        print("no small disk can be mounted here: the full disk was not tried")
        return
    try:
        eva.run("init", "--name", "Eva")
        eva.start()
        fred = world.person("fred")
        fred.run("init", "--name", "Fred")
        fred.start()
        eva.befriend(fred)
        fred.stop()
        accepted = [eva.send(fred, "before")]
        filler = os.path.join(eva.data, "filler")
        with open(filler, "wb") as f:
            try:
                while True:
                    f.write(b"x" * 65536)
                    f.flush()
            except OSError:
                pass
        refusals = 0
        for i in range(2000):   # the store keeps a reserve, for what is its own
            try:
                accepted.append(eva.send(fred, str(i) + "y" * 15000))
            except Failed as e:
                assert e.status in (1, 5), str(e)
                refusals += 1
                if refusals == 3:
                    break
            except (IndexError, ValueError):
                raise AssertionError("an answer without a message")
        assert refusals > 0, "a full disk refuses at some point"
        assert eva.ask("status")[0]["state"].startswith("storage: "), eva.ask("status")[0]["state"]
        eva.kill()
        eva.start()
        assert accepted[0] in {m["id"] for m in eva.ask("messages", "fred")}, "a full disk does not keep a node from starting"
        os.remove(filler)

        def recovers():
            try:
                accepted.append(eva.send(fred, "after"))
            except Failed:
                return False
            return eva.ask("status")[0]["state"] == "ok"
        wait_for(recovers, "the node to recover by itself", 60, 0.5)
        known = {m["id"] for m in eva.ask("messages", "fred")}
        assert set(accepted) <= known, "what was accepted is there"
        eva.stop()
    finally:
        if eva.daemon:
            eva.kill()
        subprocess.run(["umount", "-l", eva.data], capture_output=True)


def main():
    world = World(sys.argv[1], namespaces=False)
    ana, ben = world.person("ana"), world.person("ben")
    without_daemon(world, ana)
    wrong_configuration(world, ana)
    talk(world, ana, ben)
    follow(ana, ben)
    stranger(world, ana)
    reload(world, ana, ben)
    bad_clients(ana, ben)
    passphrase(world, ana)
    service_manager(world)
    rolled_back(ana)
    full_disk(world)
    ana.stop()
    ben.stop()
    assert not os.path.exists(os.path.join(ana.data, "api.sock")), "the socket goes with the daemon"
    print("programs: passed")


if __name__ == "__main__":
    main()
