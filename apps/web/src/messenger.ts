// apps/web/src/messenger.ts - the node over HTTP. Nothing else of the page knows of HTTP.
export interface Status { state: string; identity: string; name: string | null; neighbours: number; version: string }

async function ask<T>(method: string, path: string, body?: unknown): Promise<T> {
    const answer = await fetch(path, {
        method, credentials: 'same-origin', cache: 'no-store',
        headers: method === 'GET' ? {} : { 'X-Staffetta': '1', 'Content-Type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const said: unknown = await answer.json();
    if (!answer.ok) throw Object.assign(new Error((said as { message?: string }).message ?? answer.statusText), { status: answer.status });
    return said as T;
}

/** Null: in. Otherwise why not. The token leaves the address bar before it is used. */
export async function enter(): Promise<string | null> {
    const token = location.pathname === '/open' ? location.hash.slice(1) : '';
    try {
        if (token !== '') {
            history.replaceState(null, '', '/');
            await ask('POST', '/v1/session', { token });
        } else {
            await ask('GET', '/v1/session');
        }
        return null;
    } catch (e) {
        return e instanceof Error ? e.message : String(e);
    }
}

export const status = () => ask<Status>('GET', '/v1/status');
