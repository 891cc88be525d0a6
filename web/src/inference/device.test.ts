import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Manifest } from "../api";
import { createDevice, deviceBytes } from "./device";
import type { FromWorker, Start, ToWorker } from "./device-messages";
import { RUNTIME_SENT_BYTES } from "./device-runtime";
import type { Frame } from "./inference";

const file = (bytes: number, digit: string) => ({ sha256: digit.repeat(64), bytes });

const MANIFEST = {
  version: "m-1",
  labels: ["art", "plant", "text"],
  input: { size: 224 },
  variants: { fp32: { file: "model.onnx", threshold: 0.5, temperature: 1 } },
  golden: [{ file: "golden/0.png", probabilities: { fp32: [1, 0, 0] }, known: { fp32: 0.9 } }],
  golden_tolerance: 0.05,
  files: { "model.onnx": file(1000, "a"), "golden/0.png": file(20, "b"), "model.int8.onnx": file(400, "c") },
} as unknown as Manifest;

/** A worker that says what the test says. */
class FakeWorker {
  readonly sent: ToWorker[] = [];
  terminated = false;
  onmessage: (event: { data: FromWorker }) => void = () => undefined;
  onerror: (event: { message: string }) => void = () => undefined;

  postMessage(message: ToWorker): void {
    this.sent.push(message);
  }

  terminate(): void {
    this.terminated = true;
  }

  say(data: FromWorker): void {
    this.onmessage({ data });
  }
}

let worker: FakeWorker;
const make = (manifest = MANIFEST) => createDevice(manifest, { threads: 2, worker: () => worker as unknown as Worker });

function frame(): Frame & { bitmap: { close: ReturnType<typeof vi.fn> } } {
  return { bitmap: { close: vi.fn() }, capture: 1, at: 0 } as unknown as Frame & {
    bitmap: { close: ReturnType<typeof vi.fn> };
  };
}

async function started() {
  const device = make();
  const start = device.start(new AbortController().signal);
  worker.say({ kind: "ready" });
  await start;
  return device;
}

const seen = (probabilities: number[], known: number): FromWorker => ({
  kind: "seen",
  probabilities: Float32Array.from(probabilities),
  known,
  decode: 0,
  inference: 0,
});

beforeEach(() => {
  worker = new FakeWorker();
});
afterEach(() => {
  vi.useRealTimers();
});

describe("the order to the worker", () => {
  it("names files with their hashes, what golden frames have to give, and the threads", () => {
    void make()
      .start(new AbortController().signal)
      .catch(() => undefined);
    const order = worker.sent[0] as Start;
    expect(order.model.url).toMatch(/model\/model\.onnx\?sha256=a{64}$/);
    expect(order.golden).toEqual([expect.objectContaining({ bytes: 20, probabilities: [1, 0, 0], known: 0.9 })]);
    expect(order).toMatchObject({ tolerance: 0.05, size: 224, threads: 2 });
  });

  it("is refused where the model has no fp32", async () => {
    const device = make({ ...MANIFEST, variants: {} } as unknown as Manifest);
    await expect(device.start(new AbortController().signal)).rejects.toMatchObject({ code: "model-unavailable" });
  });
});

describe("start", () => {
  it("passes progress on and resolves when the worker is ready", async () => {
    const device = make();
    const progress = vi.fn();
    const start = device.start(new AbortController().signal, progress);
    worker.say({ kind: "progress", done: 3, total: 9 });
    worker.say({ kind: "ready" });
    await start;
    expect(progress).toHaveBeenCalledWith(3, 9);
  });

  it("rejects with the worker's problem and ends the worker", async () => {
    const start = make().start(new AbortController().signal);
    worker.say({ kind: "problem", code: "device-golden", detail: "off by 0.2" });
    await expect(start).rejects.toMatchObject({ code: "device-golden", message: "off by 0.2" });
    expect(worker.terminated).toBe(true);
  });

  it("ends the worker when it is aborted", async () => {
    const abort = new AbortController();
    const start = make().start(abort.signal);
    abort.abort();
    await expect(start).rejects.toMatchObject({ code: "closed" });
    expect(worker.terminated).toBe(true);
  });

  it("calls a worker that ran out of memory by that name", async () => {
    const start = make().start(new AbortController().signal);
    worker.onerror({ message: "RangeError: WebAssembly.Memory(): could not allocate memory" });
    await expect(start).rejects.toMatchObject({ code: "low-memory" });
  });
});

describe("identify", () => {
  it("gives the likeliest label, with times that add up", async () => {
    const device = await started();
    const asked = device.identify(frame());
    worker.say(seen([0.1, 0.7, 0.2], 0.8));
    const { label, model, timing } = await asked;
    expect([label, model]).toEqual(["plant", "m-1"]);
    const { capture, network, queue, decode, inference, total } = timing;
    expect(capture + network + queue + decode + inference).toBeCloseTo(total, 6);
  });

  it("says none of these below the threshold", async () => {
    const device = await started();
    const asked = device.identify(frame());
    worker.say(seen([0.1, 0.7, 0.2], 0.49));
    expect((await asked).label).toBeNull();
  });

  it("rejects a pending one, and closes the bitmap of a later one, when it is closed", async () => {
    const device = await started();
    const pending = device.identify(frame());
    device.close();
    await expect(pending).rejects.toMatchObject({ code: "closed" });
    const late = frame();
    await expect(device.identify(late)).rejects.toMatchObject({ code: "closed" });
    expect(late.bitmap.close).toHaveBeenCalled();
    expect(worker.terminated).toBe(true);
  });

  it("does not wait for ever for a worker that was ended without a word", async () => {
    const device = await started();
    vi.useFakeTimers();
    const asked = device.identify(frame());
    const failed = expect(asked).rejects.toMatchObject({ code: "low-memory" });
    await vi.runAllTimersAsync();
    await failed;
  });
});

it("counts model, golden frames and runtime as what is fetched", () => {
  expect(deviceBytes(MANIFEST)).toBe(1020 + RUNTIME_SENT_BYTES);
});
