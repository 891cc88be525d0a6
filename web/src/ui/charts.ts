/** Two thin charts of the last half minute: what was seen, and what each answer's time went into. */

import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { type History, PARTS, WINDOW } from "../results/history";
import type { ChartTheme } from "./chart-theme";
import { luminanceOf } from "./colour";
import { palette, STEPS } from "./labels";

const HEAD = 1.15; // of the time axis over the 95th percentile, so that a single slow answer does not flatten the rest
const STEADY = 0.12; // how fast the time axis follows

/** What stands over a chart while a pointer is on it: null when none is. */
export type Hover = (row: { ago: number; values: number[] } | null) => void;

abstract class Chart {
  protected plot: uPlot;
  private readonly resized: ResizeObserver;
  private readonly host: HTMLElement;

  constructor(host: HTMLElement, series: uPlot.Series[], scale: uPlot.Scale, grid: () => string) {
    this.host = host;
    const { width, height } = host.getBoundingClientRect();
    const quiet: uPlot.Axis = { show: false };
    const lines: uPlot.Axis = {
      size: 0,
      ticks: { show: false },
      values: () => [],
      gap: 0,
      grid: { stroke: grid, width: 1, dash: [] },
      splits: (plot) => {
        const top = plot.scales["y"]?.max ?? 1;
        return [0, top / 2, top];
      },
    };
    this.plot = new uPlot(
      {
        width: Math.max(1, width),
        height: Math.max(1, height),
        padding: [2, 0, 2, 0],
        legend: { show: false },
        cursor: { y: false, points: { show: false }, drag: { x: false, y: false, setScale: false } },
        scales: { x: { time: false, range: () => this.window() }, y: scale },
        axes: [quiet, lines],
        series: [{}, ...series],
        hooks: { setCursor: [(plot) => this.moved(plot)] },
      },
      [new Float64Array(0), ...series.map(() => new Float64Array(0))] as unknown as uPlot.AlignedData,
      host,
    );
    this.resized = new ResizeObserver(([entry]) => {
      const box = entry?.contentRect;
      if (box && box.width > 0 && box.height > 0) this.plot.setSize({ width: box.width, height: box.height });
    });
    this.resized.observe(host);
  }

  onHover: Hover = () => undefined;

  /** The right edge, s. */
  protected now = 0;

  protected abstract values(index: number): number[];

  protected show(data: Float64Array[]): void {
    this.plot.setData(data as unknown as uPlot.AlignedData, true);
  }

  close(): void {
    this.resized.disconnect();
    this.plot.destroy();
    this.host.replaceChildren();
  }

  private window(): [number, number] {
    return [this.now - WINDOW, this.now];
  }

  private moved(plot: uPlot): void {
    const index = plot.cursor.idx;
    const time = index === null || index === undefined ? undefined : plot.data[0][index];
    const inside = (plot.cursor.left ?? -1) >= 0;
    if (!inside || time === undefined) this.onHover(null);
    else this.onHover({ ago: this.now - time, values: this.values(index as number) });
  }
}

/** A line for each label, in its own colour. */
export class SeenChart extends Chart {
  private readonly count: number;

  constructor(host: HTMLElement, history: History, theme: ChartTheme) {
    const count = history.labels.length;
    const colours = history.labels.map(
      (_, index) => palette(index, count, theme.theme, luminanceOf(theme.paper))[STEPS - 1] ?? theme.line,
    );
    const series = colours.map(
      (stroke): uPlot.Series => ({ stroke, width: 1.75, points: { show: false }, spanGaps: false }),
    );
    super(host, series, { range: [-0.02, 1.02] }, () => theme.line);
    this.count = count;
  }

  /** @param now s */
  draw(history: History, now: number): void {
    this.now = now;
    const rows = history.rows(now);
    const data = [history.column("time", rows)];
    for (let label = 0; label < this.count; label++) data.push(history.probability(label, rows));
    this.show(data);
  }

  protected values(index: number): number[] {
    return this.plot.data.slice(1).map((column) => column[index] ?? Number.NaN);
  }
}

/** Areas on one another: capture, network, queue, decode, inference. */
export class TimeChart extends Chart {
  private top = 20; // ms
  private sums: Float64Array[] = [];

  constructor(host: HTMLElement, history: History, theme: ChartTheme) {
    const top = { now: 20 };
    // The highest sum is drawn first, each lower one over it.
    const series = [...theme.parts]
      .reverse()
      .map((fill): uPlot.Series => ({ fill, width: 0, points: { show: false } }));
    super(host, series, { range: () => [0, top.now] }, () => theme.line);
    this.sums = PARTS.map(() => new Float64Array(history.ring.capacity));
    this.follow = (p95) => {
      const wanted = Math.max(10, p95 * HEAD);
      this.top += (wanted - this.top) * (theme.reduced || wanted > 4 * this.top ? 1 : STEADY);
      top.now = this.top;
    };
  }

  private readonly follow: (p95: number) => void;

  /** @param now s @param p95 ms of the round trips of the window */
  draw(history: History, now: number, p95: number): void {
    this.now = now;
    if (p95 > 0) this.follow(p95);
    const rows = history.rows(now);
    let below: Float64Array | null = null;
    const stacked = PARTS.map((part, place) => {
      const column = history.column(part, rows);
      const sum = (this.sums[place] as Float64Array).subarray(0, rows);
      for (let row = 0; row < rows; row++) sum[row] = (column[row] as number) + (below?.[row] ?? 0);
      below = sum;
      return sum;
    });
    this.show([history.column("time", rows), ...stacked.reverse()]);
  }

  protected values(index: number): number[] {
    const sums = this.plot.data
      .slice(1)
      .map((column) => column[index] ?? Number.NaN)
      .reverse();
    return sums.map((sum, place) => sum - (sums[place - 1] ?? 0));
  }
}
