/** Who answers: the service, this device, or both for comparison. */

import type { Manifest } from "./api";
import { copy } from "./frames";
import type { Answer, Frame, Inference, Progress } from "./inference/inference";
import { Server } from "./inference/server";
import { asProblem, Problem } from "./problems";
import { STANDALONE } from "./source";

export type Mode = "server" | "device" | "both";

export interface Asked {
  answer: Answer;
  /** the other one's, where both were asked */
  other: Answer | null;
}

/** Keeps one server connection and one model on the device at most, as many as the mode needs. */
export class Answers {
  private readonly onTrouble: (problem: Problem | null) => void;
  private readonly onLost: (problem: Problem) => void;
  private manifest: Manifest;
  private server: Server | null = null;
  private device: Inference | null = null;
  private loading: AbortController | null = null;
  private turn: Promise<unknown> = Promise.resolve(); // of the last question to the server, until it is answered
  private mode: Mode = STANDALONE ? "device" : "server";

  /**
   * @param onTrouble told why the answers come in a poorer way than they might, and null when that is over
   * @param onLost told why the model on the device is gone, when the server goes on
   */
  constructor(manifest: Manifest, onTrouble: (problem: Problem | null) => void, onLost: (problem: Problem) => void) {
    this.manifest = manifest;
    this.onTrouble = onTrouble;
    this.onLost = onLost;
  }

  /** What answers now: a device that is not loaded yet can't. */
  get effective(): Mode {
    return this.device || STANDALONE ? this.mode : "server";
  }

  /** Frames that may be asked for at once. */
  get atOnce(): number {
    return this.effective === "device" && this.device ? this.device.atOnce : 1;
  }

  /** Rejects with "closed" only. Leaving the device gives its memory back. */
  async use(mode: Mode): Promise<void> {
    this.mode = mode;
    if (mode === "server") this.closeDevice();
    if (this.effective === "device") this.closeServer();
    else if (!this.server) {
      this.server = new Server(this.manifest);
      this.server.onTrouble = this.onTrouble;
      await this.server.start(new AbortController().signal);
    }
  }

  /** Loads the model onto the device; it is used as soon as it has shown that it gets the pipeline's numbers. */
  async loadDevice(progress: Progress): Promise<void> {
    this.loading?.abort();
    const loading = new AbortController();
    this.loading = loading;
    const { Device } = await import("./inference/device");
    const device = new Device(this.manifest);
    try {
      await device.start(loading.signal, progress);
      if (loading.signal.aborted) throw new Problem("closed");
    } catch (error) {
      device.close();
      throw asProblem(error, "device-failed");
    }
    this.device?.close();
    this.device = device;
    await this.use(this.mode);
  }

  /** Another model is served: of the same page, with its own labels. The device's has to be loaded again. */
  adopt(manifest: Manifest): void {
    this.manifest = manifest;
    this.server?.adopt(manifest);
  }

  /** Closes the frame. Rejects with a Problem: "closed" where who answers has changed meanwhile. */
  ask(frame: Frame): Promise<Asked> {
    if (this.effective === "device") return this.askDevice(frame).then((answer) => ({ answer, other: null }));
    // In turn: a still may come while the camera's last frame is under way.
    const asked = this.turn.then(() => this.askServer(frame));
    this.turn = asked.catch(() => undefined);
    return asked;
  }

  private async askServer(frame: Frame): Promise<Asked> {
    const { server, device, effective } = this;
    if (!server || effective === "device") {
      frame.bitmap.close();
      throw new Problem("closed");
    }
    if (effective === "server" || !device) return { answer: await server.identify(frame), other: null };
    const second = await copy(frame);
    const [answer, other] = await Promise.all([server.identify(frame), this.askDevice(second)]);
    return { answer, other };
  }

  private async askDevice(frame: Frame): Promise<Answer> {
    const { device } = this;
    if (!device) {
      frame.bitmap.close();
      throw new Problem("closed");
    }
    try {
      return await device.identify(frame);
    } catch (error) {
      const problem = asProblem(error, "device-failed");
      if (problem.code === "closed" || device !== this.device) throw new Problem("closed");
      // Nothing brings it back but loading it again.
      this.closeDevice();
      await this.use(this.mode);
      this.onLost(problem);
      throw new Problem("closed");
    }
  }

  /** Connect again at once. */
  wake(): void {
    this.server?.reconnect();
  }

  close(): void {
    this.closeDevice();
    this.closeServer();
  }

  private closeDevice(): void {
    this.loading?.abort();
    this.device?.close();
    this.loading = this.device = null;
  }

  private closeServer(): void {
    this.server?.close();
    this.server = null;
    this.onTrouble(null);
  }
}
