/** Colours, as the style sheet has them, and the wish for less motion. */

import { useSyncExternalStore } from "react";
import { PARTS } from "../results/history";

const QUERIES = ["(prefers-color-scheme: dark)", "(prefers-reduced-motion: reduce)"];

/** #rrggbb; the parts go from quiet (ours to spend) to loud (the model's own time). */
export interface ChartTheme {
  paper: string;
  line: string;
  parts: readonly string[];
}

export function chartTheme(): ChartTheme {
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string): string => style.getPropertyValue(`--${name}`).trim();
  return { paper: colour("paper"), line: colour("line"), parts: PARTS.map(colour) };
}

export function reducedMotion(): boolean {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}

function watch(changed: () => void): () => void {
  const end = new AbortController();
  for (const query of QUERIES) matchMedia(query).addEventListener("change", changed, { signal: end.signal });
  return () => end.abort();
}

/** Changes with the theme and the wish; for effects that read them. */
export function useThemeKey(): string {
  return useSyncExternalStore(watch, () => QUERIES.map((query) => matchMedia(query).matches).join());
}
