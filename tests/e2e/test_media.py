#!/usr/bin/env python3
"""tests/e2e/test_media.py - a file goes by a courier who knows nothing, in pieces, and a cut costs nothing.

Ana gives Caro a photo for Ben and goes; Caro meets Ben, is killed on the way, and Ben too, at random moments; what he saves in the end
is what Ana sent, octet for octet. Nothing of it can be read where it was carried, and a text overtakes it.
"""
import os
import random

from world import World, arguments, assert_absent, wait_for

SIZE = 3_000_000
TEXT = "The bridge is closed, take the mill road."


def main():
    parser = arguments(__doc__)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 30))
    options = parser.parse_args()
    print(f"media: --seed {options.seed}")
    draw = random.Random(options.seed)
    world = World(options.bin, namespaces=False, keep=options.keep)
    ana, caro, ben = world.person("ana"), world.person("caro"), world.person("ben")
    ana.run("init", "--name", "Ana Adler")
    ben.run("init", "--name", "Ben Bruni")
    # No run of zeros, so that a piece of it would be found.
    content = draw.randbytes(SIZE)
    original, saved = os.path.join(world.folder, "photo.jpg"), os.path.join(world.folder, "saved.jpg")
    with open(original, "wb") as f:
        f.write(content)
    caro.start("--relay")
    ana.start("--peer", f"127.0.0.1:{caro.port}")
    ben.start()
    ana.befriend(ben)
    ben.befriend(ana)

    photo = ana.ask("send-file", "ben", original, "--caption", "the mill", "--now")[0]["id"]
    text = ana.send(ben, TEXT)
    of = lambda person: [m for m in person.ask("media") if m["id"] == photo]
    wait_for(lambda: of(ana)[0]["carried"] == of(ana)[0]["chunks"], "Caro to carry all of it", 120)
    assert of(ana)[0]["state"] != "complete" and ana.state(text)["state"] == "carried"
    ana.stop()
    assert_absent({"a piece of it": content[1000:1032], "the end": content[-32:], "its name": b"photo.jpg", "the caption": b"the mill"},
                  caro.data, "Caro's disk")

    # Caro and Ben meet, and are cut at random.
    caro.stop()
    caro.start("--relay", "--peer", f"127.0.0.1:{ben.port}")
    cuts, had = 0, 0
    while cuts < 6:
        least = had + draw.randrange(1, 16)
        wait_for(lambda: of(ben) and (of(ben)[0]["have"] >= least or of(ben)[0]["state"] == "complete"), f"{least} pieces at Ben's", 120)
        if of(ben)[0]["state"] == "complete":
            break
        before = of(ben)[0]["have"]
        who = draw.choice((caro, ben))
        who.kill()
        who.start()
        # What was not committed when Ben was killed comes again; of a whole one only so many pieces count as were needed.
        after = of(ben)[0]
        had = after["have"]
        assert after["state"] == "complete" or had >= before - (16 if who is ben else 0), f"{before} pieces were there, and {had} after the cut"
        cuts += 1
    wait_for(lambda: of(ben)[0]["state"] == "complete", "all of it at Ben's", 120)
    assert TEXT in ben.texts_from(ana), ben.texts_from(ana)
    ben.run("save", photo[:8], saved)
    with open(saved, "rb") as f:
        assert f.read() == content, "what came is not what was sent"

    # Ana learns of it by way of Caro.
    ana.start("--peer", f"127.0.0.1:{caro.port}")
    wait_for(lambda: of(ana)[0]["state"] == "complete", "Ana to know that it is there", 120)
    assert ana.state(photo)["state"] in ("delivered", "read")
    for person in (ana, caro, ben):
        person.stop()
    print(f"media: passed ({cuts} cuts)")


if __name__ == "__main__":
    main()
