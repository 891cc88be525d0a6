import { describe, expect, test } from "vitest";
import {
  type Answering,
  answersHere,
  initial,
  mirrored,
  problemOf,
  reduce,
  type SessionEvent,
  type SessionState,
} from "../../src/session/state";
import { Problem } from "../../src/shared/problem";
import { manifestOf } from "../manifest";

const START = initial({ mode: "server", mirror: null, camera: "", shortcuts: true });
const BROKEN = new Problem("socket-lost");
const after = (state: SessionState, ...events: SessionEvent[]): SessionState => events.reduce(reduce, state);
const KNOWN = after(START, { kind: "manifest", served: { manifest: manifestOf(), studio: "none" } }) as Answering;
const LOADING = after(KNOWN, { kind: "mode", mode: "device" }, { kind: "local-loading" });
const READY = after(LOADING, { kind: "local-ready" });
const code = (state: SessionState): string | undefined => problemOf(state)?.code;

describe("the picture", () => {
  test("starts, gets live, and says what is wrong before anything else does", () => {
    expect(START.picture.kind).toBe("starting");
    const live = after(KNOWN, { kind: "picture", picture: { kind: "live", silent: false } });
    expect(code(live)).toBeUndefined();
    const broken = after(live, { kind: "request-failed", problem: new Problem("overloaded") });
    expect(code(broken)).toBe("overloaded");
    const denied = { kind: "failed", problem: new Problem("camera-denied") } as const;
    expect(code(after(broken, { kind: "picture", picture: denied }))).toBe("camera-denied");
  });

  test("a camera that sends nothing is a problem while it is on, and no longer", () => {
    const silent = after(KNOWN, { kind: "picture", picture: { kind: "live", silent: true } });
    expect(code(silent)).toBe("camera-silent");
    expect(code(after(silent, { kind: "picture", picture: { kind: "frozen" } }))).toBeUndefined();
  });

  test("is a mirror for a camera that faces its user, unless that was chosen otherwise", () => {
    const opened = (facesUser: boolean): SessionEvent => ({ kind: "opened", camera: { deviceId: "c", facesUser } });
    expect([true, false].map((faces) => mirrored(after(START, opened(faces))))).toEqual([true, false]);
    expect(mirrored(after(START, { kind: "mirror", mirror: false }))).toBe(false);
    expect(after(START, opened(true)).camera).toBe("c");
  });

  test("cameras come and go", () => {
    const cameras = [{ deviceId: "a" }] as MediaDeviceInfo[];
    expect(after(START, { kind: "cameras", cameras }).cameras).toBe(cameras);
  });
});

describe("while the model is sought", () => {
  test("why it is not found is told, and is over when it is", () => {
    const failed = after(START, { kind: "request-failed", problem: new Problem("model-unavailable") });
    expect(code(failed)).toBe("model-unavailable");
    const found = after(failed, { kind: "manifest", served: { manifest: manifestOf(), studio: "none" } });
    expect([found.kind, code(found)]).toEqual(["answering", undefined]);
  });

  test("events of a model and of a connection mean nothing", () => {
    expect(after(START, { kind: "local-ready" }, { kind: "connection", problem: BROKEN })).toBe(START);
    expect(answersHere(START)).toBe(false);
  });

  test("who is to answer can be chosen", () => {
    expect(after(START, { kind: "mode", mode: "device" }).mode).toBe("device");
  });
});

describe("answers", () => {
  test("an answer ends what was wrong with the request, and nothing else", () => {
    const state = after(
      KNOWN,
      { kind: "request-failed", problem: new Problem("service-down") },
      { kind: "connection", problem: BROKEN },
    );
    expect(code(state)).toBe("service-down");
    expect(code(after(state, { kind: "answered" }))).toBe("socket-lost");
  });

  test("nothing changes with an answer where nothing was wrong: React draws nothing", () => {
    expect(reduce(KNOWN, { kind: "answered" })).toBe(KNOWN);
    expect(reduce(KNOWN, { kind: "connection", problem: null })).toBe(KNOWN);
    expect(reduce(KNOWN, { kind: "pace", slow: null })).toBe(KNOWN);
    expect(reduce(KNOWN, { kind: "notice", text: "" })).toBe(KNOWN);
  });

  test("a connection is lost and found, a service slow and quick", () => {
    const slow = after(KNOWN, { kind: "pace", slow: new Problem("service-slow") });
    expect(code(slow)).toBe("service-slow");
    const both = after(slow, { kind: "connection", problem: BROKEN });
    expect(code(both)).toBe("socket-lost");
    expect(code(after(both, { kind: "connection", problem: null }))).toBe("service-slow");
    expect(code(after(slow, { kind: "pace", slow: null }))).toBeUndefined();
  });

  test("another model keeps all but what was wrong with the request", () => {
    const next = after(
      READY,
      { kind: "request-failed", problem: new Problem("service-down") },
      { kind: "manifest", served: { manifest: manifestOf({ version: "m-2" }), studio: "none" } },
    ) as Answering;
    expect([next.manifest.version, next.local.kind, code(next)]).toEqual(["m-2", "ready", undefined]);
  });
});

describe("the model on the device", () => {
  test("is loaded, with progress, and answers when it is ready", () => {
    const half = after(LOADING, { kind: "local-progress", done: 5, total: 10 }) as Answering;
    expect(half.local).toEqual({ kind: "loading", done: 5, total: 10, replacing: false });
    expect([LOADING, half, READY].map(answersHere)).toEqual([false, false, true]);
  });

  test("goes on answering while another one takes its place", () => {
    const replacing = after(READY, { kind: "local-loading" }, { kind: "local-progress", done: 1, total: 2 });
    expect(answersHere(replacing)).toBe(true);
    expect(answersHere(after(replacing, { kind: "local-loading" }))).toBe(true);
  });

  test("that fails says why, until it is loaded again or the server is chosen", () => {
    const failed = after(LOADING, { kind: "local-failed", problem: new Problem("low-memory") });
    expect([code(failed), answersHere(failed)]).toEqual(["low-memory", false]);
    expect(code(after(failed, { kind: "local-loading" }))).toBeUndefined();
    expect(code(after(failed, { kind: "mode", mode: "server" }))).toBeUndefined();
    expect(code(after(failed, { kind: "mode", mode: "both" }))).toBeUndefined();
  });

  test("stays where both are to answer, and goes with the choice of the server", () => {
    expect((after(READY, { kind: "mode", mode: "both" }) as Answering).local.kind).toBe("ready");
    expect((after(READY, { kind: "mode", mode: "server" }) as Answering).local.kind).toBe("absent");
  });

  test("progress that comes late changes nothing", () => {
    expect(after(READY, { kind: "local-progress", done: 1, total: 2 })).toBe(READY);
  });
});

test("evidence, keys and notices are switched on and off", () => {
  expect(START.explain).toBe(false);
  expect(after(START, { kind: "explain", explain: true }).explain).toBe(true);
  expect(after(START, { kind: "shortcuts", shortcuts: false }).shortcuts).toBe(false);
  expect(after(START, { kind: "notice", text: "Awake again." }).notice).toBe("Awake again.");
});

test("a visit begins with what the last one left", () => {
  const state = initial({ mode: "both", mirror: true, camera: "c", shortcuts: false });
  expect([state.mode, state.mirror, state.shortcuts]).toEqual(["both", true, false]);
});
