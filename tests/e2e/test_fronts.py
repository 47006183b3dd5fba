#!/usr/bin/env python3
"""tests/e2e/test_fronts.py - the gateway between servers that stand where servers stand: behind nginx and HAProxy, before a real web
site, looked at by curl, by a browser, and by an analyst of the wire.

Ana sends Ben a text through each front while the traffic is recorded. curl and Chromium see the web site, tshark sees TLS 1.3 and nothing
else, a renewed certificate closes no link, and a revoked invite leads to the site as well.
"""
import json
import os
import shutil
import signal
import socket
import subprocess
import sys

from gateway import Authority, Gateway, tls
from world import SKIPPED, World, arguments, free_port, wait_for

TOOLS = ("nginx", "haproxy", "curl", "chromium", "tshark")
STREAM = "/usr/lib/nginx/modules/ngx_stream_module.so"
PAGE = "<!DOCTYPE html><html><head><title>Bakery</title></head><body><p id=bread>Rye, spelt and <b>wheat</b>.</p></body></html>\n"
NAME = "bakery.staffetta.test"


def listens(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


class Fronts:
    def __init__(self, world):
        self.world = world
        self.site, self.nginx_port, self.haproxy_port = free_port(), free_port(), free_port()

    def write(self, name, text):
        path = os.path.join(self.world.folder, name)
        with open(path, "w") as f:
            f.write(text)
        return path

    def start(self, *command):
        with open(os.path.join(self.world.folder, "fronts.log"), "ab") as log:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.world.others.append(process)
        return process

    def nginx(self, gateway):
        """The web site in plain HTTP, and a front that passes TLS on with a PROXY header of version 1."""
        root = os.path.join(self.world.folder, "root")
        os.makedirs(root)
        os.chmod(self.world.folder, 0o755)
        with open(os.path.join(root, "index.html"), "w") as f:
            f.write(PAGE)
        conf = self.write("nginx.conf", f"""
daemon off; pid {self.world.folder}/nginx.pid; error_log stderr; worker_processes 1;
load_module {STREAM};
events {{ worker_connections 256; }}
http {{ access_log off; client_body_temp_path {self.world.folder}/body; proxy_temp_path {self.world.folder}/proxy;
  fastcgi_temp_path {self.world.folder}/fastcgi; uwsgi_temp_path {self.world.folder}/uwsgi; scgi_temp_path {self.world.folder}/scgi;
  server {{ listen 127.0.0.1:{self.site}; root {root}; server_name _; }} }}
stream {{ server {{ listen 127.0.0.1:{self.nginx_port}; proxy_pass 127.0.0.1:{gateway.PORT}; proxy_protocol on; }} }}
""")
        self.start("nginx", "-p", self.world.folder, "-c", conf)
        for port in (self.site, self.nginx_port):
            wait_for(lambda: listens(port), f"nginx to listen, see {self.world.folder}/fronts.log")

    def haproxy(self, gateway):
        conf = self.write("haproxy.cfg", f"""
global
    maxconn 256
defaults
    mode tcp
    timeout connect 5s
    timeout client 1h
    timeout server 1h
frontend tls
    bind 127.0.0.1:{self.haproxy_port}
    default_backend gw
backend gw
    server gw 127.0.0.1:{gateway.PORT} send-proxy-v2
""")
        self.start("haproxy", "-db", "-f", conf)
        wait_for(lambda: listens(self.haproxy_port), f"HAProxy to listen, see {self.world.folder}/fronts.log")


def looked_at(world, port):
    """What curl and a browser get from this port, and what curl gets from the site itself."""
    curl = subprocess.run(["curl", "--silent", "--show-error", "--cacert", os.environ["SSL_CERT_FILE"], "--http1.1", "--tlsv1.3",
                           "--max-time", "30", "--resolve", f"{NAME}:{port}:127.0.0.1", f"https://{NAME}:{port}/"], capture_output=True, text=True)
    assert curl.stdout == PAGE, (curl.stdout, curl.stderr)
    profile = os.path.join(world.folder, f"chromium-{port}")
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--ignore-certificate-errors", "--user-data-dir=" + profile,
               f"--host-resolver-rules=MAP {NAME} 127.0.0.1", "--virtual-time-budget=5000", "--dump-dom", f"https://{NAME}:{port}/"]
    browser = subprocess.run(command, capture_output=True, text=True, timeout=180, env={**os.environ, "HOME": profile})
    assert "Rye, spelt and <b>wheat</b>." in browser.stdout, (browser.stdout, browser.stderr[-2000:])


def shown(port):
    """The certificate that a newcomer is shown."""
    with tls("127.0.0.1", port) as connection:
        return connection.getpeercert(binary_form=True)


def renewed(authority, gateway, person, port):
    """A new certificate and a reload: newcomers are shown it, and the link is still the one of before."""
    age = lambda: [n["connected_s"] for n in person.neighbours() if n["kind"] == "uplink"]
    before = shown(port)
    wait_for(lambda: age() and age()[0] >= 2, "the link to have some age")
    authority.renew()
    gateway.process.send_signal(signal.SIGHUP)
    wait_for(lambda: shown(port) != before, "the new certificate to be shown", 30)
    assert age()[0] >= 2, "the reload closed a link"


class Wire:
    """What passes this port of loopback, recorded and told by Wireshark's own decoders."""

    def __init__(self, world, port):
        self.path, self.port = os.path.join(world.folder, f"wire-{port}.pcap"), port
        self.process = subprocess.Popen(["dumpcap", "-q", "-i", "lo", "-f", f"tcp port {port}", "-w", self.path, "-P"],
                                        stderr=subprocess.PIPE, text=True)
        world.others.append(self.process)
        for line in self.process.stderr:
            if line.startswith("File:"):
                break

    def stop(self):
        # What was captured is written a little later.
        wait_for(lambda: len(self.records()) > 10, "the recording to show something", 30)
        self.process.terminate()
        self.process.wait(timeout=30)

    def fields(self, of, *names):
        command = ["tshark", "-r", self.path, "-d", f"tcp.port=={self.port},tls", "-Y", of, "-T", "json"]
        for name in names:
            command += ["-e", name]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        return [packet["_source"]["layers"] for packet in json.loads(done.stdout or "[]")]

    def shows_only_tls(self, secrets):
        with open(self.path, "rb") as f:
            octets = f.read()
        for what, secret in secrets.items():
            assert secret not in octets, f"{what} is on the wire"
        hello = self.fields("tls.handshake.type == 1", "tls.handshake.extensions_alpn_str", "tls.handshake.extensions.supported_version")
        answers = self.fields("tls.handshake.type == 2", "tls.handshake.extensions.supported_version")
        assert hello and answers, "no handshake was recorded"
        assert all(h["tls.handshake.extensions_alpn_str"] == ["http/1.1"] for h in hello), hello
        assert all(a["tls.handshake.extensions.supported_version"] == ["0x0304"] for a in answers), answers
        # Every segment with a payload belongs to TLS; what stands around it (the PROXY header) is between servers.
        strange = self.fields("tcp.len > 0 && !tls && !tcp.segment", "frame.number", "tcp.payload", "tcp.srcport")
        assert not strange, strange
        return len(hello), len(self.records())

    def records(self):
        return self.fields("tls.record.opaque_type == 23", "tls.record.length")


def main():
    options = arguments(__doc__).parse_args()
    missing = [tool for tool in TOOLS if shutil.which(tool, path=os.environ["PATH"] + ":/usr/sbin") is None]
    if missing or not os.path.exists(STREAM) or os.geteuid() != 0:
        print("skipped:", f"no {', '.join(missing)} here" if missing else "needs root, and nginx with its stream module")
        sys.exit(SKIPPED)
    os.environ["PATH"] += ":/usr/sbin"
    world = World(options.bin, namespaces=False, keep=options.keep)
    ana, ben = world.person("ana"), world.person("ben")
    gateway, fronts = Gateway(world), Fronts(world)
    fronts.nginx(gateway)
    fronts.haproxy(gateway)
    authority = Authority(world.folder, NAME)
    os.environ["SSL_CERT_FILE"] = authority.file("ca.crt")
    gateway.start("--site", f"127.0.0.1:{fronts.site}", "--proxy-protocol", "yes", *authority.flags)
    own = gateway.PORT

    def invite(port, label):
        gateway.PORT = port
        try:
            return gateway.command(*authority.flags, "invite", "--label", label).strip()
        finally:
            gateway.PORT = own

    for who, name in ((ana, "Ana Adler"), (ben, "Ben Bruni")):
        who.run("init", "--name", name)
        who.start()
    ana.befriend(ben)
    ben.befriend(ana)
    ben.run("gateway", "add", invite(fronts.haproxy_port, "ben"))
    secrets = {"Ana's name": b"Ana Adler", "Ben's name": b"Ben Bruni", "the protocol's name": b"mesh1"}
    for port, what in ((fronts.nginx_port, "nginx"), (fronts.haproxy_port, "HAProxy")):
        looked_at(world, port)
        wire = Wire(world, port)
        ana.run("gateway", "add", invite(port, what))
        wait_for(ana.has_uplink, f"a link through {what}", 60)
        text = f"Flour comes on Friday, says {what}."
        secrets[text] = text.encode()
        ana.send(ben, text)
        wait_for(lambda: text in ben.texts_from(ana), f"Ben to read what came through {what}", 90)
        wire.stop()
        handshakes, records = wire.shows_only_tls(secrets)
        print(f"{what}: {handshakes} handshakes, {records} records, all of them TLS 1.3")
        renewed(authority, gateway, ana, port)
        gateway.command("revoke", what)
        wait_for(lambda: "web site" in ana.run("gateways"), "Ana to be shown the web site, like anybody", 60)
        ana.run("gateway", "remove", "127.0.0.1")
    for person in (ana, ben):
        person.stop()
    gateway.stop()
    print("fronts: passed")


if __name__ == "__main__":
    main()
