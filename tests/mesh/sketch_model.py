#!/usr/bin/env python3
"""An independent model of docs/protocol.md section 7.3: whole numbers only, no cleverness.

    sketch_model.py write FILE    makes the known answers
    sketch_model.py check FILE    makes them again and compares
"""
import json
import random
import sys
from fractions import Fraction
from math import isqrt

MASK64 = 2**64 - 1
CELLS_MAX = 2**18


def mix(z):
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & MASK64
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB & MASK64
    return z ^ (z >> 31)


def seed_of(key, sid):
    k0, k1 = int.from_bytes(key[:8], "little"), int.from_bytes(key[8:], "little")
    return (mix(sid ^ k0) + k1) & MASK64


def check_of(seed):
    return mix(seed) >> 48


def walk(seed):
    """All cells of a member, in order."""
    state, at = seed, 0
    while at < CELLS_MAX:
        yield at
        state = (state * 6364136223846793005 + 1442695040888963407) & MASK64
        draw = (state >> 38) + 1
        reach = (at + 1) * (at + 2) * 2**26
        # The smallest j with (j+1)(j+2) draw > reach: (j+1)(j+2) > floor(reach / draw).
        bound = reach // draw
        j = max(isqrt(bound) - 2, 0)
        while (j + 1) * (j + 2) <= bound:
            j += 1
        assert j > at
        at = j


def cells_of(key, sids, count):
    sums, counts = [0] * count, [0] * count
    for sid in sids:
        seed = seed_of(key, sid)
        for at in walk(seed):
            if at >= count:
                break
            sums[at] ^= sid | check_of(seed) << 48
            counts[at] += 1
    return sums, counts


def varint(v):
    out = bytearray()
    while v >= 128:
        out.append(v & 127 | 128)
        v >>= 7
    out.append(v)
    return bytes(out)


def expected(members, cell):
    """members / (1 + cell/2), a half rounded up."""
    return (Fraction(2 * members, cell + 2) + Fraction(1, 2)).__floor__()


def stream(key, sids, count):
    out = b""
    for i, (total, members) in enumerate(zip(*cells_of(key, sids, count))):
        off = members - expected(len(sids), i)
        out += (total & (2**48 - 1)).to_bytes(6, "little") + (total >> 48).to_bytes(2, "little")
        out += varint(2 * off if off >= 0 else -2 * off - 1)
    return out


def known_answers():
    rnd = random.Random(7)
    sets = []
    for members, cells in ((0, 4), (1, 40), (3, 24), (40, 64), (300, 96)):
        key = rnd.randbytes(16)
        sids = [rnd.getrandbits(48) for _ in range(members)]
        if members == 3:
            sids[0], sids[1] = 0, 2**48 - 1
        sets.append({
            "key": key.hex(),
            "sids": ["%012x" % s for s in sids],
            "walks": [{
                "sid": "%012x" % s,
                "seed": "%016x" % seed_of(key, s),
                "check": "%04x" % check_of(seed_of(key, s)),
                "cells": list(walk(seed_of(key, s))),
            } for s in sids[:4]],
            "cells": cells,
            "stream": stream(key, sids, cells).hex(),
        })
    return {"note": "protocol section 7.3, made by tests/mesh/sketch_model.py; walks run to the last cell", "sets": sets}


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in ("write", "check"):
        sys.exit(__doc__)
    made = known_answers()
    if sys.argv[1] == "write":
        with open(sys.argv[2], "w") as f:
            json.dump(made, f, indent=1)
            f.write("\n")
    elif json.load(open(sys.argv[2])) != made:
        sys.exit("the file differs from what the model makes")


main()
