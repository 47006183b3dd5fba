"""tests/e2e/postgresql.py - a real PostgreSQL cluster of a test's own: a primary and two standbys, one of which has to have
every commit (ANY 1). It lives in a folder of its own, speaks over Unix sockets and loopback ports that nobody has, and is
stopped by process id. What the system's package has started is left alone.
"""
import atexit
import glob
import os
import pwd
import shutil
import signal
import subprocess
import tempfile

from world import free_port, wait_for


def programs():
    """Debian keeps them out of PATH. None: not installed."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"), key=lambda p: int(p.split("/")[4]))
    if found:
        return os.path.dirname(found[-1])
    found = shutil.which("initdb")
    return os.path.dirname(found) if found else None


class Server:
    def __init__(self, cluster, name):
        self.cluster, self.name = cluster, name
        self.data = os.path.join(cluster.folder, name)
        self.port = free_port()
        self.process = None

    def start(self):
        with open(self.data + ".log", "ab") as log:
            self.process = subprocess.Popen([os.path.join(self.cluster.bin, "postgres"), "-D", self.data, "-p", str(self.port)],
                                            stdout=log, stderr=log, stdin=subprocess.DEVNULL, **self.cluster.user)
        wait_for(self.answers, f"{self.name} to answer (see {self.data}.log)", 60)

    def answers(self):
        assert self.process.poll() is None, open(self.data + ".log", errors="replace").read()[-2000:]
        return self.sql("SELECT 1", check=False) == "1"

    def sql(self, words, check=True, database="postgres"):
        done = subprocess.run([os.path.join(self.cluster.bin, "psql"), "-h", self.cluster.folder, "-p", str(self.port), "-U", "postgres",
                               "-XAtq", "-d", database, "-c", words], capture_output=True, text=True, timeout=60)
        assert not check or done.returncode == 0, done.stderr
        return done.stdout.strip()

    def stop(self, how=signal.SIGINT):
        """SIGINT is PostgreSQL's fast shutdown."""
        if self.process is None:
            return
        self.process.send_signal(how)
        self.process.wait(timeout=60)
        self.process = None

    def kill(self):
        self.stop(signal.SIGKILL)

    def promote(self):
        subprocess.run([os.path.join(self.cluster.bin, "pg_ctl"), "promote", "-D", self.data, "-w"], check=True,
                       capture_output=True, **self.cluster.user)


class Cluster:
    def __init__(self, keep=False):
        self.bin = programs()
        self.folder = tempfile.mkdtemp(prefix="staffetta-pg-")
        self.user = {}
        if os.geteuid() == 0:   # PostgreSQL does not run as root
            owner = pwd.getpwnam("postgres")
            os.chown(self.folder, owner.pw_uid, owner.pw_gid)
            self.user = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": [], "cwd": self.folder}
        self.servers = []
        atexit.register(self.close, keep)
        self.primary = self._first()
        self.standbys = [self._standby(f"s{i}") for i in (1, 2)]
        self._start_standbys()
        self.primary.sql("ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (s0, s1, s2)'")
        self.primary.sql("SELECT pg_reload_conf()")
        wait_for(lambda: self.primary.sql("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'quorum'") == "2", "two standbys", 60)

    def _run(self, program, *words):
        done = subprocess.run([os.path.join(self.bin, program), *words], capture_output=True, text=True, **self.user)
        assert done.returncode == 0, done.stdout + done.stderr

    def _first(self):
        server = Server(self, "s0")
        self._run("initdb", "-N", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-D", server.data)
        with open(os.path.join(server.data, "postgresql.conf"), "a") as f:
            f.write(f"listen_addresses = ''\nunix_socket_directories = '{self.folder}'\nshared_buffers = 32MB\nmax_wal_senders = 8\n"
                    "wal_keep_size = 256MB\nwal_retrieve_retry_interval = 200ms\nmax_connections = 40\n")
        self.servers.append(server)
        server.start()
        return server

    def _standby(self, name):
        server = Server(self, name)
        self._run("pg_basebackup", "-h", self.folder, "-p", str(self.primary.port), "-U", "postgres", "-D", server.data, "-c", "fast")
        self.servers.append(server)
        with open(os.path.join(server.data, "standby.signal"), "w"):
            pass
        return server

    def _start_standbys(self):
        """They follow whichever server takes writes."""
        for server in self.standbys:
            with open(os.path.join(server.data, "postgresql.auto.conf"), "a") as f:
                f.write("synchronous_standby_names = 'ANY 1 (s0, s1, s2)'\n"
                        f"primary_conninfo = '{self.conninfo(server.name)}'\n")
            server.start()

    def conninfo(self, name="gateway", database=None):
        """Of all servers; the one that takes writes is found by the client."""
        words = (f"host={','.join(self.folder for _ in self.servers)} port={','.join(str(s.port) for s in self.servers)} user=postgres "
                 f"application_name={name} target_session_attrs=read-write")
        return words + (f" dbname={database}" if database else "")

    def fail_over(self):
        """kill -9 of the primary; the standby that has more takes its place, the other follows it."""
        self.primary.kill()
        ahead = max(self.standbys, key=lambda s: int(s.sql("SELECT coalesce(pg_last_wal_receive_lsn(), '0/0') - '0/0'::pg_lsn")))
        ahead.promote()
        self.standbys.remove(ahead)
        self.primary = ahead

    def close(self, keep):
        for server in self.servers:
            if server.process is not None and server.process.poll() is None:
                try:
                    server.stop()
                except subprocess.TimeoutExpired:
                    server.kill()
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)
