"""tests/vectors/media.py - known answers for tags of chunks (docs/protocol.md section 3.1), by Python's own BLAKE2b.

Prints tests/vectors/chunk_tags.inc.
"""
import hashlib
import struct


def derive(n, key, label, data):
    label = b"mesh1." + label
    return hashlib.blake2b(bytes([len(label)]) + label + data, digest_size=n, key=key).digest()


print("/* Made by tests/vectors/media.py: part, round, index; r; tag. */")
for part, round_, index in ((0, 0, 0), (0, 0, 1), (1, 0, 0), (0, 3, 4199), (0, 255, 0xFFFFFFFF)):
    reveal = derive(16, bytes(range(32)), b"chunk r", struct.pack("<BBI", part, round_, index))
    tag = derive(16, b"", b"tag", reveal)
    print(f'{{ {{ {part}, {round_}, {index}u }}, "{reveal.hex()}", "{tag.hex()}" }},')
