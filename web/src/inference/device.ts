/** Answers from this device: the model that the service serves, in a worker. Frames never leave the tab. */

import { apiKey, type Manifest } from "../api";
import { Problem } from "../problems";
import { fileUrl } from "../source";
import type { Asset, FromWorker, Seen, Start, ToWorker } from "./device-messages";
import { problemOf } from "./device-problem";
import { RUNTIME_SENT_BYTES, threadsFor } from "./device-runtime";
import type { Answer, Frame, Inference, Progress } from "./inference";

const VARIANT = "fp32"; // int8 is slower than it in WebAssembly, on one thread and on two
const ANSWER_MS = 20_000; // a browser that runs out of memory may end a worker without a word

export interface Options {
  threads?: number;
  /** tests put their own in */
  worker?: () => Worker;
}

interface Waiting<T> {
  resolve: (value: T) => void;
  reject: (problem: Problem) => void;
}

/** Bytes to fetch before the first answer: model, golden frames, and the runtime as it is sent. */
export function deviceBytes(manifest: Manifest): number {
  const model = manifest.variants[VARIANT]?.file;
  const names = [...(model ? [model] : []), ...manifest.golden.map(({ file }) => file)];
  return names.reduce((sum, name) => sum + (manifest.files?.[name]?.bytes ?? 0), RUNTIME_SENT_BYTES);
}

export function createDevice(manifest: Manifest, options: Options = {}): Inference {
  return new Device(manifest, options);
}

class Device implements Inference {
  readonly kind = "device";
  private readonly manifest: Manifest;
  private readonly threads: number;
  private readonly worker: Worker;
  private begun: Waiting<void> | null = null;
  private waiting: Waiting<Seen> | null = null;
  private late: ReturnType<typeof setTimeout> | undefined;
  private onProgress: Progress = () => undefined;
  private ended: Problem | null = null; // why there are no answers any more

  constructor(manifest: Manifest, { threads, worker = makeWorker }: Options) {
    this.manifest = manifest;
    this.threads = threads ?? threadsFor(navigator.hardwareConcurrency, globalThis.crossOriginIsolated);
    this.worker = worker();
    this.worker.onmessage = ({ data }: MessageEvent<FromWorker>) => this.heard(data);
    this.worker.onmessageerror = () => this.end(new Problem("device-failed", "a message could not be read"));
    this.worker.onerror = (event) => this.end(problemOf(new Error(event.message || "the worker did not start")));
  }

  start(signal: AbortSignal, progress: Progress = () => undefined): Promise<void> {
    if (signal.aborted) this.close();
    else signal.addEventListener("abort", () => this.close(), { once: true });
    this.onProgress = progress;
    return new Promise((resolve, reject) => {
      if (this.ended) throw this.ended;
      this.begun = { resolve, reject };
      this.send(this.order());
    });
  }

  identify(frame: Frame): Promise<Answer> {
    return this.look(frame).catch((error: unknown) => {
      frame.bitmap.close(); // does nothing where the worker has it
      throw error;
    });
  }

  close(): void {
    this.end(new Problem("closed"));
  }

  private async look({ bitmap, capture }: Frame): Promise<Answer> {
    const begun = performance.now();
    const seen = await new Promise<Seen>((resolve, reject) => {
      if (this.ended) throw this.ended;
      if (this.waiting || this.begun) throw new Problem("device-failed", "one frame at a time, once it has started");
      this.waiting = { resolve, reject };
      this.late = setTimeout(() => this.end(new Problem("low-memory", "no answer of the worker")), ANSWER_MS);
      this.send({ kind: "look", picture: bitmap }, [bitmap]);
    });
    const round = performance.now() - begun;
    const { decode, inference } = seen;
    const network = Math.max(0, round - decode - inference); // the way to the worker and back
    const timing = { capture, network, queue: 0, decode, inference, total: capture + network + decode + inference };
    return { ...this.judge(seen), timing, dropped: 0 };
  }

  /** The likeliest label, or none of them: as the service decides it. */
  private judge({ probabilities, known }: Seen): Omit<Answer, "timing" | "dropped"> {
    const { labels, variants, version } = this.manifest;
    const likeliest = probabilities.indexOf(Math.max(...probabilities));
    const label = known >= (variants[VARIANT]?.threshold ?? 0) ? (labels[likeliest] ?? null) : null;
    return { label, labels, probabilities, model: version };
  }

  /** Throws a Problem where the bundle has nothing for browsers. */
  private order(): Start {
    const { variants, golden, golden_tolerance: tolerance, input } = this.manifest;
    const variant = variants[VARIANT];
    if (!variant) throw new Problem("model-unavailable", `the model has no variant ${VARIANT}`);
    return {
      kind: "start",
      model: this.asset(variant.file),
      golden: golden.map(({ file, probabilities, known }) => ({
        ...this.asset(file),
        probabilities: probabilities[VARIANT] ?? [],
        known: known[VARIANT] ?? Number.NaN,
      })),
      tolerance,
      size: input.size,
      threads: this.threads,
      key: apiKey(),
    };
  }

  private asset(name: string): Asset {
    const entry = this.manifest.files?.[name];
    if (!entry) throw new Problem("model-unavailable", `the manifest does not list ${name}`);
    return { url: fileUrl(name, entry.sha256), sha256: entry.sha256, bytes: entry.bytes };
  }

  private send(message: ToWorker, transfer: Transferable[] = []): void {
    this.worker.postMessage(message, transfer);
  }

  private heard(message: FromWorker): void {
    const { begun, waiting } = this;
    if (message.kind === "progress") this.onProgress(message.done, message.total);
    else if (message.kind === "ready") {
      this.begun = null;
      begun?.resolve();
    } else if (message.kind === "seen") {
      clearTimeout(this.late);
      this.waiting = null;
      waiting?.resolve(message);
    } else this.end(new Problem(message.code, message.detail));
  }

  /** Gives the worker's memory back; what was asked is answered with `problem`. */
  private end(problem: Problem): void {
    if (this.ended) return;
    this.ended = problem;
    clearTimeout(this.late);
    this.worker.terminate();
    this.begun?.reject(problem);
    this.waiting?.reject(problem);
    this.begun = this.waiting = null;
  }
}

function makeWorker(): Worker {
  return new Worker(new URL("./device.worker.ts", import.meta.url), { type: "module", name: "device" });
}
