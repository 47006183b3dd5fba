"""What the tests in the virtual machine share: programs that tell of themselves in JSON lines, and BlueZ by busctl."""
import json, os, queue, re, signal, socket, struct, subprocess, sys, threading, time

BIN = os.environ.get('STA_BIN', 'build/bin')
FAILURES = []
PROGRAMS = []  # all that were started, so that a failure can be explained
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
        PROGRAMS.append(self)

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


class Controller:
    """Raw commands to a controller, past bluetoothd: what no program of ours would say."""

    def __init__(self, adapter):
        self.socket = socket.socket(socket.AF_BLUETOOTH, socket.SOCK_RAW, socket.BTPROTO_HCI)
        self.socket.bind((int(adapter[3:]),))

    def command(self, opcode, data):
        self.socket.send(struct.pack('<BHB', 1, opcode, len(data)) + data)
        time.sleep(0.004)

    def close(self):
        self.socket.close()


class Bystander:
    """A controller that only listens: it searches anew all the time, since an emulated one tells of an advertiser once a search."""

    def __init__(self, adapter, seconds=0.9):
        self.controller, self.seconds, self.is_over = Controller(adapter), seconds, threading.Event()
        self.thread = threading.Thread(target=self.listen, daemon=True)
        self.thread.start()

    def listen(self):
        # LE Set Extended Scan Parameters: passive, on the 1M PHY
        self.controller.command(0x2041, struct.pack('<BBBBHH', 0, 0, 1, 0, 0x10, 0x10))
        while not self.is_over.wait(self.seconds):
            for is_on in (0, 1):
                self.search(is_on)

    def search(self, is_on):
        self.controller.command(0x2042, struct.pack('<BBHH', is_on, 0, 0, 0))   # LE Set Extended Scan Enable

    def stop(self):
        self.is_over.set()
        self.thread.join()
        self.search(0)
        self.controller.close()


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


def bluez_stop():
    for pid in shell('pidof', 'bluetoothd').stdout.split():
        os.kill(int(pid), signal.SIGTERM)
    until(10, lambda: not shell('pidof', 'bluetoothd').stdout, 'end of bluetoothd')


def bluez_start():
    log = open('/run/btvm/bluetoothd.log', 'a')
    arguments = os.environ.get('BTVM_BLUETOOTHD', '--experimental').split()
    subprocess.Popen(['/usr/libexec/bluetooth/bluetoothd', '--nodetach', *arguments], stdout=log, stderr=log)


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


def explain():
    """What every program that still runs knows of itself, and what the machine says."""
    for p in PROGRAMS:
        if p.process.poll() is not None:
            continue
        say(p.name, 'is still there; its last lines:')
        try:
            if p.process.args[0].endswith('bt_node'):
                p.ask(3)
        except (Failed, OSError) as e:
            say('   ', e)
        for line in p.lines[-14:]:
            print('     ', line)
        p.kill()
    if not shell('pidof', 'bluetoothd').stdout:
        say('bluetoothd is gone; it is started again for what follows')
        bluez_start()


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
        explain()
        print(shell('sh', '-c', 'tail -n 15 /run/btvm/bluetoothd.log; dmesg | tail -n 15').stdout, flush=True)
        return None


def run(*scenarios):
    """All of them, or those named on the command line; then the end."""
    for call in scenarios:
        if len(sys.argv) < 2 or call.__name__ in sys.argv[1:]:
            scenario(call.__name__, call)
    say('%d failed%s' % (len(FAILURES), ': ' + ', '.join(FAILURES) if FAILURES else ''))
    sys.exit(1 if FAILURES else 0)
