/** The studio: who may change photos and models from this page, what they are now, and what can be done with them. */

import { request } from "../shared/api";
import { Backoff } from "../shared/backoff";
import { asProblem } from "../shared/problem";
import type { StudioState, Taught } from "./contract";

const WAIT_MS = 30_000; // for an answer to the state; the studio gives one after 20 s at most
const TOKEN = /^#studio=(.+)$/;

/** As the page knows it. `locked`: this browser has not shown the token yet. */
export interface StudioView {
  readonly access: "none" | "locked" | "open";
  /** what was heard last */
  readonly state: StudioState | null;
  /** it does not answer now */
  readonly away: boolean;
}

export class Studio {
  private view: StudioView = { access: "none", state: null, away: false };
  private readonly drawn = new Set<() => void>(); // what React wants to be told
  private readonly backoff: Backoff;
  private token = ""; // of an address that was opened, until the studio has seen it
  private wakeUp: () => void = () => undefined;

  /** @param backoff tests put their own in */
  constructor(backoff = new Backoff()) {
    this.backoff = backoff;
  }

  readonly get = (): StudioView => this.view;

  readonly subscribe = (draw: () => void): (() => void) => {
    this.drawn.add(draw);
    return () => this.drawn.delete(draw);
  };

  /** Follows the studio's state until what is returned is called. @param open whether this browser is known there */
  begin(open: boolean): () => void {
    const ended = new AbortController();
    const { signal } = ended;
    const wake = (): void => this.wakeUp();
    window.addEventListener("hashchange", wake, { signal });
    document.addEventListener("visibilitychange", wake, { signal });
    this.become({ access: open ? "open" : "locked" });
    void this.follow(signal);
    return () => {
      ended.abort();
      this.wakeUp();
    };
  }

  /** Resolves when the photos are in the album. Rejects with a Problem: then none of them is. */
  async teach(label: string, author: string, frames: readonly Blob[]): Promise<Taught> {
    const form = new FormData();
    form.set("label", label);
    if (author) form.set("author", author);
    frames.forEach((frame, index) => {
      form.append("frames", frame, `${index}.jpg`);
    });
    return (await request(studioUrl("teach"), { method: "POST", body: form })).json();
  }

  /** Takes a step back, or only these photos of it. Resolves to what could not be taken back, or "". Rejects with a Problem. */
  async undo(step: number, files: readonly string[] = []): Promise<string> {
    return (await (await post("undo", { step, files })).json()).why;
  }

  /** Begins the pipeline's run, which decides whether the draft is promoted. Rejects with a Problem. */
  async keep(): Promise<void> {
    await post("keep", {});
  }

  async cancel(): Promise<void> {
    await post("cancel", {});
  }

  /** One look after the other, each until something has changed; a tab that nobody sees holds no connection. */
  private async follow(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.token ||= takeToken();
      const locked = this.view.access === "locked" && !this.token;
      try {
        if (locked || document.hidden) await this.pause(); // then it may have been opened in another tab
        if (signal.aborted || document.hidden || TOKEN.test(location.hash)) continue;
        if (this.token) await post("session", { token: this.token });
        this.token = "";
        await this.look();
      } catch (error) {
        const { code } = asProblem(error, "service-down");
        if (code === "key-needed") {
          this.token = "";
          this.become({ access: "locked", away: false });
        } else if (code !== "closed") {
          this.become({ away: true });
          await this.pause(this.backoff.next());
        }
      }
    }
  }

  private async look(): Promise<void> {
    const { state, away } = this.view;
    const end = new AbortController();
    this.wakeUp = () => end.abort();
    const late = setTimeout(() => end.abort(new DOMException("no answer", "TimeoutError")), WAIT_MS);
    try {
      const seen = state && !away ? `?seen=${state.seq}` : "";
      const response = await request(studioUrl(`state${seen}`), { signal: end.signal });
      this.become({ access: "open", away: false, state: (await response.json()) as StudioState });
      this.backoff.reset();
    } finally {
      clearTimeout(late);
    }
  }

  /** @param wait ms; without it until something wakes it up */
  private pause(wait?: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = wait === undefined ? undefined : setTimeout(resolve, wait);
      this.wakeUp = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  private become(changed: Partial<StudioView>): void {
    this.view = { ...this.view, ...changed };
    for (const draw of this.drawn) draw();
  }
}

export function studioUrl(path: string): string {
  return new URL(`studio/${path}`, document.baseURI).href;
}

export function post(path: string, body: unknown): Promise<Response> {
  const headers = { "Content-Type": "application/json" };
  return request(studioUrl(path), { method: "POST", body: JSON.stringify(body), headers });
}

/** The token of the address that was opened, which does not stay there. */
function takeToken(): string {
  const token = TOKEN.exec(location.hash)?.[1] ?? "";
  if (token) history.replaceState(null, "", location.pathname + location.search);
  return decodeURIComponent(token);
}
