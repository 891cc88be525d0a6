/** What the page is doing: a picture, who answers, and what is wrong. Its views look at it, its buttons tell it. */

import { Answers, type Asked, type Mode } from "./answers";
import { fetchManifest, type Manifest } from "./api";
import { Backoff } from "./backoff";
import { History } from "./history";
import type { Answer, Frame } from "./inference/inference";
import { Latch } from "./labels";
import { Picture } from "./picture";
import { asProblem, type Code, Problem } from "./problems";
import { STANDALONE } from "./source";
import { Store } from "./store";
import { FIRST_VIEW, type View } from "./view";

const BEAT_MS = 1000;
const SLEPT_MS = 6000; // a heartbeat that late: the device slept
const SLOW_MS = 1500; // a median round trip longer than that deserves a word
const LOOK_MS = 20_000; // how often to ask for the manifest where no answer of the service's tells of another model
const NOTICE_MS = 8000;
const BROKEN_MS = 60_000;
const LOAD_AGAIN: readonly (Code | undefined)[] = ["low-memory", "device-download"]; // what may be over by then

/** What hears of every answer. */
export interface Listener {
  labels(history: History): void;
  /** @param latched the label that counts, null for none of these */
  answer(answer: Answer, latched: string | null): void;
}

export class Session {
  readonly store = new Store<View>(FIRST_VIEW);
  private readonly listeners = new Set<Listener>();
  private readonly latch = new Latch();
  private readonly backoff = new Backoff();
  private picture: Picture | null = null;
  private answers: Answers | null = null;
  private history = new History([]);
  private ended = new AbortController();
  private readonly pauses = new Set<() => void>(); // each cuts a pause short
  private newest = Number.NEGATIVE_INFINITY; // performance.now() when the camera delivered what was answered last
  private asked: Problem | null = null; // why the last question got no answer
  private device: Problem | null = null; // why the model did not come onto this device, while the server goes on
  private transport: Problem | null = null; // why answers come in a poorer way
  private broken = false; // the connection, since it was last open
  private brokenTimer: ReturnType<typeof setTimeout> | undefined;
  private slow: Problem | null = null;
  private looking = false;
  private lookedAt = 0; // performance.now()
  private beatAt = 0; // the same
  private noticeTimer: ReturnType<typeof setTimeout> | undefined;

  get seen(): History {
    return this.history;
  }

  /** Begins, with the elements that show the picture. Returns what ends it. */
  begin(video: HTMLVideoElement, canvas: HTMLCanvasElement): () => void {
    this.ended = new AbortController();
    const { signal } = this.ended;
    this.picture = new Picture(this.store, video, canvas, {
      take: (frame, dropped) => this.ask(frame, dropped),
      encoded: () => this.answers?.effective !== "device",
      atOnce: () => this.answers?.atOnce ?? 1,
    });
    void this.picture.start();
    void this.findModel(signal);
    document.addEventListener("visibilitychange", () => this.visible(), { signal });
    window.addEventListener("online", () => this.again(), { signal });
    window.addEventListener("pagehide", () => this.picture?.hide(), { signal });
    this.beatAt = performance.now();
    const beat = setInterval(() => this.beat(performance.now()), BEAT_MS);
    signal.addEventListener("abort", () => clearInterval(beat));
    return () => this.end();
  }

  listen(listener: Listener): () => void {
    this.listeners.add(listener);
    if (this.history.labels.length) listener.labels(this.history);
    return () => this.listeners.delete(listener);
  }

  startCamera(wish: { deviceId?: string; facing?: "user" | "environment" } = {}): void {
    void this.picture?.start(wish);
  }

  toggleFreeze(): void {
    const { state } = this.store.get();
    if (state === "live") this.picture?.freeze();
    else if (state === "frozen" || state === "still" || state === "problem") void this.picture?.start();
  }

  show(file: Blob): void {
    void this.picture?.show(file);
  }

  /** Who is to answer. A device whose model is not loaded takes over when it is. */
  async use(mode: Mode): Promise<void> {
    this.store.set({ mode });
    if (mode === "server") this.store.set({ loading: "none" });
    this.tell({ asked: null, device: null, slow: null });
    this.wakeUp();
    await this.answers?.use(mode);
    void this.picture?.lookAtStill();
  }

  /** The model onto this device: 13 MB and more, so only when someone asks for it. */
  async loadDevice(): Promise<void> {
    if (!this.answers || this.store.get().loading === "loading") return;
    this.store.set({ loading: "loading", loaded: 0, toLoad: 0 });
    this.tell({ asked: null, device: null });
    try {
      await this.answers.loadDevice((loaded, toLoad) => this.store.set({ loaded, toLoad }));
      this.store.set({ loading: "ready" });
      this.wakeUp();
      void this.picture?.lookAtStill();
    } catch (error) {
      const problem = asProblem(error, "device-failed");
      this.store.set({ loading: "none" });
      if (problem.code !== "closed") this.tell({ device: problem });
    }
  }

  /** Ask now rather than when it is due. */
  again(): void {
    this.backoff.reset();
    this.answers?.wake();
    this.wakeUp();
    const missing = LOAD_AGAIN.includes(this.device?.code) || (STANDALONE && this.store.get().loading === "none");
    if (missing) void this.loadDevice();
  }

  /** One quiet line, for a while. */
  notice(text: string): void {
    clearTimeout(this.noticeTimer);
    this.store.set({ notice: text });
    this.noticeTimer = setTimeout(() => this.store.set({ notice: "" }), NOTICE_MS);
  }

  private end(): void {
    this.ended.abort();
    clearTimeout(this.noticeTimer);
    clearTimeout(this.brokenTimer);
    this.wakeUp();
    this.picture?.close();
    this.answers?.close();
    this.picture = this.answers = null;
  }

  private async findModel(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.adopt(await fetchManifest(signal));
        return;
      } catch (error) {
        const problem = asProblem(error, "service-down");
        if (problem.code === "closed") return;
        this.tell({ asked: problem });
        await this.pause(problem);
      }
    }
  }

  private async adopt(manifest: Manifest): Promise<void> {
    const before = this.store.get().manifest;
    if (before?.version === manifest.version) return;
    this.store.set({ manifest });
    this.tell({ asked: null });
    if (before?.labels.join("\n") !== manifest.labels.join("\n")) {
      this.history = new History(manifest.labels);
      this.latch.force(null);
      for (const listener of this.listeners) listener.labels(this.history);
    }
    if (this.answers) this.answers.adopt(manifest);
    else {
      this.answers = new Answers(
        manifest,
        (problem) => this.connection(problem),
        (problem) => this.lost(problem),
      );
    }
    if (before) this.notice(`The model changed to ${manifest.version}.`);
    await this.answers.use(this.store.get().mode);
    this.picture?.setSize(manifest.input.size);
    if (STANDALONE || this.store.get().loading === "ready") void this.loadDevice();
  }

  /** Answers a frame into the views; waits where the service wants less. */
  private async ask(frame: Frame, dropped: number): Promise<void> {
    const { answers } = this;
    if (!answers) {
      frame.bitmap.close();
      return;
    }
    try {
      const asked = await answers.ask(frame);
      if (frame.at < this.newest) return; // a newer frame was answered sooner
      this.newest = frame.at;
      this.note(asked, dropped);
    } catch (error) {
      const problem = asProblem(error, "service-down");
      if (problem.code === "closed") return; // who answers has changed meanwhile
      this.tell({ asked: problem });
      await this.pause(problem);
      if (this.store.get().state === "still") setTimeout(() => void this.picture?.lookAtStill());
    }
  }

  private note({ answer, other }: Asked, dropped: number): void {
    const now = performance.now();
    this.backoff.reset();
    if (this.asked) this.tell({ asked: null });
    if (this.store.get().state === "still") this.latch.force(answer.label);
    else this.latch.update(answer.label, now);
    const fromServer = this.answers?.effective !== "device";
    if (fromServer && answer.model !== this.store.get().manifest?.version) void this.lookAgain();
    if (answer.probabilities.length !== this.history.labels.length) return; // of a model that is not known yet
    const counted = { ...answer, dropped: answer.dropped + dropped };
    this.history.add(now / 1000, counted, other && other.label === answer.label);
    for (const listener of this.listeners) listener.answer(counted, this.latch.label);
    const { p50 } = this.history.recent(now / 1000);
    if (p50 > SLOW_MS && fromServer) this.tell({ slow: this.slow ?? new Problem("service-slow") });
    else if (this.slow && !(p50 > SLOW_MS / 2)) this.tell({ slow: null });
  }

  /** The model is not on this device any more; where there is a server, it goes on. */
  private lost(problem: Problem): void {
    this.store.set({ loading: "none" });
    this.tell({ device: problem });
    void this.picture?.lookAtStill();
  }

  /** Said once, for a while: where no socket gets through, as behind some proxies, pictures one by one do as well. */
  private connection(problem: Problem | null): void {
    const known = this.broken;
    this.broken = problem !== null;
    if (problem && known && problem.code !== "key-needed") return;
    clearTimeout(this.brokenTimer);
    this.tell({ transport: problem });
    if (problem?.code === "socket-lost") {
      this.brokenTimer = setTimeout(() => this.tell({ transport: null }), BROKEN_MS);
    }
  }

  private tell(news: Partial<Record<"asked" | "device" | "transport" | "slow", Problem | null>>): void {
    Object.assign(this, news);
    this.store.set({ answerProblem: this.asked ?? this.device ?? this.transport ?? this.slow });
  }

  /** Until it makes sense to ask again, or someone presses the button. */
  private pause(problem: Problem): Promise<void> {
    const wait = this.backoff.next((problem.retryAfter ?? 0) * 1000);
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer);
        this.pauses.delete(end);
        resolve();
      };
      const timer = setTimeout(end, wait);
      this.pauses.add(end);
    });
  }

  private wakeUp(): void {
    for (const end of this.pauses) end();
  }

  /** Another model may be served, with other labels. */
  private async lookAgain(): Promise<void> {
    if (this.looking || performance.now() - this.lookedAt < BEAT_MS) return;
    this.looking = true;
    this.lookedAt = performance.now();
    try {
      await this.adopt(await fetchManifest(this.ended.signal));
    } catch {
      // the answers tell what is wrong
    } finally {
      this.looking = false;
    }
  }

  private beat(now: number): void {
    if (document.hidden) return; // then timers are late anyway
    const late = now - this.beatAt > SLEPT_MS;
    this.beatAt = now;
    if (late) {
      this.picture?.wake();
      this.again();
      this.notice("Awake again.");
    }
    this.picture?.check(now);
    const alone = this.answers?.effective === "device" && !STANDALONE;
    if (alone && now - this.lookedAt > LOOK_MS) void this.lookAgain();
  }

  private visible(): void {
    this.beatAt = performance.now();
    if (document.hidden) this.picture?.hide();
    else this.picture?.unhide();
  }
}
