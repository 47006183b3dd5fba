#!/usr/bin/env python3
"""tests/e2e/test_stick.py - a USB stick in place of a courier: export, carry, import; and a watched folder."""
import argparse
import os

from test_courier import ANSWER, TEXT, names_texts_and_keys
from world import World, wait_for


def carry_by_hand(world, ana, ben):
    """`staffetta export` and `import`, as a person does it."""
    stick = os.path.join(world.folder, "stick.staffetta")
    message = ana.send(ben, TEXT)
    ana.run("export", stick)
    secrets = names_texts_and_keys(ana, ben)
    # The stick may be small; what counts is that the search sees it at all.
    content = open(stick, "rb").read()
    assert len(content) >= 256, "the stick is empty"
    for what, secret in secrets.items():
        assert secret not in content, f"{what} stands on the stick"

    ben.run("import", stick)
    wait_for(lambda: ben.texts_from(ana) == [TEXT], "Ben to read from the stick")
    answer = ben.send(ana, ANSWER)
    ben.run("import", stick)            # a second time is harmless
    assert ben.texts_from(ana) == [TEXT]
    wait_for(lambda: ben.ask("status")[0]["store"]["bundles"] >= 3, "Ben's receipt and answer to be sealed")
    ben.run("export", stick)

    ana.run("import", stick)
    wait_for(lambda: ana.texts_from(ben) == [ANSWER], "Ana to read Ben's answer")
    wait_for(lambda: ana.state(message)["state"] in ("delivered", "read"), "Ben's receipt to reach Ana")
    assert ben.state(answer)["state"] == "queued", "Ben cannot know that the stick arrived"


def break_the_stick(world, ana, ben):
    """A damaged stick costs what is damaged; nonsense is an error that says so."""
    stick = os.path.join(world.folder, "broken.staffetta")
    ana.send(ben, "one more")
    ana.run("export", stick)
    whole = open(stick, "rb").read()
    with open(stick, "wb") as f:
        f.write(whole[:-100])
    ben.run("import", stick)
    with open(stick, "wb") as f:
        f.write(b"this is no spool file" * 50)
    ben.run("import", stick, status=1)
    ben.run("import", os.path.join(world.folder, "not-there"), status=4)
    ben.ask("status")


def watch_a_folder(world, ana, ben):
    """Plugged in while the daemon watches: taken in and filled without a command."""
    media = os.path.join(world.folder, "media")
    os.makedirs(media)
    for person in (ana, ben):
        person.stop()
        person.start(*person.flags, "--watch-folder", media)
    stick = os.path.join(media, "stick")
    os.makedirs(os.path.join(stick, "staffetta"))       # this folder is how a stick says that it takes part
    text = "by the watched stick"
    ana.send(ben, text)
    wait_for(lambda: text in ben.texts_from(ana), "the watched stick to carry a message", 60)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", required=True)
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    world = World(options.bin, namespaces=False, keep=options.keep)
    ana, ben = world.person("ana"), world.person("ben")
    ana.run("init", "--name", "Ana Aldini")
    ben.run("init", "--name", "Ben Bruni")
    ana.start()
    ben.start()
    ana.befriend(ben)
    ben.befriend(ana)
    carry_by_hand(world, ana, ben)
    break_the_stick(world, ana, ben)
    watch_a_folder(world, ana, ben)
    ana.stop()
    ben.stop()
    print("stick: passed")


if __name__ == "__main__":
    main()
