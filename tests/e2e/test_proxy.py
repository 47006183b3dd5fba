#!/usr/bin/env python3
"""tests/e2e/test_proxy.py - a node that reaches its gateway through a proxy, and by no other way.

Ana's machine sees only the proxy's. The gateway goes by a name that nobody but the proxy's machine knows: were it looked up at Ana's,
it would not be found, and the question would be seen. The proxies are microsocks and tinyproxy.
"""
import os
import shutil
import subprocess
import sys

from gateway import Gateway
from world import SKIPPED, World, arguments, wait_for

NAME = "gw.staffetta.test"
COUNTER = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("0.0.0.0", 53))
print("ready", flush=True)
while True:
    print("asked", s.recvfrom(512)[0].hex(), flush=True)
"""


class Inside:
    """Programs in one namespace, that end with the test."""

    def __init__(self, world, namespace):
        self.world, self.namespace = world, namespace

    def start(self, *command, out=subprocess.DEVNULL):
        process = subprocess.Popen(["ip", "netns", "exec", self.namespace, *command], stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        self.world.others.append(process)
        return process

    def listens(self, address, port):
        code = f"import socket; socket.create_connection(('{address}', {port}), 2)"
        return subprocess.run(["ip", "netns", "exec", self.namespace, "python3", "-c", code], capture_output=True).returncode == 0


def etc(world, namespace, name, text):
    """What /etc/NAME holds for programs inside (`ip netns exec` puts it there)."""
    folder = "/etc/netns/" + namespace
    os.makedirs(folder, exist_ok=True)
    world.folders.append(folder)
    with open(os.path.join(folder, name), "w") as f:
        f.write(text)


def main():
    options = arguments(__doc__).parse_args()
    for program in ("microsocks", "tinyproxy"):
        if shutil.which(program) is None:
            print(f"skipped: no {program} here")
            sys.exit(SKIPPED)
    world = World(options.bin, keep=options.keep)
    if not world.namespaces:
        print("skipped: no root, or no network namespaces here")
        sys.exit(SKIPPED)

    ana, ben, between = world.person("ana"), world.person("ben"), world.person("between")
    gateway = Gateway(world)
    near, far, bens = world.cable(ana, between), world.cable(between, gateway), world.cable(ben, gateway)
    for cable in (near, far, bens):
        cable.plug()
    proxy, gateways, here = near.address[between], far.address[gateway], Inside(world, between.namespace)
    etc(world, between.namespace, "hosts", f"127.0.0.1 localhost\n{gateways} {NAME}\n")
    # Whatever Ana's machine wants to know of a name, it asks the proxy's, where somebody counts.
    etc(world, ana.namespace, "resolv.conf", f"nameserver {proxy}\n")
    questions = os.path.join(world.folder, "questions")
    with open(questions, "w") as out:
        here.start("python3", "-c", COUNTER, out=out)
    wait_for(lambda: "ready" in open(questions).read(), "the counter of questions")
    here.start("microsocks", "-i", proxy, "-p", "1080")
    here.start("microsocks", "-i", proxy, "-p", "1081", "-u", "ana", "-P", "s@lt")
    settings = os.path.join(world.folder, "tinyproxy.conf")
    with open(settings, "w") as f:
        f.write(f"Port 8888\nListen {proxy}\nTimeout 600\nAllow 0.0.0.0/0\nConnectPort {gateway.PORT}\nLogLevel Critical\n")
    here.start("tinyproxy", "-d", "-c", settings)
    for port in (1080, 1081, 8888):
        wait_for(lambda: here.listens(proxy, port), f"the proxy on port {port}")

    gateway.addresses = [NAME]
    link = gateway.invite("school")
    gateway.addresses = [bens.address[gateway]]
    bens_link = gateway.invite("school")
    gateway.start()
    ana.run("init", "--name", "Ana Adler")
    ben.run("init", "--name", "Ben Bruni")
    ben.start("--no-discovery")
    ben.run("gateway", "add", bens_link)

    # Without a proxy there is no way, and it is the name that is not found.
    ana.start("--no-discovery")
    ana.run("gateway", "add", link)
    wait_for(lambda: "not found" in ana.run("gateways"), "Ana to be told that the name is not found", 60)
    wait_for(lambda: "asked" in open(questions).read(), "the question to be seen")
    ana.befriend(ben)
    ben.befriend(ana)
    ana.stop()
    asked = open(questions).read()

    for number, (url, what) in enumerate((
            (f"socks5://{proxy}:1080", "SOCKS5"), (f"socks5://ana:s%40lt@{proxy}:1081", "SOCKS5 with a log-in"),
            (f"tor://{proxy}:1081", None), (f"http://{proxy}:8888", "HTTP"))):
        ana.start("--no-discovery", "--proxy", url)
        if what is None:
            # Not Tor, but somebody who does not take what Tor takes.
            wait_for(lambda: "does not take this user" in ana.run("gateways"), "a refusal in words", 60)
        else:
            wait_for(ana.has_uplink, f"a link through {what}", 60)
            text = f"through {what}"
            ana.send(ben, text)
            wait_for(lambda: text in ben.texts_from(ana), f"Ben to read what came through {what}", 90)
        ana.stop()
    assert open(questions).read() == asked, "a name was looked up beside the proxy"

    # A proxy that is away is no reason to go beside it.
    ana.start("--no-discovery", "--proxy", f"socks5://{proxy}:1099")
    wait_for(lambda: "the proxy" in ana.run("gateways"), "Ana to be told that the proxy is away", 60)
    assert not ana.has_uplink()
    for person in (ana, ben):
        person.stop()
    gateway.stop()
    assert open(questions).read() == asked
    print("proxy: passed")


if __name__ == "__main__":
    main()
