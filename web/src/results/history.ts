/** What was seen over the last half minute: rows in a ring, and the numbers that are shown of them. */

import type { Answer } from "../shared/answer";
import { csv } from "./csv";
import { percentiles } from "./percentiles";
import { Ring } from "./ring";

export const WINDOW = 30; // s that the charts show
const RATE = 60; // rows a second at most, which is the service's own limit
const RECENT = 2; // s over which frames a second are counted

/** Columns before the probabilities. */
export const PARTS = ["capture", "network", "queue", "decode", "inference"] as const;
const COLUMNS = ["time", ...PARTS, "total", "dropped", "agrees", "answer"] as const;
type Column = (typeof COLUMNS)[number];

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
  private readonly row: Float64Array;
  readonly labels: readonly string[];
  readonly ring: Ring;

  constructor(labels: readonly string[]) {
    this.labels = labels;
    this.ring = new Ring(COLUMNS.length + labels.length, WINDOW * RATE);
    this.row = new Float64Array(this.ring.width);
  }

  /**
   * @param now s
   * @param agrees whether the other way of answering said the same; null where it was not asked
   */
  add(now: number, answer: Answer, agrees: boolean | null): void {
    const { row } = this;
    const { capture, network, queue, decode, inference, total } = answer.timing;
    const said = answer.label === null ? -1 : this.labels.indexOf(answer.label);
    row.set([now, capture, network, queue, decode, inference, total, answer.dropped, Number.NaN, said]);
    if (agrees !== null) row[COLUMNS.indexOf("agrees")] = Number(agrees);
    row.set(answer.probabilities, COLUMNS.length);
    this.ring.push(row);
  }

  /** Rows of the window that ends now. @param now s */
  rows(now: number): number {
    return this.ring.since(0, now - WINDOW);
  }

  column(name: Column, rows: number): Float64Array {
    return this.ring.column(COLUMNS.indexOf(name), rows);
  }

  probability(label: number, rows: number): Float64Array {
    return this.ring.column(COLUMNS.length + label, rows);
  }

  /** @param now s */
  numbers(now: number): Numbers {
    const rows = this.rows(now);
    const [p50, p95, p99] = percentiles(this.column("total", rows), [50, 95, 99]) as [number, number, number];
    const agreed = this.column("agrees", rows).filter((value) => !Number.isNaN(value));
    return {
      fps: this.rate(now),
      p50,
      p95,
      p99,
      dropped: sum(this.column("dropped", rows)),
      agreement: agreed.length ? sum(agreed) / agreed.length : Number.NaN,
      parts: PARTS.map((part) => percentiles(this.column(part, rows), [50])[0] as number),
    };
  }

  /** Of the last few seconds, ms. @param now s */
  recent(now: number): { p50: number } {
    const [p50 = Number.NaN] = percentiles(this.column("total", this.ring.since(0, now - RECENT)), [50]);
    return { p50 };
  }

  /** The whole ring as a table, times in s before `now`. */
  csv(now: number): string {
    const { ring, labels } = this;
    const times = ring.column(0);
    const cells = (row: number): (string | number)[] => [
      (times[row] as number) - now,
      ...COLUMNS.slice(1, -1).map((name) => this.column(name, ring.length)[row] as number),
      labels[this.column("answer", ring.length)[row] as number] ?? "",
      ...labels.map((_, label) => this.probability(label, ring.length)[row] as number),
    ];
    const units = COLUMNS.map((name) =>
      PARTS.some((part) => part === name) || name === "total" ? `${name}_ms` : name,
    );
    units[0] = "time_s";
    return csv(
      [...units, ...labels.map((label) => `p(${label})`)],
      Array.from(times, (_, row) => cells(row)),
    );
  }

  /** Answers a second, over the last few seconds or what there is of them. */
  private rate(now: number): number {
    const begun = this.ring.column(0)[0];
    if (begun === undefined) return 0;
    return this.ring.since(0, now - RECENT) / Math.min(RECENT, Math.max(0.5, now - begun));
  }
}

function sum(numbers: Float64Array): number {
  let total = 0;
  for (const number of numbers) total += number;
  return total;
}
