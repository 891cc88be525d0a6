import { act, cleanup, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { App } from "../../src/app";
import { Session } from "../../src/session/session";
import { initial, reduce, type SessionEvent, type SessionState } from "../../src/session/state";
import { type Code, Problem, WORDS } from "../../src/shared/problem";
import { Answering } from "../../src/ui/answering";
import { Drawer } from "../../src/ui/drawer";
import { ErrorBoundary } from "../../src/ui/error-boundary";
import { Gallery } from "../../src/ui/gallery";
import { Loading } from "../../src/ui/loading";
import { Model } from "../../src/ui/model";
import { Readings } from "../../src/ui/readings";
import { share } from "../../src/ui/share";
import { Stage } from "../../src/ui/stage";
import { Words } from "../../src/ui/words";
import { answerOf, browser, FakeSocket } from "../browser";
import { manifestOf } from "../manifest";

let session: Session;

beforeEach(() => {
  localStorage.clear();
  browser({
    "/model": () => Response.json(manifestOf()),
    "/card.html": () => new Response("<h1>A card</h1>"),
    ".jpg": () => new Response("x"),
  });
  session = new Session();
});
afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

const START = initial({ mode: "server", mirror: null, camera: "", shortcuts: true });
const state = (...events: SessionEvent[]): SessionState =>
  ([{ kind: "manifest", served: { manifest: manifestOf(), studio: "none" } }, ...events] as SessionEvent[]).reduce(
    reduce,
    START as SessionState,
  );
const at = (name: string): HTMLElement => screen.getByTestId(name);

function stage(given: SessionState, toggleDrawer = vi.fn()): void {
  const ref = { current: null };
  vi.spyOn(session, "begin").mockReturnValue(() => undefined);
  render(
    <Stage
      session={session}
      state={given}
      file={ref}
      drawerButton={ref}
      drawerOpen={false}
      toggleDrawer={toggleDrawer}
    />,
  );
}

describe("the stage", () => {
  test.each(Object.keys(WORDS) as Code[])("tells %s with its sentence and its button", (code) => {
    stage(state({ kind: "request-failed", problem: new Problem(code) }));
    expect(at("problem")).toHaveTextContent(WORDS[code].sentence);
    expect(at("problem-action")).toHaveTextContent(WORDS[code].button);
  });

  test("offers pictures while the camera is not allowed, and where there is none", () => {
    stage(state());
    expect(screen.getByTestId("gallery").querySelectorAll("button")).toHaveLength(6);
    cleanup();
    stage(state({ kind: "picture", picture: { kind: "failed", problem: new Problem("camera-missing") } }));
    expect(screen.getByTestId("gallery")).toBeVisible();
  });

  test("a button does what it says", () => {
    const [use, again, start] = [
      vi.spyOn(session, "use"),
      vi.spyOn(session, "again"),
      vi.spyOn(session, "startCamera"),
    ];
    for (const [code, called] of [
      ["device-failed", use],
      ["service-down", again],
      ["camera-silent", start],
    ] as const) {
      stage(state({ kind: "request-failed", problem: new Problem(code) }));
      fireEvent.click(at("problem-action"));
      expect(called).toHaveBeenCalledOnce();
      cleanup();
    }
  });

  test("shows why when that is switched on, by button", () => {
    const explain = vi.spyOn(session, "setExplain");
    stage(state());
    expect(at("explain")).toHaveAttribute("aria-pressed", "false");
    fireEvent.click(at("explain"));
    expect(explain).toHaveBeenCalledWith(true);
    expect(screen.queryByTestId("evidence")).toBeNull();
  });
});

describe("who answers", () => {
  const view = (...events: SessionEvent[]): void => {
    render(<Answering session={session} state={state(...events)} open agreement={0.975} />);
  };

  test("says where pictures go, in each mode", () => {
    view();
    expect(at("privacy")).toHaveTextContent("which keeps none");
    cleanup();
    view({ kind: "mode", mode: "device" });
    expect(at("privacy")).toHaveTextContent("Until then they go to");
    cleanup();
    view(
      { kind: "mode", mode: "device" },
      { kind: "local-loading" },
      { kind: "local-ready" },
      { kind: "local-loading" },
    );
    expect(at("privacy")).toHaveTextContent("Pictures never leave this tab.");
  });

  test("the model can be loaded at once, with its size, and again after it failed", () => {
    const load = vi.spyOn(session, "loadLocal").mockResolvedValue();
    view({ kind: "mode", mode: "device" }, { kind: "local-failed", problem: new Problem("page-outdated") });
    expect(at("device-load")).toBeEnabled();
    expect(at("device-load")).toHaveTextContent("Load the model, 15.2 MB");
    fireEvent.click(at("device-load"));
    expect(load).toHaveBeenCalledOnce();
  });

  test("both: the share on which they agree", () => {
    view({ kind: "mode", mode: "both" });
    expect(at("agreement")).toHaveTextContent("98 %");
  });
});

test("loading says how far it is", () => {
  render(<Loading local={{ kind: "loading", done: 4_200_000, total: 15_200_000, replacing: false }} />);
  expect(screen.getByText("4.2 of 15.2 MB")).toBeVisible();
});

describe("the model", () => {
  const figure = (value: number, n: number) => ({
    served_accuracy: { value, low: value - 0.05, high: value + 0.03, n },
  });

  test("is rated by pictures from elsewhere first, and says why the test split is higher", () => {
    const metrics = { elsewhere: { variants: { fp32: figure(0.883, 546) } }, test: { fp32: figure(0.958, 96) } };
    render(<Model manifest={manifestOf({ metrics })} />);
    const told = [...at("model").querySelectorAll("dd")].map(({ textContent }) => textContent);
    expect(told.slice(0, 2)).toEqual(["88.3 % (83.3 to 91.3, 546 pictures)", "95.8 % (90.8 to 98.8, 96 pictures)"]);
    expect(screen.getByText(/same sources as those of training/)).toBeVisible();
  });

  test("without figures says so", () => {
    render(<Model manifest={manifestOf()} />);
    expect(at("model")).toHaveTextContent("not measured");
    expect(screen.queryByText(/same sources/)).toBeNull();
  });

  const opened = (): void => {
    render(<Model manifest={manifestOf()} />);
    const details = at("card-toggle").closest("details") as HTMLDetailsElement;
    details.open = true;
    fireEvent(details, new Event("toggle"));
  };

  test("its card comes when it is opened", async () => {
    opened();
    expect(await screen.findByRole("heading", { name: "A card" })).toBeVisible();
  });

  test("that is older than cards in HTML says so, and one whose card does not arrive says that", async () => {
    browser({ "/card.html": () => Response.json({ type: "#not-found", status: 404, detail: "" }, { status: 404 }) });
    opened();
    expect(await screen.findByText(/made before cards could be shown here/)).toBeVisible();
    cleanup();
    browser({});
    opened();
    expect(await screen.findByText(/could not be fetched/)).toBeVisible();
  });

  test("says what more photos of each label would bring, with the interval, and in words where it can't", () => {
    const gain = (expected: number | null, low: number | null, high: number | null) => ({
      photos: 20,
      expected,
      low,
      high,
    });
    const learning_curve = { art: gain(0.01, -0.048, 0.071), plant: gain(null, null, null), text: gain(0, -0.011, 0) };
    render(<Model manifest={manifestOf({ metrics: { learning_curve } })} />);
    expect(screen.getByText("What 20 more photos of a label would bring")).toBeVisible();
    const told = [...at("gains").querySelectorAll("dt, dd")].map(({ textContent }) => textContent);
    expect(told).toEqual([
      ...["art", "+1 points (−5 to +7)"],
      ...["plant", "too few photos to say"],
      ...["text", "0 points (−1 to 0)"],
    ]);
  });
});

describe("the drawer", () => {
  const view = (
    given = state({ kind: "cameras", cameras: [{ deviceId: "a", label: "Front" }] as MediaDeviceInfo[] }),
  ) => render(<Drawer session={session} state={given} open close={vi.fn()} />);

  test("mirror, keys and camera are chosen there", () => {
    const [mirror, keys] = [vi.spyOn(session, "setMirror"), vi.spyOn(session, "setShortcuts")];
    view();
    fireEvent.click(at("mirror"));
    fireEvent.click(at("shortcuts"));
    expect([mirror.mock.calls, keys.mock.calls]).toEqual([[[false]], [[false]]]);
    expect(at("camera-select")).toHaveTextContent("Front");
  });

  test("asks for a key where the service does", () => {
    const again = vi.spyOn(session, "again").mockImplementation(() => undefined);
    view(state({ kind: "request-failed", problem: new Problem("key-needed") }));
    fireEvent.change(at("key"), { target: { value: "sesame" } });
    fireEvent.submit(at("key"));
    expect([sessionStorage.getItem("key"), again.mock.calls.length]).toEqual(["sesame", 1]);
    sessionStorage.clear();
  });

  test("names who made the pictures to try", () => {
    view();
    expect(screen.getByText(/Vincent van Gogh, Harvest at La Crau: .*Public domain/)).toBeInTheDocument();
  });
});

test("the gallery has pictures of the model's labels only, and shows the one that is tapped", async () => {
  const show = vi.spyOn(session, "show").mockImplementation(() => undefined);
  const { container } = render(<Gallery session={session} labels={["cat", "dog"]} />);
  expect(container).toBeEmptyDOMElement();
  render(<Gallery session={session} labels={["plant", "dog"]} />);
  const [first, ...others] = screen.getAllByRole("button");
  expect(others).toHaveLength(1);
  await act(async () => fireEvent.click(first as HTMLElement));
  await vi.waitFor(() => expect(show).toHaveBeenCalledOnce());
});

test("numbers stay empty until there is an answer", () => {
  render(<Readings session={session} state={state()} paused={false} togglePaused={vi.fn()} />);
  for (const name of ["fps", "dropped", "p50", "p95", "p99"]) expect(at(name)).toBeEmptyDOMElement();
});

describe("the whole page", () => {
  test("shows the word of a picture, and why another is none of these", async () => {
    render(<App session={session} />);
    await vi.waitFor(() => expect(session.get().kind).toBe("answering"));
    session.show(new Blob());
    await vi.waitFor(() => expect(document.querySelector("[data-word=plant]")).toHaveAttribute("data-lit", "true"));
    expect(at("none")).toHaveAttribute("data-lit", "false");
    FakeSocket.reply = () =>
      answerOf({ label: null, probabilities: { art: 0.87, plant: 0.1, text: 0.03 }, score: 0.41, threshold: 0.55 });
    session.show(new Blob());
    await vi.waitFor(() => expect(at("none")).toHaveAttribute("data-lit", "true"));
    expect(at("none")).toHaveTextContent("none of these: looks most like ART, but not sure enough: 0.41 of 0.55");
  });

  test("keys do something, until they are switched off; Escape always closes the drawer", async () => {
    render(<App session={session} />);
    fireEvent.keyDown(document, { key: "e" });
    expect(session.get().explain).toBe(true);
    fireEvent.keyDown(document, { key: "d" });
    expect(at("drawer")).toHaveAttribute("data-open", "true");
    act(() => session.setShortcuts(false));
    fireEvent.keyDown(document, { key: "e" });
    fireEvent.keyDown(document, { key: "p" });
    expect(session.get().explain).toBe(true);
    expect(at("pause-charts")).toHaveAttribute("aria-pressed", "false");
    fireEvent.keyDown(document, { key: "Escape" });
    expect(at("drawer")).toHaveAttribute("data-open", "false");
  });

  test("a view that fails leaves a sentence and a way out", () => {
    vi.spyOn(console, "error").mockImplementation(() => undefined); // React's own words
    const Broken = (): never => {
      throw new Error("odd");
    };
    render(
      <ErrorBoundary>
        <Broken />
      </ErrorBoundary>,
    );
    expect(at("crashed")).toHaveTextContent("odd");
    expect(screen.getByRole("button")).toHaveTextContent("Load it again");
  });
});

test("the address is shared, or copied, and one that others can't reach says so", async () => {
  const [shared, writeText] = [vi.fn().mockResolvedValue(undefined), vi.fn().mockResolvedValue(undefined)];
  vi.stubGlobal("navigator", { share: shared, clipboard: { writeText } });
  expect(await share("https://host.example/site/")).toBe("");
  expect(shared).toHaveBeenCalledWith({ title: document.title, url: "https://host.example/site/" });
  expect(await share("http://127.0.0.1:8000/")).toBe("The address is copied. It works on this computer only.");
  expect(writeText).toHaveBeenCalledWith("http://127.0.0.1:8000/");
  vi.stubGlobal("navigator", {});
  expect(await share("https://host.example/")).toBe("The address is https://host.example/");
});

test("words are told to a screen reader", async () => {
  const { unmount } = render(<Words session={session} />);
  expect(at("announcement")).toBeEmptyDOMElement();
  unmount();
});
