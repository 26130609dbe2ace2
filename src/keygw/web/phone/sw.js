// Keeps the page's own files, so that the key opens without a network. What the gateway says is never kept here: a status that
// was true yesterday must not come out of a cache as if it were true now.

const worker = /** @type {any} */ (self); // tsc knows windows and workers, not both in one project
const CACHE = 'keygw-phone-shell-1';
const OURS = /^\/(phone|shared|js|vendor)\//;
const PATIENCE_MS = 3000;

/** @param {string} url */
const isShell = (url) => {
  const { origin, pathname } = new URL(url);
  return origin === self.location.origin && OURS.test(pathname) && !pathname.endsWith('/sw.js');
};

/** @param {Request | string} request @returns {Promise<Response>} the newest, and kept */
async function newest(request) {
  const answer = await fetch(request, { signal: AbortSignal.timeout(PATIENCE_MS) });
  if (answer.ok && answer.type === 'basic' && !answer.redirected) await (await caches.open(CACHE)).put(request, answer.clone());
  return answer;
}

worker.addEventListener('install', (/** @type {any} */ event) => event.waitUntil(worker.skipWaiting()));
worker.addEventListener('activate', (/** @type {any} */ event) => event.waitUntil((async () => {
  for (const name of await caches.keys()) if (name.startsWith('keygw-phone-') && name !== CACHE) await caches.delete(name);
  await worker.clients.claim();
})()));

worker.addEventListener('fetch', (/** @type {any} */ event) => {
  const { request } = event;
  if (request.method !== 'GET' || !isShell(request.url)) return;
  event.respondWith(newest(request).catch(async () => {
    const kept = await caches.match(request, { ignoreSearch: true });
    return kept ?? Response.error();
  }));
});

// The page names what it was made of: no list of files that somebody would have to keep.
worker.addEventListener('message', (/** @type {any} */ event) => {
  if (!Array.isArray(event.data)) return;
  const urls = event.data.filter((/** @type {unknown} */ url) => typeof url === 'string' && isShell(url)).slice(0, 200);
  event.waitUntil(Promise.allSettled(urls.map((/** @type {string} */ url) => newest(url))).then(() => event.ports[0]?.postMessage('kept')));
});
