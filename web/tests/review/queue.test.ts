import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Queue } from "../../src/review/queue";
import { moveTo, toggle } from "../../src/review/selection";
import type { Item, Step } from "../../src/studio/contract";
import { Studio } from "../../src/studio/studio";
import { itemOf } from "../studio-items";
import { stateOf } from "../studio-state";

let studio: Studio;
let queue: Queue;
let there: Item[]; // in the studio's queue
let steps: Step[];
let refusal: string; // "" while decisions are carried out
const asked: string[] = [];
const posted: unknown[] = [];
let draw: () => void; // the studio's state has changed
let end: () => void;

const stepOf = (step: number, changed: Partial<Step> = {}): Step => ({
  step,
  at: "2026-11-25T22:30:00Z",
  kind: "relabel",
  said: `step ${step}`,
  undoable: true,
  undone: false,
  ...changed,
});
const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve));
const ids = (): string =>
  queue
    .get()
    .items.map(({ id }) => id)
    .join("");

beforeEach(() => {
  there = [..."abcdef"].map((id) => itemOf({ id }));
  [steps, refusal] = [[], ""];
  asked.length = posted.length = 0;
  vi.stubGlobal("fetch", async (input: string, init: RequestInit = {}) => {
    const { pathname, searchParams } = new URL(input);
    asked.push(pathname);
    if (pathname.endsWith("/measure"))
      return Response.json({ verdict: "better", said: `since ${searchParams.get("since")}: better` });
    if (pathname.endsWith("/undo")) {
      posted.push(JSON.parse(init.body as string));
      return Response.json({ step: 99, why: "" });
    }
    if (init.method === "POST") {
      if (refusal)
        return Response.json(
          { type: "#refused", status: 422, detail: refusal },
          { status: 422, headers: { "Content-Type": "application/problem+json" } },
        );
      const wanted = JSON.parse(init.body as string);
      posted.push(wanted);
      if (wanted.action !== "describe") there = there.filter(({ id }) => !wanted.ids.includes(id));
      return Response.json({ step: 7 });
    }
    const after = searchParams.get("after") ?? "";
    const start = after ? there.findIndex(({ id }) => id > after) : 0;
    const count = Number(searchParams.get("count"));
    const items = start < 0 ? [] : there.slice(start, start + count);
    const more = start >= 0 && start + count < there.length;
    return Response.json({ total: there.length, items, next: more ? items.at(-1)?.id : null });
  });
  studio = new Studio();
  vi.spyOn(studio, "get").mockImplementation(() => ({ access: "open", away: false, state: stateOf({ steps }) }));
  vi.spyOn(studio, "subscribe").mockImplementation((changed) => {
    draw = changed;
    return () => undefined;
  });
  queue = new Queue(studio);
  end = queue.begin();
});
afterEach(() => {
  end();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test("it has the worst first, and what follows as far as somebody looks", async () => {
  there = Array.from({ length: 600 }, (_, index) => itemOf({ id: `${1000 + index}` }));
  await queue.refresh();
  expect([queue.get().items.length, queue.get().total]).toEqual([250, 600]);
  await queue.reach(260);
  expect(queue.get().items.length).toBe(500);
  await queue.reach(Number.POSITIVE_INFINITY);
  expect(new Set(queue.get().items.map(({ id }) => id)).size).toBe(600);
});

describe("a decision", () => {
  beforeEach(() => queue.refresh());

  test("is sent at once, about what has the focus, which then goes on", async () => {
    await queue.decide("keep");
    expect(posted).toEqual([{ action: "keep", ids: ["a"] }]);
    expect([ids(), queue.get().selection.focus, queue.get().total]).toEqual(["bcdef", "b", 5]);
    expect(queue.get().done).toBe("1 photo found right.");
  });

  test("is about all that are chosen, as one step", async () => {
    queue.select((now) => toggle(toggle(now, "b"), "d"));
    await queue.decide("relabel", { label: "mug" });
    expect(posted).toEqual([{ action: "relabel", ids: ["b", "d"], label: "mug" }]);
    expect([ids(), queue.get().selection.chosen.size]).toEqual(["acef", 0]);
  });

  test("that is refused changes nothing, and says why", async () => {
    refusal = "choose two photos of one sitting at least";
    queue.select((now, all) => moveTo(now, all, 2, false));
    await queue.decide("group");
    expect([ids(), queue.get().selection.focus, queue.get().refused]).toEqual(["abcdef", "c", refusal]);
  });

  test("leaves a photo where there is more to say of it", async () => {
    await queue.decide("describe", { author: "Ada" });
    await settled();
    expect(ids()).toBe("abcdef");
  });

  test("is measured when no other follows, from the first of them on", async () => {
    vi.useFakeTimers();
    await queue.decide("keep");
    await vi.advanceTimersByTimeAsync(1000);
    await queue.decide("remove");
    await vi.advanceTimersByTimeAsync(1000);
    expect(asked.filter((path) => path.endsWith("/measure"))).toHaveLength(0);
    await vi.advanceTimersByTimeAsync(1000);
    expect(queue.get().compared).toEqual({ verdict: "better", said: "since 7: better" });
  });
});

describe("undo", () => {
  test("takes back the newest decision that stands, then the one before; nobody's teaching", async () => {
    await queue.refresh();
    steps = [stepOf(13, { kind: "teach" }), stepOf(12, { undone: true }), stepOf(11, { kind: "settle" }), stepOf(10)];
    await Promise.all([queue.undo(), queue.undo()]); // before the state tells of the first
    expect(posted).toEqual([
      { step: 11, files: [] },
      { step: 10, files: [] },
    ]);
    await queue.undo();
    expect(queue.get().done).toBe("There is nothing to undo.");
  });

  test("takes back what was decided just before, also where the state does not tell of it yet", async () => {
    await queue.refresh();
    steps = [stepOf(6)];
    await Promise.all([queue.decide("keep"), queue.undo(), queue.undo()]);
    expect(posted.slice(1)).toEqual([
      { step: 7, files: [] },
      { step: 6, files: [] },
    ]);
  });

  test("of a step brings back what it was about, where it was", async () => {
    await queue.refresh();
    const before = there;
    await queue.decide("keep");
    expect(ids()).toBe("bcdef");
    there = before;
    await queue.undo(7);
    await queue.refresh();
    expect(ids()).toBe("abcdef");
  });
});

test("what another tab decides is heard", async () => {
  await queue.refresh();
  there = there.slice(2);
  steps = [stepOf(20)];
  draw();
  await vi.waitFor(() => expect(ids()).toBe("cdef"));
});

test("all of a kind are chosen, also those that were not asked for yet", async () => {
  there = Array.from({ length: 600 }, (_, index) =>
    itemOf({ id: `${1000 + index}`, why: [{ kind: index % 2 ? "blurred" : "outlier", said: "", other: null }] }),
  );
  await queue.refresh();
  await queue.selectKind("blurred");
  expect(queue.meant).toHaveLength(300);
});
