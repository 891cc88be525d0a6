/** What jsdom lacks of a browser, as far as the page needs it. */

import { vi } from "vitest";
import { HereWorker } from "./workers";

export const answerOf = (changed: Record<string, unknown> = {}): Record<string, unknown> => ({
  label: "plant",
  probabilities: { art: 0.1, plant: 0.8, text: 0.1 },
  score: 0.9,
  threshold: 0.5,
  model: "m-1",
  timing_ms: { decode: 1, queue: 0, inference: 3 },
  dropped: 0,
  ...changed,
});

/** A service's end of a WebSocket: answers each frame with `reply`. */
export class FakeSocket {
  static readonly OPEN = 1;
  static all: FakeSocket[] = [];
  static reply: () => unknown = () => answerOf();
  readyState = 0;
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;

  constructor() {
    FakeSocket.all.push(this);
    setTimeout(() => {
      this.readyState = 1;
      this.onopen?.();
    });
  }

  send(): void {
    setTimeout(() => this.onmessage?.({ data: JSON.stringify(FakeSocket.reply()) }));
  }

  close(): void {
    this.readyState = 3;
  }
}

const bitmap = (): ImageBitmap => ({ width: 4, height: 4, close: () => undefined }) as unknown as ImageBitmap;

/** Draws nothing, whatever it is told. */
const context = new Proxy({} as Record<string, unknown>, {
  get: (kept, name: string) => kept[name] ?? (name === "measureText" ? () => ({ width: 50 }) : () => undefined),
  set: (kept, name: string, value) => {
    kept[name] = value;
    return true;
  },
});

class FakePath {
  moveTo(): void {}
  lineTo(): void {}
  rect(): void {}
  arc(): void {}
}

/** @param served what the service's addresses give, by how they end */
export function browser(served: Record<string, () => Response>): void {
  FakeSocket.all = [];
  FakeSocket.reply = () => answerOf();
  vi.stubGlobal("WebSocket", FakeSocket);
  vi.stubGlobal("Worker", function crop() {
    return new HereWorker(async () => ({ bitmap: bitmap(), jpeg: new ArrayBuffer(3) }));
  });
  vi.stubGlobal("createImageBitmap", async () => bitmap());
  vi.stubGlobal("caches", undefined);
  vi.stubGlobal(
    "matchMedia",
    vi.fn(() => ({ matches: false, addEventListener: () => undefined, removeEventListener: () => undefined })),
  );
  vi.stubGlobal(
    "ResizeObserver",
    class {
      observe(): void {}
      disconnect(): void {}
    },
  );
  document.documentElement.style.setProperty("--paper", "#ffffff"); // the style sheet has it
  Object.assign(HTMLVideoElement.prototype, {
    requestVideoFrameCallback: () => 0,
    cancelVideoFrameCallback: () => undefined,
  });
  vi.spyOn(HTMLCanvasElement.prototype, "getContext").mockReturnValue(context as never);
  vi.stubGlobal("ImageData", class {});
  vi.stubGlobal("Path2D", FakePath);
  Object.defineProperty(document, "fonts", { value: { ready: Promise.resolve() }, configurable: true });
  vi.stubGlobal("fetch", async (input: string) => {
    const found = Object.entries(served).find(([end]) => new URL(input, location.href).pathname.endsWith(end));
    if (!found) throw new TypeError(`nobody serves ${input}`);
    return found[1]();
  });
}

export function hide(hidden: boolean): void {
  Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}
