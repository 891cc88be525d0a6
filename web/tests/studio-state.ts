/** What the studio says, as far as the page reads it. */

import type { Job, StudioState } from "../src/studio/contract";

export function stateOf(changed: Partial<StudioState> = {}): StudioState {
  const label = (name: string, photos: number, none = false) => ({ name, photos, sittings: 3, none });
  return {
    seq: 1,
    labels: [label("art", 120), label("mug", 24), label("other", 80, true)],
    author: "Ada",
    model: "m-1",
    draft: null,
    why_no_draft: "",
    steps: [],
    busy: "",
    job: null,
    ...changed,
  };
}

export function jobOf(changed: Partial<Job> = {}): Job {
  return {
    id: 3,
    state: "running",
    stage: "train",
    stages: ["validate", "train", "export", "evaluate"],
    line: "features of 64 of 396 photos",
    epoch: [2, 11],
    seconds_left: 40,
    outcome: null,
    reasons: [],
    why: "",
    git: [],
    ...changed,
  };
}
