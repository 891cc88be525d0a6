/** For hosts that can't send headers: isolates the page as the service does, and keeps it for use offline. */

import { cached, isolated, NAMES, sourceOf } from "./serve";

interface Extendable extends Event {
  waitUntil(work: Promise<unknown>): void;
}

interface Fetching extends Extendable {
  readonly request: Request;
  respondWith(response: Promise<Response>): void;
}

// Beside this file the compiler knows the window's global scope only.
const scope = self as unknown as {
  registration: { scope: string };
  addEventListener(type: "install" | "activate", listener: (event: Extendable) => void): void;
  addEventListener(type: "fetch", listener: (event: Fetching) => void): void;
};
const CACHE = `page ${scope.registration.scope}`; // hosts put several sites on one origin

scope.addEventListener("install", (event) => event.waitUntil(keep()));
scope.addEventListener("activate", (event) => event.waitUntil(forget()));
scope.addEventListener("fetch", (event) => {
  const source = sourceOf(event.request, scope.registration.scope);
  if (source !== "past") event.respondWith(answer(event.request, source));
});

/** All but the runtime, which is large and asked for soon enough. */
async function keep(): Promise<void> {
  const cache = await caches.open(CACHE);
  await cache.addAll(["./", ...NAMES.filter((name) => !name.endsWith(".wasm"))].map(at));
}

/** What an older build left. */
async function forget(): Promise<void> {
  const cache = await caches.open(CACHE);
  const wanted = new Set(NAMES.map(at));
  const old = (await cache.keys()).filter(({ url }) => url.startsWith(at("assets/")) && !wanted.has(url));
  await Promise.all(old.map((request) => cache.delete(request)));
}

async function answer(request: Request, source: "cache" | "network"): Promise<Response> {
  const cache = await caches.open(CACHE);
  return isolated(await cached(request, cache, source));
}

function at(name: string): string {
  return new URL(name, scope.registration.scope).href;
}
