#!/usr/bin/env python3
"""tests/e2e/test_stamps.py - a relay that is nearly full asks strangers for proof of work, and the daemon does it by itself."""
import argparse

from world import World, wait_for

LONG = "x" * 15000      # a bundle of 16 KiB
TEXT = "through a full relay"


def fill(relay, friend, percent):
    """By the relay's own messages, which is all that a person can do by hand; three quarters are for them."""
    for _ in range(64):
        if relay.ask("status")[0]["store"]["fill_percent"] > percent:
            return
        relay.send(friend, LONG)
    raise AssertionError("the relay does not fill")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", required=True)
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    world = World(options.bin, namespaces=False, keep=options.keep)
    ana, ben, caro = world.person("ana"), world.person("ben"), world.person("caro")
    for person, name in ((ana, "Ana"), (ben, "Ben"), (caro, "Caro")):
        person.run("init", "--name", name)
    ana.start()
    ben.start()
    caro.start("--capacity", "1M")
    ana.befriend(ben)
    ben.befriend(ana)
    caro.befriend(ben)
    fill(caro, ben, 71)
    # Nothing of hers is in the way of others; what she may not write any more waits, with its reason.
    for _ in range(5):
        last = caro.send(ben, LONG)
    assert "full" in caro.state(last)["reason"], caro.state(last)

    message = ana.send(ben, TEXT)
    ana.stop()
    ana.start("--peer", f"127.0.0.1:{caro.port}")
    wait_for(lambda: ana.state(message)["state"] == "carried", "Ana's daemon to work for the stamp and Caro to take it")
    state = ana.state(message)
    assert state["reason"] == "" and state["copies"] == 1, state
    assert ana.ask("status")[0]["counters"]["stamps_made"] >= 1
    ana.stop()

    caro.stop()
    caro.start("--capacity", "1M", "--peer", f"127.0.0.1:{ben.port}")
    wait_for(lambda: TEXT in ben.texts_from(ana), "Ben to get it from Caro")
    ben.stop()
    caro.stop()
    print("stamps: passed")


if __name__ == "__main__":
    main()
