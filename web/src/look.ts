/** The theme and its colours, as the style sheet has them, and the wish for less motion. */

import type { Look } from "./charts";
import { PARTS } from "./history";

const DARK = "(prefers-color-scheme: dark)";
const REDUCED = "(prefers-reduced-motion: reduce)";

export function look(): Look {
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string): string => style.getPropertyValue(name).trim();
  return {
    theme: matchMedia(DARK).matches ? "dark" : "light",
    paper: colour("--paper"),
    line: colour("--line"),
    parts: PARTS.map((part) => colour(`--${part}`)),
    reduced: matchMedia(REDUCED).matches,
  };
}

/** Calls back when the theme or the wish changes. Returns what ends that. */
export function watchLook(changed: () => void): () => void {
  const end = new AbortController();
  for (const query of [DARK, REDUCED]) matchMedia(query).addEventListener("change", changed, { signal: end.signal });
  return () => end.abort();
}
