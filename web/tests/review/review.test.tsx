import { act, cleanup, fireEvent, render, screen, within } from "@testing-library/react";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import Review from "../../src/review/review";
import { Session } from "../../src/session/session";
import type { Item } from "../../src/studio/contract";
import { Studio } from "../../src/studio/studio";
import { browser } from "../browser";
import { itemOf } from "../studio-items";
import { stateOf } from "../studio-state";

const at = (name: string): HTMLElement => screen.getByTestId(name);
const key = (name: string, how = {}): boolean => fireEvent.keyDown(at("queue"), { key: name, ...how });
const wrong = itemOf({
  id: "w",
  file: null,
  label: "",
  why: [{ kind: "wrong", said: "sent in: the model said mug (90%), it should be none of these", other: null }],
});
const twin = itemOf({ id: "t", why: [{ kind: "near-duplicate", said: "nearly the same", other: "art/a b.jpg" }] });
const close = vi.fn();
let posted: unknown[];

/** What the view shows for these. */
async function view(items: readonly Item[] = [wrong, itemOf({ id: "a" }), twin], shortcuts = true): Promise<void> {
  browser({});
  posted = [];
  vi.stubGlobal("fetch", async (input: string, init: RequestInit = {}) => {
    const { pathname } = new URL(input);
    if (init.method === "POST") {
      posted.push({ path: pathname, ...JSON.parse(init.body as string) });
      return Response.json({ step: 7, why: "" });
    }
    if (pathname.endsWith("/evidence")) return Response.json({ label: "mug", height: 1, width: 1, values: [1] });
    return Response.json({ total: items.length, items, next: null });
  });
  const session = new Session();
  vi.spyOn(session, "get").mockReturnValue({ ...session.get(), shortcuts });
  const studio = new Studio();
  const steps = [
    { step: 5, at: "2026-11-25T22:30:00Z", kind: "remove", said: "removed 1", undoable: true, undone: false },
  ];
  const known = { access: "open" as const, away: false, state: stateOf({ steps }) };
  vi.spyOn(studio, "get").mockReturnValue(known);
  render(<Review session={session} studio={studio} close={close} />);
  await screen.findByTestId("total");
  await vi.waitFor(() => expect(at("total")).toHaveTextContent("to look at"));
}

beforeEach(() => vi.clearAllMocks());
afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

describe("the queue", () => {
  test("is a list to choose from that has the focus, and the first one is looked at", async () => {
    await view();
    expect(at("queue")).toHaveFocus();
    expect(at("queue")).toHaveAttribute("aria-multiselectable", "true");
    expect(at("queue")).toHaveAttribute("aria-activedescendant", "item-w");
    expect(screen.getAllByRole("option").map((each) => each.getAttribute("aria-posinset"))).toEqual(["1", "2", "3"]);
    expect(at("labelled")).toHaveTextContent("labelled none of these");
    expect(at("thinks")).toHaveTextContent("mug 80 %");
    expect(at("why")).toHaveTextContent("sent in as wrong sent in: the model said mug (90%)");
  });

  test("draws only what is seen of ten thousand", async () => {
    await view(Array.from({ length: 10_000 }, (_, index) => itemOf({ id: `${index}` })));
    expect(screen.getAllByRole("option").length).toBeLessThan(40);
    expect(at("queue").firstElementChild).toHaveStyle({ height: `${10_000 * 92}px` });
  });

  test("of nothing says so", async () => {
    await view([]);
    expect(at("nothing")).toBeVisible();
    expect(at("do-keep")).toBeDisabled();
  });

  test("shows what a photo is compared with", async () => {
    await view();
    key("End");
    await vi.waitFor(() => expect(at("looked")).toHaveAttribute("data-item", "t"));
    const pictures = within(at("looked")).getAllByRole("img") as HTMLImageElement[];
    expect(pictures[1]?.src).toContain("/studio/photos/art/a%20b.jpg?side=");
  });

  test("is gone through with arrows, and chosen from with space, shift and a press", async () => {
    await view();
    const chosen = (): number => screen.queryAllByRole("option", { selected: true }).length;
    key("ArrowDown");
    await vi.waitFor(() => expect(at("looked")).toHaveAttribute("data-item", "a"));
    key(" ");
    await vi.waitFor(() => expect(chosen()).toBe(1));
    key("ArrowDown", { shiftKey: true });
    await vi.waitFor(() => expect(chosen()).toBe(2));
    key("a", { ctrlKey: true });
    await vi.waitFor(() => expect(chosen()).toBe(3));
    fireEvent.click(at("choose-none"));
    await vi.waitFor(() => expect(chosen()).toBe(0));
    const [first, , last] = screen.getAllByRole("option") as [HTMLElement, HTMLElement, HTMLElement];
    fireEvent.click(first);
    fireEvent.click(last, { shiftKey: true });
    expect(chosen()).toBe(3);
    fireEvent.click(first.querySelector(".mark") as Element);
    expect(chosen()).toBe(2);
    await act(async () => fireEvent.click(at("all-near-duplicate")));
    expect(chosen()).toBe(1);
    expect(at("queue")).toHaveFocus();
  });
});

describe("what is done", () => {
  test.each([
    ["k", "keep"],
    ["x", "remove"],
    ["m", "merge"],
    ["g", "group"],
  ])("%s is %s, by key and by button", async (name, action) => {
    await view();
    await act(async () => void key(name));
    await act(async () => fireEvent.click(at(`do-${action}`)));
    expect(posted[0]).toEqual({ path: "/studio/review", action, ids: ["w"] });
    expect(posted).toHaveLength(2);
    expect(at("queue")).toHaveFocus();
  });

  test("a label is asked for, and the one that was said is suggested", async () => {
    await view();
    key("l");
    expect(at("label-other")).toBeChecked();
    fireEvent.change(at("new-label"), { target: { value: "teapot" } });
    await act(async () => fireEvent.click(at("ask-do")));
    expect(posted[0]).toEqual({ path: "/studio/review", action: "relabel", ids: ["w"], label: "teapot" });
    expect(screen.queryByTestId("ask")).toBeNull();
  });

  test("author and licence are filled in together", async () => {
    await view();
    key("a");
    fireEvent.change(at("ask-author"), { target: { value: "Grace" } });
    await act(async () => fireEvent.click(at("ask-do")));
    expect(posted[0]).toMatchObject({ action: "describe", author: "Grace", licence: "CC0-1.0" });
  });

  test("to forget needs a reason, and says that there is no way back", async () => {
    await view();
    key("f");
    expect(at("ask")).toHaveTextContent("This can't be undone.");
    expect(at("ask-do")).toBeDisabled();
    key("k"); // not meanwhile
    fireEvent.change(at("ask-why"), { target: { value: "asked by mail" } });
    await act(async () => fireEvent.click(at("ask-do")));
    expect(posted).toEqual([{ path: "/studio/review", action: "forget", ids: ["w"], why: "asked by mail" }]);
  });

  test("is taken back by z, or in the history", async () => {
    await view();
    await act(async () => void key("z"));
    expect(posted[0]).toEqual({ path: "/studio/undo", step: 5, files: [] });
    expect(at("done")).toHaveTextContent("Undone: removed 1.");
    await act(async () => fireEvent.click(at("undo-5")));
    expect(posted).toHaveLength(2);
  });

  test("single keys do nothing for who has switched them off, and buttons do", async () => {
    await view(undefined, false);
    await act(async () => void key("k"));
    expect(posted).toEqual([]);
    await act(async () => fireEvent.click(at("do-keep")));
    expect(posted).toHaveLength(1);
  });
});

test("where the model sees its label is shown on demand", async () => {
  await view();
  expect(screen.queryByTestId("evidence-map")).toBeNull();
  key("e");
  await vi.waitFor(() => expect(at("evidence-map")).toHaveAttribute("data-said", "mug"));
});

test("Escape closes what was opened last", async () => {
  await view();
  key("f");
  fireEvent(at("ask"), new Event("cancel", { cancelable: true }));
  expect(screen.queryByTestId("ask")).toBeNull();
  expect(close).not.toHaveBeenCalled();
  fireEvent(at("review"), new Event("cancel", { cancelable: true }));
  expect(close).toHaveBeenCalled();
});
