#!/usr/bin/env python3
"""tests/e2e/test_peers.py - two gateways of two operators that peer with each other, each with people of its own.

Ana knows the first only, Ben the second. Texts cross both ways, what is delivered is freed at both, and either gateway may be away for
a while. An invite of users does not make a peer, one of a gateway opens nothing to users, and a revoked one ends it.
"""
import base64
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "gateway"))
from gateway import Gateway  # noqa: E402
from test_status import metrics  # noqa: E402
from world import World, arguments, wait_for  # noqa: E402


def main():
    options = arguments(__doc__).parse_args()
    world = World(options.bin, namespaces=False, keep=options.keep)
    ana, ben = world.person("ana"), world.person("ben")
    first, second = Gateway(world, "first"), Gateway(world, "second")
    links = [g.invite("all") for g in (first, second)]
    between = first.invite("the second", "--for-gateway", "--expires", "30d")
    assert "for a gateway" in first.command("list")
    first.command("invite", "--for-gateway", "--label", "x", "--quota", "1G/day", status=2)

    def log_of(gateway):
        with open(gateway.log, errors="replace") as f:
            return f.read()

    def now(gateway, name):
        return metrics(os.path.join(gateway.data, "status.sock"))[name]

    def start(gateway, *flags):
        gateway.start("--status", os.path.join(gateway.data, "status.sock"), *flags)

    start(first)
    for peer, status, words in (("nonsense", 2, "invite --for-gateway"), (second.invite("itself", "--for-gateway"), 1, "to this gateway itself")):
        command = [world.program("staffetta-gateway"), "--data", second.data, "--listen", second.listen, "--peer", peer]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == status and words in done.stdout + done.stderr, done
    start(second, "--peer", links[0])
    wait_for(lambda: "wants a link of `invite --for-gateway`" in log_of(second), "the second to say that this is an invite of users", 60)
    assert now(second, "peers") == 1 and now(second, "peers_linked") == 0
    second.stop()
    held = os.path.join(world.folder, "first.link")
    with open(held, "w") as f:
        f.write(between + "\n")
    start(second, "--peer", held)
    wait_for(lambda: now(second, "peers_linked") == 1, "the gateways to be linked", 60)

    for person, link in ((ana, links[0]), (ben, links[1])):
        person.run("init", "--name", person.name)
        person.start("--no-discovery")
        person.run("gateway", "add", link)
    ana.befriend(ben)
    ben.befriend(ana)
    ana.send(ben, "over two gateways")
    wait_for(lambda: ben.texts_from(ana) == ["over two gateways"], "Ben to read Ana's text", 60)
    ben.send(ana, "and back")
    wait_for(lambda: ana.texts_from(ben) == ["and back"], "Ana to read Ben's text", 60)

    # What is delivered goes from both, large things at once.
    ben.stop()
    before = now(second, "bundle_bytes")
    large = base64.b64encode(os.urandom(2700)).decode()
    message = ana.send(ben, large)
    wait_for(lambda: now(second, "bundle_bytes") >= before + 4096, "the large text to cross", 60)
    peaks = [now(g, "bundle_bytes") for g in (first, second)]
    ben.start()
    wait_for(lambda: ben.texts_from(ana)[-1:] == [large], "Ben to read the large text", 60)
    wait_for(lambda: ana.state(message)["state"] in ("delivered", "read"), "the receipt to cross", 60)
    wait_for(lambda: all(now(g, "bundle_bytes") <= peak - 2048 for g, peak in zip((first, second), peaks)), "both to be rid of it", 60)

    # The second is away, then the first.
    second.kill()
    ana.send(ben, "while the second is away")
    start(second, "--peer", between)
    wait_for(lambda: ben.texts_from(ana)[-1:] == ["while the second is away"], "Ben to read what came meanwhile", 120)
    first.kill()
    answer = ben.send(ana, "while the first is away")
    wait_for(lambda: ben.state(answer)["state"] == "gateway", "the second to take Ben's answer", 60)
    start(first)
    wait_for(lambda: ana.texts_from(ben)[-1:] == ["while the first is away"], "Ana to read what came meanwhile", 120)
    assert len(ben.texts_from(ana)) == 3 and len(ana.texts_from(ben)) == 2

    # Revoked.
    first.command("revoke", "the second")
    wait_for(lambda: now(second, "peers_linked") == 0, "the link between the gateways to go", 60)
    # By now its pauses between calls may be minutes; a fresh start calls at once.
    second.stop()
    start(second, "--peer", between)
    wait_for(lambda: re.search(r"peer cannot be reached: .*web site", log_of(second)), "the second to say why", 60)
    ana.send(ben, "not over there")
    for person in (ana, ben):
        person.stop()
    first.stop()
    second.stop()
    print("peers: passed")


if __name__ == "__main__":
    main()
