#!/usr/bin/python3
"""What a bystander sees of a node over several (shortened) epochs: bluetoothd runs with Privacy = device (main.conf), and btmon
writes down what the bystander's controller receives."""
from radio import *

EPOCH_MS = 12000
CAPTURE = '/tmp/air.btmon'


def reports(text):
    """(seconds, address, kind of address, all lines) of each advertising report in btmon's words."""
    blocks = re.split(r'\n(?=[<>@=] )', text)
    for block in blocks:
        if 'Advertising Report' not in block.split('\n')[0] and 'Advertising Report' not in block:
            continue
        for part in re.split(r'(?=\n\s+Event type:|\n\s+Entry \d)', block):
            found = re.search(r'\n\s+Address: (\S+)(.*)', part)
            if found and 'LE Address' not in part:
                yield found.group(1), part


def air():
    identity = address('hci0')
    host = shell('hostname').stdout.strip()
    bystander = Bystander('hci2')
    monitor = subprocess.Popen(['btmon', '-i', 'hci2'], stdout=open(CAPTURE, 'w'), stderr=subprocess.DEVNULL)
    a = node('hci0', 'scan=1000/300', 'epoch=%d' % EPOCH_MS, 'idle=1000')
    # B waits to be called: two emulated controllers that dial each other at once get two links under one handle.
    b = node('hci1', 'passive=1', 'epoch=%d' % EPOCH_MS, 'idle=1000')
    a.wait(30, 'advertising', lambda e: e['on'])
    status = a.ask()
    end = time.monotonic() + 5 * EPOCH_MS / 1e3
    total = 0
    while time.monotonic() < end:
        a.do('submit 1 0')
        total += 1
        time.sleep(2)
    until(20, lambda: b.ask()['bundles'] == total, 'all %d bundles over all epochs' % total)
    epochs = a.ask()['epochs']
    stop(a, b, bystander)
    monitor.terminate()
    monitor.wait(10)
    text = open(CAPTURE, errors='replace').read()
    # The node under watch is known by its adverts: 2 of version and load, 8 random, 6 of fingerprint, flags, PSM.
    seen = {}
    for who, part in reports(text):
        data = re.search(r'Service Data[^\n]*?(?:0x57af|57af)[^\n]*?\n?\s*(?:Data[^:]*: )?([0-9a-f]{36})', part, re.I)
        if data:
            seen.setdefault(data.group(1)[4:20], set()).add(who)
    say('epochs %d; adverts and the addresses they were under:' % epochs)
    for random, addresses in seen.items():
        say('   ', random, sorted(addresses))
    assert epochs >= 3, epochs
    assert status['private'] == 1, 'the controller has no privacy'
    assert len(seen) >= 6, 'adverts of two nodes over three epochs: %d' % len(seen)
    # One address belongs to one epoch: else it would tie two together.
    owners = {}
    for random, addresses in seen.items():
        for who in addresses:
            owners.setdefault(who, set()).add(random)
    tied = {who: randoms for who, randoms in owners.items() if len(randoms) > 1}
    assert not tied, tied
    received = '\n'.join(part for _, part in reports(text))
    for what, stable in (('identity address', identity), ('identity address', address('hci1')), ('host name', host),
                         ('a name', 'Name (complete)'), ('a name', 'Name (short)')):
        assert stable.lower() not in received.lower(), '%s on air: %s' % (what, stable)
    # 127 is the report's own word for "not told".
    assert not re.search(r'TX power: (?!127 )', received), 'transmit power on air'
    say('FIGURE no stable identifier in %d reports over %d epochs' % (len(list(reports(text))), epochs))


if __name__ == '__main__':
    try:
        run(air)
    finally:
        if FAILURES or os.environ.get('STA_TALK'):
            print(open(CAPTURE, errors='replace').read()[:6000] if os.path.exists(CAPTURE) else 'no capture')
