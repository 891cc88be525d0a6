import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { RemoteInference } from "../../src/inference/remote/remote-inference";
import type { Frame } from "../../src/shared/answer";
import type { ServiceAnswer } from "../../src/shared/api";
import { Backoff } from "../../src/shared/backoff";
import { Problem } from "../../src/shared/problem";

const LABELS = ["art", "plant", "text"];
const ANSWER: ServiceAnswer = {
  label: "plant",
  probabilities: { art: 0.25, plant: 0.5, text: 0.25 },
  score: 0.9,
  threshold: 0.5,
  model: "m-1",
  timing_ms: { decode: 1, queue: 2, inference: 3 },
};

/** What a test holds in its hand of a socket. */
class FakeSocket {
  readyState: number = WebSocket.CONNECTING;
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;
  readonly sent: ArrayBuffer[] = [];

  opens(): void {
    this.readyState = WebSocket.OPEN;
    this.onopen?.();
  }

  says(message: object): void {
    this.onmessage?.({ data: JSON.stringify(message) });
  }

  ends(code: number, reason = ""): void {
    this.readyState = WebSocket.CLOSED;
    this.onclose?.({ code, reason });
  }

  send(jpeg: ArrayBuffer): void {
    this.sent.push(jpeg);
  }

  close(): void {
    this.ends(1005);
  }
}

let sockets: FakeSocket[];
let urls: string[];
const post = vi.fn<(jpeg: ArrayBuffer) => Promise<ServiceAnswer>>();
const told: (string | null)[] = [];

function made(): RemoteInference {
  const server = new RemoteInference({ labels: LABELS }, false, {
    socket: (url) => {
      urls.push(url);
      const socket = new FakeSocket();
      sockets.push(socket);
      return socket as unknown as WebSocket;
    },
    post,
    backoff: new Backoff(() => 1),
  });
  server.onTrouble = (problem) => told.push(problem?.code ?? null);
  return server;
}

async function opened(): Promise<[RemoteInference, FakeSocket]> {
  const server = made();
  const started = server.start();
  sockets[0]?.opens();
  await started;
  return [server, sockets[0] as FakeSocket];
}

function frame(): Frame {
  return { bitmap: { close: vi.fn() } as unknown as ImageBitmap, jpeg: new ArrayBuffer(3), capture: 4, at: 0 };
}

function code(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "answered",
    (error: unknown) => (error instanceof Problem ? error.code : String(error)),
  );
}

beforeEach(() => {
  vi.useFakeTimers();
  sockets = [];
  urls = [];
  told.length = 0;
  post.mockReset();
});
afterEach(() => vi.useRealTimers());

test("a frame goes over the socket, and its answer has times that add up", async () => {
  const [server, socket] = await opened();
  const given = frame();
  const asked = server.identify(given);
  await vi.advanceTimersByTimeAsync(20);
  socket.says({ ...ANSWER, frame: 0, dropped: 1 });
  const answer = await asked;
  expect(socket.sent).toHaveLength(1);
  expect(given.bitmap.close).toHaveBeenCalled();
  expect([...answer.probabilities]).toEqual([0.25, 0.5, 0.25]);
  expect(answer).toMatchObject({ label: "plant", labels: LABELS, model: "m-1", dropped: 1 });
  const { capture, network, queue, decode, inference, total } = answer.timing;
  expect([capture, queue, decode, inference]).toEqual([4, 2, 1, 3]);
  expect(capture + network + queue + decode + inference).toBe(total);
  expect(post).not.toHaveBeenCalled();
});

test("where no socket opens, pictures are posted", async () => {
  const server = made();
  const started = server.start();
  sockets[0]?.ends(1006);
  await started;
  post.mockResolvedValue(ANSWER);
  expect((await server.identify(frame())).label).toBe("plant");
  expect(told).toEqual(["socket-lost"]);
});

test("a socket that hangs while it opens holds nothing up for long", async () => {
  const started = made().start();
  await vi.advanceTimersByTimeAsync(3000);
  await expect(started).resolves.toBeUndefined();
});

test("a lost socket is opened again, later each time, and POST answers meanwhile", async () => {
  const [server, socket] = await opened();
  post.mockResolvedValue(ANSWER);
  socket.ends(1012, "the service restarts");
  expect((await server.identify(frame())).label).toBe("plant");
  await vi.advanceTimersByTimeAsync(500);
  expect(sockets).toHaveLength(2);
  sockets[1]?.ends(1006);
  await vi.advanceTimersByTimeAsync(999);
  expect(sockets).toHaveLength(2);
  await vi.advanceTimersByTimeAsync(1);
  sockets[2]?.opens();
  expect(told).toEqual([null, "socket-lost", "socket-lost", null]);
  const asked = server.identify(frame());
  sockets[2]?.says({ ...ANSWER, frame: 0, dropped: 0 });
  await asked;
  expect(sockets[2]?.sent).toHaveLength(1);
});

test("a frame that was on its way when the socket broke is told of", async () => {
  const [server, socket] = await opened();
  const asked = code(server.identify(frame()));
  socket.ends(1006);
  expect(await asked).toBe("socket-lost");
});

test("a service that never answers counts as a lost connection", async () => {
  const [server] = await opened();
  const asked = code(server.identify(frame()));
  await vi.advanceTimersByTimeAsync(8000);
  expect(await asked).toBe("socket-lost");
});

test("an overloaded service is a problem that says when to ask again; the socket stays", async () => {
  const [server, socket] = await opened();
  const asked = server.identify(frame());
  socket.says({ type: "/docs#overloaded", title: "", status: 503, detail: "", request_id: "", retry_after_s: 1 });
  await expect(asked).rejects.toMatchObject({ code: "overloaded", retryAfter: 1 });
  expect(sockets).toHaveLength(1);
});

test.each([
  ["not-ready", 503, "model-unavailable"],
  ["unauthorized", 401, "key-needed"],
  ["internal", 500, "service-down"],
  ["unusable", 422, "service-refused"],
])("%s of the service is %s here", async (kind, status, expected) => {
  const [server, socket] = await opened();
  const asked = code(server.identify(frame()));
  socket.says({ type: `/docs#${kind}`, title: "", status, detail: "", request_id: "" });
  expect(await asked).toBe(expected);
});

test("without a key it waits for one rather than knock again", async () => {
  const [, socket] = await opened();
  socket.ends(3000, "no key");
  await vi.advanceTimersByTimeAsync(60_000);
  expect(sockets).toHaveLength(1);
  expect(told.at(-1)).toBe("key-needed");
});

test("an idle close is no trouble, and no place in the service is held until there is something to ask", async () => {
  const [server, socket] = await opened();
  socket.ends(3008);
  await vi.advanceTimersByTimeAsync(600_000);
  server.reconnect();
  expect(sockets).toHaveLength(1);
  const asked = server.identify(frame());
  await vi.advanceTimersByTimeAsync(0);
  sockets[1]?.opens();
  await vi.advanceTimersByTimeAsync(0);
  sockets[1]?.says({ ...ANSWER, frame: 0, dropped: 0 });
  expect((await asked).label).toBe("plant");
  expect(told).toEqual([null, null]);
});

test("a tab that nobody looks at gives its place back at once", async () => {
  const [server, socket] = await opened();
  server.rest();
  expect(socket.readyState).toBe(WebSocket.CLOSED);
  await vi.advanceTimersByTimeAsync(600_000);
  expect(sockets).toHaveLength(1);
});

test("a reconnect during the first connect keeps nobody waiting", async () => {
  const server = made();
  const started = server.start();
  server.reconnect();
  sockets[1]?.opens();
  await expect(started).resolves.toBeUndefined();
});

test("a message that is no JSON breaks the connection, not the queue", async () => {
  const [server, socket] = await opened();
  const asked = code(server.identify(frame()));
  socket.onmessage?.({ data: "<html>" });
  expect(await asked).toBe("socket-lost");
  await vi.advanceTimersByTimeAsync(500);
  sockets[1]?.opens();
  const next = server.identify(frame());
  sockets[1]?.says({ ...ANSWER, frame: 0, dropped: 0 });
  expect((await next).label).toBe("plant");
});

test("where AbortSignal.any is missing, as in Safari before 17.4, pictures are posted all the same", async () => {
  vi.stubGlobal(
    "AbortSignal",
    Object.assign(() => undefined, { timeout: AbortSignal.timeout }),
  );
  const server = made();
  const started = server.start();
  sockets[0]?.ends(1006);
  await started;
  post.mockResolvedValue(ANSWER);
  expect((await server.identify(frame())).label).toBe("plant");
  vi.unstubAllGlobals();
});

test("evidence is asked for on request only, over the socket and by POST", async () => {
  const [server] = await opened();
  expect(urls).toEqual([expect.stringMatching(/\/stream$/)]);
  server.setExplain(true);
  expect(urls[1]).toMatch(/\/stream\?explain=1$/);
  sockets[1]?.opens();
  const evidence = { label: "plant", height: 1, width: 2, values: [1, 2] };
  const asked = server.identify(frame());
  sockets[1]?.says({ ...ANSWER, score: 0.9, threshold: 0.5, evidence, frame: 0, dropped: 0 });
  expect(await asked).toMatchObject({ score: 0.9, threshold: 0.5, evidence });
  sockets[1]?.ends(1006);
  post.mockResolvedValue(ANSWER);
  await server.identify(frame());
  expect(post).toHaveBeenLastCalledWith(expect.anything(), true, expect.anything());
});

test("labels of another model count as other labels, also where there are as many", async () => {
  const [server, socket] = await opened();
  const asked = server.identify(frame());
  socket.says({ ...ANSWER, label: "cat", probabilities: { cat: 0.5, dog: 0.3, cow: 0.2 }, dropped: 0 });
  expect((await asked).labels).toEqual(["cat", "dog", "cow"]);
});

test("after a sleep it connects at once", async () => {
  const [server, socket] = await opened();
  socket.ends(1006);
  server.reconnect();
  expect(sockets).toHaveLength(2);
});

test("closed, it answers what was asked, and opens nothing any more", async () => {
  const [server] = await opened();
  const asked = code(server.identify(frame()));
  server.close();
  expect(await asked).toBe("closed");
  expect(await code(server.identify(frame()))).toBe("closed");
  await vi.advanceTimersByTimeAsync(60_000);
  expect(sockets).toHaveLength(1);
});

test("labels of a model that is not known yet come with its answer", async () => {
  const [server, socket] = await opened();
  const asked = server.identify(frame());
  socket.says({ ...ANSWER, label: null, probabilities: { cat: 0.5, dog: 0.5 }, model: "m-2", dropped: 0 });
  expect(await asked).toMatchObject({ labels: ["cat", "dog"], label: null, model: "m-2" });
});
