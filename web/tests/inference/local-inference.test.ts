import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { deviceBytes } from "../../src/inference/local/bundle";
import type { Progress, Seen, Start } from "../../src/inference/local/inference.worker";
import { LocalInference } from "../../src/inference/local/local-inference";
import { RUNTIME_SENT_BYTES } from "../../src/inference/local/runtime";
import type { Answer, Frame } from "../../src/shared/answer";
import type { Manifest } from "../../src/shared/api";
import { type Code, Problem } from "../../src/shared/problem";
import { HereWorker } from "../workers";

const file = (bytes: number, digit: string) => ({ sha256: digit.repeat(64), bytes });

const MANIFEST = {
  version: "m-1",
  labels: ["art", "plant", "text"],
  input: { size: 224 },
  variants: { fp32: { file: "model.onnx", threshold: 0.5, temperature: 1 } },
  golden: [{ file: "golden/0.png", probabilities: { fp32: [1, 0, 0] }, id_score: { fp32: 0.9 } }],
  golden_tolerance: 0.05,
  files: { "model.onnx": file(1000, "a"), "golden/0.png": file(20, "b"), "model.int8.onnx": file(400, "c") },
} as unknown as Manifest;

/** A worker that starts and answers when the test says so. */
class FakeWorker extends HereWorker {
  order: Start | null = null;
  readonly explained: boolean[] = []; // of each frame, whether with evidence
  progress: Progress = () => undefined;
  ready: () => void = () => undefined;
  fail: (problem: Problem) => void = () => undefined;
  seen: (seen: Seen) => void = () => undefined;

  constructor() {
    super({
      start: (order: Start, progress: Progress) => {
        this.order = order;
        this.progress = progress;
        return new Promise<void>((resolve, reject) => {
          this.ready = resolve;
          this.fail = reject;
        });
      },
      look: (_: unknown, explain: boolean) => {
        this.explained.push(explain);
        return new Promise<Seen>((resolve) => {
          this.seen = resolve;
        });
      },
    });
  }
}

let worker: FakeWorker; // the first one
let all: FakeWorker[];

function make(manifest = MANIFEST, workers = 1): LocalInference {
  return new LocalInference(manifest, { workers, worker: () => nextWorker() as unknown as Worker });
}

function nextWorker(): FakeWorker {
  const next = all.length ? new FakeWorker() : worker;
  all.push(next);
  return next;
}

function frame(): Frame & { bitmap: { close: ReturnType<typeof vi.fn> } } {
  return { bitmap: { close: vi.fn() }, capture: 1, at: 0 } as unknown as Frame & {
    bitmap: { close: ReturnType<typeof vi.fn> };
  };
}

async function started(workers = 1) {
  const device = make(MANIFEST, workers);
  const start = device.start(new AbortController().signal);
  await ready(worker);
  await start;
  for (let at = 1; at < workers; at++) await ready(all[at]);
  return device;
}

/** Long enough for messages to get there and back. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setTimeout(resolve));
}

async function ready(which: FakeWorker | undefined): Promise<void> {
  await settled();
  which?.ready();
  await settled();
}

/** The worker's answer to the frame that it has. */
async function answer(from: FakeWorker | undefined, probabilities: number[], id_score: number): Promise<void> {
  await settled();
  const evidence = { values: Float32Array.of(1, 2, 3), height: 1, width: 1 };
  from?.seen({
    probabilities: Float32Array.from(probabilities),
    id_score,
    evidence: from.explained.at(-1) ? evidence : null,
    decode: 0,
    inference: 0,
  });
}

beforeEach(() => {
  worker = new FakeWorker();
  all = [];
});
afterEach(() => {
  vi.useRealTimers();
});

describe("the order to the worker", () => {
  it("names files with their hashes, and what golden frames have to give", async () => {
    void make()
      .start(new AbortController().signal)
      .catch(() => undefined);
    await settled();
    const order = worker.order as Start;
    expect(order.model.url).toMatch(/model\/model\.onnx\?sha256=a{64}$/);
    expect(order.golden).toEqual([expect.objectContaining({ bytes: 20, probabilities: [1, 0, 0], id_score: 0.9 })]);
    expect(order).toMatchObject({ tolerance: 0.05, size: 224 });
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
    await settled();
    worker.progress(3, 9);
    await ready(worker);
    await start;
    expect(progress).toHaveBeenCalledWith(3, 9);
  });

  it("rejects with the worker's problem and ends the worker", async () => {
    const start = make().start(new AbortController().signal);
    await settled();
    worker.fail(new Problem("device-golden", "off by 0.2"));
    await expect(start).rejects.toMatchObject({ code: "device-golden", message: "off by 0.2" });
    expect(worker.terminated).toBe(true);
  });

  it.each(["device-download", "key-needed"] as Code[])("a worker's %s stays what it is", async (code) => {
    const start = make().start(new AbortController().signal);
    await settled();
    worker.fail(new Problem(code));
    await expect(start).rejects.toMatchObject({ code });
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
    await answer(worker, [0.1, 0.7, 0.2], 0.8);
    const { label, model, timing } = await asked;
    expect([label, model]).toEqual(["plant", "m-1"]);
    const { capture, network, queue, decode, inference, total } = timing;
    expect(capture + network + queue + decode + inference).toBeCloseTo(total, 6);
  });

  it("has evidence of its label where that is wanted, and asks for none where it is not", async () => {
    const device = await started();
    const plain = device.identify(frame());
    await answer(worker, [0.1, 0.7, 0.2], 0.8);
    expect((await plain).evidence).toBeNull();
    device.explain = true;
    const asked = device.identify(frame());
    await answer(worker, [0.1, 0.7, 0.2], 0.8);
    expect((await asked).evidence).toEqual({ label: "plant", height: 1, width: 1, values: Float32Array.of(2) });
    expect(worker.explained).toEqual([false, true]);
  });

  it("says none of these below the threshold", async () => {
    const device = await started();
    const asked = device.identify(frame());
    await answer(worker, [0.1, 0.7, 0.2], 0.49);
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

describe("with two workers", () => {
  it("answers with the first while the second gets ready, then two frames at once", async () => {
    const wide = make(MANIFEST, 2);
    const start = wide.start(new AbortController().signal);
    await ready(worker);
    await start;
    expect(wide.maxInFlight).toBe(1);
    await ready(all[1]);
    expect(wide.maxInFlight).toBe(2);
    const asked = [wide.identify(frame()), wide.identify(frame())];
    await answer(all[1], [0.1, 0.2, 0.7], 0.8);
    expect((await asked[1])?.label).toBe("text");
    await answer(worker, [0.1, 0.7, 0.2], 0.8);
    expect((await asked[0])?.label).toBe("plant");
  });

  it("a third frame waits, which is told", async () => {
    const device = await started(2);
    const asked = [device.identify(frame()), device.identify(frame()), device.identify(frame())];
    await settled();
    expect(all.map(({ explained }) => explained.length)).toEqual([1, 1]); // one frame each
    await answer(worker, [1, 0, 0], 0.8);
    await answer(worker, [0, 1, 0], 0.8);
    const { label, timing } = (await asked[2]) as Answer;
    expect(label).toBe("plant");
    expect(timing.queue).toBeGreaterThan(0);
  });

  it("goes on with one where there is no memory for the second", async () => {
    const device = make(MANIFEST, 2);
    const start = device.start(new AbortController().signal);
    await ready(worker);
    await start;
    await settled();
    all[1]?.fail(new Problem("low-memory"));
    await settled();
    expect([device.maxInFlight, all[1]?.terminated]).toEqual([1, true]);
    const asked = device.identify(frame());
    await answer(worker, [1, 0, 0], 0.8);
    expect((await asked).label).toBe("art");
  });

  it("goes on with one when the other ends, and says why when both have", async () => {
    const device = await started(2);
    const first = device.identify(frame());
    worker.onerror({ message: "Out of memory" });
    await expect(first).rejects.toMatchObject({ code: "closed" });
    const second = device.identify(frame());
    all[1]?.onerror({ message: "Out of memory" });
    await expect(second).rejects.toMatchObject({ code: "low-memory" });
    await expect(device.identify(frame())).rejects.toMatchObject({ code: "low-memory" });
  });

  it("ends both when it is closed, also the one that is not ready yet", async () => {
    const device = make(MANIFEST, 2);
    const start = device.start(new AbortController().signal);
    await ready(worker);
    await start;
    device.close();
    expect(all.map(({ terminated }) => terminated)).toEqual([true, true]);
  });
});

it("counts model, golden frames and runtime as what is fetched", () => {
  expect(deviceBytes(MANIFEST)).toBe(1020 + RUNTIME_SENT_BYTES);
});
