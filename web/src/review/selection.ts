/** Which items of a list are meant: one has the focus, any number are chosen. */

export interface Selection {
  /** id of the item that has the focus, "" where there is none */
  readonly focus: string;
  /** where a range begins */
  readonly anchor: string;
  readonly chosen: ReadonlySet<string>;
}

export const NONE: Selection = { focus: "", anchor: "", chosen: new Set() };

type Ids = readonly string[];

/** Puts the focus on the item at an index, or the nearest that there is. @param range chooses all from the anchor on */
export function moveTo(of: Selection, ids: Ids, index: number, range: boolean): Selection {
  const place = Math.max(0, Math.min(index, ids.length - 1));
  const focus = ids[place] ?? "";
  if (!range) return { ...of, focus, anchor: focus };
  const from = Math.max(0, ids.indexOf(of.anchor));
  return { ...of, focus, chosen: new Set(ids.slice(Math.min(from, place), Math.max(from, place) + 1)) };
}

/** Chooses an item, or does so no longer. */
export function toggle(of: Selection, id: string): Selection {
  const chosen = new Set(of.chosen);
  if (!chosen.delete(id)) chosen.add(id);
  return { focus: id, anchor: id, chosen };
}

/** What an action is about: what is chosen, else what has the focus; in the order of the list. */
export function meant({ focus, chosen }: Selection, ids: Ids): string[] {
  return ids.filter((id) => (chosen.size ? chosen.has(id) : id === focus));
}

/** After the list has changed: what is gone is not meant any more, and the focus goes to what followed it. */
export function carry(of: Selection, before: Ids, after: Ids): Selection {
  const there = new Set(after);
  const at = before.indexOf(of.focus);
  const near = [...before.slice(Math.max(0, at)), ...before.slice(0, Math.max(0, at)).reverse()];
  const focus = near.find((id) => there.has(id)) ?? after[0] ?? "";
  const chosen = new Set([...of.chosen].filter((id) => there.has(id)));
  return { focus, anchor: there.has(of.anchor) ? of.anchor : focus, chosen };
}
