#!/usr/bin/python3
"""Nothing lasts: bluetoothd restarts, adapters go off and come back, and neighbours vanish two hundred times."""
import random
from radio import *

SCAN = 'scan=1200/200'
# Two emulated controllers that dial each other at once get two links under one handle, which kernel 6.1 does not survive: so
# one of a pair waits to be called.
DEAF = 'passive=1'
MEETINGS = int(os.environ.get('STA_MEETINGS', '200'))


def works(*nodes, seconds=40):
    """A bundle of each reaches all others."""
    counts = [n.ask()['bundles'] for n in nodes]
    for n in nodes:
        n.do('submit 1 0')
    for n in nodes:
        n.wait(seconds, 'count', lambda e: e['bundles'] == max(counts) + len(nodes))


def block(adapter, is_blocked):
    """As `rfkill block` does."""
    for path in shell('sh', '-c', 'ls -d /sys/class/rfkill/rfkill*').stdout.split():
        if open(path + '/type').read().strip() == 'bluetooth' and open(path + '/name').read().strip() == adapter:
            open(path + '/soft', 'w').write('1' if is_blocked else '0')


def lost(adapter):
    """Ends the connections of this adapter whose other end went without a word: a real controller does so by itself when it has heard
    nothing for 420 ms, an emulated one never, and kernel 6.1 does not survive a second connection beside such a one."""
    for path, interfaces in objects().items():
        device = interfaces.get('org.bluez.Device1')
        if device and path.startswith('/org/bluez/%s/' % adapter) and device['Connected']['data']:
            shell('busctl', 'call', 'org.bluez', path, 'org.bluez.Device1', 'Disconnect')


def life():
    a, b = node('hci0', SCAN), node('hci1', DEAF)
    works(a, b)
    say('bluetoothd stops and starts')
    bluez_stop()
    for n in (a, b):
        n.wait(20, 'state', lambda e: e['state'] == 'bluetoothd does not run')
    time.sleep(2)
    bluez_start()
    for n in (a, b):
        n.wait(30, 'state', lambda e: e['state'] == 'Bluetooth works')
        n.wait(30, 'advertising', lambda e: e['on'])
    works(a, b)
    say('the adapter goes off and comes back')
    for adapter, n in (('hci0', a), ('hci1', b)):
        power(adapter, False)
        n.wait(20, 'state', lambda e: e['state'] == 'the Bluetooth adapter is off')
        assert not is_powered(adapter)   # and we do not switch it on against its owner's will
        power(adapter, True)
        n.wait(20, 'state', lambda e: e['state'] == 'Bluetooth works')
        n.wait(20, 'advertising', lambda e: e['on'])
    works(a, b)
    say('blocked by rfkill')
    block('hci0', True)
    a.wait(20, 'state', lambda e: e['state'] == 'the Bluetooth adapter is off')
    lost('hci1')
    block('hci0', False)
    if not is_powered('hci0'):
        power('hci0', True)
    a.wait(20, 'state', lambda e: e['state'] == 'Bluetooth works')
    works(a, b)
    stop(a, b)


def adapters():
    """Of two adapters one is used; the other takes over, and no adapter at all is no reason to end."""
    fresh('hci0', 'hci1', 'hci2')
    power('hci2', False)
    a = node('any', SCAN)
    a.wait(20, 'advertising', lambda e: e['on'])
    first = a.ask()['adapter']
    power(first, False)
    until(20, lambda: a.ask()['adapter'] not in ('', first), 'the other adapter')
    second = a.ask()['adapter']
    power(second, False)
    a.wait(20, 'state', lambda e: e['state'] == 'the Bluetooth adapter is off')
    fresh('hci0', 'hci1', 'hci2')
    a.wait(20, 'state', lambda e: e['state'] == 'Bluetooth works')
    b = node('hci2', DEAF)
    works(a, b)
    stop(a, b)


def bluez_objects():
    """Names on the bus and devices, to see whether anything piles up."""
    return len(shell('busctl', '--no-pager', '--no-legend', 'list').stdout.splitlines()), len(devices())


def meetings():
    """Cuts at random moments, on either side; nothing is lost, nothing piles up, and in the end both have everything."""
    fresh('hci0', 'hci1')
    draw = random.Random(20)
    a, b = node('hci0', SCAN, 'gatt=0'), node('hci1', DEAF, 'gatt=0')
    total, met, start = 0, 0, time.monotonic()
    first = None
    for i in range(MEETINGS):
        # At least one has something new: two that have the same do not meet.
        for n in draw.choice(((a,), (b,), (a, b), (a, b))):
            count = draw.randrange(1, 30)
            n.do('submit %d %d' % (count, draw.choice((0, 0, 1, 2, 4))))
            total += count
        n = draw.choice((a, b))
        n.drain()
        if n.ask()['links'] == 0:
            n.wait(60, 'ready', what='meeting %d' % i)
        met += 1
        time.sleep(draw.random() * 0.25)
        n.do('cut')
        n.wait(10, 'cut')
        if i == 19:
            first = (a.ask(), b.ask(), bluez_objects())
        if i % 50 == 49:
            say('%d meetings, %.1f s, %d of %d bundles' % (met, time.monotonic() - start, a.ask()['bundles'], total))
    for n in (a, b):
        n.drain()
    for n in (a, b):
        until(120, lambda: n.ask()['bundles'] == total, 'all %d bundles' % total)
    last = (a.ask(), b.ask(), bluez_objects())
    say('FIGURE %d meetings with cuts in %.0f s; descriptors %s then %s, resident KiB %s then %s, bus names and devices %s then %s' % (
        met, time.monotonic() - start, [s['fds'] for s in first[:2]], [s['fds'] for s in last[:2]],
        [s['rss_kib'] for s in first[:2]], [s['rss_kib'] for s in last[:2]], first[2], last[2]))
    assert last[0]['fingerprint'] == last[1]['fingerprint']
    for before, after in zip(first, last[:2]):
        assert after['fds'] <= before['fds'] + 3, (before['fds'], after['fds'])
        # The store grew; what each bundle takes in memory is known to be less than 1 KiB, bodies apart.
        assert after['rss_kib'] <= before['rss_kib'] + 4096 + 20 * total, (before['rss_kib'], after['rss_kib'])
    assert last[2][0] <= first[2][0] + 3 and last[2][1] <= first[2][1] + 3, (first[2], last[2])
    stop(a, b)


if __name__ == '__main__':
    run(life, adapters, meetings)
