/** How a label looks for a probability, and which labels are shown. */

import { clampChroma, formatHex, modeLrgb, modeOklch, modeRgb, useMode, wcagContrast, wcagLuminance } from "culori/fn";

export const SHOWN = 5; // words on the screen where there are more labels

const FIRST_HUE = 27; // degrees: three labels get vermilion, green and blue
const CHROMA = 0.21;
const QUIET = 4.6; // contrast of a grey word; WCAG asks for 4.5 of small text
const LOUD = { light: 4.6, dark: 7 }; // of a word in full colour; on black a brighter one glows
const ROUNDING = 0.05; // of contrast, that 8 bits a channel may cost
const MARGIN = 0.03; // by which a label has to be likelier than one that is shown, to take its place

for (const mode of [modeRgb, modeLrgb, modeOklch]) useMode(mode as typeof modeRgb);

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
 * #rrggbb, on the way from grey to the label's hue through OKLCH: of the lightness nearest the paper's that has enough
 * contrast with it.
 *
 * @param paper #rrggbb, what lies behind
 * @param part 0 for grey, 1 for the full hue
 */
export function colourOf(index: number, count: number, paper: string, part: number): string {
  const theme = wcagLuminance(paper) < 0.5 ? "dark" : "light";
  const wanted = QUIET + (LOUD[theme] - QUIET) * part + ROUNDING;
  const at = (l: number) =>
    clampChroma({ mode: "oklch", l, c: CHROMA * Math.sqrt(part), h: hue(index, count) }, "oklch");
  let [near, far] = theme === "dark" ? [0, 1] : [1, 0];
  for (let step = 0; step < 12; step++) {
    const middle = (near + far) / 2;
    if (wcagContrast(at(middle), paper) >= wanted) far = middle;
    else near = middle;
  }
  return formatHex(at(far));
}

/** CSS font-weight, 300 at chance to 900 at certainty, in steps that a variable face shows as one movement. */
export function weight(part: number): number {
  return 300 + Math.round(part * 24) * 25;
}

/** Which labels are shown: the likeliest, in the order of the labels; `before` were shown until now. */
export function chosen(probabilities: ArrayLike<number>, before: readonly number[]): number[] {
  const worth = Array.from(probabilities, (value, index) => value + (before.includes(index) ? MARGIN : 0));
  const likeliest = [...worth.keys()].sort((one, other) => (worth[other] as number) - (worth[one] as number));
  return likeliest.slice(0, SHOWN).sort((one, other) => one - other);
}
