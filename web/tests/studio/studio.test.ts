import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Backoff } from "../../src/shared/backoff";
import { Studio } from "../../src/studio/studio";
import { hide } from "../browser";
import { stateOf } from "../studio-state";

let studio: Studio;
let end: () => void = () => undefined;
const asked: string[] = []; // method, path and question of each request, in order
let answer: (path: string, init: RequestInit) => Response | Promise<Response>;
const waiting = new Set<() => void>(); // looks that the studio has not answered

beforeEach(() => {
  asked.length = 0;
  history.replaceState(null, "", "/");
  vi.stubGlobal("fetch", (input: string, init: RequestInit = {}) => {
    const { pathname, search } = new URL(input);
    asked.push(`${init.method ?? "GET"} ${pathname}${search}`);
    return new Promise((resolve, reject) => {
      init.signal?.addEventListener("abort", () => reject(init.signal?.reason));
      Promise.resolve(answer(pathname, init)).then(resolve, reject);
    });
  });
  studio = new Studio(new Backoff(() => 0));
});
afterEach(() => {
  end();
  hide(false);
  waiting.clear();
  vi.unstubAllGlobals();
});

const until = (holds: () => void): Promise<void> => vi.waitFor(holds, { timeout: 5000 });
const never = (): Promise<Response> => new Promise((_, reject) => waiting.add(() => reject(new TypeError("gone"))));
const refusal = (status: number, detail: string): Response =>
  Response.json({ type: "#x", status, detail }, { status, headers: { "Content-Type": "application/problem+json" } });

/** Answers the first look with a state, the next with another one, and so on; the one after waits. */
function states(...all: ReturnType<typeof stateOf>[]): void {
  answer = (path) => {
    if (path.endsWith("/session")) return new Response(null, { status: 204 });
    return all.length ? Response.json(all.shift()) : never();
  };
}

test("each change is heard as it comes, by asking for what is not seen yet", async () => {
  states(stateOf({ seq: 7 }), stateOf({ seq: 8, model: "draft-1" }));
  const drawn = vi.fn();
  studio.subscribe(drawn);
  end = studio.begin(true);
  await until(() => expect(studio.get().state?.model).toBe("draft-1"));
  await until(() =>
    expect(asked).toEqual(["GET /studio/state", "GET /studio/state?seen=7", "GET /studio/state?seen=8"]),
  );
  expect(drawn).toHaveBeenCalled();
});

test("the token of the address is shown to the studio, and does not stay in the address", async () => {
  history.replaceState(null, "", "/?x=1#studio=s3cret");
  const bodies: unknown[] = [];
  answer = (path, { body }) => {
    if (!path.endsWith("/session")) return never();
    bodies.push(JSON.parse(String(body)));
    return new Response(null, { status: 204 });
  };
  end = studio.begin(false);
  await until(() => expect(asked).toEqual(["POST /studio/session", "GET /studio/state"]));
  expect([bodies, location.href]).toEqual([[{ token: "s3cret" }], "http://localhost:3000/?x=1"]);
});

test("a browser without a token asks nothing, until the address with it is opened in it", async () => {
  states(stateOf());
  end = studio.begin(false);
  await new Promise((resolve) => setTimeout(resolve));
  expect([asked, studio.get().access]).toEqual([[], "locked"]);
  location.hash = "#studio=s3cret";
  await until(() => expect(studio.get().access).toBe("open"));
});

test("a token that is wrong, or a studio that was started again, leaves it locked", async () => {
  history.replaceState(null, "", "/#studio=old");
  answer = () => refusal(401, "not yours");
  end = studio.begin(false);
  await until(() => expect(asked).toHaveLength(1));
  expect(studio.get()).toMatchObject({ access: "locked", away: false });
  end();
  end = studio.begin(true);
  await until(() => expect(studio.get().access).toBe("locked"));
  states(stateOf()); // opened in another tab, to which the person went meanwhile
  hide(true);
  hide(false);
  await until(() => expect(studio.get().access).toBe("open"));
});

test("a studio that is gone is asked again, and what it says then counts, whatever was seen before", async () => {
  states(stateOf({ seq: 9 }));
  end = studio.begin(true);
  await until(() => expect(waiting.size).toBe(1));
  answer = () => Promise.reject(new TypeError("refused"));
  for (const fail of waiting) fail();
  await until(() => expect(studio.get()).toMatchObject({ away: true, state: { seq: 9 } }));
  states(stateOf({ seq: 9, model: "m-2" }));
  await until(() => expect(studio.get()).toMatchObject({ away: false, state: { model: "m-2" } }));
  expect(asked.at(-2)).toBe("GET /studio/state");
});

test("a hidden tab holds no connection", async () => {
  states(stateOf());
  end = studio.begin(true);
  await until(() => expect(asked).toHaveLength(2));
  hide(true);
  await new Promise((resolve) => setTimeout(resolve));
  expect([asked.length, studio.get().away]).toEqual([2, false]);
  hide(false);
  await until(() => expect(asked).toHaveLength(3));
});

test("frames are sent in order, with the author where it was asked", async () => {
  const forms: FormData[] = [];
  answer = (_, { body }) => {
    forms.push(body as FormData);
    return Response.json({ step: 12, kept: ["mug/1.jpg"], dropped: 1, sent: [0] });
  };
  const taught = await studio.teach("mug", "Ada", [new Blob(["a"]), new Blob(["bc"])]);
  expect(taught.step).toBe(12);
  const [form] = forms;
  expect([form?.get("label"), form?.get("author")]).toEqual(["mug", "Ada"]);
  expect(form?.getAll("frames").map((each) => (each as File).size)).toEqual([1, 2]);
});

test("a refusal is a sentence of the studio's", async () => {
  answer = () => refusal(409, "dvc repro runs; wait for it");
  await expect(studio.undo(3, ["mug/1.jpg"])).rejects.toThrow("dvc repro runs; wait for it");
  await expect(studio.keep()).rejects.toThrow("dvc repro runs; wait for it");
});
