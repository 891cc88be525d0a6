/** Files of the bundle: fetched once, verified each time, kept by what they hold. */

import type { Manifest } from "../../shared/api";
import { Problem } from "../../shared/problem";

/** A file of the bundle: from where, and what it must be. */
export interface Asset {
  url: string;
  /** hex */
  sha256: string;
  bytes: number;
}

// Above the folder of the built scripts: hosts put several pages on one origin, and each tidies up its own.
const SCRIPT = import.meta.url;
const CACHE = `model ${new URL("..", SCRIPT).href}`;
const MANIFEST = new URL("/kept/manifest", self.location.href).href; // an address that nobody serves

/** Gets called with the bytes that have come since the last call. */
export type Arrived = (bytes: number) => void;

/**
 * The verified bytes, from the browser's store where they lie there. Rejects with a Problem.
 *
 * @param key API key, or ""
 */
export async function load(asset: Asset, key: string, arrived: Arrived): Promise<Uint8Array<ArrayBuffer>> {
  const store = await openStore();
  const kept = await store?.match(place(asset));
  if (kept) {
    const bytes = new Uint8Array(await kept.arrayBuffer());
    if ((await sha256(bytes)) === asset.sha256) {
      arrived(bytes.length);
      return bytes;
    }
    await store?.delete(place(asset));
  }
  const bytes = await download(asset.url, { headers: key ? { "X-API-Key": key } : {} }, arrived);
  if ((await sha256(bytes)) !== asset.sha256) {
    throw new Problem("device-download", `${asset.url} is not what the manifest says`);
  }
  await store?.put(place(asset), new Response(bytes)).catch(() => undefined); // no room: it is fetched again next time
  return bytes;
}

/**
 * Marks a model that has shown that it works as the one to go on with offline, and forgets what older ones left: until
 * then both lie there whole. Never rejects.
 */
export async function keep(manifest: Manifest, assets: readonly Asset[]): Promise<void> {
  const store = await openStore();
  try {
    await store?.put(MANIFEST, new Response(JSON.stringify(manifest)));
    const wanted = new Set([MANIFEST, ...assets.map(place)]);
    const stored = (await store?.keys()) ?? [];
    await Promise.all(stored.filter(({ url }) => !wanted.has(url)).map((request) => store?.delete(request)));
  } catch {
    // no room: it is fetched again next time
  }
}

/** The manifest of the model that is kept whole; null where none is. Never rejects. */
export async function keptManifest(): Promise<Manifest | null> {
  try {
    const kept = await (await openStore())?.match(MANIFEST);
    return kept ? ((await kept.json()) as Manifest) : null;
  } catch {
    return null;
  }
}

/** The body, with progress. Rejects with a Problem. */
export async function download(url: string, init: RequestInit, arrived: Arrived): Promise<Uint8Array<ArrayBuffer>> {
  let response: Response;
  try {
    response = await fetch(url, init);
    if (response.ok && response.body) return await whole(response.body, arrived);
  } catch (error) {
    const code = error instanceof RangeError ? "low-memory" : "device-download";
    throw new Problem(code, `${url}: ${String(error)}`, undefined, { cause: error });
  }
  throw new Problem(response.status === 401 ? "key-needed" : "device-download", `${url}: status ${response.status}`);
}

async function whole(
  body: ReadableStream<Uint8Array<ArrayBuffer>>,
  arrived: Arrived,
): Promise<Uint8Array<ArrayBuffer>> {
  const counted = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
    transform: (part, out) => {
      arrived(part.length);
      out.enqueue(part);
    },
  });
  return new Uint8Array(await new Response(body.pipeThrough(counted)).arrayBuffer());
}

/** Hex. Rejects with a Problem where the browser has no cryptography: on pages that are not secure. */
export async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  if (!globalThis.crypto?.subtle) {
    throw new Problem("device-failed", "the model can't be verified on a page that is neither https nor localhost");
  }
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** An address that nobody serves: files are found by their content, whatever they are called. */
function place(asset: Asset): string {
  return new URL(`/sha256/${asset.sha256}`, self.location.href).href;
}

async function openStore(): Promise<Cache | undefined> {
  try {
    return await globalThis.caches?.open(CACHE);
  } catch {
    return undefined; // a browser that stores nothing
  }
}
