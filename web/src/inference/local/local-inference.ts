/** Answers from this device: the model that the service serves, in workers. Frames never leave the tab. */

import type { Answer, Evidence, Frame } from "../../shared/answer";
import type { Manifest } from "../../shared/api";
import { Problem } from "../../shared/problem";
import { orderOf, VARIANT } from "./bundle";
import { keep } from "./files";
import type { Progress, Seen } from "./inference.worker";
import { InferenceWorker } from "./inference-worker";
import { workersFor } from "./runtime";

interface Options {
  workers?: number;
  /** tests put their own in */
  worker?: () => Worker;
}

export class LocalInference {
  /** whether answers come with evidence */
  explain = false;
  private readonly manifest: Manifest;
  private readonly workers: number;
  private readonly makeWorker: () => Worker;
  private readonly running = new Set<InferenceWorker>(); // that answer
  private opening: InferenceWorker | null = null;
  private ended: Problem | null = null; // why there are no answers any more

  constructor(manifest: Manifest, { workers, worker = makeWorker }: Options = {}) {
    this.manifest = manifest;
    this.workers = workers ?? workersFor(navigator.hardwareConcurrency);
    this.makeWorker = worker;
  }

  /** Frames that it takes at once. Grows after the start: the first worker answers while the others get ready. */
  get maxInFlight(): number {
    return this.running.size;
  }

  /** Resolves once the model is there and has reproduced its golden frames. Rejects with a Problem. */
  async start(signal: AbortSignal, progress: Progress = () => undefined): Promise<void> {
    if (signal.aborted) this.close();
    else signal.addEventListener("abort", () => this.close(), { once: true });
    try {
      await this.open(progress);
    } catch (error) {
      this.close();
      throw error;
    }
    const { model, golden } = orderOf(this.manifest);
    await keep(this.manifest, [model, ...golden]);
    void this.widen();
  }

  /** Closes the frame. Rejects with a Problem: "closed" where others may answer the next one. */
  async identify({ bitmap, capture }: Frame): Promise<Answer> {
    const begun = performance.now();
    const [worker] = [...this.running].sort((one, other) => one.load - other.load);
    if (!worker) {
      bitmap.close();
      throw this.ended ?? new Problem("device-failed", "it has not started");
    }
    try {
      const seen = await worker.look(bitmap, this.explain);
      const { queue, decode, inference } = seen;
      const round = performance.now() - begun;
      const network = Math.max(0, round - queue - decode - inference); // the way to the worker and back
      const total = capture + network + queue + decode + inference;
      return { ...this.judge(seen), timing: { capture, network, queue, decode, inference, total }, dropped: 0 };
    } catch (error) {
      this.running.delete(worker);
      if (this.running.size) throw new Problem("closed", "one of several workers ended"); // the others go on
      this.ended ??= error as Problem;
      this.close(); // the next worker may be on its way
      throw this.ended;
    }
  }

  /** Ends the workers; a pending identify rejects with "closed". */
  close(): void {
    this.ended ??= new Problem("closed");
    for (const worker of [...this.running, this.opening]) worker?.end(this.ended);
    this.running.clear();
  }

  /** One worker more. Rejects with a Problem. */
  private async open(progress: Progress): Promise<void> {
    if (this.ended) throw this.ended;
    const order = orderOf(this.manifest);
    const worker = new InferenceWorker(this.makeWorker());
    this.opening = worker;
    try {
      await worker.start(order, progress);
      this.running.add(worker);
    } finally {
      this.opening = null;
    }
  }

  /** The other workers, one after the other, out of what the browser has stored by now. */
  private async widen(): Promise<void> {
    try {
      while (this.running.size < this.workers) await this.open(() => undefined);
    } catch {
      // no memory for another one: those that are there do
    }
  }

  /** The likeliest label, or none of them: as the service decides it. */
  private judge({ probabilities, id_score: score, evidence }: Seen): Omit<Answer, "timing" | "dropped"> {
    const { labels, variants, version } = this.manifest;
    const likeliest = probabilities.indexOf(Math.max(...probabilities));
    const threshold = variants[VARIANT]?.threshold ?? 0;
    const label = score >= threshold ? (labels[likeliest] ?? null) : null;
    const where = label === null ? null : mapOf(label, likeliest, evidence);
    return { label, labels, probabilities, score, threshold, evidence: where, model: version };
  }
}

/** Of all labels' maps the one of this label. */
function mapOf(label: string, index: number, evidence: Seen["evidence"]): Evidence | null {
  if (!evidence) return null;
  const { values, height, width } = evidence;
  const cells = height * width;
  return { label, height, width, values: values.subarray(index * cells, (index + 1) * cells) };
}

function makeWorker(): Worker {
  return new Worker(new URL("./inference.worker.ts", import.meta.url), { type: "module", name: "inference" });
}
