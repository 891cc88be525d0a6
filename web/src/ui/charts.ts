/** Two thin charts of the last half minute: what was seen, and what each answer's time went into. */

import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { PARTS, percentiles, type Row, totals, WINDOW } from "../results/history";
import type { ChartTheme } from "./chart-theme";
import { colourOf } from "./labels";

const HEAD = 1.15; // of the time axis over the 95th percentile, so that a single slow answer does not flatten the rest
const LOWEST = 10; // ms, of the time axis
const STEADY = 0.12; // how fast the time axis follows

/** [series][rows], from rows of the window */
type Columns = (rows: readonly Row[]) => number[][];

export class Chart {
  private readonly plot: uPlot;
  private readonly resized: ResizeObserver;
  private readonly columns: Columns;
  private now = 0; // s, the right edge

  constructor(
    host: HTMLElement,
    series: uPlot.Series[],
    line: string,
    range: () => [number, number],
    columns: Columns,
  ) {
    this.columns = columns;
    const { width, height } = host.getBoundingClientRect();
    const grid: uPlot.Axis = {
      size: 0,
      gap: 0,
      ticks: { show: false },
      values: () => [],
      grid: { stroke: line, width: 1, dash: [] },
      splits: ({ scales }) => [0, (scales["y"]?.max ?? 1) / 2, scales["y"]?.max ?? 1],
    };
    this.plot = new uPlot(
      {
        width: Math.max(1, width),
        height: Math.max(1, height),
        padding: [2, 0, 2, 0],
        legend: { show: false },
        cursor: { show: false },
        scales: { x: { time: false, range: () => [this.now - WINDOW, this.now] }, y: { range } },
        axes: [{ show: false }, grid],
        series: [{}, ...series.map((each) => ({ points: { show: false }, ...each }))],
      },
      [[], ...series.map(() => [])],
      host,
    );
    this.resized = new ResizeObserver(([entry]) => {
      const box = entry?.contentRect;
      if (box && box.width > 0 && box.height > 0) this.plot.setSize({ width: box.width, height: box.height });
    });
    this.resized.observe(host);
  }

  /** @param rows of the window that ends now @param now s */
  draw(rows: readonly Row[], now: number): void {
    this.now = now;
    this.plot.setData([rows.map(({ at }) => at), ...this.columns(rows)]);
  }

  close(): void {
    this.resized.disconnect();
    this.plot.destroy();
  }
}

/** A line for each label, in its own colour. */
export function seenChart(host: HTMLElement, labels: readonly string[], { paper, line }: ChartTheme): Chart {
  const series = labels.map((_, index) => ({ stroke: colourOf(index, labels.length, paper, 1), width: 1.75 }));
  return new Chart(
    host,
    series,
    line,
    () => [-0.02, 1.02],
    (rows) => labels.map((_, label) => rows.map(({ probabilities }) => probabilities[label] ?? Number.NaN)),
  );
}

/** Areas on one another: capture, network, queue, decode, inference. */
export function timeChart(host: HTMLElement, { line, parts }: ChartTheme): Chart {
  let top = 2 * LOWEST;
  const follow = (rows: readonly Row[]): void => {
    const [p95 = Number.NaN] = percentiles(totals(rows), 95);
    const wanted = Math.max(LOWEST, p95 * HEAD);
    if (rows.length) top += (wanted - top) * (wanted > 4 * top ? 1 : STEADY);
  };
  // The highest sum is drawn first, each lower one over it.
  const series = parts.map((fill) => ({ fill, width: 0 })).reverse();
  return new Chart(
    host,
    series,
    line,
    () => [0, top],
    (rows) => {
      follow(rows);
      const below = rows.map(() => 0);
      const sums = PARTS.map((part) => rows.map(({ timing }, row) => (below[row] = (below[row] ?? 0) + timing[part])));
      return sums.reverse();
    },
  );
}
