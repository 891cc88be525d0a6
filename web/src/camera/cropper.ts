/** From a picture to the square that the model sees; the service's decoder does the same to the photos of training. */

import type { Frame } from "../shared/answer";
import { Problem } from "../shared/problem";
import { drawSquare, type Picture } from "../shared/square";

// docs/page.md has the measurement: what the probabilities lose by it, and what it saves.
export const QUALITY = 0.95;

const NO_MEMORY = /memory|allocat/i;

export interface ToCrop {
  id: number;
  /** closed by the worker */
  picture: Picture;
  /** px */
  size: number;
  /** of the JPEG, 0..1; null where none is needed */
  quality: number | null;
}

export interface Cropped {
  bitmap: ImageBitmap;
  jpeg: ArrayBuffer | null;
}

export type FromCrop = ({ id: number } & Cropped) | { id: number; error: string };

interface Pending {
  resolve: (cropped: Cropped) => void;
  reject: (problem: Problem) => void;
}

/** Makes frames: in a worker, or on the main thread where a browser's workers can't draw. */
export class Cropper {
  private readonly makeWorker: () => Worker;
  private readonly pending = new Map<number, Pending>();
  private worker: Worker | null = null;
  private answered = false; // a worker has made a frame: one that fails after that is replaced
  private hopeless = false; // a worker failed before it made any
  private last = 0;

  constructor(worker: () => Worker = makeWorker) {
    this.makeWorker = worker;
  }

  /**
   * Takes the picture over. Rejects with a Problem.
   *
   * @param size px
   * @param at performance.now() when the picture came
   * @param encoded whether the frame is needed as JPEG, too
   */
  async crop(picture: Picture, size: number, at: number, encoded: boolean): Promise<Frame> {
    const begun = performance.now();
    const { bitmap, jpeg } = await this.make(picture, size, encoded ? QUALITY : null);
    return { bitmap, jpeg, capture: performance.now() - begun, at };
  }

  close(): void {
    this.end(new Problem("closed"));
  }

  private async make(picture: Picture, size: number, quality: number | null): Promise<Cropped> {
    if (this.hopeless) return cropHere(picture, size, quality);
    if (this.answered) return this.send(picture, size, quality);
    const spare = await createImageBitmap(picture); // the picture itself is lost with a worker that fails
    try {
      return await this.send(picture, size, quality);
    } catch (error) {
      if (!this.hopeless) throw error;
      return await cropHere(spare, size, quality);
    } finally {
      spare.close();
    }
  }

  private send(picture: Picture, size: number, quality: number | null): Promise<Cropped> {
    this.worker ??= this.start();
    const message: ToCrop = { id: ++this.last, picture, size, quality };
    return new Promise<Cropped>((resolve, reject) => {
      this.pending.set(message.id, { resolve, reject });
      this.worker?.postMessage(message, [picture]);
    });
  }

  private start(): Worker {
    const worker = this.makeWorker();
    worker.onmessage = ({ data }: MessageEvent<FromCrop>) => {
      const caller = this.pending.get(data.id);
      this.pending.delete(data.id);
      if ("bitmap" in data) {
        this.answered = true;
        caller?.resolve(data);
      } else caller?.reject(failure(data.error));
    };
    worker.onerror = (event) => {
      this.hopeless = !this.answered;
      this.end(failure(event.message));
    };
    return worker;
  }

  private end(problem: Problem): void {
    this.worker?.terminate();
    this.worker = null;
    for (const each of this.pending.values()) each.reject(problem);
    this.pending.clear();
  }
}

/** On the main thread, which takes it several ms a frame. Closes the picture. */
async function cropHere(picture: Picture, size: number, quality: number | null): Promise<Cropped> {
  try {
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = size;
    const context = canvas.getContext("2d", { alpha: false });
    if (!context) throw new Error("no memory for a canvas");
    drawSquare(context, picture);
    const blob =
      quality === null ? null : await new Promise<Blob | null>((made) => canvas.toBlob(made, "image/jpeg", quality));
    return { bitmap: await createImageBitmap(canvas), jpeg: blob && (await blob.arrayBuffer()) };
  } catch (error) {
    throw failure(String(error));
  } finally {
    picture.close();
  }
}

function failure(detail: string): Problem {
  return new Problem(NO_MEMORY.test(detail) ? "low-memory" : "picture-failed", detail);
}

function makeWorker(): Worker {
  return new Worker(new URL("./crop.worker.ts", import.meta.url), { type: "module", name: "crop" });
}

/** What the video shows now, without touching a pixel where the browser can do that. Rejects with a Problem. */
export async function grab(video: HTMLVideoElement): Promise<Picture> {
  try {
    return typeof VideoFrame === "function" ? new VideoFrame(video) : await createImageBitmap(video);
  } catch (error) {
    throw new Problem("low-memory", "no memory for a frame", undefined, { cause: error });
  }
}

/** A file as a picture, upright. Rejects with a Problem. */
export async function open(file: Blob): Promise<ImageBitmap> {
  try {
    return await createImageBitmap(file);
  } catch (error) {
    throw new Problem("not-a-picture", "", undefined, { cause: error });
  }
}
