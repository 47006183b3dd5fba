// apps/web/build.mjs OUT - builds the page into the folder OUT, which the daemon serves as it is.
//
// The folder is flat. What may be kept for ever bears a hash in its name (NAME-HASH.js, NAME-HASH.css); the rest is asked for anew
// each time. Text lies there three times: plain, .gz and .br, since a small computer shall compress nothing while it serves.
import { build } from 'esbuild';
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

const here = dirname(fileURLToPath(import.meta.url));
const out = process.argv[2];
if (!out) {
    console.error('usage: node build.mjs OUT');
    process.exit(2);
}

const common = {
    bundle: true, minify: true, format: 'esm', target: ['es2020', 'firefox90', 'safari15'], charset: 'utf8',
    jsx: 'automatic', jsxImportSource: 'preact', legalComments: 'none', logLevel: 'warning', absWorkingDir: here,
};

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });

const page = await build({
    ...common, entryPoints: { app: 'src/main.tsx', style: 'src/style.css' }, outdir: out, splitting: true, metafile: true,
    entryNames: '[name]-[hash]', chunkNames: '[name]-[hash]', assetNames: '[name]-[hash]',
});
const named = {};   // "app.js" -> "app-HASH.js"
for (const [path, made] of Object.entries(page.metafile.outputs)) {
    const name = path.split('/').pop();
    if (made.entryPoint) named[name.replace(/-[^-.]+(\.\w+)$/, '$1')] = name;
}

// index.html names the entry points as "app.js" and "style.css".
let html = readFileSync(join(here, 'index.html'), 'utf8').replace(/<!--[^]*?-->\s*/g, '');
for (const [plain, hashed] of Object.entries(named)) html = html.replaceAll(`"/${plain}"`, `"/${hashed}"`);
writeFileSync(join(out, 'index.html'), html);
for (const name of readdirSync(join(here, 'public'))) writeFileSync(join(out, name), readFileSync(join(here, 'public', name)));

// The service worker knows what the shell consists of, and by their hash when it changed.
const shell = readdirSync(out).sort();
const digest = createHash('sha256');
for (const name of shell) digest.update(name).update(readFileSync(join(out, name)));
await build({
    ...common, format: 'iife', entryPoints: { sw: 'src/sw.ts' }, outdir: out,
    define: { SHELL_FILES: JSON.stringify(shell.filter((n) => n !== 'index.html').map((n) => '/' + n)),
              SHELL_VERSION: JSON.stringify(digest.digest('hex').slice(0, 16)) },
});

for (const name of readdirSync(out)) {
    if (!/\.(html|js|css|svg|json|webmanifest)$/.test(name)) continue;
    const plain = readFileSync(join(out, name));
    const smaller = { gz: gzipSync(plain, { level: 9 }),
                      br: brotliCompressSync(plain, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }) };
    for (const [ending, bytes] of Object.entries(smaller))
        if (bytes.length < plain.length) writeFileSync(join(out, `${name}.${ending}`), bytes);
}
