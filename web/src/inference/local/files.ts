/** Files of the bundle: fetched once, verified each time, kept by what they hold. */

import type { Manifest } from "../../shared/api";
import { Problem } from "../../shared/problem";

/** A file of the bundle: from where, and what it must be. */
export interface Asset {
  url: string;
  /** hex */
  sha256: string;
  bytes: number;
  /** of a model: the file with its last bytes, which alone differ from those of the model that it was taught on */
  head?: Asset | undefined;
}

export const MODEL = "model.onnx"; // a body, and after it the bytes of HEAD
export const HEAD = "head.onnx";

// Above the folder of the built scripts: hosts put several pages on one origin, and each tidies up its own.
const SCRIPT = import.meta.url;
const CACHE = `model ${new URL("..", SCRIPT).href}`;
const MANIFEST = new URL("/kept/manifest", self.location.href).href; // an address that nobody serves

/** Gets called with the bytes that have come since the last call. */
export type Arrived = (bytes: number) => void;

/**
 * The verified bytes: from the browser's store where they lie there, or of a model whose body lies there the head alone.
 * Rejects with a Problem.
 *
 * @param key API key, or ""
 */
export async function load(asset: Asset, key: string, arrived: Arrived): Promise<Uint8Array<ArrayBuffer>> {
  const store = await openStore();
  const kept = await stored(store, asset);
  if (kept && (await sha256(kept)) === asset.sha256) return kept;
  if (kept) await store?.delete(place(asset));
  const bytes = (await withHead(store, asset, key, arrived)) ?? (await fetched(asset, key, arrived));
  await store?.put(place(asset), new Response(bytes)).catch(() => undefined); // no room: it is fetched again next time
  return bytes;
}

/** How many bytes of the file have to come over the network. Never rejects. */
export async function missing(asset: Asset): Promise<number> {
  const store = await openStore();
  if (await store?.match(place(asset)).catch(() => undefined)) return 0;
  return asset.head && (await bodyOf(store, asset, asset.head)) ? asset.head.bytes : asset.bytes;
}

async function fetched(asset: Asset, key: string, arrived: Arrived): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = await download(asset.url, { headers: key ? { "X-API-Key": key } : {} }, arrived);
  if ((await sha256(bytes)) === asset.sha256) return bytes;
  throw new Problem("device-download", `${asset.url} is not what the manifest says`);
}

/** The kept model's body and the new head; null where they do not give what is wanted. Never rejects. */
async function withHead(
  store: Cache | undefined,
  asset: Asset,
  key: string,
  arrived: Arrived,
): Promise<Uint8Array<ArrayBuffer> | null> {
  try {
    const body = asset.head && (await bodyOf(store, asset, asset.head));
    if (!asset.head || !body) return null;
    const head = await fetched(asset.head, key, arrived);
    const whole = new Uint8Array(await new Blob([body, head]).arrayBuffer());
    return (await sha256(whole)) === asset.sha256 ? whole : null;
  } catch {
    return null; // the whole file's way says what is wrong
  }
}

/** Of the model that is kept what comes before its head, where that is as long as the wanted one's. Never rejects. */
async function bodyOf(store: Cache | undefined, asset: Asset, head: Asset): Promise<Uint8Array<ArrayBuffer> | null> {
  const files = (await keptManifest())?.files;
  const [model, old] = [files?.[MODEL], files?.[HEAD]];
  if (!model || !old || model.bytes - old.bytes !== asset.bytes - head.bytes) return null;
  return (await stored(store, model))?.subarray(0, model.bytes - old.bytes) ?? null;
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
function place({ sha256 }: Pick<Asset, "sha256">): string {
  return new URL(`/sha256/${sha256}`, self.location.href).href;
}

async function stored(store: Cache | undefined, asset: Pick<Asset, "sha256">): Promise<Uint8Array<ArrayBuffer> | null> {
  const kept = await store?.match(place(asset)).catch(() => undefined);
  return kept ? new Uint8Array(await kept.arrayBuffer()) : null;
}

async function openStore(): Promise<Cache | undefined> {
  try {
    return await globalThis.caches?.open(CACHE);
  } catch {
    return undefined; // a browser that stores nothing
  }
}
