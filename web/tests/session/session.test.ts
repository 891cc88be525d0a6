import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { History } from "../../src/results/history";
import { prefer } from "../../src/session/preferences";
import { Session } from "../../src/session/session";
import type { Answer } from "../../src/shared/answer";
import { answerOf, browser, FakeSocket, hide } from "../browser";
import { manifestOf } from "../manifest";

let session: Session;
let end: () => void;
let served: Record<string, unknown>;
const heard: string[] = []; // what views are told, in order

beforeEach(() => {
  localStorage.clear();
  served = {};
  heard.length = 0;
  browser({ "/model": () => Response.json(manifestOf(served)) });
  session = new Session();
  session.listen({
    labels: ({ labels }: History) => heard.push(labels.join(" ")),
    answer: ({ label, model }: Answer) => heard.push(`${label} of ${model}`),
  });
  end = begin();
});
afterEach(() => {
  end();
  hide(false);
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

const begin = (): (() => void) => session.begin(document.createElement("video"), document.createElement("canvas"));
const until = (holds: () => void): Promise<void> => vi.waitFor(holds, { timeout: 5000 });
const answering = (): Promise<void> => until(() => expect(session.get().kind).toBe("answering"));

/** Shows a picture, and waits for its answer. */
async function answered(what: string): Promise<void> {
  await answering();
  session.show(new Blob());
  await until(() => expect(heard.at(-1)).toBe(what));
}

test("a picture is answered under the model's words", async () => {
  await answered("plant of m-1");
  expect(heard).toEqual(["art plant text", "plant of m-1"]);
});

test("a remount gets answers again", async () => {
  await answered("plant of m-1");
  end();
  end = begin();
  heard.length = 0;
  await answered("plant of m-1");
  expect(session.get().picture.kind).toBe("still");
});

test("another model with as many labels is never painted under the old names", async () => {
  await answered("plant of m-1");
  served = { version: "m-2", labels: ["cat", "cow", "dog"] };
  FakeSocket.reply = () => answerOf({ label: "cow", probabilities: { cat: 0.1, cow: 0.8, dog: 0.1 }, model: "m-2" });
  await answered("cow of m-2");
  expect(heard[heard.indexOf("cow of m-2") - 1]).toBe("cat cow dog");
  await until(() => expect(session.get().notice).toMatch(/m-2/));
});

test("a hidden tab gives its connection back, and takes one again when something is asked", async () => {
  await answered("plant of m-1");
  hide(true);
  expect(FakeSocket.all.map(({ readyState }) => readyState)).toEqual([3]);
  hide(false);
  session.show(new Blob());
  await until(() => expect(FakeSocket.all).toHaveLength(2));
});

test("a service whose answers are no JSON is asked again", async () => {
  await answering();
  const { stringify } = JSON;
  vi.spyOn(JSON, "stringify")
    .mockImplementationOnce(() => "<html>")
    .mockImplementation(stringify);
  await answered("plant of m-1");
});

test("what was chosen holds for the next visit", () => {
  session.setMirror(false);
  session.setShortcuts(false);
  void session.use("both");
  const next = new Session().get();
  expect([next.mirror, next.shortcuts, next.mode]).toEqual([false, false, "both"]);
});

test("the camera of the last visit is asked for first", async () => {
  const getUserMedia = vi.fn().mockRejectedValue(new DOMException("", "NotAllowedError"));
  vi.stubGlobal("isSecureContext", true);
  vi.stubGlobal("navigator", { ...navigator, mediaDevices: { getUserMedia } });
  prefer({ camera: "front" });
  end();
  end = begin();
  await until(() => expect(getUserMedia).toHaveBeenCalled());
  expect(getUserMedia.mock.calls[0]?.[0].video.deviceId).toEqual({ exact: "front" });
});

test("evidence is asked for when it is to be shown, and for the picture that stands there", async () => {
  await answered("plant of m-1");
  const before = heard.length;
  session.setExplain(true);
  await until(() => expect(heard.length).toBeGreaterThan(before));
  expect(session.get().explain).toBe(true);
});

test("a page without a camera says so, and goes on with pictures", async () => {
  await until(() => expect(session.get().picture.kind).toBe("failed"));
  await answered("plant of m-1");
});

test("a model that is known to be served is taken over at once, with no answer that tells of it", async () => {
  await answering();
  for (const version of ["draft-1", "draft-2"]) {
    served = { version };
    session.serves(version);
    await until(() => expect(session.get()).toMatchObject({ manifest: { version } }));
  }
});
