/** What kinds of reasons, and actions, are called; and the keys. */

import type { Action, Item, Kind, Label } from "../studio/contract";
import { nameOf } from "../teach/label-choice";

export const KIND_NAMES: Readonly<Record<Kind, string>> = {
  wrong: "sent in as wrong",
  "label-error": "other label?",
  "near-duplicate": "duplicate?",
  outlier: "unlike the others",
  blurred: "blurred",
  unlicensed: "no author or licence",
};

export const ACTIONS: readonly { readonly action: Action; readonly key: string; readonly name: string }[] = [
  { action: "keep", key: "k", name: "Keep" },
  { action: "relabel", key: "l", name: "Label" },
  { action: "remove", key: "x", name: "Remove" },
  { action: "merge", key: "m", name: "Merge" },
  { action: "group", key: "g", name: "Same sitting" },
  { action: "describe", key: "a", name: "Author" },
  { action: "forget", key: "f", name: "Forget" },
];

/** What the other photos make of it, with the probability of that; "" where they can't say. */
export function thought({ thinks }: Item, labels: readonly Label[]): string {
  if (!thinks) return "";
  const most = Math.max(...thinks.probabilities);
  return `${nameOf(thinks.label ?? "", labels) || "none of these"} ${(most * 100).toFixed(0)} %`;
}

/** An author or a licence; "" where it is not known. */
export function known(value: string): string {
  return value.startsWith("unknown") ? "" : value; // how photos are adopted of which nobody has said it
}
