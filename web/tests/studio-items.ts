/** An item of the studio's queue. */

import type { Item } from "../src/studio/contract";

export function itemOf(changed: Partial<Item> = {}): Item {
  const id = changed.id ?? "a";
  return {
    id,
    file: `art/${id}.jpg`,
    label: "art",
    thinks: { label: "mug", probabilities: [0.2, 0.8], labels: ["art", "mug"] },
    why: [{ kind: "label-error", said: "it is rather mug (80%) than art (20%)", other: null }],
    author: "Ada",
    licence: "CC0-1.0",
    ...changed,
  };
}
