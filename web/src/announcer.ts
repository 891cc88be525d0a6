/** Tells a screen reader what is recognised: the last word after a pause, never a flood. */

const PAUSE = 2500; // ms between two announcements

export class Announcer {
  private readonly region: HTMLElement;
  private said = "";
  private next = "";
  private timer: ReturnType<typeof setTimeout> | undefined;
  private last = Number.NEGATIVE_INFINITY; // performance.now()

  /** @param region an element with aria-live="polite" */
  constructor(region: HTMLElement) {
    this.region = region;
  }

  say(text: string): void {
    this.next = text;
    this.timer ??= setTimeout(() => this.speak(), Math.max(0, this.last + PAUSE - performance.now()));
  }

  close(): void {
    clearTimeout(this.timer);
  }

  private speak(): void {
    this.timer = undefined;
    if (this.next === this.said) return;
    this.said = this.region.textContent = this.next;
    this.last = performance.now();
  }
}
