/** The theme and its colours, as the style sheet has them, and the wish for less motion. */

import { useSyncExternalStore } from "react";
import { PARTS } from "../results/history";
import type { Theme } from "./labels";

const DARK = "(prefers-color-scheme: dark)";
const REDUCED = "(prefers-reduced-motion: reduce)";

/** Colours of a theme; the parts go from quiet (ours to spend) to loud (the model's own time). */
export interface ChartTheme {
  theme: Theme;
  /** #rrggbb */
  paper: string;
  line: string;
  parts: readonly string[];
  reduced: boolean;
}

export function chartTheme(): ChartTheme {
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

function watch(changed: () => void): () => void {
  const queries = [DARK, REDUCED].map((query) => matchMedia(query));
  for (const query of queries) query.addEventListener("change", changed);
  return () => {
    for (const query of queries) query.removeEventListener("change", changed);
  };
}

/** Changes with the theme and the wish; for effects that read `chartTheme`. */
export function useThemeKey(): string {
  return useSyncExternalStore(watch, () => `${matchMedia(DARK).matches} ${matchMedia(REDUCED).matches}`);
}
