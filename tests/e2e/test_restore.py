#!/usr/bin/env python3
"""tests/e2e/test_restore.py - Ben loses his device. A backup of nine words, or a page of QR codes, makes him Ben again: Ana's node hears of
it, sends what the old device never acknowledged, and both go on. Nothing secret stands in the backup's file."""
import os
import shutil

from world import World, arguments, assert_absent, wait_for


def texts(person, name):
    return [m["text"] for m in person.ask("messages", name) if m["direction"] == "in"]


def slip_of_the_pen(secret):
    return ("b" if secret[0] != "b" else "d") + secret[1:]


def lose_and_restore(world, ana, ben, path, secret, call_ana):
    """Ben's data folder is gone; another one takes over."""
    ben.stop()
    waiting = ana.send(ben, f"are you there, {os.path.basename(path)}?")
    shutil.rmtree(ben.data)
    ben.start()
    assert ben.ask("status")[0]["identity"] == "none"
    for wrong in ("correct horse battery staple", "babab " * 9, slip_of_the_pen(secret)):
        ben.run("restore", path, status=5, text=wrong + "\n")
    assert ben.ask("status")[0]["identity"] == "none"
    reply = ben.ask("restore", path, text=secret + "\n")[0]
    assert reply["name"] == "ben" and reply["friends"] == 1, reply
    ben.run("restore", path, status=5, text=secret + "\n")        # there is somebody now
    friends = ben.ask("friends")
    assert [f["name"] for f in friends] == [call_ana] and friends[0]["state"] == "verified", friends
    wait_for(lambda: any("are you there" in t for t in texts(ben, call_ana)), "what the old device never had")
    wait_for(lambda: ana.state(waiting)["state"] in ("delivered", "read"), "Ana to hear that it arrived")
    mine = ben.ask("send", call_ana, f"here again from {os.path.basename(path)}")[0]["id"]
    wait_for(lambda: ben.state(mine)["state"] in ("delivered", "read"), "Ben's first words")


def main():
    options = arguments(__doc__).parse_args()
    world = World(options.bin, namespaces=False, keep=options.keep)
    ana, ben = world.person("ana"), world.person("ben")
    for person in (ana, ben):
        person.run("init", "--name", person.name)
    ana.start()
    ben.start("--peer", f"127.0.0.1:{ana.port}")

    ben.run("add", ana.run("card").split()[-1], "--as", "Anna Upstairs")
    ana.befriend(ben)
    first = ana.send(ben, "hello Ben")
    wait_for(lambda: ana.state(first)["state"] in ("delivered", "read"), "the first message")
    safety = ben.ask("verify", "Anna Upstairs", "--yes")[0]
    assert safety["verified"]

    path = os.path.join(world.folder, "ben.backup")
    made = ben.ask("backup", path)[0]
    assert made["friends"] == 1 and len(made["words"].split()) == 9 and os.stat(path).st_mode & 0o777 == 0o600
    ben.run("backup", path, status=5)                              # never overwritten
    ben.run("backup", status=2)
    words = made["words"]
    # On paper: pictures, and the texts that a phone reads from them.
    printed = ben.ask("backup", "--paper", os.path.join(world.folder, "page.png"), "--passphrase", text="a long passphrase\n")[0]
    assert printed["words"] is None and len(printed["parts"]) >= 2
    for number in range(1, len(printed["parts"]) + 1):
        with open(os.path.join(world.folder, f"page-{number}.png"), "rb") as f:
            assert f.read(8) == b"\x89PNG\r\n\x1a\n"
    scanned = os.path.join(world.folder, "scanned.txt")
    with open(scanned, "w") as f:
        f.write("\n".join(reversed(printed["parts"])) + "\n")
    big = os.path.join(world.folder, "looked-at")
    with open(big, "wb") as f, open(path, "rb") as backup:
        f.write(backup.read() * 4)
    assert_absent({"a name": b"Anna Upstairs", "Ben's name": b"ben", "the words": words.encode()}, big, "the backup")

    lose_and_restore(world, ana, ben, path, words, "Anna Upstairs")
    assert ben.ask("verify", "Anna Upstairs")[0]["safety_number"] == safety["safety_number"]
    lose_and_restore(world, ana, ben, scanned, "a long passphrase", "Anna Upstairs")
    print("Ben is Ben again, twice")


main()
