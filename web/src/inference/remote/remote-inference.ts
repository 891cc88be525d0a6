/** Answers from the service: over a WebSocket, and picture by picture over POST while that is broken. */

import type { Answer, Frame } from "../../shared/answer";
import { apiKey, type Manifest, request, type ServiceAnswer, type ServiceProblem, translate } from "../../shared/api";
import { Backoff } from "../../shared/backoff";
import { identifyUrl, streamUrl } from "../../shared/endpoints";
import { Problem } from "../../shared/problem";

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
  post: (jpeg: ArrayBuffer, explain: boolean, signal: AbortSignal) => Promise<ServiceAnswer>;
  backoff: Backoff;
}

const REAL: Parts = {
  socket: (url, protocols) => new WebSocket(url, protocols),
  post: async (body, explain, signal) => {
    const headers = { "Content-Type": "image/jpeg" };
    const response = await request(identifyUrl(explain), { method: "POST", body, headers, signal });
    return (await response.json()) as ServiceAnswer;
  },
  backoff: new Backoff(),
};

interface Pending {
  resolve: (message: StreamMessage) => void;
  reject: (problem: Problem) => void;
}

export class RemoteInference {
  readonly maxInFlight = 1;
  /** Told why pictures go one by one, and null while the socket is open; the answers go on either way. */
  onTrouble: (problem: Problem | null) => void = () => undefined;
  private readonly parts: Parts;
  private ended = false;
  private socket: WebSocket | null = null; // opening or open
  private settled: () => void = () => undefined; // the last connect() has come to an end, good or bad
  private pending: Pending | null = null;
  private late: ReturnType<typeof setTimeout> | undefined; // of the answer that is waited for
  private retry: ReturnType<typeof setTimeout> | undefined; // of the next try to connect
  private resting = false; // there is no socket because nothing is asked
  private explain: boolean;
  private labels: readonly string[];

  constructor(manifest: Pick<Manifest, "labels">, explain = false, parts: Partial<Parts> = {}) {
    this.parts = { ...REAL, backoff: new Backoff(), ...parts };
    this.labels = manifest.labels;
    this.explain = explain;
  }

  /** The service has another model. */
  adopt(manifest: Pick<Manifest, "labels">): void {
    this.labels = manifest.labels;
  }

  /** Resolves when the socket is open, or is known not to be: then POST answers until it is. */
  start(): Promise<void> {
    return this.connect();
  }

  /** Whether answers are to come with evidence. */
  setExplain(explain: boolean): void {
    if (explain === this.explain) return;
    this.explain = explain;
    if (!this.resting) void this.connect();
  }

  /** Nothing will be asked for a while: gives the connection back, until something is. */
  rest(): void {
    clearTimeout(this.retry);
    this.resting = true;
    this.drop(new Problem("closed"));
  }

  /** Connects now rather than when it is due: after a sleep, or because someone pressed the button. */
  reconnect(): void {
    this.parts.backoff.reset();
    if (!this.resting && this.socket?.readyState !== WebSocket.OPEN) void this.connect();
  }

  /** Closes the frame. Rejects with a Problem. */
  async identify(frame: Frame): Promise<Answer> {
    frame.bitmap.close();
    const { jpeg, capture } = frame;
    if (this.ended || !jpeg) throw new Problem("closed");
    if (this.resting) await this.connect();
    const sent = performance.now();
    const open = this.socket?.readyState === WebSocket.OPEN;
    const message = open ? await this.stream(jpeg) : await this.post(jpeg);
    return this.answer(message, capture, performance.now() - sent);
  }

  /** A pending identify rejects with "closed". */
  close(): void {
    this.ended = true;
    clearTimeout(this.retry);
    this.drop(new Problem("closed"));
  }

  /** In place of the connection that there is. Never rejects. */
  private connect(): Promise<void> {
    clearTimeout(this.retry);
    this.drop(new Problem("closed"));
    this.resting = false;
    if (this.ended) return Promise.resolve();
    return new Promise((resolve) => {
      const key = apiKey();
      const socket = this.parts.socket(streamUrl(this.explain), key ? [SUBPROTOCOL, `key.${key}`] : [SUBPROTOCOL]);
      this.socket = socket;
      const late = setTimeout(() => socket.close(), OPEN_MS);
      this.settled = () => {
        clearTimeout(late);
        resolve();
      };
      socket.onopen = () => {
        this.parts.backoff.reset();
        this.onTrouble(null);
        this.settled();
      };
      socket.onmessage = (event) => this.heard(String(event.data));
      socket.onclose = (event) => this.lost(event.code, event.reason);
    });
  }

  private heard(text: string): void {
    let message: StreamMessage;
    try {
      message = JSON.parse(text) as StreamMessage;
    } catch {
      this.lost(1007, "the service sent what is no JSON");
      return;
    }
    const { pending } = this;
    this.pending = null;
    pending?.resolve(message);
  }

  /** The socket closed by itself, or never opened, or can't be used. */
  private lost(code: number, reason: string): void {
    const problem = code === NO_KEY ? new Problem("key-needed", reason) : new Problem("socket-lost", reason);
    this.drop(problem);
    if (code === IDLE) {
      this.resting = true; // a tab that nobody uses holds no place in the service
      return;
    }
    this.onTrouble(problem);
    if (code === NO_KEY) return; // until there is one
    const wait = this.parts.backoff.next(REFUSED.includes(code) ? 5000 : 0);
    this.retry = setTimeout(() => void this.connect(), wait);
  }

  /** Lets the socket go without hearing from it again. What waits for it is told `problem`. */
  private drop(problem: Problem): void {
    const { socket, pending } = this;
    this.socket = this.pending = null;
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
    }
    pending?.reject(problem);
    this.settled();
  }

  private stream(jpeg: ArrayBuffer): Promise<StreamMessage> {
    return new Promise<StreamMessage>((resolve, reject) => {
      this.pending = { resolve, reject };
      this.late = setTimeout(() => this.lost(1006, "no answer"), ANSWER_MS);
      this.socket?.send(jpeg);
    }).finally(() => clearTimeout(this.late));
  }

  private async post(jpeg: ArrayBuffer): Promise<StreamMessage> {
    const answer = await this.parts.post(jpeg, this.explain, AbortSignal.timeout(ANSWER_MS));
    if (this.ended) throw new Problem("closed");
    return { ...answer, dropped: 0 };
  }

  /** @param round ms from sending to the answer */
  private answer(message: StreamMessage, capture: number, round: number): Answer {
    if (!("probabilities" in message)) throw translate(message, message.retry_after_s);
    const { queue, decode, inference } = message.timing_ms;
    const network = Math.max(0, round - queue - decode - inference);
    const names = Object.keys(message.probabilities);
    const known = names.length === this.labels.length && this.labels.every((label) => label in message.probabilities);
    const labels = known ? this.labels : names; // of another model than the manifest's
    return {
      label: message.label,
      labels,
      probabilities: Float32Array.from(labels, (label) => message.probabilities[label] ?? 0),
      score: message.score,
      threshold: message.threshold,
      evidence: message.evidence ?? null,
      model: message.model,
      timing: { capture, network, queue, decode, inference, total: capture + network + queue + decode + inference },
      dropped: message.dropped,
    };
  }
}
