#!/usr/bin/env python3
"""tests/e2e/test_budget.py - a gateway over a metered link: files stop before the day's data is used up, texts still go, then nothing does."""
import os

from gateway import Gateway
from world import World, arguments, wait_for

LIMIT = 2 * 1024 * 1024
FILE = 3 * 1024 * 1024


def gateways(person):
    return person.api("GET", "/v1/gateways")


def main():
    options = arguments(__doc__).parse_args()
    world = World(options.bin, namespaces=False, keep=options.keep)
    ana, ben, gateway = world.person("ana"), world.person("ben"), Gateway(world)
    links = [gateway.invite("school") for _ in range(2)]
    gateway.start()
    ana.run("init", "--name", "Ana Adler")
    ben.run("init", "--name", "Ben Bruni")
    for person, link, more in ((ana, links[0], ["--uplink-budget", "2M"]), (ben, links[1], [])):
        person.start("--no-discovery", *more)
        person.run("gateway", "add", link)
        wait_for(person.has_uplink, "a link", 60)
    assert gateways(ben)["budget"] is None
    ana.befriend(ben)
    ben.befriend(ana)
    ana.send(ben, "first")
    wait_for(lambda: "first" in ben.texts_from(ana), "Ben to read it", 60)

    path = os.path.join(world.folder, "film")
    with open(path, "wb") as f:
        f.write(os.urandom(FILE))
    ana.run("send-file", "ben", path, "--now")    # more than a second carries here: the limit holds all the same
    wait_for(lambda: gateways(ana)["budget"]["state"] == "small", "the budget to be nearly used", 120)
    ana.send(ben, "the film has to wait")
    wait_for(lambda: "the film has to wait" in ben.texts_from(ana), "the text to go all the same", 60)
    ben.send(ana, "no hurry")
    wait_for(lambda: "no hurry" in ana.texts_from(ben), "the answer", 60)
    budget = gateways(ana)["budget"]
    assert budget["state"] == "small" and LIMIT * 9 // 10 <= budget["used"] < LIMIT, budget
    assert "what is left is for texts" in ana.run("gateways")
    assert ben.api("GET", "/v1/media")["media"][0]["state"] == "coming"

    # A restart, even a hard one, does not give the day anew; with less allowed it is over.
    ana.kill()
    ana.start("--no-discovery", "--uplink-budget", "1500k")
    wait_for(lambda: gateways(ana)["budget"]["state"] == "spent", "the day's data to be used up", 60)
    assert "data budget of the day is used up" in ana.run("gateways") and not ana.has_uplink()
    ana.send(ben, "not today")
    assert not ana.has_uplink()
    ana.stop()
    ana.start("--no-discovery", "--uplink-budget", "100M")
    wait_for(lambda: "not today" in ben.texts_from(ana), "what was left over", 60)
    wait_for(lambda: ben.api("GET", "/v1/media")["media"][0]["state"] == "complete", "the film", 120)
    wait_for(lambda: gateways(ana)["budget"]["used"] > FILE, "its octets to be counted", 60)
    for person in (ana, ben):
        person.stop()
    gateway.stop()
    world.close()
    print("budget: passed")


if __name__ == "__main__":
    main()
