/** Paints the words: large, in the order of the labels, each as strong as the model is sure. Past React, for each answer. */

import type { Answer } from "../shared/answer";
import { chosen, colourOf, SHOWN, strength, weight } from "./labels";

const STEPS = 47; // of colour between grey and the full hue; more can't be told apart
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
}

export class WordPainter {
  private readonly room: HTMLElement;
  private readonly list: HTMLElement;
  private readonly none: HTMLElement;
  private readonly resized: ResizeObserver;
  private labels: readonly string[] = [];
  private rows: Row[] = [];
  private shown: number[] = []; // index of each row's label
  private colours: string[][] = []; // [labels][STEPS + 1], as far as they were needed
  private paper = "#ffffff";
  private last: Parameters<WordPainter["show"]> | null = null;

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

  /** @param paper #rrggbb, what lies behind */
  setPaper(paper: string): void {
    this.paper = paper;
    this.colours = this.labels.map(() => []);
    if (this.last) this.show(...this.last);
  }

  setLabels(labels: readonly string[]): void {
    if (labels.join("\n") === this.labels.join("\n")) return;
    this.labels = labels;
    this.rows = labels.slice(0, SHOWN).map(makeRow);
    this.list.replaceChildren(...this.rows.map(({ element }) => element));
    this.last = null;
    this.setPaper(this.paper);
    this.clear();
    void document.fonts.ready.then(() => this.fit());
  }

  /** @param latched the label that counts, null for none of these, undefined where nothing was seen */
  show(answer: Pick<Answer, "probabilities" | "label" | "model">, latched?: string | null): void {
    this.last = [answer, latched];
    const { probabilities, label, model } = answer;
    this.list.dataset["answer"] = label ?? "";
    this.list.dataset["model"] = model;
    this.shown = chosen(probabilities, this.shown);
    this.rows.forEach(({ element, word, percent }, place) => {
      const index = this.shown[place] as number;
      const text = this.labels[index] as string;
      const probability = probabilities[index] as number;
      const sure = typeof latched === "string" ? strength(probability, this.labels.length) : 0;
      element.dataset["word"] = word.title = text;
      element.dataset["probability"] = probability.toFixed(3);
      element.dataset["lit"] = String(text === latched);
      if (word.textContent !== text) word.textContent = text;
      word.style.color = this.colour(index, Math.round(sure * STEPS));
      word.style.fontWeight = String(weight(sure));
      percent.textContent = latched === undefined ? "" : String(Math.round(probability * 100));
    });
  }

  /** There is nothing to see. */
  clear(): void {
    const probabilities = new Float32Array(this.labels.length);
    this.show({ probabilities, label: null, model: this.list.dataset["model"] ?? "" });
  }

  private colour(index: number, step: number): string {
    const known = this.colours[index] as string[];
    known[step] ??= colourOf(index, this.labels.length, this.paper, step / STEPS);
    return known[step];
  }

  /** The largest size at which every label, even one not shown now, fits at its heaviest: so none moves another. */
  private fit(): void {
    const { width } = this.list.getBoundingClientRect();
    const height = this.room.clientHeight - this.none.offsetHeight - this.list.offsetTop;
    const context = document.createElement("canvas").getContext("2d");
    if (!context || !width || !this.labels.length) return;
    context.font = `900 100px ${getComputedStyle(this.list).fontFamily}`;
    const widths = this.labels.map((label) => context.measureText(label.toUpperCase()).width / 100);
    const widest = Math.max(...widths);
    const rows = this.rows.length;
    const across = Math.min(width / (widest + BESIDE_PART), (width - BESIDE) / widest);
    const size = Math.floor(Math.max(SMALLEST, Math.min(LARGEST, height / (rows * LINE), across)));
    const line = Math.max(LINE, Math.min(LINE + AIR / size, height / rows / size));
    this.list.style.setProperty("--size", `${size}px`);
    this.list.style.setProperty("--line", line.toFixed(3));
  }
}

function makeRow(): Row {
  const [element, word, percent] = ["li", "span", "span"].map((name) => document.createElement(name)) as [
    HTMLElement,
    HTMLElement,
    HTMLElement,
  ];
  word.className = "word";
  percent.className = "percent";
  element.append(word, percent);
  return { element, word, percent };
}
