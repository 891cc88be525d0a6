/** How long to wait before asking again: longer each time, and not all pages at the same moment. */

const FIRST = 500; // ms
const LONGEST = 15_000; // ms

export class Backoff {
  private failures = 0;
  private readonly random: () => number;

  constructor(random: () => number = Math.random) {
    this.random = random;
  }

  /** ms until the next try: doubled with each failure, of which 50 to 100 % by chance; at least `least`. */
  next(least = 0): number {
    const whole = Math.min(LONGEST, FIRST * 2 ** this.failures);
    this.failures++;
    return Math.max(least, whole * (0.5 + this.random() / 2));
  }

  /** It worked. */
  reset(): void {
    this.failures = 0;
  }
}
