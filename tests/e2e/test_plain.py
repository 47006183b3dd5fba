#!/usr/bin/env python3
"""tests/e2e/test_plain.py - a network that lets no TLS through: the gateway is reached on its port in clear.

A censor stands between Ana and the gateway. What begins like TLS he swallows; the rest he passes on, reads, and later says again, to
see what the gateway answers.
"""
import base64
import http.client
import os
import re
import socket
import threading

from gateway import Gateway
from world import World, arguments, free_port, wait_for

TEXT = "the bridge is closed, come by the old road"


class Censor:
    """A port that leads to `to`."""

    def __init__(self, to):
        self.to, self.swallowed, self.said, self.answered = to, 0, [], []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        while True:
            try:
                user, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(user,), daemon=True).start()

    def serve(self, user):
        first = user.recv(65536)
        if first[:1] == b"\x16":
            self.swallowed += 1
            while user.recv(65536):     # no answer, no end
                pass
            return
        there = socket.create_connection(("127.0.0.1", self.to))
        said, answered = bytearray(first), bytearray()
        self.said.append(said)
        self.answered.append(answered)
        there.sendall(first)
        back = threading.Thread(target=self.pump, args=(there, user, answered), daemon=True)
        back.start()
        self.pump(user, there, said)
        back.join()

    @staticmethod
    def pump(source, to, copy):
        try:
            while True:
                data = source.recv(65536)
                if not data:
                    break
                copy += data
                to.sendall(data)
        except OSError:
            pass
        for end in (source, to):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def say(port, words):
    """All that comes back until the gateway hangs up."""
    heard = bytearray()
    with socket.create_connection(("127.0.0.1", port), 30) as s:
        s.settimeout(60)
        s.sendall(words)
        while True:
            data = s.recv(65536)
            if not data:
                return bytes(heard)
            heard += data


def main():
    options = arguments(__doc__).parse_args()
    world = World(options.bin, namespaces=False, keep=options.keep)
    ana, ben, gateway = world.person("ana"), world.person("ben"), Gateway(world)
    plain = free_port()
    tls, clear = Censor(gateway.PORT), Censor(plain)

    bens_link = gateway.invite("school", "--plain-address", f"127.0.0.1:{plain}")
    open_port, gateway.PORT = gateway.PORT, tls.port
    anas_link = gateway.invite("school", "--plain-address", f"127.0.0.1:{clear.port}")
    gateway.PORT = open_port
    gateway.start("--address", f"127.0.0.1:{open_port}", "--redirect", f"127.0.0.1:{plain}", "--plain-address", f"127.0.0.1:{plain}")
    ana.run("init", "--name", "Ana Adler")
    ben.run("init", "--name", "Ben Bruni")
    for person, link in ((ana, anas_link), (ben, bens_link)):
        person.start("--no-discovery")
        person.run("gateway", "add", link)
    wait_for(ana.has_uplink, "Ana's link without TLS", 60)
    wait_for(ben.has_uplink, "Ben's link", 60)
    assert tls.swallowed > 0, "TLS was not tried first"
    assert clear.said and b"Upgrade: websocket" in clear.said[0]
    ana.befriend(ben)
    ben.befriend(ana)
    ana.send(ben, TEXT)
    wait_for(lambda: TEXT in ben.texts_from(ana), "Ben to read it", 60)
    ben.send(ana, TEXT + " too")
    wait_for(lambda: TEXT + " too" in ana.texts_from(ben), "Ana to read it", 60)
    for seen in clear.said + clear.answered:
        for secret in (TEXT, "Ana Adler", "Ben Bruni", "old road"):
            assert secret.encode() not in seen, f"{secret!r} was on the wire"

    # The very same words again open what they opened before, and lead nowhere.
    ana.stop()
    wait_for(lambda: all(a for a in clear.answered), "answers")
    said = bytes(clear.said[0])
    head = said[:said.index(b"\r\n\r\n") + 4]
    for again in (said, head + os.urandom(72) * 3, head + said[len(head):len(head) + 72] + os.urandom(300)):
        heard = say(plain, again)
        assert heard.startswith(b"HTTP/1.1 101 "), heard[:100]
        rest = heard[heard.index(b"\r\n\r\n") + 4:]
        assert len(rest) <= 72, f"{len(rest)} octets to somebody who knows no secret"

    # A token of nobody's invite, or with one bit wrong, is a browser's cookie.
    token = re.search(rb"sid=([A-Za-z0-9_-]+)", head).group(1)
    raw = bytearray(base64.urlsafe_b64decode(token + b"=" * (-len(token) % 4)))
    for bit in (0, 8 * 20, 8 * 39):
        wrong = bytearray(raw)
        wrong[bit // 8] ^= 1
        heard = say(plain, head.replace(token, base64.urlsafe_b64encode(bytes(wrong)).rstrip(b"=")))
        assert heard.startswith(b"HTTP/1.1 301 "), heard[:100]
    browser = http.client.HTTPConnection("127.0.0.1", plain, timeout=30)
    browser.request("GET", "/")
    assert browser.getresponse().status == 301

    # Where the operator wants none, the same words get what everybody gets.
    gateway.stop()
    gateway.start("--address", f"127.0.0.1:{open_port}", "--redirect", f"127.0.0.1:{plain}")
    assert say(plain, said).startswith(b"HTTP/1.1 301 ")
    wait_for(ben.has_uplink, "Ben's link by TLS", 60)
    ben.stop()
    gateway.stop()
    world.close()
    print("plain: passed")


if __name__ == "__main__":
    main()
