/** Which answer counts as recognised. */

const HOLD = 200; // ms that a new answer must stand before it counts

/** The answer that counts: one that has stood for a moment, so that a single odd frame lights no word. */
export class Latch {
  private held: string | null = null;
  private candidate: string | null = null;
  private since = 0;

  get label(): string | null {
    return this.held;
  }

  /** @param now ms */
  update(label: string | null, now: number): void {
    if (label !== this.candidate) {
      this.candidate = label;
      this.since = now;
    }
    if (now - this.since >= HOLD) this.held = label;
  }

  /** At once: for a still picture there is no second frame. */
  force(label: string | null): void {
    this.candidate = this.held = label;
  }
}
