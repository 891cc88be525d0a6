/** Frames at the camera's own quality, a few a second, as photos to learn from. */

import { asProblem, Problem } from "../shared/problem";
import { type Cropper, grab } from "./cropper";
import { FrameScheduler } from "./scheduler";

export const MOST = 1000; // frames of one burst
const EVERY_MS = 200; // between two frames
const EARLY_MS = 20; // a camera's frame that comes so much sooner does as well
export const QUALITY = 0.92; // of the JPEG
const LARGEST = 720; // px a side, unless the model asks for more
const TIMES_INPUT = 1.5; // the least side that is of use, in sides of the model's input: training crops and turns photos

/** What hears of a burst; nothing more after it has ended. */
export interface BurstListener {
  taken(jpeg: Blob): void;
  /** A frame could not be made, so that no other will. */
  failed(problem: Problem): void;
}

export class Burst {
  private readonly scheduler: FrameScheduler;
  private readonly video: HTMLVideoElement;
  private readonly cropper: Pick<Cropper, "crop">;
  private readonly input: number;
  private readonly listener: BurstListener;
  private last = Number.NEGATIVE_INFINITY; // performance.now() of the frame that was taken last
  private ended = false;

  /** Begins. @param input px, side of the model's input */
  constructor(video: HTMLVideoElement, input: number, cropper: Pick<Cropper, "crop">, listener: BurstListener) {
    this.video = video;
    this.input = input;
    this.cropper = cropper;
    this.listener = listener;
    this.scheduler = new FrameScheduler(
      video,
      (at) => this.take(at),
      () => 1,
    );
    this.scheduler.start();
  }

  end(): void {
    this.ended = true;
    this.scheduler.stop();
  }

  private async take(at: number): Promise<void> {
    if (at - this.last < EVERY_MS - EARLY_MS) return;
    this.last = at;
    try {
      const side = sideOf(this.video.videoWidth, this.video.videoHeight, this.input);
      const { bitmap, jpeg } = await this.cropper.crop(await grab(this.video), side, at, QUALITY);
      bitmap.close();
      if (this.ended) return;
      if (!jpeg) throw new Problem("picture-failed");
      this.listener.taken(new Blob([jpeg], { type: "image/jpeg" }));
    } catch (error) {
      if (!this.ended) this.listener.failed(asProblem(error, "picture-failed"));
    }
  }
}

/** px: the centre square as the camera gives it, never enlarged. */
export function sideOf(width: number, height: number, input: number): number {
  return Math.min(width, height, Math.max(LARGEST, Math.ceil(TIMES_INPUT * input)));
}
