/** What was seen over the last half minute, and the numbers that are shown of it. */

import type { Answer } from "../shared/answer";
import { csv } from "./csv";

export const WINDOW = 30; // s that the charts show
const KEPT = WINDOW * 60; // answers: at the service's own limit of 60 a second
const RECENT = 2; // s over which answers a second are counted

/** Parts of a round trip, in the order in which they are drawn. */
export const PARTS = ["capture", "network", "queue", "decode", "inference"] as const;

export interface Row extends Pick<Answer, "label" | "probabilities" | "timing" | "dropped"> {
  /** s */
  at: number;
  /** whether the other way of answering said the same; null where it was not asked */
  agrees: boolean | null;
}

export interface Numbers {
  /** answers a second */
  fps: number;
  /** ms; NaN before the first answer */
  p50: number;
  p95: number;
  p99: number;
  /** frames over the window */
  dropped: number;
  /** share of frames of the window on which server and device agreed; NaN where there are none */
  agreement: number;
  /** medians of the parts, ms, in their order */
  parts: number[];
}

export class History {
  readonly labels: readonly string[];
  private readonly rows: Row[] = []; // oldest first

  constructor(labels: readonly string[]) {
    this.labels = labels;
  }

  /** @param now s */
  add(now: number, { label, probabilities, timing, dropped }: Answer, agrees: boolean | null): void {
    this.rows.push({ at: now, label, probabilities, timing, dropped, agrees });
    if (this.rows.length > KEPT) this.rows.shift();
  }

  /** Those of the last so many seconds, oldest first. @param now s */
  since(now: number, seconds = WINDOW): Row[] {
    return this.rows.slice(this.rows.findLastIndex(({ at }) => at < now - seconds) + 1);
  }

  /** @param now s */
  numbers(now: number): Numbers {
    const rows = this.since(now);
    const [p50, p95, p99] = percentiles(totals(rows), 50, 95, 99) as [number, number, number];
    const asked = rows.filter(({ agrees }) => agrees !== null);
    const spent = Math.min(RECENT, Math.max(0.5, now - (this.rows[0]?.at ?? now)));
    return {
      fps: this.since(now, RECENT).length / spent,
      p50,
      p95,
      p99,
      dropped: rows.reduce((sum, { dropped }) => sum + dropped, 0),
      agreement: asked.filter(({ agrees }) => agrees).length / asked.length,
      parts: PARTS.map(
        (part) =>
          percentiles(
            rows.map(({ timing }) => timing[part]),
            50,
          )[0] as number,
      ),
    };
  }

  /** ms, of the last few seconds; NaN without an answer. @param now s */
  recentMedian(now: number): number {
    return percentiles(totals(this.since(now, RECENT)), 50)[0] as number;
  }

  /** All that is kept as a table, times in s before `now`. */
  csv(now: number): string {
    const times = [...PARTS, "total"] as const;
    return csv(
      [
        "time_s",
        ...times.map((part) => `${part}_ms`),
        "dropped",
        "agrees",
        "answer",
        ...this.labels.map((label) => `p(${label})`),
      ],
      this.rows.map(({ at, timing, dropped, agrees, label, probabilities }) => [
        at - now,
        ...times.map((part) => timing[part]),
        dropped,
        agrees === null ? Number.NaN : Number(agrees),
        label ?? "",
        ...probabilities,
      ]),
    );
  }
}

export function totals(rows: readonly Row[]): number[] {
  return rows.map(({ timing }) => timing.total);
}

/**
 * Percentiles by the nearest rank: the smallest number that at least `p` percent of all are not above; NaN where there
 * are no numbers.
 *
 * @param wanted percents, 0..100
 */
export function percentiles(numbers: readonly number[], ...wanted: number[]): number[] {
  const sorted = Float64Array.from(numbers).sort();
  return wanted.map((percent) => sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] ?? Number.NaN);
}
