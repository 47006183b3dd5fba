"""tests/e2e/gateway.py - a host that runs the real staffetta-gateway."""
import os
import signal
import socket
import ssl
import subprocess
import time

from world import Person, wait_for


class Gateway(Person):
    """`address` is what users dial; inside namespaces that of one of its cables."""

    PORT = 18443

    def __init__(self, world, name="gateway"):
        super().__init__(world, name)
        self.process = None
        self.addresses = []
        if world.namespaces:
            self.namespace = world.add_namespace(name)
        else:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                self.PORT = free.getsockname()[1]
            self.addresses = ["127.0.0.1"]
        self.listen = f":{self.PORT}" if world.namespaces else f"127.0.0.1:{self.PORT}"

    def command(self, *words, status=0):
        command = [self.world.program("staffetta-gateway"), "--data", self.data]
        for address in self.addresses:
            command += ["--address", f"{address}:{self.PORT}"]
        done = subprocess.run(self._inside(command + list(words)), capture_output=True, text=True, timeout=60)
        assert done.returncode == status, f"staffetta-gateway {words}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def invite(self, label, *flags):
        return self.command("invite", "--label", label, *flags).strip()

    def start(self, *flags):
        assert self.process is None
        self.flags = list(flags) or self.flags
        command = [self.world.program("staffetta-gateway"), "--data", self.data, "--listen", self.listen, *self.flags]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self._inside(command), stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        self.world.daemons.append(self.process)
        wait_for(self._listens, f"the gateway to listen (see {self.log})")

    def _listens(self):
        if self.process.poll() is not None:
            with open(self.log, errors="replace") as log:
                raise AssertionError(f"the gateway ended with {self.process.returncode}:\n{log.read()[-2000:]}")
        probe = ["python3", "-c", f"import socket; socket.create_connection(('127.0.0.1', {self.PORT}), 2)"]
        return subprocess.run(self._inside(probe), capture_output=True).returncode == 0

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        ended = self.process.wait(timeout=30)
        self.world.daemons.remove(self.process)
        self.process = None
        assert how == signal.SIGKILL or ended == 0, f"the gateway ended with {ended}, see {self.log}"

    def kill(self):
        self.stop(signal.SIGKILL)


def openssl(*words):
    subprocess.run(["openssl", *words], check=True, capture_output=True)


class Authority:
    """One that programs trust whose SSL_CERT_FILE is `ca.crt`, as others trust those that ship with the system; certificates of 127.0.0.1 and
    a name."""

    def __init__(self, folder, name):
        self.folder, self.name = folder, name
        self.flags = ["--certificate", self.file("tls.crt"), "--certificate-key", self.file("tls.key")]
        self.make_key("ca.key")
        self.make_key()
        openssl("req", "-new", "-x509", "-key", self.file("ca.key"), "-out", self.file("ca.crt"), "-days", "30", "-subj", "/CN=Authority")
        with open(self.file("san"), "w") as f:
            f.write(f"subjectAltName=IP:127.0.0.1,DNS:{name}\n")
        self.renew()

    def file(self, name):
        return os.path.join(self.folder, name)

    def make_key(self, name="tls.key"):
        openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", self.file(name))

    def renew(self, days=30):
        openssl("req", "-new", "-key", self.file("tls.key"), "-out", self.file("tls.csr"), "-subj", "/CN=" + self.name)
        openssl("x509", "-req", "-in", self.file("tls.csr"), "-CA", self.file("ca.crt"), "-CAkey", self.file("ca.key"),
                "-CAcreateserial", "-extfile", self.file("san"), "-days", str(days), "-out", self.file("tls.crt"))


def tls(address, port, first=b"", pieces=1):
    """A TLS connection as a browser that ignores the certificate would make it, after `first` in clear."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    connection = socket.create_connection((address, port), 10)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    step = max(1, len(first) // pieces)
    for i in range(0, len(first), step):
        connection.sendall(first[i:i + step])
        time.sleep(0.02)
    return context.wrap_socket(connection)
