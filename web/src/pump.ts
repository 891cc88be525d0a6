/** Takes frames off the video: one is in work, and of those that come meanwhile only the newest is used. */

type Work = (at: number, dropped: number) => Promise<void>;

/** Counts what the camera delivers; calls `work` with the newest frame whenever the last call is done. */
export class Pump {
  private readonly video: HTMLVideoElement;
  private readonly work: Work;
  private running = false;
  private busy = false;
  private fresh = false; // a frame is there that nobody has looked at
  private skipped = 0;
  private presented = 0;
  private last = Number.NEGATIVE_INFINITY;
  private handle = 0;

  constructor(video: HTMLVideoElement, work: Work) {
    this.video = video;
    this.work = work;
  }

  /** performance.now() when the camera delivered last; -Infinity before the first. */
  get deliveredAt(): number {
    return this.last;
  }

  start(): void {
    if (this.running) return;
    this.running = true;
    this.fresh = false;
    this.skipped = 0;
    this.presented = 0;
    this.last = Number.NEGATIVE_INFINITY;
    this.listen();
  }

  stop(): void {
    this.running = false;
    if (typeof this.video.cancelVideoFrameCallback === "function") this.video.cancelVideoFrameCallback(this.handle);
    else cancelAnimationFrame(this.handle);
  }

  private listen(): void {
    const { video } = this;
    if (typeof video.requestVideoFrameCallback === "function") {
      this.handle = video.requestVideoFrameCallback((now, frame) => this.delivered(now, frame.presentedFrames));
      return;
    }
    // A browser without it: the video's clock tells a new frame from an old one.
    const time = video.currentTime;
    const look = (now: number): void => {
      if (video.currentTime !== time && video.readyState >= 2) this.delivered(now, this.presented + 1);
      else this.handle = requestAnimationFrame(look);
    };
    this.handle = requestAnimationFrame(look);
  }

  private delivered(now: number, presented: number): void {
    if (!this.running) return;
    const more = this.presented ? Math.max(1, presented - this.presented) : 1;
    this.presented = presented;
    this.skipped += this.fresh ? more : more - 1;
    this.fresh = true;
    this.last = now;
    this.listen();
    void this.next();
  }

  private async next(): Promise<void> {
    if (this.busy) return;
    this.busy = true;
    while (this.running && this.fresh) {
      this.fresh = false;
      const dropped = this.skipped;
      this.skipped = 0;
      await this.work(this.last, dropped);
    }
    this.busy = false;
  }
}
