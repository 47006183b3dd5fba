#!/usr/bin/env python3
"""tests/gateway/test_probes.py - whoever has no invite sees a web site, and nothing but.

Each probe is sent twice: through the gateway's TLS, and straight to the web server behind it. What comes back is compared byte for
byte (but for the time of day), with the built-in site and with a server of another make behind it.
"""
import base64
import concurrent.futures
import http.server
import os
import re
import socket
import ssl
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from gateway import Gateway, tls  # noqa: E402
from world import World  # noqa: E402

TOKEN = base64.urlsafe_b64encode(bytes(range(40))).rstrip(b"=")
UPGRADE = (b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
           b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nCookie: sid=%s\r\n\r\n")
PROBES = {
    "a browser": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "a page that is not there": b"GET /secret HTTP/1.1\r\nHost: x\r\n\r\n",
    "a file": b"GET /a.txt HTTP/1.1\r\nHost: x\r\n\r\n",
    "head": b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n",
    "post": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
    "another method": b"PROPFIND / HTTP/1.1\r\nHost: x\r\n\r\n",
    "up and out": b"GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
    "HTTP/1.0": b"GET / HTTP/1.0\r\n\r\n",
    "two requests": b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n",
    "upgrade without a token": b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                               b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    "upgrade with a made-up token": UPGRADE % TOKEN,
    "half a token": UPGRADE % TOKEN[:20],
    "a made-up token, and more": UPGRADE % TOKEN + b"\0\x48" + bytes(72),
    "no HTTP": b"\0\1\2\3\xff\xfe" * 20 + b"\r\n\r\n",
    "TLS inside TLS": b"\x16\x03\x01\x00\x05hello\r\n\r\n",
    "a proxy request": b"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org\r\n\r\n",
    "an absolute target": b"GET http://example.org/ HTTP/1.1\r\nHost: example.org\r\n\r\n",
    "a long header": b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 7000 + b"\r\n\r\n",
    "a longer header": b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 30000 + b"\r\n\r\n",
    "bare line ends": b"GET / HTTP/1.1\nHost: x\n\n",
    "half a request": b"GET / HTT",
    "a request without its end": b"GET / HTTP/1.1\r\nHost: x\r\n",
    "nothing": b"",
}


def answer(connection, probe, pieces):
    """All that comes back until a pause; whether the other side hung up."""
    out, over = b"", False
    step = max(1, len(probe) // pieces)
    try:
        for i in range(0, len(probe), step):
            connection.sendall(probe[i:i + step])
            if pieces > 1:
                time.sleep(0.01)
    except (ConnectionResetError, BrokenPipeError, ssl.SSLError):
        pass            # it has heard enough; what it said is still to be read
    try:
        connection.settimeout(1.5)
        while True:
            got = connection.recv(65536)
            if not got:
                over = True
                break
            out += got
    except (TimeoutError, ssl.SSLWantReadError):
        pass
    except (ConnectionResetError, BrokenPipeError, ssl.SSLError, ssl.SSLEOFError):
        over = True
    finally:
        connection.close()
    return re.sub(rb"Date: [^\r\n]*", b"Date: -", out), over


def plain(where):
    if isinstance(where, str):
        s = socket.socket(socket.AF_UNIX)
        s.connect(where)
        return s
    return socket.create_connection(where, 10)


def compare(gateway, where, kind):
    def one(case):
        name, probe, pieces = case
        through = answer(tls("127.0.0.1", gateway.PORT), probe, pieces)
        straight = answer(plain(where), probe, pieces)
        assert through == straight, f"{kind}: {name} in {pieces} piece(s):\n{through}\n{straight}"
        assert b"101" not in through[0][:20]

    cases = [(name, probe, pieces) for name, probe in PROBES.items() for pieces in (1, 5)]
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        list(pool.map(one, cases))
    print(f"{kind}: {len(cases)} answers are the same")


def no_token_of_ours(gateway, link):
    """Octets of a real invite, but not proven for this connection (what test_invites shows of a replay)."""
    raw = base64.urlsafe_b64decode(link.split("#")[1] + "==")
    assert raw[:2] == b"\1\1"
    connection = tls("127.0.0.1", gateway.PORT)
    out, _ = answer(connection, UPGRADE % base64.urlsafe_b64encode(raw[35:75]).rstrip(b"="), 1)
    assert out.startswith(b"HTTP/1.1 200"), out[:100]
    assert struct.pack("<H", gateway.PORT) == raw[-2:]


def slow(gateway):
    """Who says nothing, in TLS or before it, holds no place for ever and keeps nobody out."""
    silent = [socket.create_connection(("127.0.0.1", gateway.PORT), 5) for _ in range(20)]
    out, _ = answer(tls("127.0.0.1", gateway.PORT), PROBES["a browser"], 1)
    assert out.startswith(b"HTTP/1.1 200"), out[:100]
    garbage = socket.create_connection(("127.0.0.1", gateway.PORT), 5)
    garbage.sendall(b"GET / HTTP/1.1\r\n\r\n")
    garbage.settimeout(5)
    try:
        assert len(garbage.recv(100)) < 20     # an alert, or nothing
    except ConnectionResetError:
        pass
    for s in silent + [garbage]:
        s.close()


class Quiet(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass


def main():
    world = World(sys.argv[1], namespaces=False)
    site = os.path.join(world.folder, "site")
    os.mkdir(site)
    for name, text in (("index.html", "<p>A bakery.</p>\n"), ("a.txt", "rye\n"), ("b", "x" * 300000)):
        with open(os.path.join(site, name), "w") as f:
            f.write(text)
    gateway = Gateway(world)
    link = gateway.invite("probe")
    gateway.start("--site", site)
    compare(gateway, os.path.join(gateway.data, "web.sock"), "the built-in site")
    no_token_of_ours(gateway, link)
    slow(gateway)
    gateway.stop()

    os.chdir(site)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    gateway.start("--site", site, "--proxy-protocol", "yes")
    for header in (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 443\r\n", bytes.fromhex("0d0a0d0a000d0a515549540a2111000cc0000201c0000202000101bb")):
        for pieces in (1, 3):
            out, _ = answer(tls("127.0.0.1", gateway.PORT, header, pieces), PROBES["a browser"], 1)
            assert out.startswith(b"HTTP/1.1 200"), out[:100]
    try:
        tls("127.0.0.1", gateway.PORT)
        raise AssertionError("a connection without a PROXY header was taken")
    except OSError:
        pass
    gateway.stop()
    gateway.start("--site", f"127.0.0.1:{server.server_port}")
    compare(gateway, ("127.0.0.1", server.server_port), "a server behind")
    gateway.stop()
    print("probes: passed")


if __name__ == "__main__":
    main()
