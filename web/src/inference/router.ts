/** Who answers: the service, this device, or both for comparison. */

import { type Answer, copy, type Frame } from "../shared/answer";
import type { Manifest } from "../shared/api";
import { STANDALONE } from "../shared/endpoints";
import { asProblem, Problem } from "../shared/problem";
import type { Progress } from "./local/inference.worker";
import type { LocalInference } from "./local/local-inference";
import { RemoteInference } from "./remote/remote-inference";

export type Mode = "server" | "device" | "both";

export interface Answered {
  answer: Answer;
  /** the other one's, where both were asked and the other one answered */
  other: Answer | null;
}

export interface RouterListener {
  /** Told why the answers come in a poorer way than they might, and null when that is over. */
  connection(problem: Problem | null): void;
  /** Told why the model on the device is gone; where there is a server, it goes on. */
  localLost(problem: Problem): void;
}

export type Remote = Pick<RemoteInference, keyof RemoteInference>;
export type Local = Pick<LocalInference, keyof LocalInference>;

/** Makes the two that answer; tests put their own in. */
export interface Makers {
  remote: (manifest: Manifest, explain: boolean) => Remote;
  local: (manifest: Manifest) => Promise<Local>;
}

const REAL: Makers = {
  remote: (manifest, explain) => new RemoteInference(manifest, explain),
  local: async (manifest) => new (await import("./local/local-inference")).LocalInference(manifest),
};

/** Keeps one server connection and one model on the device at most, as many as the mode needs. */
export class InferenceRouter {
  private readonly listener: RouterListener;
  private readonly makers: Makers;
  private manifest: Manifest;
  private remote: Remote | null = null;
  private local: Local | null = null; // ready
  private loading: AbortController | null = null; // of the model that is to take its place
  private turn: Promise<unknown> = Promise.resolve(); // of the last question to the server, until it is answered
  private mode: Mode = STANDALONE ? "device" : "server";
  private explain = false;

  constructor(manifest: Manifest, listener: RouterListener, makers: Makers = REAL) {
    this.manifest = manifest;
    this.listener = listener;
    this.makers = makers;
  }

  /** What answers now: a device that is not loaded yet can't. */
  get effective(): Mode {
    return this.local || STANDALONE ? this.mode : "server";
  }

  /** Frames that may be asked for at once. */
  get maxInFlight(): number {
    return this.effective === "device" && this.local ? this.local.maxInFlight : 1;
  }

  /** Never rejects. Leaving the device gives its memory back. */
  async use(mode: Mode): Promise<void> {
    this.mode = mode;
    if (mode === "server") this.closeLocal();
    if (this.effective === "device") this.closeRemote();
    else if (!this.remote) {
      this.remote = this.makers.remote(this.manifest, this.explain);
      this.remote.onTrouble = (problem) => this.listener.connection(problem);
      await this.remote.start();
    }
  }

  /**
   * Loads the model onto the device; it is used as soon as it has shown that it gets the pipeline's numbers. Until
   * then an older one goes on. Rejects with a Problem; where there is a server, it answers from then on.
   */
  async load(progress: Progress): Promise<void> {
    this.loading?.abort();
    const loading = new AbortController();
    this.loading = loading;
    let next: Local | null = null;
    try {
      next = await this.makers.local(this.manifest).catch((error: unknown) => {
        throw asProblem(error, "page-outdated"); // its script is gone from the host
      });
      await next.start(loading.signal, progress);
      if (loading.signal.aborted) throw new Problem("closed");
    } catch (error) {
      next?.close();
      if (loading === this.loading) {
        this.loading = null;
        if (!STANDALONE) await this.leaveLocal();
      }
      throw asProblem(error, "device-failed");
    }
    this.loading = null;
    this.local?.close();
    this.local = next;
    next.explain = this.explain;
    await this.use(this.mode);
  }

  /** Another model is served: of the same page, with its own labels. The device's has to be loaded again. */
  adopt(manifest: Manifest): void {
    this.manifest = manifest;
    this.remote?.adopt(manifest);
  }

  /** Whether the answers are to say where their label was seen. */
  setExplain(explain: boolean): void {
    this.explain = explain;
    this.remote?.setExplain(explain);
    if (this.local) this.local.explain = explain;
  }

  /** Closes the frame. Rejects with a Problem: "closed" where who answers has changed meanwhile. */
  ask(frame: Frame): Promise<Answered> {
    if (this.effective === "device") return this.askLocal(frame).then((answer) => ({ answer, other: null }));
    // In turn: a still may come while the camera's last frame is under way.
    const asked = this.turn.then(() => this.askRemote(frame));
    this.turn = asked.catch(() => undefined);
    return asked;
  }

  private async askRemote(frame: Frame): Promise<Answered> {
    const { remote, effective } = this;
    if (!remote || effective === "device") {
      frame.bitmap.close();
      throw new Problem("closed");
    }
    if (effective === "server") return { answer: await remote.identify(frame), other: null };
    const second = await copy(frame);
    // The server's answer counts, whatever becomes of the other one.
    const other = this.askLocal(second).catch(() => null);
    return { answer: await remote.identify(frame), other: await other };
  }

  private async askLocal(frame: Frame): Promise<Answer> {
    const { local } = this;
    if (!local) {
      frame.bitmap.close();
      throw new Problem("closed");
    }
    try {
      return await local.identify(frame);
    } catch (error) {
      const problem = asProblem(error, "device-failed");
      if (problem.code !== "closed" && local === this.local) {
        await this.leaveLocal(); // nothing brings it back but loading it again
        this.listener.localLost(problem);
      }
      throw new Problem("closed");
    }
  }

  /** Nobody looks: the service gets its place back. */
  rest(): void {
    this.remote?.rest();
  }

  /** Connect again at once. */
  wake(): void {
    this.remote?.reconnect();
  }

  close(): void {
    this.closeLocal();
    this.closeRemote();
  }

  private async leaveLocal(): Promise<void> {
    this.closeLocal();
    await this.use(this.mode);
  }

  private closeLocal(): void {
    this.loading?.abort();
    this.local?.close();
    this.loading = this.local = null;
  }

  private closeRemote(): void {
    this.remote?.close();
    this.remote = null;
    this.listener.connection(null);
  }
}
