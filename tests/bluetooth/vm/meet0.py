import sys; sys.path.insert(0,'tests/bluetooth/vm')
from radio import *
def meet():
    a = node('hci0', 'scan=2000/500'); b = node('hci1','scan=2000/500')
    a.do('submit 20 0')
    b.do('submit 5 0')
    a.wait(20,'advertising', lambda e:e['on'])
    b.wait(40,'count', lambda e:e['bundles']==25)
    a.wait(40,'count', lambda e:e['bundles']==25)
    print(a.ask()); print(b.ask())
    a.stop(); b.stop()
scenario('meet', meet)
finish()
