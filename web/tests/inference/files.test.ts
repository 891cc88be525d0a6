import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type Asset, keep, keptManifest, load, missing, sha256 } from "../../src/inference/local/files";
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
  expect(await missing(asset)).toBe(5);
  expect(await load(asset, "", arrived)).toEqual(BYTES);
  expect(await missing(asset)).toBe(0);
  expect(await load(asset, "", arrived)).toEqual(BYTES);
  expect(served).toHaveBeenCalledTimes(1);
  expect(arrived.mock.calls.flat()).toEqual([5]);
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

describe("of a model that was taught on the one that is kept", () => {
  const BODY = [7, 7, 7, 7];

  /** A model as the service has it, with its manifest; its two files are served from now on. */
  async function model(version: string, body: number[], head: number[]): Promise<{ manifest: Manifest; asset: Asset }> {
    const [whole, last] = [new Uint8Array([...body, ...head]), new Uint8Array(head)];
    const entry = async (name: string, bytes: Uint8Array<ArrayBuffer>): Promise<Asset> => ({
      url: `http://localhost/model/${name}`,
      sha256: await sha256(bytes),
      bytes: bytes.length,
    });
    const files = { "model.onnx": await entry("model.onnx", whole), "head.onnx": await entry("head.onnx", last) };
    served
      .mockReset()
      .mockImplementation(async (url: string) => new Response(url.endsWith("head.onnx") ? last : whole));
    const manifest = { version, files } as unknown as Manifest;
    return { manifest, asset: { ...files["model.onnx"], head: files["head.onnx"] } };
  }

  /** Loads it and keeps it, as a device does. Resolves to the bytes, those that came, and what was asked for. */
  async function taken({ manifest, asset: whole }: Awaited<ReturnType<typeof model>>) {
    const arrived = vi.fn();
    const bytes = await load(whole, "", arrived);
    await keep(manifest, [whole]);
    const asked = served.mock.calls.map(([url]) => String(url).split("/").at(-1));
    return { bytes: [...bytes], came: arrived.mock.calls.flat(), asked };
  }

  it("only the head is fetched, draft after draft", async () => {
    await taken(await model("m-1", BODY, [1]));
    for (const head of [[2, 2], [3], [4, 4, 4]]) {
      const draft = await model(`draft-${head}`, BODY, head);
      expect(await missing(draft.asset)).toBe(head.length);
      expect(await taken(draft)).toEqual({ bytes: [...BODY, ...head], came: [head.length], asked: ["head.onnx"] });
    }
    expect(cache.entries.size).toBe(2); // a manifest and a model: heads are not kept
  });

  it("all of it is fetched where another body of the same length comes out as something else", async () => {
    await taken(await model("m-1", BODY, [1]));
    const other = await taken(await model("m-2", [8, 8, 8, 8], [1]));
    expect(other).toEqual({ bytes: [8, 8, 8, 8, 1], came: [1, 5], asked: ["head.onnx", "model.onnx"] });
  });

  it("all of it is fetched where the body is longer, was not stored, or the head does not arrive", async () => {
    await taken(await model("m-1", BODY, [1]));
    expect((await taken(await model("m-2", [7, 7, 7, 7, 7], [2]))).asked).toEqual(["model.onnx"]);
    const third = await model("m-3", [7, 7, 7, 7, 7], [3]);
    const all = served.getMockImplementation() as (url: string) => Promise<Response>;
    served.mockImplementation(async (url: string) =>
      url.endsWith("head.onnx") ? new Response("", { status: 404 }) : all(url),
    );
    expect((await taken(third)).asked).toEqual(["head.onnx", "model.onnx"]);
    cache.entries.delete(`http://localhost:3000/sha256/${third.asset.sha256}`);
    expect((await taken(await model("m-4", [7, 7, 7, 7, 7], [4]))).asked).toEqual(["model.onnx"]);
  });

  it("all of it is fetched where the model that is kept has no head of its own", async () => {
    const old = await model("m-1", BODY, [1]);
    delete (old.manifest.files as Record<string, unknown>)["head.onnx"];
    await taken(old);
    expect((await taken(await model("m-2", BODY, [2]))).asked).toEqual(["model.onnx"]);
  });
});
