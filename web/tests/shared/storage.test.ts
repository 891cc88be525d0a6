import { afterEach, expect, test, vi } from "vitest";
import { apiKey, fetchServed, rememberKey } from "../../src/shared/api";
import { recall, remember } from "../../src/shared/storage";

/** A browser whose user allows no storage: it throws at the mere sight of it. */
function blocked(): void {
  for (const kind of ["localStorage", "sessionStorage"] as const) {
    vi.spyOn(window, kind, "get").mockImplementation(() => {
      throw new DOMException("blocked", "SecurityError");
    });
  }
}

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
  remember("localStorage", "a", "");
  remember("sessionStorage", "key", "");
});

test("what is remembered is recalled", () => {
  remember("localStorage", "a", "b");
  expect([localStorage.getItem("a"), recall("localStorage", "a")]).toEqual(["b", "b"]);
  expect(recall("localStorage", "b")).toBeNull();
});

test("where storage is blocked, it lasts as long as the page", () => {
  blocked();
  remember("localStorage", "a", "b");
  expect(recall("localStorage", "a")).toBe("b");
  rememberKey("sesame");
  expect(apiKey()).toBe("sesame");
});

test("where storage is blocked, the service is asked all the same", async () => {
  blocked();
  vi.stubGlobal("fetch", vi.fn().mockResolvedValue(new Response('{"version": "m-1"}')));
  expect((await fetchServed()).manifest.version).toBe("m-1");
});
