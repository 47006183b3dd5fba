import sys
sys.argv=sys.argv[:1]
from meeting import *
def cpu():
    r={}
    for pid in os.listdir('/proc'):
        if pid.isdigit():
            try:
                f=open('/proc/%s/stat'%pid).read(); n=f[f.index('(')+1:f.rindex(')')]; x=f[f.rindex(')')+2:].split()
                r[n+pid]=(int(x[11])*10,int(x[12])*10)
            except Exception: pass
    return r
def p():
    for k in range(2):
        a, b = pair('gatt=0')
        n=1024
        b.do('submit %d 4' % n)
        start = a.wait(40, 'ready')['t']; c0=cpu()
        end = a.wait(90, 'count', lambda e: e['bundles'] == n)['t']; c1=cpu()
        say('OURS', end-start, 'ms', n*4096/(end-start)/1.024)
        for k,v in c1.items():
            d=(v[0]-c0.get(k,(0,0))[0], v[1]-c0.get(k,(0,0))[1])
            if sum(d)>=20: say(k,d)
        stop(a,b); time.sleep(1)
        c0=cpu(); r=stream_raw(4<<20); c1=cpu()
        say('RAW',r)
        for k,v in c1.items():
            d=(v[0]-c0.get(k,(0,0))[0], v[1]-c0.get(k,(0,0))[1])
            if sum(d)>=20: say(k,d)
scenario('p',p)
