#!/usr/bin/env python3
"""tests/gateway/test_redirect.py - port 80: browsers go to https, challenges are answered, and nothing else is."""
import os
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from gateway import Gateway  # noqa: E402
from world import World  # noqa: E402


def ask(port, request, hang_up=False):
    """All that comes back until the gateway hangs up."""
    with socket.create_connection(("127.0.0.1", port), 20) as s:
        s.sendall(request)
        if hang_up:
            s.shutdown(socket.SHUT_WR)
        out = b""
        while got := s.recv(65536):
            out += got
    return out


def main():
    world = World(sys.argv[1], namespaces=False)
    site = os.path.join(world.folder, "site")
    folder = os.path.join(site, ".well-known", "acme-challenge")
    os.makedirs(os.path.join(folder, "dir"))
    for path, text in ((os.path.join(folder, "tok-EN_1"), "tok-EN_1.print"), (os.path.join(folder, "big"), "x" * 5000),
                       (os.path.join(site, "secret"), "secret")):
        with open(path, "w") as f:
            f.write(text)
    gateway = Gateway(world)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["--site", site, "--redirect", f"127.0.0.1:{port}"]
    done = subprocess.run([world.program("staffetta-gateway"), "--data", gateway.data, "--listen", gateway.listen, *words],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "address" in done.stdout + done.stderr, done

    gateway.start(*words, "--address", "gw.example.org:443", "--address", "127.0.0.1:5222")
    for hang_up in (False, True):
        out = ask(port, b"GET /a?b=c HTTP/1.1\r\nHost: elsewhere.example\r\n\r\n", hang_up)
        assert out.startswith(b"HTTP/1.1 301 ") and b"\r\nLocation: https://gw.example.org/a?b=c\r\n" in out, out
    challenge = b" /.well-known/acme-challenge/"
    out = ask(port, b"GET" + challenge + b"tok-EN_1 HTTP/1.1\r\nHost: x\r\n\r\n")
    assert out.startswith(b"HTTP/1.1 200 ") and out.endswith(b"\r\n\r\ntok-EN_1.print"), out
    out = ask(port, b"HEAD" + challenge + b"tok-EN_1 HTTP/1.1\r\nHost: x\r\n\r\n")
    assert out.startswith(b"HTTP/1.1 200 ") and b"Content-Length: 14\r\n" in out and out.endswith(b"\r\n\r\n"), out
    for token in (b"missing", b"dir", b"big"):
        assert ask(port, b"GET" + challenge + token + b" HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 404 "), token
    for request, status in ((b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", b"405"), (b"CONNECT x:443 HTTP/1.1\r\n\r\n", b"405"),
                            (b"GET http://x/ HTTP/1.1\r\n\r\n", b"400"), (b"\x16\x03\x01\r\n\r\n", b"405"),
                            (b"GET /secret HTTP/1.1\r\n\r\n", b"301"), (b"GET" + challenge + b"../../secret HTTP/1.1\r\n\r\n", b"301"),
                            (b"GET / HTTP/1.1\r\nX: " + b"y" * 8173, b"400")):
        out = ask(port, request)
        assert out.startswith(b"HTTP/1.1 " + status) and b"\r\n\r\n" in out and b"secret\r\n\r\nsecret" not in out, (request[:60], out)

    # Who says nothing is let go, and more than may come at a time are not let in.
    silent = [socket.create_connection(("127.0.0.1", port), 20) for _ in range(257)]
    silent[-1].settimeout(20)
    try:
        assert silent[-1].recv(1) == b""
    except ConnectionResetError:
        pass
    silent[0].settimeout(30)
    assert silent[0].recv(1) == b""
    for s in silent:
        s.close()
    assert ask(port, b"GET / HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 301 ")
    gateway.stop()
    print("redirect: passed")


if __name__ == "__main__":
    main()
