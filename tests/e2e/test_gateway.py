#!/usr/bin/env python3
"""tests/e2e/test_gateway.py - two meshes that never meet, joined by a gateway on the internet.

Ana has no internet; Caro, a relay and a stranger to her, is her neighbour and has it now and then. Ben has internet and no
neighbour. Ana's message goes to Caro, to the gateway and to Ben; his answer comes back while Ana is away, and
waits. The gateway is down at first, is killed in between, and learns no name and no text.
"""
import os
import sys

import postgresql
from gateway import Gateway
from world import SKIPPED, World, arguments, assert_absent, wait_for

TEXT = "Ben, are you on the other side? The cable is cut, this came by Caro."
ANSWER = "Yes. Twelve of us, all well. We have bread until Friday."
LAST = "Then come on Friday. We wait at the ferry."


def main():
    parser = arguments(__doc__)
    parser.add_argument("--loopback", action="store_true", help="without network namespaces")
    parser.add_argument("--namespaces", action="store_true", help="with network namespaces, or skip")
    parser.add_argument("--postgresql", action="store_true", help="the gateway keeps bundles in PostgreSQL")
    options = parser.parse_args()
    world = World(options.bin, namespaces=False if options.loopback else None, keep=options.keep)
    if options.namespaces and not world.namespaces:
        print("skipped: no root, or no network namespaces here")
        sys.exit(SKIPPED)
    engine = []
    if options.postgresql:
        if postgresql.programs() is None:
            print("skipped: no PostgreSQL here")
            sys.exit(SKIPPED)
        engine = ["--engine", "postgresql", "--database", postgresql.Cluster(options.keep).conninfo(database="postgres")]

    ana, caro, ben = world.person("ana"), world.person("caro"), world.person("ben")
    gateway = Gateway(world)
    records = []
    if world.namespaces:
        village = world.cable(ana, caro)
        records = [os.path.join(world.folder, f"wire{i}") for i in range(2)]
        caros, bens = (world.cable(p, gateway, record=r) for p, r in zip((caro, ben), records))
        gateway.addresses = [caros.address[gateway], bens.address[gateway]]
        for cable in (village, caros, bens):
            cable.plug()
    link = gateway.invite("school", "--quota", "10M/day", "--expires", "30d")

    # Discovery goes by multicast; towards the gateway there is none to be found.
    ana.run("init", "--name", "Ana Adler")
    ben.run("init", "--name", "Ben Bruni")
    links_file = os.path.join(world.folder, "links")
    with open(links_file, "w") as f:
        f.write("# for Caro\n" + link + "\n")
    ana.start(*([] if world.namespaces else ["--peer", f"127.0.0.1:{caro.port}"]))
    caro.start("--relay", "--bridge", "--gateways", links_file)
    ben.start()
    ben.run("gateway", "add", link)
    assert [a for g in ben.ask("gateways") for a in g["addresses"]] == [f"{a}:{gateway.PORT}" for a in gateway.addresses]
    ana.befriend(ben)
    ben.befriend(ana)
    secrets = {"the text": TEXT.encode(), "the answer": ANSWER.encode(), "the last text": LAST.encode(), "Ana's name": b"Ana Adler",
               "Ben's name": b"Ben Bruni"}

    message = ana.send(ben, TEXT)
    wait_for(lambda: ana.state(message)["state"] == "carried", "Caro to carry Ana's message", 60)
    assert ben.texts_from(ana) == []

    # The gateway comes up.
    gateway.start(*engine)
    wait_for(lambda: ben.texts_from(ana) == [TEXT], "Ben to read Ana's message", 90)
    wait_for(lambda: ana.state(message)["state"] in ("delivered", "read"), "Ben's receipt to reach Ana", 60)

    # Ana goes away; Ben answers; custody says how far it has come.
    ana.stop()
    answer = ben.send(ana, ANSWER)
    wait_for(lambda: ben.state(answer)["state"] == "gateway", "the gateway to have Ben's answer", 60)
    gateway.kill()
    gateway.start()
    ana.start()
    wait_for(lambda: ana.texts_from(ben) == [ANSWER], "Ana to read the answer", 90)
    wait_for(lambda: ben.state(answer)["state"] in ("delivered", "read"), "Ana's receipt to reach Ben", 90)
    assert "school" in gateway.command("list")

    # Revoked: nobody gets in any more, and what was said before stays said.
    gateway.command("revoke", "school")
    wait_for(lambda: not any(g["linked"] for g in ben.ask("gateways")), "Ben's link to go", 30)
    last = ana.send(ben, LAST)
    wait_for(lambda: "web site" in ben.run("gateways"), "Ben to be told that the invite is worth nothing", 60)
    assert ben.texts_from(ana) == [TEXT] and ana.state(last)["state"] in ("queued", "carried")
    link = gateway.invite("school again")
    ben.run("gateway", "remove", gateway.addresses[0])
    ben.run("gateway", "add", link)
    with open(links_file, "w") as f:
        f.write(link + "\n")
    caro.stop()
    caro.start()
    wait_for(lambda: ben.texts_from(ana) == [TEXT, LAST], "Ben to read the last text", 90)

    for person in (ana, caro, ben):
        person.stop()
    gateway.stop()
    assert_absent(secrets, gateway.data, "the gateway's disk")
    for record in records:
        assert_absent(secrets, record, "the traffic")
    print("gateway: passed")


if __name__ == "__main__":
    main()
