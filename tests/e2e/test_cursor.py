#!/usr/bin/env python3
"""tests/e2e/test_cursor.py - a node that was restarted asks its gateway only for what is new.

Ana writes many texts to Dora, who is away; Ben is a bridge and fetches them all. After his restart the gateway tells him of none of them
again: counted in octets, for each offer takes sixteen.
"""

from gateway import Gateway
from world import World, arguments, wait_for

TEXTS = 150


def uplink(person):
    links = [n for n in person.neighbours() if n["kind"] == "uplink" and n["ready"]]
    return links[0] if links else None


def main():
    options = arguments(__doc__).parse_args()
    world = World(options.bin, namespaces=False, keep=options.keep)
    ana, ben, dora = world.person("ana"), world.person("ben"), world.person("dora")
    gateway = Gateway(world)
    link = gateway.invite("school")
    gateway.start()
    for who, name in ((ana, "Ana Adler"), (ben, "Ben Bruni"), (dora, "Dora Dahl")):
        who.run("init", "--name", name)
    dora.start()
    ana.start()
    ana.befriend(dora)
    dora.stop()
    for number in range(TEXTS):
        ana.send(dora, f"text {number}")
    ana.run("gateway", "add", link)
    ben.start("--bridge")
    ben.run("gateway", "add", link)
    bundles = lambda: ben.ask("status")[0]["store"]["bundles"]
    wait_for(lambda: bundles() >= TEXTS, "Ben to fetch everything", 120)

    # One more, so that the last cursor is known to be on disk: it comes with the commit of what it covers, or after it.
    ana.send(dora, "the last")
    wait_for(lambda: bundles() >= TEXTS + 1, "Ben to fetch the last", 60)
    ben.stop()
    ana.send(dora, "while Ben was away")
    ben.start()
    wait_for(lambda: bundles() >= TEXTS + 2, "Ben to fetch what is new", 60)
    came = uplink(ben)["bytes_in"]
    # A handshake, the gateway's state, and some bundles of about 600 octets: less than the offers of all.
    assert came < TEXTS * 16, f"{came} octets came: the gateway began anew"
    for person in (ana, ben):
        person.stop()
    gateway.stop()
    print(f"cursor: passed ({came} octets after the restart)")


if __name__ == "__main__":
    main()
