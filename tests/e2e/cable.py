#!/usr/bin/env python3
"""tests/e2e/cable.py - a network cable with faults: passes Ethernet frames between two interfaces.

Drops a share of the frames, delays the rest, and can record all that passes, so that TCP above it meets
real loss and real round trips (the kernel's own emulator is not everywhere). Runs until it is killed.
"""
import argparse
import fcntl
import heapq
import os
import random
import select
import socket
import struct
import sys
import time

ETH_P_ALL = 3
SIOCETHTOOL = 0x8946
# ETHTOOL_STXCSUM, _STSO, _SGSO, _SGRO, _SRXCSUM: a frame handed on must be complete and no larger than the MTU.
OFFLOADS = (0x17, 0x1f, 0x24, 0x2c, 0x15)
PACKET_OUTGOING = 4


def switch_offloads_off(interface):
    import array
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        for command in OFFLOADS:
            value = array.array("B", struct.pack("II", command, 0))
            request = struct.pack("16sP", interface.encode(), value.buffer_info()[0])
            try:
                fcntl.ioctl(s, SIOCETHTOOL, request)
            except OSError:
                pass        # an interface without this offload has nothing to switch off


def opened(interface):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    s.bind((interface, 0))
    s.setblocking(False)
    return s


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--loss", type=float, default=0.0, help="share of frames lost, 0 to 1")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds one way")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--record", help="append every frame that came in to this file")
    parser.add_argument("--ready", type=int, help="write one byte to this descriptor when frames pass")
    parser.add_argument("--only-switch-offloads-off", action="store_true", help="for the interfaces named, then end")
    parser.add_argument("interfaces", nargs="+")
    options = parser.parse_args()

    dice = random.Random(options.seed)
    for interface in options.interfaces:
        switch_offloads_off(interface)
    if options.only_switch_offloads_off:
        return
    ends = [opened(i) for i in options.interfaces]
    record = open(options.record, "ab", buffering=0) if options.record else None
    waiting, number = [], 0
    if options.ready is not None:
        os.write(options.ready, b"!")
        os.close(options.ready)
    while True:
        timeout = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
        readable, _, _ = select.select(ends, [], [], timeout)
        for end in readable:
            for _ in range(256):
                try:
                    frame, address = end.recvfrom(65535)
                except (BlockingIOError, OSError):
                    break
                if address[2] == PACKET_OUTGOING:
                    continue
                if record:
                    record.write(frame)
                if dice.random() >= options.loss:
                    number += 1
                    heapq.heappush(waiting, (time.monotonic() + options.delay, number, frame, ends[1 - ends.index(end)]))
        while waiting and waiting[0][0] <= time.monotonic():
            _, _, frame, to = heapq.heappop(waiting)
            try:
                to.send(frame)
            except OSError:
                pass        # unplugged, or its queue is full: that is loss, too


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(0)
