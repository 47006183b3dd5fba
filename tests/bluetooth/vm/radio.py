"""What the tests in the virtual machine share: programs that tell of themselves in JSON lines, and BlueZ by busctl."""
import collections, json, os, queue, re, subprocess, sys, threading, time

BIN = os.environ.get('STA_BIN', 'build/bin')
FAILURES = []
PATIENCE = 3   # emulation on a busy machine; what works takes no longer for it


def say(*words):
    print('%7.2f' % (time.monotonic() - T0), *words, flush=True)


T0 = time.monotonic()


class Failed(Exception):
    pass


class Program:
    """bt_node, bt_phone or bt_pipe."""

    def __init__(self, name, program, *args):
        self.name, self.lines, self.fresh = name, [], queue.Queue()
        self.process = subprocess.Popen([os.path.join(BIN, program), *map(str, args)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, bufsize=1)
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            try:
                e = json.loads(line)
            except ValueError:
                e = {'ev': 'text', 't': time.monotonic() * 1e3, 'text': line.rstrip()}
            if os.environ.get('STA_TALK'):
                say(self.name, line.rstrip())
            self.lines.append(e)
            self.fresh.put(e)
        self.fresh.put({'ev': 'eof', 't': time.monotonic() * 1e3})

    def do(self, command):
        self.process.stdin.write(command + '\n')
        self.process.stdin.flush()

    def wait(self, seconds, ev, claim=lambda e: True, what=None):
        """The next event `ev` for which the claim holds; events before it are gone."""
        end = time.monotonic() + seconds * PATIENCE
        while True:
            try:
                e = self.fresh.get(timeout=max(0.001, end - time.monotonic()))
            except queue.Empty:
                raise Failed('%s: no %s within %g s; last lines:\n  %s' % (
                    self.name, what or ev, seconds, '\n  '.join(map(str, self.lines[-6:]))))
            if e['ev'] == ev and claim(e):
                return e
            if e['ev'] == 'eof':
                raise Failed('%s ended with %s' % (self.name, self.process.poll()))

    def drain(self):
        while not self.fresh.empty():
            self.fresh.get()

    def ask(self, seconds=15):
        """status and bluetooth, as one dictionary."""
        self.do('status')
        s = dict(self.wait(seconds, 'status'))
        if self.process.args[0].endswith('bt_node'):
            s.update(self.wait(seconds, 'bluetooth'))
        return s

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                raise Failed(self.name + ' did not end')
        return self.process.returncode

    def kill(self):
        self.process.kill()
        self.process.wait()


def node(adapter, *args, name=None):
    return Program(name or adapter, 'bt_node', adapter, *args)


def shell(*command, check=False):
    return subprocess.run(command, capture_output=True, text=True, check=check, timeout=60)


def address(adapter):
    return re.search(r'Address: (\S+)', shell('hciconfig', adapter).stdout).group(1)


def power(adapter, is_on):
    shell('busctl', 'set-property', 'org.bluez', '/org/bluez/' + adapter, 'org.bluez.Adapter1', 'Powered', 'b',
          'true' if is_on else 'false')


def objects():
    reply = shell('busctl', '--json=short', 'call', 'org.bluez', '/', 'org.freedesktop.DBus.ObjectManager', 'GetManagedObjects')
    return json.loads(reply.stdout)['data'][0] if reply.returncode == 0 else {}


def devices():
    """Paths of all devices BlueZ remembers."""
    return [path for path, interfaces in objects().items() if 'org.bluez.Device1' in interfaces]


def is_powered(adapter):
    return 'true' in shell('busctl', 'get-property', 'org.bluez', '/org/bluez/' + adapter, 'org.bluez.Adapter1', 'Powered').stdout


def until(seconds, claim, what):
    end = time.monotonic() + seconds * PATIENCE
    while not claim():
        if time.monotonic() > end:
            raise Failed('no %s within %g s' % (what, seconds))
        time.sleep(0.1)


def fresh(*adapters):
    """Controllers as after a reset: emulated ones keep a search or a call that nobody wants any more."""
    for is_on in (False, True):
        for adapter in adapters:
            power(adapter, is_on)
    for adapter in adapters:
        until(15, lambda: is_powered(adapter), adapter + ' powered')


def stop(*programs):
    for p in programs:
        p.stop()


def scenario(name, call, *args):
    """Runs one, says what came of it, and goes on."""
    start = time.monotonic()
    say('---', name)
    try:
        result = call(*args)
        say('PASS', name, '(%.1f s)' % (time.monotonic() - start), result if result is not None else '')
        return result
    except (Failed, AssertionError, OSError, subprocess.SubprocessError, AttributeError, KeyError, IndexError) as e:
        FAILURES.append(name)
        say('FAIL', name, '(%.1f s):' % (time.monotonic() - start), type(e).__name__, e)
        if not shell('pidof', 'bluetoothd').stdout:
            say('bluetoothd is gone')
        print(shell('sh', '-c', 'tail -n 15 /run/btvm/bluetoothd.log; dmesg | tail -n 15').stdout, flush=True)
        return None


def run(*scenarios):
    """All of them, or those named on the command line; then the end."""
    for call in scenarios:
        if len(sys.argv) < 2 or call.__name__ in sys.argv[1:]:
            scenario(call.__name__, call)
    say('%d failed%s' % (len(FAILURES), ': ' + ', '.join(FAILURES) if FAILURES else ''))
    sys.exit(1 if FAILURES else 0)
