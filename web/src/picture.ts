/** The picture: a running camera, one frozen, or a still from a file; and the frames that are taken from it. */

import { Backoff } from "./backoff";
import { Camera, cameras, type Facing, type Wish, watchCameras } from "./camera";
import { Cropper, grab, open } from "./frames";
import type { Frame } from "./inference/inference";
import { asProblem, Problem } from "./problems";
import { Pump } from "./pump";
import type { Store } from "./store";
import type { View } from "./view";

const SILENT_MS = 4000; // without a frame from a camera that is on
const LARGEST = 1600; // px, longer side of a still as it is shown

/** Who gets the frames. */
export interface Taker {
  /** Takes a frame over. Never rejects. */
  take(frame: Frame, dropped: number): Promise<void>;
  /** whether the next frame is needed as JPEG */
  encoded(): boolean;
  /** frames that it takes at once; others are dropped */
  atOnce(): number;
}

export class Picture {
  private readonly store: Store<View>;
  private readonly taker: Taker;
  private readonly cropper = new Cropper();
  private readonly backoff = new Backoff();
  private readonly video: HTMLVideoElement;
  private readonly canvas: HTMLCanvasElement; // what is frozen or still
  private readonly camera: Camera;
  private readonly pump: Pump;
  private readonly unwatch: () => void;
  private still: ImageBitmap | null = null;
  private wish: Wish = { facing: "environment" };
  private openedAt = Number.POSITIVE_INFINITY; // performance.now()
  private retry: ReturnType<typeof setTimeout> | undefined;
  private size = 0; // px of the model's input; no frame is taken before it is known

  constructor(store: Store<View>, video: HTMLVideoElement, canvas: HTMLCanvasElement, taker: Taker) {
    this.store = store;
    this.video = video;
    this.canvas = canvas;
    this.taker = taker;
    this.camera = new Camera(video, (problem) => void this.lost(problem));
    this.pump = new Pump(
      video,
      (at, dropped) => this.take(at, dropped),
      () => taker.atOnce(),
    );
    this.unwatch = watchCameras(() => void this.camerasChanged());
  }

  close(): void {
    clearTimeout(this.retry);
    this.unwatch();
    this.rest();
    this.still?.close();
    this.cropper.close();
  }

  /** The side of the frames, px; a still is looked at (again). */
  setSize(size: number): void {
    this.size = size;
    void this.lookAtStill();
  }

  /** Opens a camera; what is missing in the wish is as before. Problems end up in the view. */
  async start(wish: Wish = {}): Promise<void> {
    clearTimeout(this.retry);
    if (wish.deviceId || wish.facing) this.wish = wish;
    this.forgetStill();
    this.pump.stop();
    this.store.set({ state: "starting", pictureProblem: null });
    if (document.hidden) return; // it starts when someone looks
    try {
      const opened = await this.camera.open(this.wish);
      this.openedAt = performance.now();
      this.pump.start();
      const found = await cameras();
      this.store.set({ cameras: found, camera: opened.deviceId, facesUser: opened.facesUser });
    } catch (error) {
      const problem = asProblem(error, "camera-missing");
      if (problem.code !== "closed") this.fail(problem);
    }
  }

  /** Holds the picture and lets the camera go. */
  freeze(): void {
    this.keep();
    this.rest();
    this.store.set({ state: "frozen", pictureProblem: null });
  }

  /** A file in place of the camera. */
  async show(file: Blob): Promise<void> {
    try {
      const bitmap = await open(file);
      this.rest();
      this.forgetStill();
      this.still = bitmap;
      const scale = Math.min(1, LARGEST / Math.max(bitmap.width, bitmap.height));
      this.draw(bitmap, bitmap.width * scale, bitmap.height * scale);
      this.store.set({ state: "still", pictureProblem: null });
      await this.lookAtStill();
    } catch (error) {
      this.rest();
      this.fail(asProblem(error, "not-a-picture"));
    }
  }

  /** Nobody looks: lets the camera go; the last picture stays. */
  hide(): void {
    const { state } = this.store.get();
    if (state !== "starting" && !this.camera.running) return; // there may be a problem, and a camera that runs
    if (state !== "starting") this.keep();
    this.rest();
    this.store.set({ state: "starting" });
  }

  /** Somebody looks again. */
  unhide(): void {
    if (this.store.get().state === "starting" && !this.camera.running) void this.start();
  }

  /** Called every second or so: is the camera still sending? @param now performance.now() */
  check(now: number): void {
    if (!this.camera.running) return;
    const silent = now - Math.max(this.pump.deliveredAt, this.openedAt) > SILENT_MS;
    const { pictureProblem } = this.store.get();
    if (silent && !pictureProblem) this.store.set({ pictureProblem: new Problem("camera-silent") });
  }

  /** The device slept: a camera often does not outlive that. */
  wake(): void {
    if (this.store.get().state === "live") void this.start();
  }

  /** A still is looked at again: the model or who answers has changed. */
  async lookAtStill(): Promise<void> {
    const { still, size } = this;
    if (!still || !size) return;
    try {
      const picture = await createImageBitmap(still);
      await this.taker.take(await this.cropper.crop(picture, size, performance.now(), this.taker.encoded()), 0);
    } catch (error) {
      this.failFrame(error);
    }
  }

  private async take(at: number, dropped: number): Promise<void> {
    const { video, size } = this;
    if (this.store.get().state === "starting") this.store.set({ state: "live" });
    if (this.store.get().pictureProblem?.code === "camera-silent") this.store.set({ pictureProblem: null });
    this.backoff.reset();
    if (!size || !video.videoWidth) return;
    try {
      const frame = await this.cropper.crop(await grab(video), size, at, this.taker.encoded());
      await this.taker.take(frame, dropped);
    } catch (error) {
      this.failFrame(error);
    }
  }

  /** "closed" where it is ending, or a still was closed for another one meanwhile. */
  private failFrame(error: unknown): void {
    const problem = asProblem(error, "closed");
    if (problem.code !== "closed") this.fail(problem);
  }

  private async lost(problem: Problem): Promise<void> {
    this.pump.stop();
    this.fail(problem);
    await this.camerasChanged();
  }

  private fail(problem: Problem): void {
    this.pump.stop();
    this.store.set({ state: "problem", pictureProblem: problem });
    // Another program lets a camera go without telling anyone, so it is tried again; the rest is told.
    if (problem.code === "camera-busy") this.retry = setTimeout(() => void this.start(), this.backoff.next(2000));
  }

  private async camerasChanged(): Promise<void> {
    const found = await cameras();
    this.store.set({ cameras: found });
    const code = this.store.get().pictureProblem?.code;
    const missing = code === "camera-missing" || code === "camera-lost" || code === "camera-busy";
    const allowed = code === "camera-denied" || code === "camera-withdrawn";
    if ((missing && found.length > 0) || (allowed && (await granted()))) void this.start();
  }

  private rest(): void {
    clearTimeout(this.retry);
    this.pump.stop();
    this.camera.stop();
    this.openedAt = Number.POSITIVE_INFINITY;
  }

  private keep(): void {
    const { video } = this;
    if (video.videoWidth) this.draw(video, video.videoWidth, video.videoHeight);
  }

  private draw(picture: CanvasImageSource, width: number, height: number): void {
    this.canvas.width = Math.round(width);
    this.canvas.height = Math.round(height);
    this.canvas.getContext("2d")?.drawImage(picture, 0, 0, this.canvas.width, this.canvas.height);
  }

  private forgetStill(): void {
    this.still?.close();
    this.still = null;
  }
}

async function granted(): Promise<boolean> {
  const status = await navigator.permissions?.query({ name: "camera" as PermissionName }).catch(() => null);
  return status?.state === "granted";
}

/** The other side of a phone. */
export function flipped(facesUser: boolean): Facing {
  return facesUser ? "environment" : "user";
}
