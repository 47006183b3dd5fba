#!/usr/bin/env python3
"""tests/e2e/test_courier.py - the main job: a message reaches someone its sender never meets.

Ana and Ben are never in range of each other. Caro, a stranger to both, walks between them: Ana's message reaches Ben,
Ben's receipt and answer reach Ana, and neither Caro's disk nor the cables hold a name, a text or a key of theirs.
With --show it tells what happens as it happens; `./run` is this.
"""
import argparse
import base64
import json
import os
import sys
import time

from world import SKIPPED, World, assert_absent, wait_for

TEXT = "Ben, we are all right. The bridge is closed: take the mill road."
ANSWER = "Thank God. On my way by the mill road."

PICTURE = {
    "ana":    "   [Ana] ))) [Caro]  - - - - - -   [Ben]",
    "walk":   "   [Ana]  - - - -  [Caro] - - - -  [Ben]",
    "ben":    "   [Ana]  - - - - - -  [Caro] ((( [Ben]",
}


class Story:
    def __init__(self, world, is_shown):
        self.world, self.is_shown, self.began = world, is_shown, time.monotonic()

    def tell(self, words):
        if self.is_shown:
            print(f"{time.monotonic() - self.began:6.1f} s  {words}", flush=True)

    def picture(self, which):
        if self.is_shown:
            print("\n" + PICTURE[which] + "\n", flush=True)

    def show_state(self, person, message_id):
        """The custody line as a person sees it."""
        if self.is_shown:
            for line in person.run("show", message_id).splitlines():
                print("          | " + line, flush=True)


def names_texts_and_keys(*people):
    """What no stranger may ever hold, as it would stand in memory or on a wire."""
    secrets = {"Ana's name": b"Ana Aldini", "Ben's name": b"Ben Bruni",
               "Ana's text": TEXT.encode(), "Ben's text": ANSWER.encode()}
    for person in people:
        link = person.run("card").split()[-1]
        card = base64.urlsafe_b64decode(link.split("#", 1)[1] + "==")
        for field, (at, length) in {"signing key": (2, 32), "identity key": (34, 32), "prekey": (66, 32), "inbox secret": (102, 32)}.items():
            secrets[f"{person.name}'s {field}"] = card[at:at + length]
        secrets[f"{person.name}'s card"] = link.split("#", 1)[1].encode()
    return secrets


def carries_something(person):
    return person.ask("status")[0]["store"]["bundles"] > 0


class Walk:
    """Caro's way between the two places: cables plugged and unplugged in namespaces; without them, her daemon
    is started anew with the one peer she can reach."""

    def __init__(self, world, ana, ben, caro, kills_caro, **bad_cable):
        self.world, self.ana, self.ben, self.caro = world, ana, ben, caro
        self.kills_caro = kills_caro
        self.cables = {}
        self.records = []
        if world.namespaces:
            for place in (ana, ben):
                record = os.path.join(world.folder, f"wire-{place.name}")
                self.records.append(record)
                self.cables[place] = world.cable(place, caro, record=record, **bad_cable)
            caro.start()

    def meet(self, person):
        if self.world.namespaces:
            self.cables[person].plug()
        else:
            self.caro.start("--peer", f"127.0.0.1:{person.port}")

    def leave(self, person):
        if self.world.namespaces:
            self.cables[person].unplug()
            if self.kills_caro:
                self.caro.kill()
                self.caro.start()
        elif self.kills_caro:
            self.caro.kill()
        else:
            self.caro.stop()


def tell_courier(world, story, kills_caro=False, **bad_cable):
    """The whole story; raises AssertionError where it goes wrong."""
    story.tell("Three nodes on this machine" + (", each in a network of its own." if world.namespaces else ", on loopback."))
    ana, ben, caro = (world.person(n) for n in ("ana", "ben", "caro"))
    ana.run("init", "--name", "Ana Aldini")
    ben.run("init", "--name", "Ben Bruni")
    caro.run("init", "--name", "Caro")
    ana.start()
    ben.start()
    story.tell("Ana and Ben have exchanged cards once, long ago. Today there is no network.")
    ana.befriend(ben)
    ben.befriend(ana)
    walk = Walk(world, ana, ben, caro, kills_caro, **bad_cable)

    message = ana.send(ben, TEXT)
    story.tell(f"Ana writes: “{TEXT}”")
    assert ana.state(message)["state"] == "queued"
    story.show_state(ana, message)

    story.picture("ana")
    story.tell("Caro passes Ana's house. They are strangers; their nodes meet.")
    walk.meet(ana)
    wait_for(lambda: ana.state(message)["state"] == "carried", "Caro to carry Ana's message", 60)
    assert ana.state(message)["copies"] == 1
    story.tell("Caro's node has it, safely on disk: 256 or 512 bytes that mean nothing to it.")
    story.show_state(ana, message)
    walk.leave(ana)
    story.picture("walk")
    assert ben.texts_from(ana) == [], "Ben cannot have it yet"

    story.picture("ben")
    story.tell("Caro reaches Ben's village.")
    walk.meet(ben)
    wait_for(lambda: ben.texts_from(ana) == [TEXT], "Ben to read Ana's message", 60)
    story.tell(f"Ben reads:  “{TEXT}”")
    assert ana.state(message)["state"] == "carried", "Ana cannot know yet"
    before = wait_for(lambda: caro.ask("status")[0]["store"]["bundles"] >= 2 and caro.ask("status")[0]["store"]["bundles"],
                      "Ben's receipt on Caro's node", 60)
    answer = ben.send(ana, ANSWER)
    wait_for(lambda: ben.state(answer)["state"] == "carried", "Caro to carry Ben's answer", 60)
    story.tell(f"Ben answers: “{ANSWER}” Receipt and answer wait on Caro's node ({before} bundles before it).")
    walk.leave(ben)

    story.picture("ana")
    story.tell("Caro walks back.")
    walk.meet(ana)
    wait_for(lambda: ana.state(message)["state"] in ("delivered", "read"), "Ben's receipt to reach Ana", 60)
    wait_for(lambda: ana.texts_from(ben) == [ANSWER], "Ben's answer to reach Ana", 60)
    story.tell(f"Ana reads:  “{ANSWER}” And of her own message she sees:")
    story.show_state(ana, message)
    wait_for(lambda: ana.state(message)["state"] == "read", "the read mark to reach Ana", 60)

    secrets = names_texts_and_keys(ana, ben)
    walk.leave(ana)
    if caro.daemon:
        caro.stop()
    assert_absent(secrets, caro.data, "Caro's disk")
    for record in walk.records:
        assert_absent(secrets, record, "the traffic")
    # The look itself is checked: what Ana holds in memory as a file would be found.
    proof = os.path.join(world.folder, "proof")
    with open(proof, "wb") as f:
        f.write(bytes(5000) + secrets["ana's identity key"])
    try:
        assert_absent(secrets, proof, "the proof")
        raise SystemExit("the search for secrets finds nothing even where something is")
    except AssertionError:
        pass
    for person in (ana, ben):
        assert len(person.ask("friends")) == 1, "nobody but the friend is known"
    where = "neither Caro's disk nor the traffic holds" if walk.records else "Caro's disk does not hold"
    story.tell(f"Searched: {where} a name, a text or a key of Ana or Ben.")
    ana.stop()
    ben.stop()
    return ana, ben, caro


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True, help="folder of staffettad and staffetta")
    parser.add_argument("--show", action="store_true", help="tell the story as it happens")
    parser.add_argument("--loopback", action="store_true", help="without network namespaces")
    parser.add_argument("--namespaces", action="store_true", help="with network namespaces, or skip")
    parser.add_argument("--keep", action="store_true", help="keep the folder with data and logs")
    parser.add_argument("--kill-caro", action="store_true", help="kill -9 her daemon whenever she leaves a place")
    parser.add_argument("--loss", type=float, default=0.0, help="share of frames lost on the cables, 0 to 1")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds one way on the cables")
    options = parser.parse_args()
    # A terminal that cannot show a quotation mark gets a question mark, not a traceback.
    sys.stdout.reconfigure(errors="replace")

    world = World(options.bin, namespaces=False if options.loopback else None, keep=options.keep)
    if options.namespaces and not world.namespaces:
        print("skipped: no root, or no network namespaces here")
        sys.exit(SKIPPED)
    tell_courier(world, Story(world, options.show), kills_caro=options.kill_caro, loss=options.loss, delay=options.delay)
    if options.show:
        print("\nThat was Staffetta. Your own node: ./run node   (the tour is in README.md)")
    else:
        print("courier: passed")


if __name__ == "__main__":
    main()
