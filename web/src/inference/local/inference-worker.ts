/** A worker with the runtime and the model: one frame after the other. */

import { Problem } from "../../shared/problem";
import type { Progress } from "../engine";
import type { FromWorker, Seen, Start, ToWorker } from "./messages";
import { problemOf } from "./runtime-error";

const ANSWER_MS = 20_000; // a browser that runs out of memory may end a worker without a word

interface Waiting<T> {
  resolve: (value: T) => void;
  reject: (problem: Problem) => void;
}

/** What a worker saw in a frame, and how long the frame waited for others before it, ms. */
export type Looked = Seen & { queue: number };

export class InferenceWorker {
  private readonly worker: Worker;
  private begun: Waiting<void> | null = null;
  private waiting: Waiting<Seen> | null = null;
  private late: ReturnType<typeof setTimeout> | undefined;
  private onProgress: Progress = () => undefined;
  private ended: Problem | null = null; // why there are no answers any more
  private turn: Promise<unknown> = Promise.resolve(); // of the last frame, until it is answered
  private underWay = 0;

  constructor(worker: Worker) {
    this.worker = worker;
    worker.onmessage = ({ data }: MessageEvent<FromWorker>) => this.heard(data);
    worker.onmessageerror = () => this.end(new Problem("device-failed", "a message could not be read"));
    // Without a message it is the script that did not arrive.
    worker.onerror = ({ message }) => this.end(message ? problemOf(new Error(message)) : new Problem("page-outdated"));
  }

  /** Frames that it has and has not answered. */
  get load(): number {
    return this.underWay;
  }

  /** Resolves when the worker has reproduced the golden frames. Rejects with a Problem, and has ended then. */
  start(order: Start, progress: Progress): Promise<void> {
    this.onProgress = progress;
    return new Promise((resolve, reject) => {
      if (this.ended) throw this.ended;
      this.begun = { resolve, reject };
      this.send(order);
    });
  }

  /** Takes the picture over. Rejects with a Problem, and has ended then. */
  async look(picture: ImageBitmap): Promise<Looked> {
    const came = performance.now();
    this.underWay++;
    const seen = this.turn.then(() => this.lookNow(picture, performance.now() - came));
    this.turn = seen.catch(() => undefined);
    try {
      return await seen;
    } finally {
      this.underWay--;
      picture.close(); // does nothing where the worker has it
    }
  }

  /** Gives the worker's memory back; what was asked is answered with `problem`. */
  end(problem: Problem): void {
    if (this.ended) return;
    this.ended = problem;
    clearTimeout(this.late);
    this.worker.terminate();
    this.begun?.reject(problem);
    this.waiting?.reject(problem);
    this.begun = this.waiting = null;
  }

  private async lookNow(picture: ImageBitmap, queue: number): Promise<Looked> {
    const seen = await new Promise<Seen>((resolve, reject) => {
      if (this.ended) throw this.ended;
      this.waiting = { resolve, reject };
      this.late = setTimeout(() => this.end(new Problem("low-memory", "no answer of the worker")), ANSWER_MS);
      this.send({ kind: "look", picture }, [picture]);
    });
    return { ...seen, queue };
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
}
