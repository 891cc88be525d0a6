/** The session: events from camera, answers and people go through the reducer; what follows from them is done here. */

import { QUALITY, sideOf } from "../camera/burst";
import type { Wish } from "../camera/camera";
import { Cropper, grab } from "../camera/cropper";
import { PictureSource } from "../camera/picture-source";
import { keptManifest } from "../inference/local/files";
import { type Answered, InferenceRouter, type Mode } from "../inference/router";
import { History } from "../results/history";
import type { Answer, Frame } from "../shared/answer";
import { fetchServed, type Served } from "../shared/api";
import { Backoff } from "../shared/backoff";
import { STANDALONE } from "../shared/endpoints";
import { asProblem, type Code, Problem } from "../shared/problem";
import { Latch } from "./latch";
import { prefer, preferences } from "./preferences";
import { answersHere, initial, reduce, type SessionEvent, type SessionState } from "./state";

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
  private state: SessionState = initial(preferences());
  private readonly drawn = new Set<() => void>(); // what React wants to be told
  private readonly listeners = new Set<Listener>();
  private readonly latch = new Latch();
  private readonly backoff = new Backoff();
  private readonly pauses = new Set<() => void>(); // each cuts a pause short
  private picture: PictureSource | null = null;
  private router: InferenceRouter | null = null;
  private history = new History([]);
  private ended = new AbortController();
  private newest = Number.NEGATIVE_INFINITY; // performance.now() when the camera delivered what was answered last
  private broken = false; // the connection, since it was last open
  private brokenTimer: ReturnType<typeof setTimeout> | undefined;
  private noticeTimer: ReturnType<typeof setTimeout> | undefined;
  private lookedAt = 0; // performance.now()
  private beatAt = 0; // the same

  readonly get = (): SessionState => this.state;

  /** Calls back after every change of the state; what changes with every frame never passes here. */
  readonly subscribe = (draw: () => void): (() => void) => {
    this.drawn.add(draw);
    return () => this.drawn.delete(draw);
  };

  /** What shows the camera's picture now; null while there is none, or it stands still. */
  get live(): HTMLVideoElement | null {
    return this.picture?.live ?? null;
  }

  /** The picture of this moment, as a photo: square, at the camera's own quality. Rejects with a Problem. */
  async photo(): Promise<Blob> {
    const { picture, live, state } = this;
    if (state.kind !== "answering" || !picture) throw new Problem("picture-failed", "there is no answer yet");
    const held = picture.held;
    const taken = live ? await grab(live) : held && (await createImageBitmap(held));
    if (!taken) throw new Problem("picture-failed", "there is no picture now");
    const [width, height] =
      "displayWidth" in taken ? [taken.displayWidth, taken.displayHeight] : [taken.width, taken.height];
    const cropper = new Cropper(); // beside the one of the answers, which go on
    try {
      const side = sideOf(width, height, state.manifest.input.size);
      const { bitmap, jpeg } = await cropper.crop(taken, side, performance.now(), QUALITY);
      bitmap.close();
      if (!jpeg) throw new Problem("picture-failed");
      return new Blob([jpeg], { type: "image/jpeg" });
    } finally {
      cropper.close();
    }
  }

  get seen(): History {
    return this.history;
  }

  /** Begins, with the elements that show the picture. Returns what ends it; it may begin again after that. */
  begin(video: HTMLVideoElement, canvas: HTMLCanvasElement): () => void {
    this.ended = new AbortController();
    const { signal } = this.ended;
    this.become(initial(preferences()));
    const { camera } = preferences();
    const wish: Wish = camera ? { deviceId: camera } : { facing: "environment" };
    this.picture = new PictureSource(video, canvas, wish, {
      changed: (picture) => this.dispatch({ kind: "picture", picture }),
      cameras: (cameras) => this.dispatch({ kind: "cameras", cameras }),
      opened: (opened) => this.dispatch({ kind: "opened", camera: opened }),
      take: (frame, dropped) => this.ask(frame, dropped),
      encoded: () => this.router?.effective !== "device",
      maxInFlight: () => this.router?.maxInFlight ?? 1,
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

  startCamera(wish: Wish = {}): void {
    if (wish.deviceId) prefer({ camera: wish.deviceId });
    else if (wish.facing) prefer({ camera: "" });
    void this.picture?.start(wish);
  }

  toggleFreeze(): void {
    const { kind } = this.state.picture;
    if (kind === "live") this.picture?.freeze();
    else if (kind !== "starting") void this.picture?.start();
  }

  show(file: Blob): void {
    void this.picture?.show(file);
  }

  setMirror(mirror: boolean): void {
    prefer({ mirror });
    this.dispatch({ kind: "mirror", mirror });
  }

  setShortcuts(shortcuts: boolean): void {
    prefer({ shortcuts });
    this.dispatch({ kind: "shortcuts", shortcuts });
  }

  /** Whether the evidence for the answer lies over the picture. */
  setExplain(explain: boolean): void {
    this.dispatch({ kind: "explain", explain });
    this.router?.setExplain(explain);
    void this.picture?.lookAgain();
  }

  /** Who is to answer. A device whose model is not loaded takes over when it is. */
  async use(mode: Mode): Promise<void> {
    prefer({ mode });
    this.dispatch({ kind: "mode", mode });
    this.wakeUp();
    await this.router?.use(mode);
    void this.picture?.lookAgain();
  }

  /** The model onto this device: 13 MB and more, so only when someone asks for it. */
  async loadLocal(): Promise<void> {
    const { router } = this;
    if (!router) return;
    this.dispatch({ kind: "local-loading" });
    try {
      await router.load((done, total) => this.dispatch({ kind: "local-progress", done, total }));
      this.dispatch({ kind: "local-ready" });
      this.wakeUp();
      void this.picture?.lookAgain();
    } catch (error) {
      const problem = asProblem(error, "device-failed");
      if (problem.code === "closed") return; // another load has begun, or the device was left
      this.dispatch({ kind: "local-failed", problem });
      if (STANDALONE) await this.goBack();
    }
  }

  /** Ask now rather than when it is due. */
  again(): void {
    const state = this.state;
    this.backoff.reset();
    this.router?.wake();
    this.wakeUp();
    if (state.kind !== "answering" || state.local.kind !== "failed") return;
    if (STANDALONE || LOAD_AGAIN.includes(state.local.problem.code)) void this.loadLocal();
  }

  /** The service is known to have this model now: it is taken over at once, whoever answers. */
  serves(version: string): void {
    if (this.state.kind === "answering" && this.state.manifest.version !== version) void this.lookAgain(0);
  }

  /** One quiet line, for a while. */
  notice(text: string): void {
    clearTimeout(this.noticeTimer);
    this.dispatch({ kind: "notice", text });
    this.noticeTimer = setTimeout(() => this.dispatch({ kind: "notice", text: "" }), NOTICE_MS);
  }

  private dispatch(event: SessionEvent): void {
    this.become(reduce(this.state, event));
  }

  private become(state: SessionState): void {
    if (state === this.state) return;
    this.state = state;
    for (const draw of this.drawn) draw();
  }

  private end(): void {
    this.ended.abort();
    clearTimeout(this.noticeTimer);
    clearTimeout(this.brokenTimer);
    this.wakeUp();
    this.picture?.close();
    this.router?.close();
    this.picture = this.router = null;
    this.broken = false;
  }

  private async findModel(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        const served = await this.served(signal);
        if (!signal.aborted) await this.adopt(served);
        return;
      } catch (error) {
        const problem = asProblem(error, "service-down");
        if (problem.code === "closed") return;
        this.dispatch({ kind: "request-failed", problem });
        await this.pause(problem);
      }
    }
  }

  /** A page without a service that is offline goes on with the model that it has whole. Rejects with a Problem. */
  private async served(signal: AbortSignal): Promise<Served> {
    try {
      return await fetchServed(signal);
    } catch (error) {
      const kept = STANDALONE && !signal.aborted ? await keptManifest() : null;
      if (kept) return { manifest: kept, studio: "none" };
      throw error;
    }
  }

  /** A page without a service whose new model did not arrive: to the older one, where that lies here whole. */
  private async goBack(): Promise<void> {
    const state = this.state;
    const kept = await keptManifest();
    if (!kept || state.kind === "seeking" || kept.version === state.manifest.version) return;
    await this.adopt({ manifest: kept, studio: "none" });
  }

  private async adopt(served: Served): Promise<void> {
    const { manifest } = served;
    const before = this.state;
    if (before.kind === "answering" && before.manifest.version === manifest.version) return;
    this.dispatch({ kind: "manifest", served });
    if (!this.router) {
      this.router = new InferenceRouter(manifest, {
        connection: (problem) => this.connection(problem),
        localLost: (problem) => this.localLost(problem),
      });
      this.relabel(manifest.labels); // answers bring their own, later
    }
    const { router } = this;
    router.adopt(manifest);
    // Where it is taught in the page, each step changes it, and the page shows what came of it.
    if (before.kind === "answering" && served.studio === "none")
      this.notice(`The model changed to ${manifest.version}.`);
    router.setExplain(before.explain);
    await router.use(before.mode);
    this.picture?.setSize(manifest.input.size);
    if (STANDALONE || answersHere(before) || (await this.wanted(before))) void this.loadLocal();
  }

  /** Whether a visit before this one has left the model here, and the device was to answer. */
  private async wanted({ kind, mode }: SessionState): Promise<boolean> {
    return kind === "seeking" && mode !== "server" && (await keptManifest()) !== null;
  }

  /** Other words. Until an answer comes with them, the ones before stay. */
  private relabel(labels: readonly string[]): void {
    this.history = new History(labels);
    this.latch.force(null);
    for (const listener of this.listeners) listener.labels(this.history);
  }

  /** Answers a frame into the views; waits where the service wants less. */
  private async ask(frame: Frame, dropped: number): Promise<void> {
    const { router } = this;
    if (!router) {
      frame.bitmap.close();
      return;
    }
    try {
      const answered = await router.ask(frame);
      if (router !== this.router || frame.at < this.newest) return; // a newer frame was answered sooner
      this.newest = frame.at;
      this.note(answered, dropped);
    } catch (error) {
      const problem = asProblem(error, "service-down");
      if (problem.code === "closed") return; // who answers has changed meanwhile
      this.dispatch({ kind: "request-failed", problem });
      await this.pause(problem);
      if (this.state.picture.kind === "still") setTimeout(() => void this.picture?.lookAgain());
    }
  }

  private note({ answer, other }: Answered, dropped: number): void {
    const now = performance.now();
    const state = this.state;
    this.backoff.reset();
    this.dispatch({ kind: "answered" });
    // An answer is shown under its own model's words, whatever the manifest says by now.
    if (answer.labels.join("\n") !== this.history.labels.join("\n")) this.relabel(answer.labels);
    if (state.picture.kind !== "live") this.latch.force(answer.label);
    else this.latch.update(answer.label, now);
    const fromServer = this.router?.effective !== "device";
    if (fromServer && state.kind === "answering" && answer.model !== state.manifest.version) void this.lookAgain();
    const counted = { ...answer, dropped: answer.dropped + dropped };
    this.history.add(now / 1000, counted, other && other.label === answer.label);
    for (const listener of this.listeners) listener.answer(counted, this.latch.label);
    this.judgePace(now, fromServer);
  }

  private judgePace(now: number, fromServer: boolean): void {
    const state = this.state;
    const slow = state.kind === "answering" ? state.slow : null;
    const p50 = this.history.recentMedian(now / 1000);
    if (p50 > SLOW_MS && fromServer) this.dispatch({ kind: "pace", slow: slow ?? new Problem("service-slow") });
    else if (slow && !(p50 > SLOW_MS / 2)) this.dispatch({ kind: "pace", slow: null });
  }

  private localLost(problem: Problem): void {
    this.dispatch({ kind: "local-failed", problem });
    void this.picture?.lookAgain();
  }

  /** Said once, for a while: where no socket gets through, as behind some proxies, pictures one by one do as well. */
  private connection(problem: Problem | null): void {
    const known = this.broken;
    this.broken = problem !== null;
    if (problem && known && problem.code !== "key-needed") return;
    clearTimeout(this.brokenTimer);
    this.dispatch({ kind: "connection", problem });
    if (problem?.code === "socket-lost") {
      this.brokenTimer = setTimeout(() => this.dispatch({ kind: "connection", problem: null }), BROKEN_MS);
    }
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
  private async lookAgain(least = BEAT_MS): Promise<void> {
    const now = performance.now();
    if (now - this.lookedAt < least) return;
    this.lookedAt = now;
    const { signal } = this.ended;
    try {
      const served = await fetchServed(signal);
      if (!signal.aborted && now === this.lookedAt) await this.adopt(served);
    } catch {
      // the answers tell what is wrong
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
    const alone = this.router?.effective === "device" && !STANDALONE;
    if (alone && now - this.lookedAt > LOOK_MS) void this.lookAgain();
  }

  private visible(): void {
    this.beatAt = performance.now();
    if (document.hidden) {
      this.picture?.hide();
      this.router?.rest(); // the next frame connects again
    } else this.picture?.unhide();
  }
}
