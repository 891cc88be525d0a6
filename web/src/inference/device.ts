/** Answers from this device: the model that the service serves, in workers. Frames never leave the tab. */

import { apiKey, type Manifest } from "../api";
import { Problem } from "../problems";
import { fileUrl } from "../source";
import type { Asset, Seen, Start } from "./device-messages";
import { RUNTIME_SENT_BYTES, workersFor } from "./device-runtime";
import type { Answer, Frame, Inference, Progress } from "./inference";
import { Lane } from "./lane";

const VARIANT = "fp32"; // int8 is slower than it in WebAssembly

export interface Options {
  workers?: number;
  /** tests put their own in */
  worker?: () => Worker;
}

/** Bytes to fetch before the first answer: model, golden frames, and the runtime as it is sent. */
export function deviceBytes(manifest: Manifest): number {
  const model = manifest.variants[VARIANT]?.file;
  const names = [...(model ? [model] : []), ...manifest.golden.map(({ file }) => file)];
  return names.reduce((sum, name) => sum + (manifest.files?.[name]?.bytes ?? 0), RUNTIME_SENT_BYTES);
}

export class Device implements Inference {
  readonly kind = "device";
  private readonly manifest: Manifest;
  private readonly workers: number;
  private readonly makeWorker: () => Worker;
  private readonly lanes = new Set<Lane>(); // that answer
  private opening: Lane | null = null;
  private ended: Problem | null = null; // why there are no answers any more

  constructor(manifest: Manifest, { workers, worker = makeWorker }: Options = {}) {
    this.manifest = manifest;
    this.workers = workers ?? workersFor(navigator.hardwareConcurrency);
    this.makeWorker = worker;
  }

  /** Grows after the start: the first worker answers while the others get ready. */
  get atOnce(): number {
    return this.lanes.size;
  }

  async start(signal: AbortSignal, progress: Progress = () => undefined): Promise<void> {
    if (signal.aborted) this.close();
    else signal.addEventListener("abort", () => this.close(), { once: true });
    try {
      await this.open(progress);
    } catch (error) {
      this.close();
      throw error;
    }
    void this.widen();
  }

  async identify({ bitmap, capture }: Frame): Promise<Answer> {
    const begun = performance.now();
    const [lane] = [...this.lanes].sort((one, other) => one.load - other.load);
    if (!lane) {
      bitmap.close();
      throw this.ended ?? new Problem("device-failed", "it has not started");
    }
    try {
      const seen = await lane.look(bitmap);
      const { queue, decode, inference } = seen;
      const round = performance.now() - begun;
      const network = Math.max(0, round - queue - decode - inference); // the way to the worker and back
      const total = capture + network + queue + decode + inference;
      return { ...this.judge(seen), timing: { capture, network, queue, decode, inference, total }, dropped: 0 };
    } catch (error) {
      this.lanes.delete(lane);
      if (this.lanes.size) throw new Problem("closed", "one of several workers ended"); // the others go on
      this.ended ??= error as Problem;
      this.close(); // the next worker may be on its way
      throw this.ended;
    }
  }

  close(): void {
    this.ended ??= new Problem("closed");
    for (const lane of [...this.lanes, ...(this.opening ? [this.opening] : [])]) lane.end(this.ended);
    this.lanes.clear();
  }

  /** One worker more. Rejects with a Problem. */
  private async open(progress: Progress): Promise<void> {
    if (this.ended) throw this.ended;
    const order = this.order();
    const lane = new Lane(this.makeWorker());
    this.opening = lane;
    try {
      await lane.start(order, progress);
      this.lanes.add(lane);
    } catch (error) {
      lane.end(error as Problem);
      throw error;
    } finally {
      this.opening = null;
    }
  }

  /** The other workers, one after the other, out of what the browser has stored by now. */
  private async widen(): Promise<void> {
    try {
      while (this.lanes.size < this.workers) await this.open(() => undefined);
    } catch {
      // no memory for another one: those that are there do
    }
  }

  /** The likeliest label, or none of them: as the service decides it. */
  private judge({ probabilities, id_score }: Seen): Omit<Answer, "timing" | "dropped"> {
    const { labels, variants, version } = this.manifest;
    const likeliest = probabilities.indexOf(Math.max(...probabilities));
    const label = id_score >= (variants[VARIANT]?.threshold ?? 0) ? (labels[likeliest] ?? null) : null;
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
      golden: golden.map(({ file, probabilities, id_score }) => ({
        ...this.asset(file),
        probabilities: probabilities[VARIANT] ?? [],
        id_score: id_score[VARIANT] ?? Number.NaN,
      })),
      tolerance,
      size: input.size,
      key: apiKey(),
    };
  }

  private asset(name: string): Asset {
    const entry = this.manifest.files?.[name];
    if (!entry) throw new Problem("model-unavailable", `the manifest does not list ${name}`);
    return { url: fileUrl(name, entry.sha256), sha256: entry.sha256, bytes: entry.bytes };
  }
}

function makeWorker(): Worker {
  return new Worker(new URL("./device.worker.ts", import.meta.url), { type: "module", name: "device" });
}
