/** From a picture to the square that the model sees; the service's decoder does the same to the photos of training. */

import { type Remote, wrap } from "comlink";
import type { Frame } from "../shared/answer";
import { Problem } from "../shared/problem";
import { drawSquare, type Picture } from "../shared/square";
import type { Crop } from "./crop.worker";

const NO_MEMORY = /memory|allocat/i;

export type Cropped = Required<Pick<Frame, "bitmap" | "jpeg">>;

/** Makes frames: in a worker, or on the main thread once a worker has failed: some browsers' can't draw. */
export class Cropper {
  private readonly pending = new Set<(error: unknown) => void>();
  private worker: Worker | null;
  private readonly remote: Remote<Crop>;
  private closed = false;

  /** @param worker tests put their own in */
  constructor(worker = makeWorker()) {
    this.worker = worker;
    this.remote = wrap<Crop>(worker);
    worker.onerror = ({ message }) => this.end(new Error(message));
  }

  /**
   * Takes the picture over. Rejects with a Problem.
   *
   * @param size px
   * @param at performance.now() when the picture came
   * @param quality of the JPEG, 0..1; null where the frame is needed as a bitmap alone
   */
  async crop(picture: Picture, size: number, at: number, quality: number | null): Promise<Frame> {
    const begun = performance.now();
    try {
      const { bitmap, jpeg } = await this.beside(picture, size, quality).catch((error: unknown) => {
        if (this.closed) throw new Problem("closed");
        if (this.worker) throw error;
        return cropHere(picture, size, quality);
      });
      return { bitmap, jpeg, capture: performance.now() - begun, at };
    } catch (error) {
      if (error instanceof Problem) throw error;
      throw new Problem(NO_MEMORY.test(String(error)) ? "low-memory" : "picture-failed", String(error));
    } finally {
      picture.close();
    }
  }

  close(): void {
    this.closed = true;
    this.end(new Problem("closed"));
  }

  /** The worker gets a copy, of a video frame one that costs nothing: the picture is there where the worker fails. */
  private beside(picture: Picture, size: number, quality: number | null): Promise<Cropped> {
    return new Promise<Cropped>((resolve, reject) => {
      if (!this.worker) throw new Error("there is no worker");
      this.pending.add(reject);
      this.remote(picture, size, quality)
        .then(resolve, reject)
        .finally(() => this.pending.delete(reject));
    });
  }

  private end(error: Error): void {
    this.worker?.terminate();
    this.worker = null;
    for (const reject of this.pending) reject(error);
    this.pending.clear();
  }
}

/** On the main thread, which takes it several ms a frame. */
async function cropHere(picture: Picture, size: number, quality: number | null): Promise<Cropped> {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = size;
  const context = canvas.getContext("2d", { alpha: false });
  if (!context) throw new Error("no memory for a canvas");
  drawSquare(context, picture);
  const blob =
    quality === null ? null : await new Promise<Blob | null>((made) => canvas.toBlob(made, "image/jpeg", quality));
  return { bitmap: await createImageBitmap(canvas), jpeg: blob && (await blob.arrayBuffer()) };
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
