#!/usr/bin/env python3
"""tests/e2e/test_kill.py - kill -9 of each of three daemons in the middle of a transfer, many times.

Ana sends many messages to Ben through Caro while a random one of the three daemons is killed and started again. Whatever
`staffetta send` had accepted arrives, once, and Ana learns of it.
"""
import argparse
import collections
import random
import threading
import time

from world import Failed, World, wait_for


def send_all(ana, ben, count, accepted):
    """Sends through all kills: a refusal to answer (status 3: no daemon) is tried again; what may or may not have been
    accepted when the daemon died is sent again under another text."""
    n = 0
    while len(accepted) < count:
        n += 1
        text = f"message {n}"
        try:
            accepted[ana.send(ben, text)] = text
        except Failed as e:
            assert e.status in (1, 3), str(e)
            time.sleep(0.05)
        except (OSError, IndexError, ValueError):
            time.sleep(0.05)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", required=True)
    parser.add_argument("--messages", type=int, default=1000)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    dice = random.Random(options.seed)

    world = World(options.bin, namespaces=False, keep=options.keep)
    ana, ben, caro = (world.person(n) for n in ("ana", "ben", "caro"))
    for person in (ana, ben, caro):
        person.run("init", "--name", person.name)
    ana.start()
    ben.start()
    ana.befriend(ben)
    ben.befriend(ana)
    caro.start("--peer", f"127.0.0.1:{ana.port}", "--peer", f"127.0.0.1:{ben.port}")

    accepted = {}
    trouble = []

    def sender():
        try:
            send_all(ana, ben, options.messages, accepted)
        except BaseException as e:      # told by the main thread
            trouble.append(e)

    sending = threading.Thread(target=sender, daemon=True)
    sending.start()
    for i in range(options.kills):
        # At a random moment of the transfer, as far as bundles have got somewhere new.
        before = len(accepted)
        wait_for(lambda: trouble or not sending.is_alive() or len(accepted) >= before + dice.randint(1, 20),
                 "the transfer to go on", 60)
        if trouble:
            raise trouble[0]
        victim = dice.choice((ana, ben, caro))
        victim.kill()
        victim.start()
    sending.join(timeout=300)
    assert not sending.is_alive(), "the sender hangs"
    if trouble:
        raise trouble[0]
    print(f"{len(accepted)} accepted, {options.kills} kills", flush=True)

    def all_arrived():
        return set(accepted.values()) <= set(ben.texts_from(ana))
    wait_for(all_arrived, "everything that was accepted to arrive", 180, 0.5)
    twice = [t for t, n in collections.Counter(ben.texts_from(ana)).items() if n > 1]
    assert not twice, f"shown twice: {twice[:5]}"

    def all_known():
        states = {m["id"]: m["state"] for m in ana.ask("messages", "ben") if m["direction"] == "out"}
        missing = [i for i in accepted if i not in states]
        assert not missing, f"accepted and lost at Ana's: {missing[:5]}"
        return all(states[i] in ("delivered", "read") for i in accepted)
    wait_for(all_known, "Ana to learn that all was delivered", 180, 0.5)
    for person in (ana, ben, caro):
        person.stop()
    print("kill: passed")


if __name__ == "__main__":
    main()
