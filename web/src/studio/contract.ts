/** What the studio says, as docs/teach.md has it; the plain service has none of it, so no type of it is generated. */

/** `none`: the label of what is none of the others. */
export interface Label {
  readonly name: string;
  readonly photos: number;
  readonly sittings: number;
  readonly none: boolean;
}

export type Verdict = "better" | "not proven" | "worse" | "not measured";

/** In a sentence, with the shares of right answers before and after where there is enough to measure on. */
export interface LabelMeasured {
  readonly label: string;
  readonly verdict: Verdict;
  readonly said: string;
}

/** The model that has learnt what was taught since the promoted one; `new` and `gone` are photos. */
export interface Draft {
  readonly version: string;
  readonly photos: number;
  readonly new: number;
  readonly gone: number;
  /** null: still being measured */
  readonly measured: null | {
    readonly labels: readonly LabelMeasured[];
    readonly verdict: Verdict;
    readonly said: string;
  };
}

export interface Step {
  readonly step: number;
  /** ISO 8601 */
  readonly at: string;
  readonly kind: string;
  /** those of it that are still there */
  readonly files?: readonly string[];
  readonly said: string;
  readonly undoable: boolean;
  readonly undone: boolean;
}

/** The pipeline's run behind Keep. */
export interface Job {
  readonly id: number;
  readonly state: "running" | "done" | "failed" | "cancelled";
  readonly stage: string;
  readonly stages: readonly string[];
  readonly line: string;
  /** this one, of so many */
  readonly epoch: readonly [number, number] | null;
  readonly seconds_left: number | null;
  readonly outcome: "promoted" | "already champion" | "refused" | null;
  readonly reasons: readonly string[];
  /** of one that failed */
  readonly why: string;
  /** commands that record it */
  readonly git: readonly string[];
}

export interface StudioState {
  /** grows with every change */
  readonly seq: number;
  readonly labels: readonly Label[];
  /** "" where it has to be asked */
  readonly author: string;
  /** version of what is served */
  readonly model: string;
  readonly draft: Draft | null;
  readonly why_no_draft: string;
  /** newest first */
  readonly steps: readonly Step[];
  /** why nothing can be taught now, or "" */
  readonly busy: string;
  readonly job: Job | null;
}

/** What became of frames that were sent: files that were kept, and the index of the frame that each is. */
export interface Taught {
  readonly step: number;
  readonly kept: readonly string[];
  readonly dropped: number;
  readonly sent: readonly number[];
}

export const KINDS = ["wrong", "label-error", "near-duplicate", "outlier", "blurred", "unlicensed"] as const;
export type Kind = (typeof KINDS)[number];

/** A photo that a person should look at, or a picture that was sent in as wrong. */
export interface Item {
  /** sha256 of its bytes */
  readonly id: string;
  /** null for a picture that was sent in */
  readonly file: string | null;
  /** "" for none of these */
  readonly label: string;
  /** of heads that did not see it; null where none can say */
  readonly thinks: null | {
    /** null: none of these */
    readonly label: string | null;
    readonly probabilities: readonly number[];
    readonly labels: readonly string[];
  };
  /** what matters most first; `other`: file of the photo that it is compared with */
  readonly why: readonly { readonly kind: Kind; readonly said: string; readonly other: string | null }[];
  readonly author: string;
  readonly licence: string;
}

/** The worst first. `next`: where the rest begins, null where there is none */
export interface Part {
  readonly total: number;
  readonly items: readonly Item[];
  readonly next: string | null;
}

export type Action = "keep" | "relabel" | "remove" | "merge" | "group" | "describe" | "forget";

/** What a decision needs besides the items. */
export interface Given {
  readonly label?: string;
  readonly author?: string;
  readonly licence?: string;
  readonly why?: string;
}

/** Whether steps have made the photos teach better; shares of right answers, 0..1. */
export interface Comparison {
  readonly verdict: Verdict;
  readonly said: string;
}
