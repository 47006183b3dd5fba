#!/usr/bin/env python3
"""tests/gateway/test_doctor.py - the gateway's doctor finds what is wrong, names it, and says what to do.

Each ill is made for real: no gateway, a port that another program has, a certificate that is old, for another name or of an unknown
authority, a web site that is down, an address that leads elsewhere, a database that does not answer.
"""
import json
import os
import resource
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from gateway import Authority, Gateway  # noqa: E402
from world import World, free_port  # noqa: E402


class Patient:
    def __init__(self, world, gateway, authority):
        self.world, self.gateway, self.authority = world, gateway, authority
        self.flags = ["--site", os.path.join(world.folder, "site"), "--capacity", "16M", *authority.flags]

    def examine(self, *more, address=None):
        """Exit status and findings as (check, verdict, text, remedy)."""
        address = address or f"127.0.0.1:{self.gateway.PORT}"
        command = [self.world.program("staffetta-gateway"), "--data", self.gateway.data, "--address", address, "--listen", self.gateway.listen,
                   *self.flags, *more, "doctor", "--json"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.stderr == "", done.stderr
        found = [json.loads(line) for line in done.stdout.splitlines()]
        assert all(f["verdict"] == "good" or f["remedy"] for f in found), found
        assert done.returncode == (1 if any(f["verdict"] == "bad" for f in found) else 0), (done.returncode, found)
        return found

    def finds(self, check, verdict, words, *more, **how):
        found = self.examine(*more, **how)
        assert any(f["check"] == check and f["verdict"] == verdict and words in f["text"] for f in found), (check, verdict, words, found)
        print(f"    {check}: {words}")


def main():
    world = World(sys.argv[1], namespaces=False)
    gateway, authority = Gateway(world), Authority(world.folder, "bakery.staffetta.test")
    site = os.path.join(world.folder, "site")
    os.mkdir(site)
    os.environ["SSL_CERT_FILE"] = authority.file("ca.crt")
    patient = Patient(world, gateway, authority)

    patient.finds("data folder", "note", "not there yet")
    patient.finds("port", "bad", "nothing listens on")
    patient.finds("address", "bad", "is not reached from here")
    patient.finds("web site", "bad", "has no first page")
    with open(os.path.join(site, "index.html"), "w") as f:
        f.write("<p>A bakery.</p>\n")

    # Somebody else has the port, and is named.
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", gateway.PORT))
        other.listen()
        patient.finds("port", "bad", f"is taken by python3 (process {os.getpid()})")
        patient.finds("address", "bad", "answers, but not in TLS 1.3")

    gateway.start(*patient.flags)
    found = patient.examine()
    assert all(f["verdict"] == "good" for f in found if f["check"] != "clock"), found
    assert {f["check"] for f in found} == {"data folder", "disk", "clock", "port", "descriptors", "certificate", "address", "web site"}, found
    print("    nothing, where nothing is wrong")
    words = gateway.command("--listen", gateway.listen, *patient.flags, "doctor").splitlines()
    assert sum(line.startswith("ok ") for line in words) >= len(found) - 1, words

    patient.finds("disk", "bad", "only ", "--capacity", "16T")
    patient.finds("web site", "bad", "no server answers", "--site", f"127.0.0.1:{free_port()}")
    patient.finds("web site", "bad", "neither a folder nor a server", "--site", os.path.join(world.folder, "nowhere"))
    patient.finds("address", "bad", "is not found", address="nowhere.invalid:443")
    patient.finds("certificate", "bad", "is not for localhost", address=f"localhost:{gateway.PORT}")
    patient.finds("database 1", "bad", "refused", "--engine", "postgresql", "--database", f"host=127.0.0.1 port={free_port()} dbname=x")
    os.chmod(gateway.data, 0o755)
    patient.finds("data folder", "bad", "can look into")
    os.chmod(gateway.data, 0o700)

    # The running gateway shows what it was started with; the files say something else.
    authority.make_key()
    authority.renew()
    patient.finds("address", "bad", "shows another certificate than ours")
    authority.renew(days=7)
    patient.finds("certificate", "note", " days left")
    authority.renew(days=-1)
    patient.finds("certificate", "bad", "has expired")
    authority.renew()
    os.environ["SSL_CERT_FILE"] = "/dev/null"
    patient.finds("certificate", "bad", "nodes will not believe it")
    resource.prlimit(gateway.process.pid, resource.RLIMIT_NOFILE, (1000, 1000))
    patient.finds("descriptors", "bad", "1000, of which strangers alone may take")
    gateway.stop()
    print("doctor: passed")


if __name__ == "__main__":
    main()
