// apps/web/src/sw.ts - the shell without the node: the page opens and says that the node is away. Messages are never kept here.
export {};
declare const SHELL_FILES: string[];
declare const SHELL_VERSION: string;

interface Waits extends Event { waitUntil(work: Promise<unknown>): void }
interface Fetches extends Waits { readonly request: Request; respondWith(answer: Promise<Response>): void }
interface Worker {
    readonly location: Location;
    readonly clients: { claim(): Promise<void> };
    skipWaiting(): Promise<void>;
    addEventListener(name: 'install' | 'activate', then: (e: Waits) => void): void;
    addEventListener(name: 'fetch', then: (e: Fetches) => void): void;
}
const self_ = globalThis as unknown as Worker;
const NAME = `shell-${SHELL_VERSION}`;

async function fetchOr(request: Request, kept: string): Promise<Response> {
    try {
        return await fetch(request);
    } catch (e) {
        const found = await caches.match(kept);
        if (found) return found;
        throw e;
    }
}

self_.addEventListener('install', (e) => {
    e.waitUntil(caches.open(NAME).then((c) => c.addAll(['/', ...SHELL_FILES])).then(() => self_.skipWaiting()));
});
self_.addEventListener('activate', (e) => {
    e.waitUntil(caches.keys().then((names) => Promise.all(names.filter((n) => n !== NAME).map((n) => caches.delete(n))))
        .then(() => self_.clients.claim()));
});
self_.addEventListener('fetch', (e) => {
    const url = new URL(e.request.url);
    if (e.request.method !== 'GET' || url.origin !== self_.location.origin || url.pathname.startsWith('/v1/')) return;
    if (e.request.mode === 'navigate') e.respondWith(fetchOr(e.request, '/'));
    else e.respondWith(caches.match(e.request).then((kept) => kept ?? fetch(e.request)));
});
