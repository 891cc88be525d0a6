import { act, cleanup, fireEvent, render, screen, within } from "@testing-library/react";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { App } from "../../src/app";
import { Session } from "../../src/session/session";
import type { Problem } from "../../src/shared/problem";
import type { StudioState } from "../../src/studio/contract";
import { Studio, type StudioView } from "../../src/studio/studio";
import { meant } from "../../src/teach/label-choice";
import { Teach } from "../../src/teach/teach";
import { Teaching, type TeachState } from "../../src/teach/teaching";
import { browser } from "../browser";
import { manifestOf } from "../manifest";
import { jobOf, stateOf } from "../studio-state";

let session: Session;
let studio: Studio;
let teaching: Teaching;
let draw: () => void; // after a change of what the studio says
const undo = vi.fn();
const at = (name: string): HTMLElement => screen.getByTestId(name);

beforeEach(() => {
  vi.clearAllMocks();
  browser({ "/model": () => Response.json(manifestOf()) });
  session = new Session();
  studio = new Studio();
  teaching = new Teaching(session, studio);
  undo.mockResolvedValue("");
  vi.spyOn(studio, "undo").mockImplementation(undo);
});
afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

/** What the view shows for this. */
function view(
  changed: Partial<StudioState> = {},
  teach: TeachState = { kind: "ready" },
  of: Partial<StudioView> = {},
): void {
  const live = { ...session.get(), picture: { kind: "live" as const, silent: false } };
  vi.spyOn(session, "get").mockReturnValue(live);
  vi.spyOn(teaching, "get").mockReturnValue(teach);
  vi.spyOn(studio, "get").mockReturnValue({ access: "open", away: false, state: stateOf(changed), ...of });
  vi.spyOn(studio, "subscribe").mockImplementation((changes) => {
    draw = changes;
    return () => undefined;
  });
  render(<Teach session={session} studio={studio} teaching={teaching} close={vi.fn()} />);
}

const OF = { label: "mug", author: "" };
const taught = (changed = {}): TeachState => ({
  kind: "taught",
  ...OF,
  step: 12,
  pictures: new Map([
    ["mug/1.jpg", "blob:1"],
    ["mug/2.jpg", "blob:2"],
  ]),
  collapsed: 6,
  full: false,
  before: "m-1",
  ...changed,
});

describe("who may teach", () => {
  test("a browser that has not shown the token is told where to open it", () => {
    view({}, { kind: "ready" }, { access: "locked", state: null });
    expect(at("locked")).toHaveTextContent("To teach, open the address that `make run` has printed.");
    expect(screen.queryByTestId("hold")).toBeNull();
  });

  test("a studio that is gone is said, and what was known stays", () => {
    view({}, { kind: "ready" }, { away: true });
    expect(at("away")).toHaveTextContent("goes on by itself");
    expect(at("label-mug")).toBeInTheDocument();
  });
});

describe("what it is", () => {
  test("is picked among the labels, none of these among them, and the button names it", () => {
    const hold = vi.spyOn(teaching, "hold");
    view();
    expect(at("hold")).toHaveTextContent("Pick what it is");
    expect(at("labels")).toHaveTextContent("art120 in 3 sittingsmug24 in 3 sittingsnone of these80");
    fireEvent.click(at("label-other"));
    expect(at("hold")).toHaveTextContent("Hold to teach none of these");
    fireEvent.pointerDown(at("hold"), { button: 0 });
    expect(hold).toHaveBeenCalledWith("other", "");
  });

  test("may be new", () => {
    view();
    fireEvent.change(at("new-label"), { target: { value: " teapot " } });
    expect(at("hold")).toHaveTextContent("Hold to teach teapot");
  });

  test("a label that is there in another case is that label, and one that is gone is none", () => {
    const { labels } = stateOf();
    expect(meant({ name: "MUG", typed: true }, labels)).toBe("mug");
    expect(meant({ name: "None of these", typed: true }, labels)).toBe("other");
    expect(meant({ name: "cup", typed: false }, labels)).toBe("");
  });

  test("a label that is taken away while it is picked has to be picked again", () => {
    view();
    fireEvent.click(at("label-mug"));
    const labels = stateOf().labels.filter(({ name }) => name !== "mug");
    vi.spyOn(studio, "get").mockReturnValue({ access: "open", away: false, state: stateOf({ labels }) });
    act(() => draw());
    expect(at("hold")).toHaveTextContent("Pick what it is");
    expect(at("hold")).toHaveAttribute("aria-disabled", "true");
  });

  test("forty labels are forty to pick from", () => {
    const labels = Array.from({ length: 40 }, (_, index) => ({
      name: `l${index}`,
      photos: 1,
      sittings: 1,
      none: false,
    }));
    view({ labels });
    expect(screen.getAllByRole("radio")).toHaveLength(40);
    expect(at("labels")).toHaveTextContent("l391 in 1 sitting");
  });

  test("who takes the photos is asked where it is not known", () => {
    const hold = vi.spyOn(teaching, "hold");
    view({ author: "" });
    fireEvent.click(at("label-mug"));
    expect(at("hold")).toHaveTextContent("Say who takes the photos");
    fireEvent.change(at("author"), { target: { value: "Ada" } });
    fireEvent.keyDown(at("hold"), { key: " " });
    expect(hold).toHaveBeenCalledWith("mug", "Ada");
  });

  test("nothing is taken while the photos are somebody else's, and the reason is said", () => {
    view({ busy: "dvc repro runs" });
    fireEvent.click(at("label-mug"));
    expect(at("hold")).toHaveTextContent("dvc repro runs");
  });
});

describe("what was taken", () => {
  test("counts up while it is held", () => {
    view({}, { kind: "holding", ...OF, shots: [{ jpeg: new Blob(), url: "blob:1" }] });
    expect(at("hold")).toHaveTextContent("1 frame");
    expect(at("teach-announcement")).toHaveAttribute("aria-live", "polite");
  });

  test("shows what was kept, and how many showed the same; a tap drops one, Undo all of them", async () => {
    view({}, taught());
    expect(at("taught")).toHaveTextContent("2 photos taught, 6 more showed the same or nothing. Learning…");
    const pictures = within(at("shots")).getAllByRole("button");
    expect(pictures.map((each) => each.querySelector("img")?.getAttribute("src"))).toEqual(["blob:1", "blob:2"]);
    await act(async () => fireEvent.click(pictures[1] as HTMLElement));
    await act(async () => fireEvent.click(at("undo-taught")));
    expect(undo.mock.calls).toEqual([
      [12, ["mug/2.jpg"]],
      [12, undefined],
    ]);
  });

  test("shows only those that are still there, as the studio has it", () => {
    const step = {
      step: 12,
      at: "2026-11-25T22:30:00Z",
      kind: "teach",
      said: "taught 2 mug",
      undoable: true,
      undone: false,
    };
    view({ steps: [{ ...step, files: ["mug/2.jpg"] }] }, taught());
    expect(within(at("shots")).getAllByRole("button")).toHaveLength(1);
  });

  test("a label that is new can be shown again at once, before the list has it", () => {
    view({ labels: stateOf().labels.filter(({ name }) => name !== "mug") }, taught());
    expect(at("hold")).toHaveTextContent("Hold to teach mug");
  });

  test("says that a thousand frames are the most", () => {
    view({}, taught({ full: true }));
    expect(at("taught")).toHaveTextContent("A thousand frames are the most.");
  });

  test("waits with the reason where it was not taken, to be sent again or dropped", () => {
    const [send, drop] = [vi.spyOn(teaching, "send").mockResolvedValue(), vi.spyOn(teaching, "drop")];
    view({}, { kind: "offered", ...OF, why: "the disk is full.", shots: [{ jpeg: new Blob(), url: "blob:1" }] });
    expect(at("offered")).toHaveTextContent("1 frame of mug wait here: the disk is full.");
    fireEvent.click(at("send"));
    fireEvent.click(at("drop"));
    expect([send, drop].map(({ mock }) => mock.calls.length)).toEqual([1, 1]);
  });
});

describe("the draft", () => {
  const draft = (measured: NonNullable<StudioState["draft"]>["measured"]) => ({
    draft: { version: "draft-1", photos: 396, new: 24, gone: 2, measured },
  });

  test("says that it is being measured, then what is known, before against after", () => {
    view(draft(null));
    expect(at("draft-known")).toHaveTextContent("24 photos more than the model that was kept, 2 fewer.");
    expect(at("draft-known")).toHaveTextContent("is being measured");
    cleanup();
    const label = { label: "mug", verdict: "better" as const, said: "mug: 93% right, 88% before: better" };
    view(draft({ verdict: "not proven", said: "Not proven to be better.", labels: [label] }));
    expect(at("draft-known")).toHaveTextContent("Not proven to be better.");
    expect(at("draft-known")).toHaveTextContent("mug: 93% right, 88% before: better");
  });

  test("where there is none, why", () => {
    view({ why_no_draft: "One label alone can't be told apart." });
    expect(at("no-draft")).toHaveTextContent("One label alone");
  });

  test("is kept on a wish; a refusal is said", async () => {
    const keep = vi.spyOn(studio, "keep").mockRejectedValue(new Error("another one runs") as Problem);
    view(draft(null));
    await act(async () => fireEvent.click(at("keep")));
    expect(keep).toHaveBeenCalled();
    expect(at("refused")).toHaveTextContent("another one runs");
  });
});

describe("keeping", () => {
  test("shows how far it is, can be cancelled, and nothing is taught meanwhile", () => {
    const cancel = vi.spyOn(studio, "cancel").mockResolvedValue();
    view({ job: jobOf() });
    expect(at("job")).toHaveTextContent(
      "Keeping: trainstage 2 of 4, epoch 2 of 11, 40 s to go, features of 64 of 396 photos",
    );
    expect(at("hold")).toHaveTextContent("Wait until it is kept");
    fireEvent.click(at("cancel"));
    expect(cancel).toHaveBeenCalled();
  });

  test.each([
    [
      { state: "done", outcome: "promoted", git: ["git add a", "git commit"] },
      "Kept: this is the model now.",
      "git add a",
    ],
    [{ state: "done", outcome: "refused", reasons: ["art: fewer right"] }, "it did not pass", "art: fewer right"],
    [{ state: "done", outcome: "already champion" }, "Nothing new came of it:", "stays as it is"],
    [{ state: "failed", why: "the disk is full" }, "Keeping failed:", "the disk is full"],
    [{ state: "cancelled" }, "cancelled", "The draft goes on."],
  ] as const)("tells %o", (job, said, also) => {
    view({ job: jobOf(job as never) });
    expect(at("job")).toHaveTextContent(said);
    expect(at("job")).toHaveTextContent(also);
  });

  test("the commands that record it can be copied", async () => {
    const writeText = vi.fn().mockResolvedValue(undefined);
    vi.stubGlobal("navigator", { ...navigator, clipboard: { writeText } });
    view({ job: jobOf({ state: "done", outcome: "promoted", git: ["git add a", "git commit"] }) });
    await act(async () => fireEvent.click(screen.getByRole("button", { name: "Copy" })));
    expect(writeText).toHaveBeenCalledWith("git add a\ngit commit");
    expect(screen.getByRole("button", { name: "Copied" })).toBeVisible();
  });
});

test("each step can be taken back once", async () => {
  const step = { at: "2026-11-25T22:30:00Z", kind: "teach" };
  view({
    steps: [
      { ...step, step: 13, kind: "undo", said: "undone: taught 24 mug", undoable: false, undone: false },
      { ...step, step: 12, said: "taught 24 mug", undoable: true, undone: true },
      { ...step, step: 11, said: "taught 9 mug", undoable: true, undone: false },
    ],
  });
  const undos = within(at("steps")).getAllByRole("button");
  expect(undos.map((each) => each.getAttribute("aria-label"))).toEqual(["Undo: taught 9 mug"]);
  await act(async () => fireEvent.click(undos[0] as HTMLElement));
  expect(undo).toHaveBeenCalledWith(11, undefined);
});

describe("on the page", () => {
  const draft = { version: "m-1", photos: 1, new: 1, gone: 0, measured: null };
  const served = (header: string | null): void => {
    const looks = [Response.json(stateOf({ draft }))]; // the next one waits
    browser({
      "/model": () => Response.json(manifestOf(), header ? { headers: { "X-Studio": header } } : {}),
      "/studio/state": () => looks.pop() ?? (new Promise(() => undefined) as never),
    });
  };

  test("a service without a studio has no button, and is asked nothing about it", async () => {
    served(null);
    const begin = vi.spyOn(Studio.prototype, "begin");
    render(<App session={session} />);
    await vi.waitFor(() => expect(session.get().kind).toBe("answering"));
    expect([screen.queryByTestId("teach-toggle"), begin.mock.calls.length]).toEqual([null, 0]);
    fireEvent.keyDown(document, { key: "t" });
    expect(screen.queryByTestId("teach")).toBeNull();
  });

  test("with a studio, a button and a key open it in the charts' place, and Escape closes it", async () => {
    served("locked");
    render(<App session={session} />);
    expect(await screen.findByTestId("teach-toggle")).toHaveAttribute("aria-expanded", "false");
    fireEvent.keyDown(document, { key: "t" });
    expect(at("locked")).toBeVisible();
    expect(screen.queryByTestId("seen-chart")).toBeNull();
    fireEvent.keyDown(document, { key: "Escape" });
    expect(screen.queryByTestId("teach")).toBeNull();
    expect(at("teach-toggle")).toHaveFocus();
  });

  test("words of a model that is not kept are marked as a draft's", async () => {
    served("open");
    render(<App session={session} />);
    await vi.waitFor(() => expect(session.get().kind).toBe("answering"));
    expect(screen.queryByTestId("draft")).toBeNull();
    session.show(new Blob());
    await vi.waitFor(() => expect(at("draft")).toHaveTextContent("draft"));
  });
});
