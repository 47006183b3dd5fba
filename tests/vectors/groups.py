"""tests/vectors/groups.py - known answers for operations on groups (docs/protocol.md section 5.1), by Python's own BLAKE2b and the
Ed25519 of python3-cryptography.

Prints tests/vectors/group_ops.inc: kind, the operation, its hash, the group.
"""
import hashlib
import struct

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


def derive(n, key, label, data):
    label = b"mesh1." + label
    return hashlib.blake2b(bytes([len(label)]) + label + data, digest_size=n, key=key).digest()


def public(seed):
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def sign(seed, label, data):
    return Ed25519PrivateKey.from_private_bytes(seed).sign(b"mesh1." + label + data)


def card(seed, name):
    body = bytes([0x11, 0]) + public(seed) + bytes(range(32)) + bytes(range(32, 64)) + struct.pack("<HH", 1, 800) + bytes(32) + bytes([8, len(name)]) + name
    return body + sign(seed, b"card", body)


def operation(kind, group, seed, sequence, parents, body):
    text = bytes([1, kind]) + group + public(seed) + struct.pack("<IB", sequence, len(parents)) + b"".join(sorted(parents)) + body
    return text + sign(seed, b"group op", text), derive(32, b"", b"group op", text)


def named(b):
    return bytes([len(b)]) + b


ANA, BEN = bytes([1]) * 32, bytes([2]) * 32
ops = []
create, h0 = operation(0, bytes(16), ANA, 0, [], bytes(range(16)) + named("Brücke".encode()) + named(card(bytes([9]) * 32, b"Ana")))
group = h0[:16]
ops.append((0, create, h0))
for kind, seed, sequence, parents, body in (
    (1, ANA, 1, [0], public(BEN) + named(card(bytes([8]) * 32, b"Ben"))),
    (5, ANA, 2, [1], public(BEN) + b"\x01"),
    (4, BEN, 0, [2], named(b"Dam")),
    (4, ANA, 3, [2], named(b"Mill")),
    (2, ANA, 4, [3, 4], public(BEN)),
    (3, ANA, 5, [5], b""),
):
    text, h = operation(kind, group, seed, sequence, [ops[p][2] for p in parents], body)
    ops.append((kind, text, h))

print("/* Made by tests/vectors/groups.py: kind; operation; its hash. The group is the beginning of the first hash. */")
for kind, text, h in ops:
    print(f'{{ {kind}, "{text.hex()}", "{h.hex()}" }},')
print("/* The digest after the first five, whose last two were made beside each other. */")
print(f'{{ -1, "", "{derive(16, b"", b"group heads", b"".join(sorted([ops[3][2], ops[4][2]]))).hex()}" }},')
