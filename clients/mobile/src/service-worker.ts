/** Keeps the app for use without a network, and lets nothing it loads leave its origin. */
// What the build made, in a file of its own, whose change is what makes a new version.
importScripts("precache.js");

const scope = self as unknown as ServiceWorkerGlobalScope & { PRECACHE: { version: string; files: string[] } };
const { version, files } = scope.PRECACHE;

scope.addEventListener("install", (event) => {
  event.waitUntil(
    caches.open(version).then((cache) => cache.addAll(files.map((file) => new Request(file, { cache: "no-cache" })))),
  );
});

scope.addEventListener("activate", (event) => {
  const clean = async () => {
    for (const name of await caches.keys()) if (name !== version) await caches.delete(name);
    await scope.clients.claim();
  };
  event.waitUntil(clean());
});

scope.addEventListener("fetch", (event) => {
  const { request } = event;
  if (new URL(request.url).origin !== location.origin) event.respondWith(Response.error());
  else if (request.method === "GET") event.respondWith(answer(request));
});

async function answer(request: Request): Promise<Response> {
  const cache = await caches.open(version);
  const kept = request.cache === "reload" ? undefined : await cache.match(request, { ignoreSearch: true });
  if (kept) return kept;
  const response = await fetch(request);
  // What is needed now and then (the other backend), or was got anew because the kept one was bad.
  if (response.ok) await cache.put(request, response.clone());
  return response;
}
