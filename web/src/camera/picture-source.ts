/** The picture: a running camera, one frozen, or a still from a file; and the frames that are taken from it. */

import type { Frame } from "../shared/answer";
import { asProblem, type Problem } from "../shared/problem";
import type { Picture } from "../shared/square";
import { Camera, cameras, type Opened, permission, type Wish, watchCameras } from "./camera";
import { Cropper, grab } from "./cropper";
import { FrameScheduler } from "./scheduler";

const SILENT_MS = 4000; // without a frame from a camera that is on
const BUSY_MS = 3000; // until a camera that another program has is tried again
const QUALITY = 0.95; // of a JPEG for the service; docs/page.md says what the probabilities lose by it
const LARGEST = 1600; // px, longer side of a still as it is shown

export type PictureState =
  /** a camera is being opened, or waits until someone looks at the page */
  | { readonly kind: "starting" }
  /** `silent`: the camera is on, and sends nothing */
  | { readonly kind: "live"; readonly silent: boolean }
  | { readonly kind: "frozen" }
  | { readonly kind: "still" }
  | { readonly kind: "failed"; readonly problem: Problem };

/** Who gets the frames, and hears what becomes of the picture. */
export interface PictureListener {
  changed(state: PictureState): void;
  cameras(found: readonly MediaDeviceInfo[]): void;
  opened(camera: Opened): void;
  /** Takes a frame over. Never rejects. */
  take(frame: Frame, dropped: number): Promise<void>;
  /** whether the next frame is needed as JPEG */
  encoded(): boolean;
  /** frames that it takes at once; others are dropped */
  maxInFlight(): number;
}

export class PictureSource {
  private readonly listener: PictureListener;
  private readonly cropper = new Cropper();
  private readonly video: HTMLVideoElement;
  private readonly canvas: HTMLCanvasElement; // what is frozen or still
  private readonly camera: Camera;
  private readonly scheduler: FrameScheduler;
  private readonly unwatch: () => void;
  private state: PictureState = { kind: "starting" };
  private still: ImageBitmap | null = null;
  private wish: Wish;
  private openedAt = Number.POSITIVE_INFINITY; // performance.now()
  private retry: ReturnType<typeof setTimeout> | undefined;
  private size = 0; // px of the model's input; no frame is taken before it is known

  /** @param wish the camera to begin with */
  constructor(video: HTMLVideoElement, canvas: HTMLCanvasElement, wish: Wish, listener: PictureListener) {
    this.video = video;
    this.canvas = canvas;
    this.wish = wish;
    this.listener = listener;
    this.camera = new Camera(video, (problem) => void this.lost(problem));
    this.scheduler = new FrameScheduler(
      video,
      (at, dropped) => this.take(at, dropped),
      () => listener.maxInFlight(),
    );
    this.unwatch = watchCameras(() => void this.camerasChanged());
  }

  /** What shows the camera's picture now; null while there is none, or it stands still. */
  get live(): HTMLVideoElement | null {
    return this.state.kind === "live" && this.video.videoWidth ? this.video : null;
  }

  /** What stands still now, whole; null while the camera's picture goes on. */
  get held(): ImageBitmap | HTMLCanvasElement | null {
    return this.still ?? (this.state.kind === "frozen" && this.canvas.width ? this.canvas : null);
  }

  close(): void {
    clearTimeout(this.retry);
    this.unwatch();
    this.rest();
    this.forgetStill();
    this.cropper.close();
  }

  /** The side of the frames, px; a still is looked at (again). */
  setSize(size: number): void {
    this.size = size;
    void this.lookAgain();
  }

  /** Opens a camera; what is missing in the wish is as before. Problems end up in the state. */
  async start(wish: Wish = {}): Promise<void> {
    clearTimeout(this.retry);
    if (wish.deviceId || wish.facing) this.wish = wish;
    this.forgetStill();
    this.scheduler.stop();
    this.become({ kind: "starting" });
    if (document.hidden) return; // it starts when someone looks
    try {
      const opened = await this.camera.open(this.wish);
      this.openedAt = performance.now();
      this.scheduler.start();
      this.listener.opened(opened);
      this.listener.cameras(await cameras());
    } catch (error) {
      const problem = asProblem(error, "camera-missing");
      if (problem.code !== "closed") this.fail(problem);
    }
  }

  /** Holds the picture and lets the camera go. */
  freeze(): void {
    this.keep();
    this.rest();
    this.become({ kind: "frozen" });
  }

  /** A file in place of the camera. */
  async show(file: Blob): Promise<void> {
    try {
      const bitmap = await createImageBitmap(file);
      this.rest();
      this.forgetStill();
      this.still = bitmap;
      const scale = Math.min(1, LARGEST / Math.max(bitmap.width, bitmap.height));
      this.draw(bitmap, bitmap.width * scale, bitmap.height * scale);
      this.become({ kind: "still" });
      await this.lookAgain();
    } catch (error) {
      this.rest();
      this.fail(asProblem(error, "not-a-picture"));
    }
  }

  /** Nobody looks: lets the camera go; the last picture stays. */
  hide(): void {
    const starting = this.state.kind === "starting";
    if (!starting && !this.camera.running) return; // there may be a problem, and a camera that runs
    if (!starting) this.keep();
    this.rest();
    this.become({ kind: "starting" });
  }

  /** Somebody looks again. */
  unhide(): void {
    if (this.state.kind === "starting" && !this.camera.running) void this.start();
  }

  /** Called every second or so: is the camera still sending? @param now performance.now() */
  check(now: number): void {
    if (!this.camera.running || this.state.kind === "failed") return;
    if (now - Math.max(this.scheduler.deliveredAt, this.openedAt) > SILENT_MS)
      this.become({ kind: "live", silent: true });
  }

  /** The device slept: a camera often does not outlive that. */
  wake(): void {
    if (this.state.kind === "live") void this.start();
  }

  /** What stands still is looked at again: the model, who answers, or what is asked has changed. */
  async lookAgain(): Promise<void> {
    const { size, held } = this;
    if (held && size) await this.frame(createImageBitmap(held), performance.now(), 0);
  }

  private async take(at: number, dropped: number): Promise<void> {
    if (this.state.kind === "starting" || this.state.kind === "live") this.become({ kind: "live", silent: false });
    if (this.size && this.video.videoWidth) await this.frame(grab(this.video), at, dropped);
  }

  private async frame(picture: Promise<Picture>, at: number, dropped: number): Promise<void> {
    try {
      const quality = this.listener.encoded() ? QUALITY : null;
      const frame = await this.cropper.crop(await picture, this.size, at, quality);
      await this.listener.take(frame, dropped);
    } catch (error) {
      const problem = asProblem(error, "closed"); // it is ending, or a still was closed for another one meanwhile
      if (problem.code !== "closed") this.fail(problem);
    }
  }

  private async lost(problem: Problem): Promise<void> {
    this.fail(problem);
    await this.camerasChanged();
  }

  private fail(problem: Problem): void {
    this.scheduler.stop();
    this.become({ kind: "failed", problem });
    // Another program lets a camera go without telling anyone, so it is tried again; the rest is told.
    if (problem.code === "camera-busy") this.retry = setTimeout(() => void this.start(), BUSY_MS);
  }

  private async camerasChanged(): Promise<void> {
    const found = await cameras();
    this.listener.cameras(found);
    const code = this.state.kind === "failed" ? this.state.problem.code : undefined;
    const missing = code === "camera-missing" || code === "camera-lost" || code === "camera-busy";
    const allowed = code === "camera-denied" || code === "camera-withdrawn";
    if ((missing && found.length > 0) || (allowed && (await permission()) === "granted")) void this.start();
  }

  private become(state: PictureState): void {
    const before = this.state;
    if (state.kind === "live" && before.kind === "live" && state.silent === before.silent) return;
    this.state = state;
    this.listener.changed(state);
  }

  private rest(): void {
    clearTimeout(this.retry);
    this.scheduler.stop();
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
