/** Answers from the service: over a WebSocket, and picture by picture over POST while that is broken. */

import { apiKey, type Manifest, request, type ServiceAnswer, type ServiceProblem, translate } from "../api";
import { Backoff } from "../backoff";
import { Problem } from "../problems";
import { identifyUrl, streamUrl } from "../source";
import type { Answer, Frame, Inference } from "./inference";

type StreamMessage = (ServiceAnswer & { dropped: number }) | (ServiceProblem & { retry_after_s?: number });

const OPEN_MS = 3000; // for a socket to open; then POST has to do
const ANSWER_MS = 8000; // for an answer; the service's own deadline is 2 s
const SUBPROTOCOL = "identify.v1";
// Close codes after which the same connection would be refused again at once (see docs/service.md).
const REFUSED = [1003, 1008, 1009];
const NO_KEY = 3000;
const IDLE = 3008; // nothing is wrong: there was no frame for long

/** What it is made of; tests put their own in. */
export interface Parts {
  socket: (url: string, protocols: string[]) => WebSocket;
  post: (jpeg: ArrayBuffer, signal: AbortSignal) => Promise<ServiceAnswer>;
  backoff: Backoff;
}

const REAL: Parts = {
  socket: (url, protocols) => new WebSocket(url, protocols),
  post: async (body, signal) => {
    const headers = { "Content-Type": "image/jpeg" };
    const response = await request(identifyUrl(), { method: "POST", body, headers, signal });
    return (await response.json()) as ServiceAnswer;
  },
  backoff: new Backoff(),
};

interface Waiting {
  resolve: (message: StreamMessage) => void;
  reject: (problem: Problem) => void;
}

export class Server implements Inference {
  readonly kind = "server";
  readonly atOnce = 1;
  private readonly parts: Parts;
  private readonly ended = new AbortController();
  private socket: WebSocket | null = null; // opening or open
  private waiting: Waiting | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined; // of the next try to connect
  private labels: readonly string[];

  /** Why pictures go one by one, or null while the socket is open; the answers go on either way. */
  onTrouble: (problem: Problem | null) => void = () => undefined;

  constructor(manifest: Pick<Manifest, "labels">, parts: Partial<Parts> = {}) {
    this.parts = { ...REAL, backoff: new Backoff(), ...parts };
    this.labels = manifest.labels;
  }

  /** The service has another model. */
  adopt(manifest: Pick<Manifest, "labels">): void {
    this.labels = manifest.labels;
  }

  /** Resolves when the socket is open, or is known not to be: then POST answers until it is. */
  start(signal: AbortSignal): Promise<void> {
    signal.addEventListener("abort", () => this.close(), { once: true });
    return this.connect();
  }

  /** Connect now rather than when it is due: after a sleep, or because someone pressed the button. */
  reconnect(): void {
    this.parts.backoff.reset();
    if (this.socket?.readyState !== WebSocket.OPEN) void this.connect();
  }

  async identify(frame: Frame): Promise<Answer> {
    frame.bitmap.close();
    const { jpeg, capture } = frame;
    if (this.ended.signal.aborted || !jpeg) throw new Problem("closed");
    const sent = performance.now();
    const open = this.socket?.readyState === WebSocket.OPEN;
    const message = open ? await this.stream(jpeg) : await this.post(jpeg);
    return this.answer(message, capture, performance.now() - sent);
  }

  close(): void {
    if (this.ended.signal.aborted) return;
    this.ended.abort(new Problem("closed"));
    clearTimeout(this.timer);
    this.drop(new Problem("closed"));
  }

  private connect(): Promise<void> {
    clearTimeout(this.timer);
    this.drop(new Problem("socket-lost"));
    if (this.ended.signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const key = apiKey();
      const socket = this.parts.socket(streamUrl(), key ? [SUBPROTOCOL, `key.${key}`] : [SUBPROTOCOL]);
      this.socket = socket;
      const late = setTimeout(() => socket.close(), OPEN_MS);
      const settle = (): void => {
        clearTimeout(late);
        resolve();
      };
      socket.onopen = () => {
        this.parts.backoff.reset();
        this.onTrouble(null);
        settle();
      };
      socket.onmessage = (event) => {
        const { waiting } = this;
        this.waiting = null;
        waiting?.resolve(JSON.parse(String(event.data)) as StreamMessage);
      };
      socket.onclose = (event) => {
        settle();
        if (socket === this.socket) this.lost(event.code, event.reason);
      };
    });
  }

  /** The socket closed by itself, or never opened. */
  private lost(code: number, reason: string): void {
    const problem = code === NO_KEY ? new Problem("key-needed", reason) : new Problem("socket-lost", reason);
    this.drop(problem);
    if (code !== IDLE) this.onTrouble(problem);
    if (code === NO_KEY) return; // until there is one
    const wait = this.parts.backoff.next(REFUSED.includes(code) ? 5000 : 0);
    this.timer = setTimeout(() => void this.connect(), wait);
  }

  /** Lets the socket go without hearing from it again. */
  private drop(problem: Problem): void {
    const { socket, waiting } = this;
    this.socket = this.waiting = null;
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
    }
    waiting?.reject(problem);
  }

  private stream(jpeg: ArrayBuffer): Promise<StreamMessage> {
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => {
        this.lost(1006, "no answer");
      }, ANSWER_MS);
      const settled = <T>(then: (value: T) => void) => {
        return (value: T) => {
          clearTimeout(late);
          then(value);
        };
      };
      this.waiting = { resolve: settled(resolve), reject: settled(reject) };
      this.socket?.send(jpeg);
    });
  }

  private async post(jpeg: ArrayBuffer): Promise<StreamMessage> {
    const signal = AbortSignal.any([this.ended.signal, AbortSignal.timeout(ANSWER_MS)]);
    return { ...(await this.parts.post(jpeg, signal)), dropped: 0 };
  }

  /** @param round ms from sending to the answer */
  private answer(message: StreamMessage, capture: number, round: number): Answer {
    if (!("probabilities" in message)) throw translate(message, message.retry_after_s);
    const { queue, decode, inference } = message.timing_ms;
    const network = Math.max(0, round - queue - decode - inference);
    const known = this.labels.every((label) => label in message.probabilities);
    const labels = known ? this.labels : Object.keys(message.probabilities); // of another model than the manifest's
    return {
      label: message.label,
      labels,
      probabilities: Float32Array.from(labels, (label) => message.probabilities[label] ?? 0),
      model: message.model,
      timing: { capture, network, queue, decode, inference, total: capture + network + queue + decode + inference },
      dropped: message.dropped,
    };
  }
}
