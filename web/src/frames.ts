/** From a picture to the square that the model sees; `service/decode.py` does the same to the photos of training. */

import type { Frame } from "./inference/inference";
import { Problem } from "./problems";

// docs/page.md has the measurement: what the probabilities lose by it, and what it saves.
export const QUALITY = 0.95;

export interface ToFrames {
  id: number;
  /** closed by the worker */
  picture: VideoFrame | ImageBitmap;
  /** px */
  size: number;
  /** of the JPEG, 0..1; null where none is needed */
  quality: number | null;
}
export type FromFrames = { id: number; bitmap: ImageBitmap; jpeg: ArrayBuffer | null } | { id: number; error: string };

interface Waiting {
  resolve: (answer: { bitmap: ImageBitmap; jpeg: ArrayBuffer | null }) => void;
  reject: (problem: Problem) => void;
}

/** Makes frames, in a worker. */
export class Cropper {
  private readonly worker = new Worker(new URL("./frames.worker.ts", import.meta.url), {
    type: "module",
    name: "frames",
  });
  private readonly waiting = new Map<number, Waiting>();
  private last = 0;

  constructor() {
    this.worker.onmessage = ({ data }: MessageEvent<FromFrames>) => {
      const caller = this.waiting.get(data.id);
      this.waiting.delete(data.id);
      if ("bitmap" in data) caller?.resolve(data);
      else caller?.reject(new Problem("low-memory", data.error));
    };
    this.worker.onerror = (event) => this.fail(new Problem("low-memory", event.message));
  }

  /**
   * Takes the picture over. Rejects with a Problem.
   *
   * @param size px
   * @param at performance.now() when the picture came
   * @param encoded whether the frame is needed as JPEG, too
   */
  async crop(picture: VideoFrame | ImageBitmap, size: number, at: number, encoded: boolean): Promise<Frame> {
    const begun = performance.now();
    this.last++;
    const message: ToFrames = { id: this.last, picture, size, quality: encoded ? QUALITY : null };
    const made = new Promise<{ bitmap: ImageBitmap; jpeg: ArrayBuffer | null }>((resolve, reject) => {
      this.waiting.set(message.id, { resolve, reject });
    });
    this.worker.postMessage(message, [picture]);
    const { bitmap, jpeg } = await made;
    return { bitmap, jpeg, capture: performance.now() - begun, at };
  }

  close(): void {
    this.worker.terminate();
    this.fail(new Problem("closed"));
  }

  private fail(problem: Problem): void {
    for (const each of this.waiting.values()) each.reject(problem);
    this.waiting.clear();
  }
}

/** What the video shows now, without touching a pixel where the browser can do that. Rejects with a Problem. */
export async function grab(video: HTMLVideoElement): Promise<VideoFrame | ImageBitmap> {
  try {
    return typeof VideoFrame === "function" ? new VideoFrame(video) : await createImageBitmap(video);
  } catch (error) {
    throw new Problem("low-memory", "no memory for a frame", undefined, { cause: error });
  }
}

/** A second one of the same frame. */
export async function copy(frame: Frame): Promise<Frame> {
  return { ...frame, bitmap: await createImageBitmap(frame.bitmap) };
}

/** A file as a picture, upright. Rejects with a Problem. */
export async function open(file: Blob): Promise<ImageBitmap> {
  try {
    return await createImageBitmap(file);
  } catch (error) {
    throw new Problem("not-a-picture", "", undefined, { cause: error });
  }
}
