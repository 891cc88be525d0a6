/** A worker with the runtime and the model: one frame after the other. */

import { proxy, type Remote, transfer, wrap } from "comlink";
import { asProblem, Problem } from "../../shared/problem";
import type { InferenceApi, Progress, Seen, Start } from "./inference.worker";

const ANSWER_MS = 20_000; // a browser that runs out of memory may end a worker without a word

// How browsers and the runtime say it: V8, JavaScriptCore and SpiderMonkey, C++, the runtime's own allocator.
const NO_MEMORY =
  /out of memory|bad_alloc|failed to allocate|could not allocate|allocation failed|memory access out of/i;

/** What a worker saw in a frame, and how long the frame waited for others before it, ms. */
export type Looked = Seen & { queue: number };

export class InferenceWorker {
  private readonly worker: Worker;
  private readonly api: Remote<InferenceApi>;
  private giveUp: (problem: Problem) => void = () => undefined; // what is under way
  private ended: Problem | null = null; // why there are no answers any more
  private turn: Promise<unknown> = Promise.resolve(); // of the last frame, until it is answered
  private underWay = 0;

  constructor(worker: Worker) {
    this.worker = worker;
    this.api = wrap<InferenceApi>(worker);
    worker.onmessageerror = () => this.end(new Problem("device-failed", "a message could not be read"));
    // Without a message it is the script that did not arrive.
    worker.onerror = ({ message }) => this.end(message ? problemOf(message) : new Problem("page-outdated"));
  }

  /** Frames that it has and has not answered. */
  get load(): number {
    return this.underWay;
  }

  /** Resolves when the worker has reproduced the golden frames. Rejects with a Problem, and has ended then. */
  start(order: Start, progress: Progress): Promise<void> {
    return this.ask(() => this.api.start(order, proxy(progress)));
  }

  /** Takes the picture over. Rejects with a Problem, and has ended then. @param explain with evidence */
  async look(picture: ImageBitmap, explain: boolean): Promise<Looked> {
    const came = performance.now();
    this.underWay++;
    const seen = this.turn.then(async () => {
      const queue = performance.now() - came;
      const late = setTimeout(() => this.end(new Problem("low-memory", "no answer of the worker")), ANSWER_MS);
      try {
        return { ...(await this.ask(() => this.api.look(transfer(picture, [picture]), explain))), queue };
      } finally {
        clearTimeout(late);
      }
    });
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
    this.worker.terminate();
    this.giveUp(problem);
  }

  /** One question at a time; a worker that ends answers none. */
  private ask<T>(question: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.ended) throw this.ended;
      this.giveUp = reject;
      question().then(resolve, (error: unknown) => this.end(problemOf(error)));
    });
  }
}

/** What an error of the runtime means for the person in front of the page. */
function problemOf(error: unknown): Problem {
  const problem = asProblem(error, "device-failed");
  if (problem.code !== "device-failed" || !NO_MEMORY.test(problem.message)) return problem;
  return new Problem("low-memory", problem.message, undefined, { cause: error });
}
