#!/usr/bin/python3
"""Meetings on two virtual controllers: how fast, by which way, and what bad neighbours get."""
import random
from radio import *

SCAN = 'scan=2000/300'   # stock btvirt tells of an advertiser once a search
A, B = address('hci0'), address('hci1')


def pair(*more):
    return node('hci0', SCAN, *more), node('hci1', SCAN, *more)


def together(a, b, total, seconds):
    for n in (a, b):
        n.wait(seconds, 'count', lambda e: e['bundles'] == total, '%d bundles' % total)


def latency():
    """From the advertisement on air to the first bundle committed at the other end."""
    whole, ours = [], []
    for _ in range(5):
        a = node('hci0', SCAN)
        a.wait(20, 'advertising', lambda e: e['on'])
        time.sleep(1)
        b = node('hci1', SCAN)
        b.do('submit 1 0')
        on = b.wait(20, 'advertising', lambda e: e['on'])['t']
        done = a.wait(20, 'count', lambda e: e['bundles'] == 1)['t']
        # Either may call. It is told up to 20 ms late.
        call = min(e['t'] for n in (a, b) for e in n.lines if e['ev'] == 'call') - 20
        whole.append(done - on)
        ours.append(done - call)
        stop(a, b)
    whole.sort(), ours.sort()
    say('FIGURE advertisement on air to first bundle committed: median %.0f ms, worst %.0f ms' % (whole[2], whole[-1]))
    say('FIGURE from the call to the bundle committed: median %.0f ms, worst %.0f ms' % (ours[2], ours[-1]))
    assert whole[2] <= 2000 and ours[2] <= 300, (whole, ours)


def stream_raw(size):
    # An emulated controller is only found, and so only connected to, while it advertises.
    herald = node('hci0', 'scan=1/60000', 'only=00:00:00:00:00:01', 'gatt=0')
    herald.wait(20, 'advertising', lambda e: e['on'])
    server = Program('listen', 'bt_pipe', 'listen', A, 0x90)
    server.wait(10, 'listening')
    client = Program('connect', 'bt_pipe', 'connect', B, A, 0x90, size)
    e = client.wait(90, 'streamed')
    stop(client, server, herald)
    time.sleep(1)
    return e['bytes'] / e['ms'] / 1.024


def stream_ours(count):
    a, b = pair('gatt=0')
    a.do('quiet %d' % count)
    b.do('quiet %d' % count)
    b.do('submit %d 4' % count)
    start = a.wait(40, 'ready')['t']
    end = a.wait(90, 'count', lambda e: e['bundles'] == count)['t']
    stop(a, b)
    time.sleep(1)
    return count * 4096 / (end - start) / 1.024


def in_turns(name, floor, raw_once, ours_once):
    """Ours beside the bare thing, one right after the other, six times at most, until one such pair says it: between pairs the
    machine may get more or less to do, and what it does within one can as well be against us."""
    raw, ours, part = [], [], 0
    while len(raw) < 6 and part < floor:
        raw.append(raw_once())
        ours.append(ours_once())
        part = max(part, ours[-1] / raw[-1])
    say('FIGURE %s: raw %s KiB/s, ours %s KiB/s: %.0f %%' % (name, [round(x) for x in raw], [round(x) for x in ours], part * 100))
    assert part >= floor, part


def throughput():
    fresh('hci0', 'hci1')
    in_turns('LE L2CAP', 0.85, lambda: stream_raw(2 << 20), lambda: stream_ours(512))


def phones_node():
    fresh('hci0', 'hci1')
    a = node('hci0', 'passive=1')
    a.wait(20, 'advertising', lambda e: e['on'] and e['gatt'])
    return a


def phone_raw(blocks):
    a = phones_node()
    p = Program('raw', 'bt_phone', 'hci1', A, 'raw=%d' % blocks)
    e = p.wait(120, 'raw')
    p.wait(20, 'down')
    stop(p, a)
    return e['bytes'] / e['ms'] / 1.024


def phone_ours(count):
    """To a node that has nothing: what it had would come the other way at the same time, and take half of the air."""
    a = phones_node()
    p = Program('phone', 'bt_phone', 'hci1', A)
    p.wait(90, 'link')
    for n in (a, p):
        n.do('quiet %d' % count)
    p.do('submit %d 4' % count)
    start = p.wait(40, 'ready')['t']
    together(a, p, count, 120)
    end = max(e['t'] for e in a.lines if e['ev'] == 'count')
    p.do('quit')
    p.wait(20, 'down')
    p.stop()
    s = a.ask()
    assert s['sessions'] >= 1 and s['state'] == 'Bluetooth works', s
    stop(a)
    return count * 4096 / (end - start) / 1.024


def gatt():
    in_turns('GATT', 0.70, lambda: phone_raw(8000), lambda: phone_ours(480))


def three():
    """A and B are kept apart; C meets A, then B, then A again, and a text crosses both ways."""
    fresh('hci0', 'hci1', 'hci2')
    power('hci1', False)
    c_address = address('hci2')
    quick = ('scan=1500/500', 'idle=800', 'gatt=0')
    a, b = node('hci0', *quick, 'only=' + c_address, name='A'), node('hci1', *quick, 'only=' + c_address, name='B')
    c = node('hci2', *quick, 'links=1', name='C')
    a.do('submit 1 0')
    b.do('submit 1 1')
    # Debian's emulated controllers bear one link at a time, so A and B come and go.
    c.wait(60, 'count', lambda e: e['bundles'] == 1, "A's text")
    power('hci0', False)
    power('hci1', True)
    for n in (c, b):
        n.wait(60, 'count', lambda e: e['bundles'] == 2, 'both texts')
    power('hci1', False)
    power('hci0', True)
    a.wait(60, 'count', lambda e: e['bundles'] == 2, 'both texts')
    seen = [n.ask()['fingerprint'] for n in (a, b, c)]
    stop(a, b, c)
    fresh('hci0', 'hci1', 'hci2')
    assert len(set(seen)) == 1, seen


def hostile():
    """Silent and babbling channels, garbage over GATT, advertisements of the wrong length and a flood of invented ones."""
    fresh('hci0', 'hci1', 'hci2')
    a = node('hci0', SCAN)
    a.wait(20, 'advertising', lambda e: e['on'] and e['gatt'])
    before = a.ask()
    psm = 0xd7
    for how in ('silent', 'rubbish'):
        opened, closed = 0, 0
        for _ in range(10):
            p = Program(how, 'bt_pipe', how, B, A, psm, 12)
            e = p.wait(90, 'closed')
            opened, closed = opened + e['opened'], closed + e['channels']
            p.stop()
            # The kernel itself turns some away when more wait than a listener may have.
            if opened >= 12:
                break
        # Who got in does not stay. Kernel 6.1 can lose a channel's goodbye where bluetoothd opens its own at the same time (both
        # sides number their requests alike).
        assert opened >= 12 and closed >= opened - 2, (how, opened, closed)
        say(how, opened, 'channels; descriptors', a.ask()['fds'])
    fresh('hci1')
    p = Program('garbage', 'bt_phone', 'hci1', A, 'garbage=600')
    p.wait(120, 'silent')
    p.wait(20, 'down')
    p.stop()
    say('garbage', 'descriptors', a.ask()['fds'])
    flood('hci2', 300)
    s = a.ask()
    say('after it all:', {k: s[k] for k in ('fds', 'rss_kib', 'faults', 'gatt_faults', 'adverts', 'malformed', 'dropped', 'calls',
                                            'neighbours', 'links')})
    assert s['state'] == 'Bluetooth works' and s['links'] == 0, s
    say(shell('ls', '-l', '/proc/%d/fd' % a.process.pid).stdout if s['fds'] > before['fds'] + 4 else '')
    assert s['fds'] <= before['fds'] + 4, (before['fds'], s['fds'])
    assert s['rss_kib'] <= before['rss_kib'] + 2048, (before['rss_kib'], s['rss_kib'])
    assert s['gatt_faults'] > 0 and s['faults'] + s['handshakes_failed'] > 0 and s['malformed'] > 0, s
    # And a real neighbour is still found and served.
    fresh('hci2')
    b = node('hci1', SCAN)
    b.do('submit 1 0')
    a.wait(60, 'count', lambda e: e['bundles'] == 1)
    stop(a, b)


def flood(adapter, count):
    """Advertisements of `count` invented addresses with our UUID, some of a wrong length, by raw HCI commands."""
    controller = Controller(adapter)
    command, draw = controller.command, random.Random(7)
    for i in range(count):
        size = 18 if i % 4 else draw.randrange(1, 21)
        data = bytes([1]) + draw.randbytes(size - 1) if size < 18 else bytes([1, 0]) + draw.randbytes(15) + b'\xd7'
        advert = b'\x02\x01\x06' + b'\x03\x03\xaf\x57' + bytes([size + 3, 0x16, 0xaf, 0x57]) + data
        command(0x200a, b'\x00')
        command(0x2005, draw.randbytes(5) + b'\xc7')
        command(0x2006, struct.pack('<HHBBB6sBB', 0x20, 0x20, 0, 1, 0, bytes(6), 7, 0))
        command(0x2008, bytes([len(advert)]) + advert.ljust(31, b'\0'))
        command(0x200a, b'\x01')
    command(0x200a, b'\x00')
    controller.close()


if __name__ == '__main__':
    run(latency, throughput, gatt, three, hostile)
