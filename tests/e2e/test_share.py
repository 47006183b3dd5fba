#!/usr/bin/env python3
"""tests/e2e/test_share.py - a gateway spreads between friends, sealed, through the mesh.

Ana has an invite and Ben is her neighbour. She passes the gateway on; he is shown its address, takes it by the message's id, and then
both are joined by it alone. A text that only looks like a gateway is a text, and a friend who has none has nothing to pass on.
"""

from gateway import Gateway
from world import Failed, World, arguments, wait_for


def refused(person, status, words, *arguments):
    try:
        person.run(*arguments)
    except Failed as e:
        assert e.status == status and words in e.err, (e.status, e.err)
        return
    raise AssertionError(f"{arguments} was taken")


def main():
    options = arguments(__doc__).parse_args()
    world = World(options.bin, namespaces=False, keep=options.keep)
    ana, ben = world.person("ana"), world.person("ben")
    gateway = Gateway(world)
    link = gateway.invite("school")
    gateway.start()
    ana.run("init", "--name", "Ana Adler")
    ben.run("init", "--name", "Ben Bruni")
    ben.start()
    ana.start("--peer", f"127.0.0.1:{ben.port}")
    ana.befriend(ben)
    ben.befriend(ana)
    address = f"127.0.0.1:{gateway.PORT}"

    refused(ana, 4, "there is no gateway to pass on", "gateway", "share", "ben")
    ana.run("gateway", "add", link)
    refused(ana, 4, "no gateway here has this address", "gateway", "share", "ben", "gw.example.org")
    said = ana.run("gateway", "share", "ben", "127.0.0.1")
    assert f"[a gateway: {address}]" in said and link not in said, said
    wait_for(lambda: [m for m in ben.ask("messages", "ana") if m.get("gateways")], "the gateway to reach Ben", 60)
    message = [m for m in ben.ask("messages", "ana") if m.get("gateways")][0]
    assert message["gateways"] == [address] and message["text"] == link, message
    assert f"`staffetta gateway add {message['id'][:8]}` uses it" in ben.run("messages", "ana")

    text = ana.send(ben, "staffetta-gw:#AQ and nothing behind it")
    wait_for(lambda: len(ben.texts_from(ana)) == 2, "Ben to read a text", 60)
    assert not ben.state(text).get("gateways")
    refused(ben, 5, "this is no gateway link", "gateway", "add", text[:8])
    refused(ben, 4, "", "gateway", "add", "0123456789abcdef")

    ben.run("gateway", "add", message["id"][:8])
    wait_for(ben.has_uplink, "Ben's link to the gateway", 60)
    # Now only the gateway joins them.
    ana.stop()
    ana.start("--no-discovery")
    wait_for(ana.has_uplink, "Ana's link to the gateway", 60)
    assert not any(n["kind"] == "lan" for n in ana.neighbours())
    ana.send(ben, "over the gateway")
    wait_for(lambda: "over the gateway" in ben.texts_from(ana), "Ben to read what came over the gateway", 90)
    for person in (ana, ben):
        person.stop()
    gateway.stop()
    print("share: passed")


if __name__ == "__main__":
    main()
