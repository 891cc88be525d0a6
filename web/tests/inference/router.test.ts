import { beforeEach, expect, test, vi } from "vitest";
import { InferenceRouter, type Local, type Remote } from "../../src/inference/router";
import type { Answer, Frame } from "../../src/shared/answer";
import type { Manifest } from "../../src/shared/api";
import { Problem } from "../../src/shared/problem";

const OLD = { version: "m-1" } as Manifest;
const NEW = { version: "m-2" } as Manifest;

/** One that answers with its model's version, and starts when the test lets it. */
class Fake implements Remote, Local {
  explain = false;
  onTrouble: Remote["onTrouble"] = () => undefined;
  readonly maxInFlight = 1;
  closed = false;
  failure: Problem | null = null;
  readonly adopt = vi.fn();
  readonly setExplain = vi.fn();
  readonly rest = vi.fn();
  readonly reconnect = vi.fn();
  ready: () => void = () => undefined;
  fail: (problem: Problem) => void = () => undefined;
  private readonly name: string;
  private readonly waits: boolean;

  constructor(name: string, waits: boolean) {
    this.name = name;
    this.waits = waits;
  }

  start(signal?: AbortSignal): Promise<void> {
    if (!this.waits) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.ready = resolve;
      this.fail = reject;
      signal?.addEventListener("abort", () => reject(new Problem("closed")));
    });
  }

  async identify(frame: Frame): Promise<Answer> {
    frame.bitmap.close();
    if (this.closed) throw new Problem("closed");
    if (this.failure) throw this.failure;
    return { model: this.name } as Answer;
  }

  close(): void {
    this.closed = true;
  }
}

let locals: Fake[];
let remotes: Fake[];
const listener = { connection: vi.fn(), localLost: vi.fn() };
let missing: boolean;

function made(): InferenceRouter {
  return new InferenceRouter(OLD, listener, {
    remote: () => {
      remotes.push(new Fake("server", false));
      return remotes.at(-1) as Remote;
    },
    local: async ({ version }) => {
      if (missing) throw new TypeError("Failed to fetch dynamically imported module");
      locals.push(new Fake(version, true));
      return locals.at(-1) as Local;
    },
  });
}

function frame(): Frame {
  return { bitmap: { close: vi.fn() } as unknown as ImageBitmap, capture: 0, at: 0 };
}

const progress = (): void => undefined;
const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve));

/** A router whose device answers with the old model. */
async function onDevice(mode: "device" | "both" = "device"): Promise<InferenceRouter> {
  const router = made();
  await router.use(mode);
  const loading = router.load(progress);
  await settled();
  locals[0]?.ready();
  await loading;
  return router;
}

beforeEach(() => {
  locals = [];
  remotes = [];
  missing = false;
  vi.clearAllMocks();
  vi.stubGlobal("createImageBitmap", async () => ({ close: vi.fn() }));
});

test("until the device is ready the server answers, and then it is left", async () => {
  const router = made();
  await router.use("device");
  expect((await router.ask(frame())).answer.model).toBe("server");
  const loading = router.load(progress);
  await settled();
  expect((await router.ask(frame())).answer.model).toBe("server");
  locals[0]?.ready();
  await loading;
  expect((await router.ask(frame())).answer.model).toBe("m-1");
  expect(remotes[0]?.closed).toBe(true);
});

test("while a new model loads, the old one goes on answering; then it is closed", async () => {
  const router = await onDevice();
  router.adopt(NEW);
  const loading = router.load(progress);
  await settled();
  expect((await router.ask(frame())).answer.model).toBe("m-1");
  expect(locals[0]?.closed).toBe(false);
  locals[1]?.ready();
  await loading;
  expect((await router.ask(frame())).answer.model).toBe("m-2");
  expect(locals[0]?.closed).toBe(true);
});

test("where a new model does not arrive, the server answers", async () => {
  const router = await onDevice();
  router.adopt(NEW);
  const loading = router.load(progress);
  await settled();
  locals[1]?.fail(new Problem("device-download"));
  await expect(loading).rejects.toMatchObject({ code: "device-download" });
  expect((await router.ask(frame())).answer.model).toBe("server");
  expect(locals.every(({ closed }) => closed)).toBe(true);
});

test("a third model cuts the loading of the second short, and nothing else", async () => {
  const router = await onDevice();
  const second = router.load(progress);
  await settled();
  const third = router.load(progress);
  await expect(second).rejects.toMatchObject({ code: "closed" });
  expect((await router.ask(frame())).answer.model).toBe("m-1");
  locals[2]?.ready();
  await third;
});

test("of both, the server's answer counts whatever becomes of the device", async () => {
  const router = await onDevice("both");
  expect((await router.ask(frame())).other?.model).toBe("m-1");
  (locals[0] as Fake).failure = new Problem("low-memory");
  const { answer, other } = await router.ask(frame());
  expect([answer.model, other]).toEqual(["server", null]);
  expect(listener.localLost).toHaveBeenCalledWith(expect.objectContaining({ code: "low-memory" }));
  expect((await router.ask(frame())).answer.model).toBe("server");
});

test("a script that is gone since a redeploy is told as that", async () => {
  const router = made();
  await router.use("device");
  missing = true;
  await expect(router.load(progress)).rejects.toMatchObject({ code: "page-outdated" });
  expect((await router.ask(frame())).answer.model).toBe("server");
});

test("a device that fails gives way to the server", async () => {
  const router = await onDevice();
  (locals[0] as Fake).failure = new Problem("low-memory");
  await expect(router.ask(frame())).rejects.toMatchObject({ code: "closed" });
  expect((await router.ask(frame())).answer.model).toBe("server");
  expect(listener.localLost).toHaveBeenCalledOnce();
});

test("leaving the device while it loads ends that", async () => {
  const router = made();
  await router.use("device");
  const loading = router.load(progress);
  await settled();
  const ended = expect(loading).rejects.toMatchObject({ code: "closed" });
  await router.use("server");
  await ended;
  expect(locals[0]?.closed).toBe(true);
  expect(remotes[0]?.closed).toBe(false);
});

test("a service that is asked to explain is asked so after a new connection, too", async () => {
  const router = made();
  await router.use("server");
  router.setExplain(true);
  router.rest();
  router.wake();
  expect(remotes[0]?.setExplain).toHaveBeenCalledWith(true);
  expect(remotes[0]?.rest).toHaveBeenCalledOnce();
  expect(remotes[0]?.reconnect).toHaveBeenCalledOnce();
});
