#!/usr/bin/env python3
"""tests/e2e/test_introduce.py - Ana introduces Ben and Caro, who have never met. Ben takes it up and writes; Caro sees by whom he came, and
answers. Nobody is verified by that; they compare numbers as everybody does."""

from world import Failed, World, arguments, wait_for


def introductions(person, name):
    return [m for m in person.ask("messages", name, "--keep-unread") if m["introduces"] and m["direction"] == "in"]


def main():
    options = arguments(__doc__).parse_args()
    world = World(options.bin, namespaces=False, keep=options.keep)
    ana, ben, caro = (world.person(n) for n in ("ana", "ben", "caro"))
    for person in (ana, ben, caro):
        person.run("init", "--name", person.name.capitalize())
    ana.start()
    ben.start("--peer", f"127.0.0.1:{ana.port}")
    caro.start("--peer", f"127.0.0.1:{ana.port}")
    for person in (ben, caro):
        # By a one-time invite: until they have answered, Ana has no card of theirs that another could use.
        ana.run("add", person.ask("invite")[0]["link"], "--as", person.name)
        if person is caro:
            ana.run("introduce", "ben", "caro", status=5)
        first = ana.send(person, "hello")
        wait_for(lambda: ana.state(first)["state"] in ("delivered", "read"), f"{person.name} to have it")

    def introduced():
        try:
            return ana.ask("introduce", "ben", "caro")
        except Failed as e:
            assert e.status == 5
            return None
    made = wait_for(introduced, "both cards to have come to Ana")[0]["messages"]
    assert len(made) == 2
    said = ana.run("messages", "ben", "--keep-unread")
    assert "[introduces Caro, whom you know as caro]" in said and "staffetta:#" not in said, said
    wait_for(lambda: introductions(ben, "Ana") and introductions(caro, "Ana"), "the introductions to arrive")
    given = introductions(ben, "Ana")[0]
    assert given["introduces"] == {"name": "Caro", "known": None, "me": False}, given
    assert f"[introduces Caro; `staffetta add {given['id'][:8]}` takes it up]" in ben.run("messages", "Ana", "--keep-unread")

    assert ben.ask("add", given["id"][:8])[0]["introduced_by"] == "Ana"
    assert "introduced by Ana" in ben.run("friends")
    hello = ben.ask("send", "Caro", "Ana told me of you")[0]["id"]
    wait_for(lambda: any(f["name"] == "Ben" and f["request"] for f in caro.ask("friends")), "Caro to be asked")
    caro.run("add", introductions(caro, "Ana")[0]["id"])
    about = [f for f in caro.ask("friends") if f["name"] == "Ben"][0]
    assert about["introduced_by"] == "Ana" and not about["request"] and about["state"] != "verified", about
    wait_for(lambda: ben.state(hello)["state"] in ("delivered", "read"), "Ben's first words to Caro")
    numbers = [p.ask("verify", n)[0]["safety_number"] for p, n in ((ben, "Caro"), (caro, "Ben"))]
    assert numbers[0] == numbers[1] and len(numbers[0]) == 60
    ben.run("add", hello, status=5)                       # a text that introduces nobody
    for person in (ana, ben, caro):
        person.stop()
    print("introduced")


main()
