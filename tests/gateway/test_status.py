#!/usr/bin/env python3
"""tests/gateway/test_status.py - /healthz and /metrics: on a Unix socket or loopback, true, and nowhere else."""
import http.client
import os
import re
import socket
import stat
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from gateway import Gateway, tls  # noqa: E402
from world import LocalApi, World, wait_for  # noqa: E402

LINE = re.compile(r'staffetta_gateway_([a-z_]+)(?:\{version="[^"\\\n]*"\})? (\d+)')


def get(where, path, method="GET"):
    connection = LocalApi(where) if isinstance(where, str) else http.client.HTTPConnection(*where, timeout=20)
    connection.request(method, path)
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer, body


def metrics(where):
    """The values by name; each family is described before its sample, and the text ends as OpenMetrics wants."""
    answer, body = get(where, "/metrics")
    assert answer.status == 200, answer.status
    assert answer.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0"), answer.headers["Content-Type"]
    lines = body.split("\n")
    assert lines[-2:] == ["# EOF", ""], lines[-3:]
    assert (len(lines) - 2) % 3 == 0, body
    values = {}
    for help_line, type_line, sample in zip(*[iter(lines[:-2])] * 3):
        _, word, family, _ = help_line.split(" ", 3)
        assert word == "HELP", help_line
        assert type_line.startswith(f"# TYPE {family} "), type_line
        kind = type_line.split(" ")[3]
        name, value = LINE.fullmatch(sample).groups()
        ending = {"counter": "_total", "gauge": "", "info": "_info"}[kind]
        assert "staffetta_gateway_" + name == family + ending, sample
        values[name] = int(value)
    return values


def refused(gateway, at):
    command = [gateway.world.program("staffetta-gateway"), "--data", gateway.data, "--listen", gateway.listen, "--status", at]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "status = " in done.stdout + done.stderr, (at, done)


def main():
    world = World(sys.argv[1], namespaces=False)
    gateway = Gateway(world)
    path = os.path.join(gateway.data, "status.sock")
    gateway.invite("a school")
    for at in ("0.0.0.0:0", "[::]:1", "192.0.2.1:9100", "localhost", "example.org:1", "/" + "x" * 200, gateway.listen):
        refused(gateway, at)
    precious = os.path.join(world.folder, "precious")
    with open(precious, "w") as f:
        f.write("not a socket\n")
    refused(gateway, precious)
    assert os.path.getsize(precious) == 13

    gateway.start("--status", path)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    answer, body = get(path, "/healthz")
    assert (answer.status, body) == (200, "ok\n"), (answer.status, body)
    assert get(path, "/healthz", "HEAD")[0].status == 200
    assert get(path, "/")[0].status == 404
    assert get(path, "/metrics", "DELETE")[0].status >= 400
    before = metrics(path)
    assert before["invites"] == 1 and before["links"] == 0 and before["capacity_bytes"] == 4 << 30, before
    visitor = tls("127.0.0.1", gateway.PORT)
    wait_for(lambda: metrics(path)["visitors"] == before["visitors"] + 1, "the visitor to be counted")
    assert metrics(path)["connections_total"] > before["connections_total"]
    for page in ("/healthz", "/metrics"):        # the web site has no such pages
        outside = tls("127.0.0.1", gateway.PORT)
        outside.sendall(f"GET {page} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        assert b" 404 " in outside.recv(1000), page
        outside.close()
    visitor.close()
    text = get(path, "/metrics")[1]
    assert "school" not in text and "127.0.0.1" not in text, text

    gateway.kill()                               # the socket stays behind, and is no hindrance
    assert os.path.exists(path)
    gateway.start("--status", path)
    assert get(path, "/healthz")[0].status == 200
    gateway.stop()
    assert not os.path.exists(path)

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    gateway.start("--status", f"127.0.0.1:{port}")
    assert get(("127.0.0.1", port), "/healthz")[0].status == 200
    assert metrics(("127.0.0.1", port))["invites"] == 1
    gateway.stop()
    print("status: passed")


if __name__ == "__main__":
    main()
