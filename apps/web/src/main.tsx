// apps/web/src/main.tsx - the page: gets in by the link's token or an open session, and shows what the node says of itself.
import { render } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { enter, status, type Status } from './messenger';

type View = { is: 'asking' } | { is: 'out'; why: string } | { is: 'in'; status: Status };

function App() {
    const [view, setView] = useState<View>({ is: 'asking' });

    useEffect(() => {
        enter().then(async (why) => setView(why === null ? { is: 'in', status: await status() } : { is: 'out', why }))
            .catch((e: unknown) => setView({ is: 'out', why: e instanceof Error ? e.message : String(e) }));
    }, []);
    if (view.is === 'asking') return <main aria-busy="true"><h1>Staffetta</h1></main>;
    if (view.is === 'out') return <main><h1>Staffetta</h1><p role="alert">{view.why}</p></main>;
    const s = view.status;
    return (
        <main>
            <h1>Staffetta</h1>
            <dl id="status">
                <dt>State</dt><dd id="state">{s.state}</dd>
                <dt>Identity</dt><dd id="identity">{s.name ?? s.identity}</dd>
                <dt>Neighbours</dt><dd id="neighbours">{s.neighbours}</dd>
            </dl>
        </main>
    );
}

const place = document.getElementById('app');
if (place) render(<App />, place);
if ('serviceWorker' in navigator) navigator.serviceWorker.register('/sw.js').catch(() => undefined);
