/** What the studio's queue of photos to look at can be asked. Everything rejects with a Problem. */

import type { Evidence } from "../shared/answer";
import { request } from "../shared/api";
import type { Action, Comparison, Given, Item, Part } from "./contract";
import { post, studioUrl } from "./studio";

/** Items of the queue. @param after where the part before it ended, "" for the first */
export async function part(after: string, count: number): Promise<Part> {
  const query = new URLSearchParams({ count: `${count}`, ...(after && { after }) });
  return (await request(studioUrl(`review?${query}`))).json();
}

/** Carries a decision out, as one step. `why`: what is still to be done, or "" */
export async function decide(
  action: Action,
  ids: readonly string[],
  given: Given,
): Promise<{ step: number; why: string }> {
  return (await post("review", { action, ids, ...given })).json();
}

/** Where the model that is served sees the label that it finds the likeliest. */
export async function evidence(id: string, signal: AbortSignal): Promise<Evidence> {
  return (await request(studioUrl(`review/${id}/evidence`), { signal })).json();
}

/** Whether what was done from a step on has made the photos teach better. */
export async function measure(since: number, signal: AbortSignal): Promise<Comparison> {
  return (await request(studioUrl(`review/measure?since=${since}`), { signal })).json();
}

/** A picture whose answer was wrong goes into the queue. @param form picture, label, model, answer and score */
export async function sendWrong(form: FormData): Promise<void> {
  await request(studioUrl("wrong"), { method: "POST", body: form });
}

/** A photo, or a picture that was sent in. @param side px at most */
export function photoUrl({ id, file }: Pick<Item, "id" | "file">, side: number): string {
  return studioUrl(`photos/${(file ?? id).split("/").map(encodeURIComponent).join("/")}?side=${side}`);
}
