/** Takes frames off the video: some are in work, and of those that come meanwhile only the newest is used. */

/** Never rejects. */
type Work = (at: number, dropped: number) => Promise<void>;

/** Counts what the camera delivers; calls `work` with the newest frame whenever there is room for one. */
export class FrameScheduler {
  private readonly video: HTMLVideoElement;
  private readonly work: Work;
  private readonly maxInFlight: () => number;
  private running = false;
  private working = 0;
  private fresh = false; // a frame is there that nobody has looked at
  private skipped = 0;
  private presented = 0;
  private last = Number.NEGATIVE_INFINITY;
  private handle = 0;

  /** @param maxInFlight how many frames may be in work now */
  constructor(video: HTMLVideoElement, work: Work, maxInFlight: () => number) {
    this.video = video;
    this.work = work;
    this.maxInFlight = maxInFlight;
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
    this.video.cancelVideoFrameCallback(this.handle);
  }

  private listen(): void {
    this.handle = this.video.requestVideoFrameCallback((now, frame) => this.delivered(now, frame.presentedFrames));
  }

  private delivered(now: number, presented: number): void {
    if (!this.running) return;
    const more = this.presented ? Math.max(1, presented - this.presented) : 1;
    this.presented = presented;
    this.skipped += this.fresh ? more : more - 1;
    this.fresh = true;
    this.last = now;
    this.listen();
    this.next();
  }

  private next(): void {
    if (!this.running || !this.fresh || this.working >= this.maxInFlight()) return;
    const dropped = this.skipped;
    this.fresh = false;
    this.skipped = 0;
    this.working++;
    void this.work(this.last, dropped).then(() => {
      this.working--;
      this.next();
    });
  }
}
