/** How a label looks for a probability, and which labels are shown. */

import { contrast, hex, luminance, shown } from "./colour";

export const STEPS = 48; // colours between grey and the full hue; more can't be told apart
export const SHOWN = 5; // words on the screen where there are more labels

const FIRST_HUE = 27; // degrees: three labels get vermilion, green and blue
const CHROMA = 0.21;
const QUIET = 4.6; // contrast of a grey word; WCAG asks for 4.5 of small text
const LOUD = { light: 4.6, dark: 7 }; // of a word in full colour; on black a brighter one glows

export type Theme = "light" | "dark";

/** Even steps round the circle for few labels; for many, so that neighbours in the list are still far apart. */
export function hue(index: number, count: number): number {
  return (FIRST_HUE + (count <= 6 ? (360 / count) * index : 137.508 * index)) % 360;
}

/** 0 at chance (or below), 1 at certainty. */
export function strength(probability: number, count: number): number {
  const chance = 1 / count;
  return Math.min(1, Math.max(0, (probability - chance) / (1 - chance)));
}

/**
 * [STEPS] colours as #rrggbb, from grey to the label's hue, each with enough contrast on the paper.
 *
 * @param paper relative luminance of what lies behind
 */
export function palette(index: number, count: number, theme: Theme, paper: number): string[] {
  const angle = hue(index, count);
  return Array.from({ length: STEPS }, (_, step) => {
    const part = step / (STEPS - 1);
    const wanted = QUIET + (LOUD[theme] - QUIET) * part;
    const chroma = CHROMA * Math.sqrt(part);
    return hex(shown(lightness(chroma, angle, theme, paper, wanted), chroma, angle));
  });
}

/** The lightness nearest the paper's that has `wanted` contrast with it, rounding to 8 bits included. */
function lightness(chroma: number, angle: number, theme: Theme, paper: number, wanted: number): number {
  let [low, high] = [0, 1];
  for (let step = 0; step < 16; step++) {
    const middle = (low + high) / 2;
    const enough = contrast(luminance(shown(middle, chroma, angle)), paper) >= wanted + 0.05;
    if (enough === (theme === "light")) low = middle;
    else high = middle;
  }
  return theme === "light" ? low : high;
}

/** CSS font-weight, 300 at chance to 900 at certainty, in steps that a variable face shows as one movement. */
export function weight(part: number): number {
  return 300 + Math.round(part * 24) * 25;
}

/** Which labels are shown: all of a few, else the likeliest, in the order of the labels and without flicker. */
export class Chosen {
  private readonly count: number;
  private indices: number[];

  constructor(count: number) {
    this.count = count;
    this.indices = Array.from({ length: Math.min(count, SHOWN) }, (_, index) => index);
  }

  get current(): readonly number[] {
    return this.indices;
  }

  /** Whether the choice changed; one outside has to be likelier than one inside by `margin`. */
  update(probabilities: ArrayLike<number>, margin = 0.03): boolean {
    if (this.count <= SHOWN) return false;
    const of = (index: number) => probabilities[index] ?? 0;
    let changed = false;
    const outside = Array.from({ length: this.count }, (_, index) => index)
      .filter((index) => !this.indices.includes(index))
      .sort((one, other) => of(other) - of(one));
    for (const candidate of outside) {
      const weakest = this.indices.reduce((least, index) => (of(index) < of(least) ? index : least));
      if (of(candidate) <= of(weakest) + margin) break;
      this.indices[this.indices.indexOf(weakest)] = candidate;
      changed = true;
    }
    if (changed) this.indices.sort((one, other) => one - other);
    return changed;
  }
}
