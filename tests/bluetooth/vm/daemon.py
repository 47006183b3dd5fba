#!/usr/bin/python3
"""The real daemon and what it tells its owner: each state Bluetooth may be in, by `staffetta status` and `doctor`, and back."""
import shutil
from radio import *

SYSTEM_D = '/etc/dbus-1/system.d/'
PLACE = '/tmp/staffetta-test'
CPU1 = '/sys/devices/system/cpu/cpu1/online'
WORKS = 'on'
HERE = os.path.dirname(os.path.abspath(__file__))


class Daemon:
    """staffettad, on no network but Bluetooth and one loopback port; as `user`, if one is named."""

    def __init__(self, *flags, user=None):
        self.data = os.path.join(PLACE, 'data-' + (user or 'root'))
        shutil.rmtree(self.data, ignore_errors=True)
        os.makedirs(self.data, 0o700)
        self.as_user = []
        if user:
            shutil.chown(self.data, user, user)
            self.as_user = ['setpriv', '--reuid', user, '--regid', user, '--clear-groups']
        self.name, self.log = 'staffettad', open(os.path.join(PLACE, 'log'), 'ab')
        self.process = subprocess.Popen(
            [*self.as_user, os.path.join(PLACE, 'staffettad'), '--data', self.data, '--no-discovery', '--listen', '127.0.0.1:0',
             *flags], stdout=self.log, stderr=self.log, env={**os.environ, 'HOME': self.data})
        PROGRAMS.append(self)
        until(20, lambda: os.path.exists(os.path.join(self.data, 'api.sock')), 'socket of the daemon')

    def ask(self, *words):
        reply = shell(*self.as_user, os.path.join(PLACE, 'staffetta'), '--data', self.data, '--json', *words)
        if reply.stderr or not reply.stdout:   # doctor ends with 1 when it finds anything
            raise Failed('staffetta %s: %s' % (' '.join(words), reply.stderr.strip()))
        return [json.loads(line) for line in reply.stdout.splitlines()]

    def status(self):
        return self.ask('status')[0]

    def doctor(self):
        """(verdict, text, remedy) of Bluetooth."""
        for line in self.ask('doctor'):
            for check in line.get('checks', [line]):
                if check.get('check') == 'bluetooth':
                    return check['verdict'], check['text'], check['remedy']
        raise Failed('doctor says nothing of Bluetooth')

    def tells(self, state, remedy='', seconds=30):
        """Waits for the state; the daemon lives and its other link works meanwhile."""
        try:
            until(seconds, lambda: self.status()['bluetooth'] == state, 'status "%s"' % state)
        except Failed as e:
            raise Failed('%s, but "%s"' % (e, self.status()['bluetooth']))
        verdict, text, advice = self.doctor()
        say('   ', state, '--', verdict, '--', text, '--', advice)
        assert remedy in advice, (remedy, advice)
        assert self.process.poll() is None and self.status()['lan']['port'] > 0
        return verdict, text

    def adapter_is(self, name, seconds=30):
        until(seconds, lambda: (self.status()['bluetooth_info'] or {}).get('adapter') == name, 'adapter ' + name)

    def advertises(self, seconds=30):
        until(seconds, lambda: self.status()['bluetooth_info']['advertising'], 'advertisement')

    @property
    def lines(self):
        return open(self.log.name, errors='replace').read().splitlines()

    def stop(self):
        self.process.terminate()
        assert self.process.wait(20) == 0, 'staffettad ended with %d' % self.process.returncode

    def kill(self):
        self.process.kill()
        self.process.wait()


def prepare():
    """Where every user may run the programs from, and the user of the unit."""
    with open('/etc/passwd', 'a') as passwd, open('/etc/group', 'a') as group:
        passwd.write('staffetta:x:971:971::/:/usr/sbin/nologin\n')
        group.write('staffetta:x:971:\n')
    os.makedirs(PLACE, 0o755, exist_ok=True)
    os.chmod(PLACE, 0o755)
    for name in ('staffettad', 'staffetta'):
        shutil.copy(os.path.join(BIN, name), PLACE)
        os.chmod(os.path.join(PLACE, name), 0o755)


def controllers(*arguments):
    """Plugs in emulated ones; returns what unplugs them. With two processors at work the kernel's first command can overtake
    the answer that btvirt waits for: so one rests meanwhile."""
    before = set(os.listdir('/sys/class/bluetooth'))
    for _ in range(4):
        open(CPU1, 'w').write('0')
        shell('dmesg', '-C')
        process = subprocess.Popen(['btvirt', *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(10, lambda: set(os.listdir('/sys/class/bluetooth')) - before, 'new controllers')
        time.sleep(1.5)
        open(CPU1, 'w').write('1')
        if 'Opcode' not in shell('dmesg').stdout:
            return process
        unplug(process)
    raise Failed('no controllers')


def unplug(process):
    process.kill()
    process.wait()


def unplug_all():
    for pid in shell('pidof', 'btvirt').stdout.split():
        os.kill(int(pid), signal.SIGKILL)
    until(10, lambda: not os.listdir('/sys/class/bluetooth'), 'end of the controllers')


def adapters():
    """All properties of all adapters that their owner may have set, and all devices he has paired."""
    kept = ('Alias', 'Name', 'Address', 'Powered', 'Discoverable', 'DiscoverableTimeout', 'Pairable', 'PairableTimeout', 'Class')
    found = {}
    for path, interfaces in objects().items():
        properties = interfaces.get('org.bluez.Adapter1')
        if properties:
            found[path] = {name: properties[name]['data'] for name in kept if name in properties}
        device = interfaces.get('org.bluez.Device1')
        if device and device['Paired']['data']:
            found[path] = 'paired'
    return found


def coexistence():
    """What its owner set stays: names, power, visibility and pairings, with two nodes that meet, and after they have gone."""
    shell('busctl', 'set-property', 'org.bluez', '/org/bluez/hci0', 'org.bluez.Adapter1', 'Alias', 's', "Ana's laptop")
    before = adapters()
    a, b = Daemon('--bluetooth', 'hci0', user='staffetta'), node('hci1', 'scan=1500/500')
    a.tells(WORKS)
    b.do('submit 1 0')
    until(60, lambda: a.status()['store']['bundles'] == 1, 'a bundle over Bluetooth')
    during = adapters()
    links = a.ask('neighbours')
    a.stop()
    b.stop()
    assert before == during == adapters(), (before, during, adapters())
    say('    neighbours while they met:', links)
    # Nothing of ours stays registered.
    until(10, lambda: all(i['org.bluez.LEAdvertisingManager1']['ActiveInstances']['data'] == 0 for p, i in objects().items()
                          if 'org.bluez.LEAdvertisingManager1' in i), 'end of all advertisements')


def power_states():
    """On, off at its owner's will, bluetoothd stopped and started: told in words, and back by itself."""
    d = Daemon('--bluetooth', 'hci0')
    d.tells(WORKS)
    power('hci0', False)
    d.tells('the Bluetooth adapter is off', 'bluetoothctl power on')
    assert not is_powered('hci0')
    power('hci0', True)
    d.tells(WORKS)
    d.advertises()
    bluez_stop()
    d.tells('bluetoothd does not run', 'systemctl enable --now bluetooth')
    bluez_start()
    d.tells(WORKS)
    d.advertises()
    d.stop()


def unplugged():
    """The adapter in use is pulled out and another takes over; the last is pulled out; one comes back."""
    for adapter in ('hci0', 'hci1', 'hci2'):
        power(adapter, False)
    stick = controllers('-l1')
    until(20, lambda: is_powered('hci3'), 'hci3 powered')
    d = Daemon()
    d.adapter_is('hci3')
    power('hci1', True)
    d.advertises()
    unplug(stick)
    d.adapter_is('hci1')
    d.tells(WORKS)
    d.advertises()
    unplug_all()
    d.tells('there is no Bluetooth adapter', 'dtoverlay=disable-bt')
    controllers('-l3')
    d.tells(WORKS)
    d.advertises()
    d.stop()


def forbidden():
    """A D-Bus policy that lets nobody but root speak to BlueZ; then our own file for the user of the unit."""
    reload_bus = lambda: shell('busctl', 'call', 'org.freedesktop.DBus', '/', 'org.freedesktop.DBus', 'ReloadConfig', check=True)
    with open(SYSTEM_D + 'zz-strict.conf', 'w') as f:
        f.write('<busconfig><policy context="default"><deny send_destination="org.bluez"/></policy></busconfig>')
    reload_bus()
    d = Daemon('--bluetooth', 'hci0', user='staffetta')
    d.tells('D-Bus does not let this user speak to BlueZ', 'group bluetooth')
    shutil.copy(os.path.join(HERE, '../../../packaging/org.staffetta.bluetooth.conf'), SYSTEM_D)
    reload_bus()
    d.tells(WORKS)
    d.advertises()
    d.stop()
    for name in ('zz-strict.conf', 'org.staffetta.bluetooth.conf'):
        os.remove(SYSTEM_D + name)
    reload_bus()


def too_old():
    """Adapters that have no LE: there is no advertising manager, as with a BlueZ of before 5.42."""
    unplug_all()
    plug = controllers('-B', '-l1')
    until(20, lambda: is_powered('hci0'), 'hci0 powered')
    d = Daemon()
    d.tells('this adapter or this BlueZ cannot advertise over Bluetooth LE', 'BlueZ 5.50')
    unplug(plug)
    until(10, lambda: not os.listdir('/sys/class/bluetooth'), 'end of the controllers')
    controllers('-l3')
    d.tells(WORKS)
    d.stop()


def suspended():
    """The kernel's own test of suspending: everybody who wants to know is told, Bluetooth among them, which disconnects and is
    silent; then all programs stand still for some seconds. (Its next step, suspending devices, is more than 9p bears.)"""
    d = Daemon('--bluetooth', 'hci0')
    d.tells(WORKS)
    d.advertises()
    open('/sys/power/pm_test', 'w').write('freezer')
    since = time.monotonic()
    open('/sys/power/state', 'w').write('freeze')
    say('    slept for %.1f s' % (time.monotonic() - since))
    open('/sys/power/pm_test', 'w').write('none')
    assert 'PM: suspend exit' in shell('dmesg').stdout
    d.tells(WORKS)
    d.advertises()
    b = node('hci1', 'scan=1500/500')
    b.do('submit 1 0')
    until(60, lambda: d.status()['store']['bundles'] == 1, 'a bundle after the sleep')
    stop(b)
    d.stop()


def classic():
    """BR/EDR by configuration: the daemon says that its address is fixed, and is met by an address that was written down."""
    fresh('hci0', 'hci1')
    agent = subprocess.Popen(['bluetoothctl', '--agent', 'NoInputNoOutput'], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    for adapter in ('hci0', 'hci1'):
        for name in ('Pairable', 'Discoverable'):
            shell('busctl', 'set-property', 'org.bluez', '/org/bluez/' + adapter, 'org.bluez.Adapter1', name, 'b', 'true')
    d = Daemon('--bluetooth', 'hci0', '--bluetooth-classic', 'listen')
    verdict, text = d.tells(WORKS, 'bluetooth-classic = off')
    assert verdict == 'note' and 'fixed address' in text, (verdict, text)
    assert d.status()['bluetooth_info']['classic'] is True
    assert 'can be followed' in open(os.path.join(PLACE, 'log')).read()
    b = node('hci1', 'passive=1', 'gatt=0', 'classic=1', 'classic_peer=' + address('hci0'))
    b.do('submit 20 4')
    until(90, lambda: d.status()['store']['bundles'] == 20, 'bundles over classic Bluetooth')
    connections = shell('hcitool', '-i', 'hci0', 'con').stdout
    assert ' ACL ' in connections, connections
    stop(b)
    d.stop()
    agent.stdin.close()
    agent.terminate()
    agent.wait(10)


def resident_kib(pid):
    return int(re.search(r'VmRSS:\s+(\d+)', open('/proc/%d/status' % pid).read()).group(1))


def lying_bus():
    """Somebody else has BlueZ's name: he does not answer, or answers wrongly, or tells of thousands of devices. Nothing hangs,
    nothing grows, it is counted, and the real one is found again."""
    bluez_stop()
    d = Daemon()
    d.tells('bluetoothd does not run')
    start_kib, resident = resident_kib(d.process.pid), []
    # The second flood shows whether anything grows: the first fills what is kept for use.
    for mode in ('silent', 'error', 'shape', 'types', 'flood', 'flood'):
        liar = Program(mode, 'bt_liar', mode)
        liar.wait(10, 'up')
        if mode == 'flood':
            d.tells(WORKS)
            liar.wait(60, 'told')
        slowest = 0
        for _ in range(10):
            start = time.monotonic()
            status = d.status()
            slowest = max(slowest, time.monotonic() - start)
            time.sleep(0.1)
        info = status['bluetooth_info']
        say('    %-6s "%s", faults %d, malformed %d, heard %d; slowest answer %.2f s' % (
            mode, status['bluetooth'], info['bus_faults'], info['adverts_malformed'], info['heard'], slowest))
        assert slowest < 3 * PATIENCE, slowest
        assert mode == 'flood' or status['bluetooth'] != WORKS
        liar.kill()
        resident.append(resident_kib(d.process.pid) - start_kib)
        d.tells('bluetoothd does not run')
    say('    resident KiB more than at first, after each:', resident)
    assert info['bus_faults'] > 0 and info['adverts_malformed'] > 0 and info['heard'] <= 128, info
    assert resident[-1] <= resident[-2] + 512 and resident[-1] <= 8192, resident
    bluez_start()
    d.tells(WORKS)
    d.advertises()
    say('and a bluetoothd that hangs')
    pid = int(shell('pidof', 'bluetoothd').stdout)
    os.kill(pid, signal.SIGSTOP)
    for _ in range(5):
        assert d.status()['lan']['port'] > 0
        time.sleep(1)
    os.kill(pid, signal.SIGCONT)
    d.tells(WORKS)
    d.advertises()
    d.stop()


if __name__ == '__main__':
    prepare()
    run(coexistence, power_states, forbidden, suspended, classic, lying_bus, unplugged, too_old)
