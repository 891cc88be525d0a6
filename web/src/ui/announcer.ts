/** Tells a screen reader what is recognised: the last word after a pause, never a flood. */

const PAUSE = 2500; // ms between two announcements

export class Announcer {
  private readonly speak: (text: string) => void;
  private said = "";
  private next = "";
  private timer: ReturnType<typeof setTimeout> | undefined;
  private last = Number.NEGATIVE_INFINITY; // performance.now()

  /** @param speak writes what an element with aria-live="polite" holds */
  constructor(speak: (text: string) => void) {
    this.speak = speak;
  }

  say(text: string): void {
    this.next = text;
    this.timer ??= setTimeout(() => this.due(), Math.max(0, this.last + PAUSE - performance.now()));
  }

  close(): void {
    clearTimeout(this.timer);
  }

  private due(): void {
    this.timer = undefined;
    if (this.next === this.said) return;
    this.said = this.next;
    this.speak(this.said);
    this.last = performance.now();
  }
}
