import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { isolate } from "../../src/pwa/isolate";

const reload = vi.fn();
const register = vi.fn();

function browser({ isolated = false, active = true }): void {
  const registration = { active: active ? {} : null };
  register.mockReset().mockResolvedValue(registration);
  vi.stubGlobal("crossOriginIsolated", isolated);
  vi.stubGlobal("location", { reload });
  vi.stubGlobal("navigator", {
    serviceWorker: { register, ready: active ? Promise.resolve(registration) : new Promise(() => undefined) },
  });
}

beforeEach(() => {
  sessionStorage.clear();
  reload.mockReset();
});
afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

it("loads the page again once, so that the service worker can send its headers", async () => {
  browser({});
  expect(await isolate()).toBe(false);
  expect(reload).toHaveBeenCalledOnce();
});

it("does not load it again where that did not help", async () => {
  browser({});
  await isolate();
  expect(await isolate()).toBe(true);
  expect(reload).toHaveBeenCalledOnce();
});

it("goes on at once where the page is isolated, and may try again after that", async () => {
  browser({});
  await isolate();
  browser({ isolated: true });
  expect(await isolate()).toBe(true);
  browser({});
  expect(await isolate()).toBe(false);
});

it("goes on where there are no service workers", async () => {
  browser({});
  vi.stubGlobal("navigator", {});
  expect(await isolate()).toBe(true);
  expect(reload).not.toHaveBeenCalled();
});

it("goes on where the service worker does not get active in time", async () => {
  vi.useFakeTimers();
  browser({ active: false });
  const going = isolate();
  await vi.runAllTimersAsync();
  expect(await going).toBe(true);
  expect(reload).not.toHaveBeenCalled();
});
