/** The queue as the page has it: items as far as somebody looks, which of them are meant, and what was decided. */

import { asProblem } from "../shared/problem";
import type { Action, Comparison, Given, Item, Kind } from "../studio/contract";
import * as review from "../studio/review";
import type { Studio } from "../studio/studio";
import { carry, meant, NONE, type Selection } from "./selection";

const COUNT = 250; // items that are asked for at once
const QUIET_MS = 1500; // after a decision, until it is measured what the decisions have brought
const LEAVES: readonly Action[] = ["keep", "relabel", "remove", "forget"]; // whose items are not asked about again
const OURS = ["relabel", "remove", "group", "describe", "settle"]; // kinds of steps that z takes back

export interface QueueView {
  /** the first ones of `total`, the worst first */
  readonly items: readonly Item[];
  /** null before the studio has told */
  readonly total: number | null;
  readonly selection: Selection;
  /** why the last wish was not granted, or "" */
  readonly refused: string;
  /** what the last wish has come to, or "" */
  readonly done: string;
  /** what the decisions have brought; "measuring" while that is not known */
  readonly compared: Comparison | "measuring" | null;
}

export class Queue {
  private view: QueueView = { items: [], total: null, selection: NONE, refused: "", done: "", compared: null };
  private readonly drawn = new Set<() => void>(); // what React wants to be told
  private readonly studio: Studio;
  private readonly made: number[] = []; // steps that were made here, and
  private readonly undone = new Set<number>(); // those that were taken back here: the studio's state follows
  private next: string | null = ""; // where the rest begins
  private need = 1; // items that somebody wants to see
  private stale = false;
  private loading: Promise<void> | null = null;
  private turn: Promise<unknown> = Promise.resolve(); // one wish after the other
  private seen = -1; // the newest step; -1: the items are to be asked for whatever it is
  private since = 0; // the first step of this batch; 0: nothing was decided
  private measuring = new AbortController();

  constructor(studio: Studio) {
    this.studio = studio;
  }

  readonly get = (): QueueView => this.view;

  readonly subscribe = (draw: () => void): (() => void) => {
    this.drawn.add(draw);
    return () => this.drawn.delete(draw);
  };

  /** Follows the photos until what is returned is called. */
  begin(): () => void {
    const look = (): void => {
      const newest = this.studio.get().state?.steps[0]?.step ?? 0;
      if (newest === this.seen) return;
      this.seen = newest;
      void this.refresh();
    };
    const end = this.studio.subscribe(look);
    look();
    return () => {
      end();
      this.measuring.abort();
    };
  }

  /** Has so many items here, or all that there are. */
  async reach(count: number): Promise<void> {
    this.need = Math.max(this.need, count);
    await this.load();
  }

  /** Asks for all of them again. */
  refresh(): Promise<void> {
    this.stale = true;
    return this.load();
  }

  select(change: (selection: Selection, ids: readonly string[]) => Selection): void {
    const { items, selection } = this.view;
    this.become({ selection: change(selection, idsOf(items)) });
  }

  /** Chooses all of a kind, also those that were not asked for yet. */
  async selectKind(kind: Kind): Promise<void> {
    if (this.next !== null) {
      this.become({ done: "All of them are being fetched…" });
      await this.reach(Number.POSITIVE_INFINITY);
      this.become({ done: "" });
    }
    this.select((selection) => {
      const ids = idsOf(this.view.items.filter(({ why }) => why.some((each) => each.kind === kind)));
      return ids.length ? { focus: ids[0] ?? "", anchor: ids[0] ?? "", chosen: new Set(ids) } : selection;
    });
  }

  /** The items that an action is about now. */
  get meant(): readonly Item[] {
    const { items, selection } = this.view;
    const ids = new Set(meant(selection, idsOf(items)));
    return items.filter(({ id }) => ids.has(id));
  }

  /** Carries a decision on what is meant out, whole or not at all. */
  decide(action: Action, given: Given = {}): Promise<void> {
    const ids = idsOf(this.meant);
    if (!ids.length) return Promise.resolve();
    return this.wish(async () => {
      const { step, why } = await review.decide(action, ids, given);
      this.since ||= step;
      if (action !== "forget") this.made.push(step);
      const left = LEAVES.includes(action) ? this.view.items.filter(({ id }) => !ids.includes(id)) : this.view.items;
      this.become({ selection: { ...this.view.selection, chosen: new Set() } });
      this.take(left, (this.view.total ?? 0) - (this.view.items.length - left.length));
      return [SAID[action](ids.length), why].filter(Boolean).join(" ");
    });
  }

  /** Takes a step back: this one, or the newest decision that stands. */
  undo(step?: number): Promise<void> {
    return this.wish(async () => {
      const steps = this.studio.get().state?.steps ?? [];
      const last = steps.find(
        (each) => each.undoable && !each.undone && OURS.includes(each.kind) && !this.undone.has(each.step),
      );
      const unheard = this.made.filter((each) => each > (steps[0]?.step ?? 0) && !this.undone.has(each)).at(-1);
      const number = step ?? unheard ?? last?.step;
      if (number === undefined) return "There is nothing to undo.";
      const why = await this.studio.undo(number);
      this.undone.add(number);
      const said = steps.find((each) => each.step === number)?.said;
      return why || `Undone${said ? `: ${said}` : ""}.`;
    });
  }

  private wish(what: () => Promise<string>): Promise<void> {
    const done = this.turn.then(async () => {
      this.become({ refused: "", done: "" });
      try {
        this.become({ done: await what() });
        this.measure();
        void this.refresh();
      } catch (error) {
        this.become({ refused: asProblem(error, "service-down").message });
      }
    });
    this.turn = done;
    return done;
  }

  /** When nothing was decided for a while: what all of it has brought. */
  private measure(): void {
    this.measuring.abort();
    const { since } = this;
    if (!since) return;
    const current = new AbortController();
    this.measuring = current;
    const timer = setTimeout(async () => {
      this.become({ compared: "measuring" });
      try {
        this.become({ compared: await review.measure(since, current.signal) });
      } catch (error) {
        const { code, message } = asProblem(error, "service-down");
        if (code !== "closed") this.become({ compared: { verdict: "not measured", said: message } });
      }
    }, QUIET_MS);
    current.signal.addEventListener("abort", () => clearTimeout(timer));
  }

  private load(): Promise<void> {
    this.loading ??= this.fetch().finally(() => {
      this.loading = null;
    });
    return this.loading;
  }

  private async fetch(): Promise<void> {
    try {
      while (this.stale || (this.next !== null && this.view.items.length < this.need)) {
        const anew = this.stale;
        this.stale = false;
        let [items, next]: [Item[], string | null] = anew ? [[], ""] : [[...this.view.items], this.next];
        let total = 0;
        do {
          const part = await review.part(next ?? "", COUNT);
          const known = new Set(idsOf(items));
          items = [...items, ...part.items.filter(({ id }) => !known.has(id))];
          ({ next, total } = part);
        } while (next !== null && items.length < Math.max(this.need, anew ? this.view.items.length : 0) && !this.stale);
        if (this.stale) continue; // something was decided meanwhile
        this.next = next;
        this.take(items, total);
      }
    } catch (error) {
      this.seen = -1; // with the next news of the studio
      this.become({ refused: asProblem(error, "service-down").message });
    }
  }

  private take(items: readonly Item[], total: number): void {
    const selection = carry(this.view.selection, idsOf(this.view.items), idsOf(items));
    this.become({ items, total, selection });
  }

  private become(changed: Partial<QueueView>): void {
    this.view = { ...this.view, ...changed };
    for (const draw of this.drawn) draw();
  }
}

const photos = (count: number): string => `${count} photo${count === 1 ? "" : "s"}`;

const SAID: Readonly<Record<Action, (count: number) => string>> = {
  keep: (count) => `${photos(count)} found right.`,
  relabel: (count) => `${photos(count)} relabelled.`,
  remove: (count) => `${photos(count)} removed.`,
  merge: () => "Duplicates merged.",
  group: () => "Put into one sitting.",
  describe: (count) => `Author and licence of ${photos(count)} filled in.`,
  forget: (count) => `${photos(count)} forgotten.`,
};

function idsOf(items: readonly Item[]): string[] {
  return items.map(({ id }) => id);
}
