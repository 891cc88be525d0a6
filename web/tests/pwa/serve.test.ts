import { afterEach, describe, expect, it, vi } from "vitest";
import { cached, isolated, sourceOf } from "../../src/pwa/serve";

const SCOPE = "https://host.example/some/site/";
const get = (path: string) => sourceOf({ method: "GET", url: SCOPE + path }, SCOPE);

function store(kept: Record<string, string> = {}) {
  return {
    match: vi.fn(async (request: RequestInfo | URL) => {
      const text = kept[(request as Request).url];
      return text === undefined ? undefined : new Response(text);
    }),
    put: vi.fn(async () => undefined),
  };
}

/** What a host answers; jsdom's own responses have no type. */
function answers(text: string, status = 200): void {
  const response = Object.defineProperty(new Response(text, { status }), "type", { value: "basic" });
  vi.stubGlobal("fetch", vi.fn().mockResolvedValue(response));
}

afterEach(() => vi.unstubAllGlobals());

describe("what is answered", () => {
  it("takes what is named by its content from the store, and asks the host for what may change", () => {
    expect(get("assets/index-1a2b.js")).toBe("cache");
    expect(get("")).toBe("network");
    expect(get("model/MODEL_CARD.md")).toBe("network");
  });

  it("leaves alone the model, which the page keeps itself, what is not of this site, and what is no GET", () => {
    expect(get("model/manifest.json")).toBe("past"); // kept with its weights, and not before them
    expect(get("model/model.onnx")).toBe("past");
    expect(get("model/golden/00-0.png")).toBe("past");
    expect(sourceOf({ method: "GET", url: "https://host.example/another/" }, SCOPE)).toBe("past");
    expect(sourceOf({ method: "POST", url: SCOPE }, SCOPE)).toBe("past");
  });
});

describe("from where", () => {
  const request = new Request(`${SCOPE}page`);

  it("does not ask the host for what it has, where that never changes", async () => {
    answers("new");
    expect(await (await cached(request, store({ [request.url]: "kept" }), "cache")).text()).toBe("kept");
    expect(fetch).not.toHaveBeenCalled();
  });

  it("keeps what the host answers", async () => {
    answers("new");
    const empty = store();
    expect(await (await cached(request, empty, "network")).text()).toBe("new");
    expect(empty.put).toHaveBeenCalledOnce();
  });

  it("does not keep an error", async () => {
    answers("gone", 404);
    const empty = store();
    expect((await cached(request, empty, "network")).status).toBe(404);
    expect(empty.put).not.toHaveBeenCalled();
  });

  it("answers offline with what it kept, and fails where it has nothing", async () => {
    vi.stubGlobal("fetch", vi.fn().mockRejectedValue(new TypeError("offline")));
    expect(await (await cached(request, store({ [request.url]: "kept" }), "network")).text()).toBe("kept");
    await expect(cached(request, store(), "network")).rejects.toThrow("offline");
  });

  it("answers where there is no room to keep anything", async () => {
    answers("new");
    const full = { ...store(), put: vi.fn().mockRejectedValue(new DOMException("", "QuotaExceededError")) };
    expect(await (await cached(request, full, "network")).text()).toBe("new");
  });
});

describe("isolated", () => {
  it("adds the headers and keeps body, status and the other headers", async () => {
    const made = isolated(new Response("body", { status: 203, headers: { "Content-Type": "text/css" } }));
    expect(made.headers.get("Cross-Origin-Opener-Policy")).toBe("same-origin");
    expect(made.headers.get("Cross-Origin-Embedder-Policy")).toBe("require-corp");
    expect([made.status, made.headers.get("Content-Type"), await made.text()]).toEqual([203, "text/css", "body"]);
  });

  it("passes on an answer that must have no body", () => {
    expect(isolated(new Response(null, { status: 204 })).status).toBe(204);
  });
});
