/** Paints the words: large, in the order of the labels, each as strong as the model is sure. Past React, at frame rate. */

import type { ChartTheme } from "./chart-theme";
import { luminanceOf } from "./colour";
import { Chosen, palette, SHOWN, STEPS, strength, weight } from "./labels";

const SETTLE = 90; // ms in which two thirds of a change are shown
const LINE = 1.02; // line height, in font sizes
const AIR = 8; // px more between lines, where there is room: nothing among large words, much among small ones
const LARGEST = 168; // px
const SMALLEST = 22; // px; counts as large text, so that its colours keep enough contrast
const BESIDE_PART = 0.69; // of the word's font size, that a percentage takes with the gap before it (page.css)
const BESIDE = 54; // px that a percentage takes at its smallest

interface Row {
  element: HTMLElement;
  word: HTMLElement;
  percent: HTMLElement;
  label: number; // index, -1 for none
  step: number;
  lit: boolean;
}

export class WordPainter {
  private readonly room: HTMLElement;
  private readonly list: HTMLElement;
  private readonly none: HTMLElement;
  private readonly resized: ResizeObserver;
  private labels: readonly string[] = [];
  private rows: Row[] = [];
  private chosen = new Chosen(0);
  private palettes: string[][] = [];
  private target = new Float32Array(0);
  private now = new Float32Array(0); // what is shown, on its way to the target
  private known = 0; // target of how much of the colours is shown: 0 for none of these
  private knownNow = 0;
  private lit: string | null | undefined; // undefined: nothing was seen yet
  private painted = 0;
  private reduced = false;

  /** @param room what they may fill @param list an empty element that nobody else writes @param none "none of these" */
  constructor(room: HTMLElement, list: HTMLElement, none: HTMLElement) {
    this.list = list;
    this.none = none;
    this.room = room;
    this.resized = new ResizeObserver(() => this.fit());
    this.resized.observe(room);
  }

  close(): void {
    this.resized.disconnect();
    this.list.replaceChildren();
  }

  setTheme({ theme, paper, reduced }: Pick<ChartTheme, "theme" | "paper" | "reduced">): void {
    const count = this.labels.length;
    this.reduced = reduced;
    this.palettes = this.labels.map((_, index) => palette(index, count, theme, luminanceOf(paper)));
    for (const row of this.rows) row.step = -1;
  }

  setLabels(labels: readonly string[]): void {
    if (labels.join("\n") === this.labels.join("\n")) return;
    this.labels = labels;
    this.target = new Float32Array(labels.length);
    this.now = new Float32Array(labels.length);
    this.chosen = new Chosen(labels.length);
    this.rows = this.chosen.current.map(() => makeRow());
    this.list.replaceChildren(...this.rows.map((row) => row.element));
    this.assign();
    void document.fonts.ready.then(() => this.fit());
  }

  /** What the model said last. */
  set(probabilities: ArrayLike<number>, label: string | null, model: string): void {
    this.target.set(probabilities);
    this.list.dataset["answer"] = label ?? "";
    this.list.dataset["model"] = model;
    if (this.chosen.update(probabilities)) this.assign();
    for (const row of this.rows) {
      const probability = this.target[row.label] ?? 0;
      row.element.dataset["probability"] = probability.toFixed(3);
      row.percent.textContent = String(Math.round(probability * 100));
    }
  }

  /** Which word counts as recognised; null for none of these, undefined where nothing was seen. */
  light(label: string | null | undefined): void {
    this.lit = label;
    this.known = typeof label === "string" ? 1 : 0;
    for (const row of this.rows) {
      const lit = this.labels[row.label] === label;
      if (lit === row.lit) continue;
      row.lit = lit;
      row.element.dataset["lit"] = String(lit);
    }
  }

  /** There is nothing to see. */
  clear(): void {
    this.set(new Float32Array(this.target.length), null, this.list.dataset["model"] ?? "");
    for (const row of this.rows) row.percent.textContent = "";
    this.light(undefined);
  }

  /** Goes a step towards the target. @param now ms */
  paint(now: number): void {
    const part = this.reduced ? 1 : 1 - Math.exp(-Math.min(100, now - this.painted) / SETTLE);
    this.painted = now;
    this.knownNow += (this.known - this.knownNow) * part;
    for (let index = 0; index < this.now.length; index++) {
      const from = this.now[index] ?? 0;
      this.now[index] = from + ((this.target[index] ?? 0) - from) * part;
    }
    for (const row of this.rows) {
      const sure = strength(this.now[row.label] ?? 0, this.labels.length) * this.knownNow;
      const step = Math.round(sure * (STEPS - 1));
      if (step === row.step) continue;
      row.step = step;
      row.word.style.color = this.palettes[row.label]?.[step] ?? "";
      row.word.style.fontWeight = String(weight(sure));
    }
  }

  private assign(): void {
    this.chosen.current.forEach((label, place) => {
      const row = this.rows[place];
      if (!row || row.label === label) return;
      const text = this.labels[label] ?? "";
      row.label = label;
      row.step = -1;
      row.element.dataset["word"] = text;
      row.word.textContent = text;
      row.word.title = text;
    });
    this.light(this.lit);
  }

  /** The largest size at which every label, even one not shown now, fits at its heaviest: so none moves another. */
  private fit(): void {
    const { width } = this.list.getBoundingClientRect();
    const height = this.room.clientHeight - this.none.offsetHeight - this.list.offsetTop;
    const context = document.createElement("canvas").getContext("2d");
    if (!context || !width || !this.labels.length) return;
    const family = getComputedStyle(this.list).fontFamily;
    context.font = `900 100px ${family}`;
    const widths = this.labels.map((label) => context.measureText(label.toUpperCase()).width / 100);
    const widest = Math.max(...widths);
    const rows = Math.min(this.labels.length, SHOWN);
    const across = Math.min(width / (widest + BESIDE_PART), (width - BESIDE) / widest);
    const size = Math.floor(Math.max(SMALLEST, Math.min(LARGEST, height / (rows * LINE), across)));
    const line = Math.max(LINE, Math.min(LINE + AIR / size, height / rows / size));
    this.list.style.setProperty("--size", `${size}px`);
    this.list.style.setProperty("--line", line.toFixed(3));
  }
}

function makeRow(): Row {
  const element = document.createElement("li");
  const word = document.createElement("span");
  const percent = document.createElement("span");
  word.className = "word";
  percent.className = "percent";
  element.dataset["lit"] = "false";
  element.dataset["probability"] = "0.000";
  element.append(word, percent);
  return { element, word, percent, label: -1, step: -1, lit: false };
}
