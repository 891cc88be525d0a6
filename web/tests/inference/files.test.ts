import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { type Asset, keep, keptManifest, load, sha256 } from "../../src/inference/local/files";
import type { Manifest } from "../../src/shared/api";

/** The browser's store, in memory. */
class FakeCache {
  readonly entries = new Map<string, Uint8Array<ArrayBuffer>>();

  async match(url: string): Promise<Response | undefined> {
    const bytes = this.entries.get(url);
    return bytes && new Response(bytes);
  }

  async put(url: string, response: Response): Promise<void> {
    this.entries.set(url, new Uint8Array(await response.arrayBuffer()));
  }

  async delete(request: string | { url: string }): Promise<boolean> {
    return this.entries.delete(typeof request === "string" ? request : request.url);
  }

  async keys(): Promise<{ url: string }[]> {
    return [...this.entries.keys()].map((url) => ({ url }));
  }
}

const BYTES = new Uint8Array([1, 2, 3, 4, 5]);
let cache: FakeCache;
let asset: Asset;
const served = vi.fn();

beforeEach(async () => {
  cache = new FakeCache();
  asset = { url: "http://localhost/model/m", sha256: await sha256(BYTES), bytes: BYTES.length };
  served.mockReset().mockImplementation(async () => new Response(BYTES));
  vi.stubGlobal("fetch", served);
  vi.stubGlobal("caches", { open: async () => cache });
});
afterEach(() => vi.unstubAllGlobals());

it("fetches a file once, with progress, and then takes it from the store", async () => {
  const arrived = vi.fn();
  expect(await load(asset, "", arrived)).toEqual(BYTES);
  expect(await load(asset, "", arrived)).toEqual(BYTES);
  expect(served).toHaveBeenCalledTimes(1);
  expect(arrived.mock.calls.flat()).toEqual([5, 5]);
});

it("fetches a file again that was damaged in the store", async () => {
  await load(asset, "", () => undefined);
  for (const bytes of cache.entries.values()) bytes[0] = 99;
  expect(await load(asset, "", () => undefined)).toEqual(BYTES);
  expect(served).toHaveBeenCalledTimes(2);
});

it("refuses a file that is not what the manifest says, and does not keep it", async () => {
  served.mockImplementation(async () => new Response(new Uint8Array([9, 9])));
  await expect(load(asset, "", () => undefined)).rejects.toMatchObject({ code: "device-download" });
  expect(cache.entries.size).toBe(0);
});

it("reads a file that is longer than announced to its end", async () => {
  expect(await load({ ...asset, bytes: 2 }, "", () => undefined)).toEqual(BYTES);
});

it.each([
  [401, "key-needed"],
  [404, "device-download"],
  [503, "device-download"],
])("status %i is the problem %s", async (status, code) => {
  served.mockImplementation(async () => new Response("", { status }));
  await expect(load(asset, "", () => undefined)).rejects.toMatchObject({ code });
});

it("calls a broken connection a download that did not arrive", async () => {
  served.mockRejectedValue(new TypeError("Failed to fetch"));
  await expect(load(asset, "", () => undefined)).rejects.toMatchObject({ code: "device-download" });
});

it("sends the key where there is one", async () => {
  await load(asset, "secret", () => undefined);
  expect(served.mock.calls[0]?.[1]).toEqual({ headers: { "X-API-Key": "secret" } });
});

it("works where nothing can be stored", async () => {
  vi.stubGlobal("caches", { open: () => Promise.reject(new DOMException("", "SecurityError")) });
  expect(await load(asset, "", () => undefined)).toEqual(BYTES);
});

it("keeps a model with its manifest, and forgets the files of older ones", async () => {
  expect(await keptManifest()).toBeNull();
  await load(asset, "", () => undefined);
  cache.entries.set("http://localhost:3000/sha256/old", BYTES);
  await keep({ version: "m-1" } as Manifest, [asset]);
  expect(cache.entries.size).toBe(2);
  expect((await keptManifest())?.version).toBe("m-1");
});

it("finds no kept model where nothing can be stored", async () => {
  vi.stubGlobal("caches", { open: () => Promise.reject(new DOMException("", "SecurityError")) });
  await keep({ version: "m-1" } as Manifest, [asset]);
  expect(await keptManifest()).toBeNull();
});
