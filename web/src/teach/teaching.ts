/** Showing the model something: frames are taken while a button is held, sent on release, and lost on no way there. */

import { Burst, MOST } from "../camera/burst";
import { Cropper } from "../camera/cropper";
import type { Session } from "../session/session";
import { asProblem } from "../shared/problem";
import type { Studio } from "../studio/studio";

/** A frame, and an address at which the page can show it. */
export interface Shot {
  readonly jpeg: Blob;
  readonly url: string;
}

interface Of {
  readonly label: string;
  readonly author: string;
}

export type TeachState =
  | { readonly kind: "ready" }
  | (Of & { readonly kind: "holding" | "sending"; readonly shots: readonly Shot[] })
  /** not sent, or not taken, and why; to be sent (again) or dropped */
  | (Of & { readonly kind: "offered"; readonly shots: readonly Shot[]; readonly why: string })
  /** `pictures`: of each file that was kept, in order. `before`: the version that was served when it was taught */
  | (Of & {
      readonly kind: "taught";
      readonly step: number;
      readonly pictures: ReadonlyMap<string, string>;
      readonly collapsed: number;
      readonly full: boolean;
      readonly before: string;
    });

const READY: TeachState = { kind: "ready" };

export class Teaching {
  private state: TeachState = READY;
  private readonly drawn = new Set<() => void>(); // what React wants to be told
  private readonly session: Session;
  private readonly studio: Studio;
  private readonly makeCropper: () => Cropper;
  private cropper: Cropper | null = null; // beside the one of the answers, which go on
  private burst: Burst | null = null;

  constructor(session: Session, studio: Studio, makeCropper = () => new Cropper()) {
    this.session = session;
    this.studio = studio;
    this.makeCropper = makeCropper;
  }

  readonly get = (): TeachState => this.state;

  readonly subscribe = (draw: () => void): (() => void) => {
    this.drawn.add(draw);
    return () => this.drawn.delete(draw);
  };

  /** Follows the picture until what is returned is called. */
  begin(): () => void {
    const end = this.session.subscribe(() => {
      if (!this.session.live) this.interrupt("the camera stopped.");
    });
    return () => {
      end();
      this.interrupt("this was closed meanwhile.");
      this.cropper?.close();
      this.cropper = null;
    };
  }

  /** Begins to take frames. Frames that wait for a decision stay as they are. @param author where it has to be told */
  hold(label: string, author: string): void {
    const { live } = this.session;
    const state = this.session.get();
    const { kind } = this.state;
    if (!live || state.kind !== "answering" || (kind !== "ready" && kind !== "taught")) return;
    this.drop();
    this.cropper ??= this.makeCropper();
    this.become({ kind: "holding", label, author, shots: [] });
    this.burst = new Burst(live, state.manifest.input.size, this.cropper, {
      taken: (jpeg) => this.taken(jpeg),
      failed: (problem) => this.interrupt(problem.words.sentence),
    });
  }

  /** The button was let go: what was taken is sent. */
  release(): void {
    if (this.state.kind !== "holding") return;
    this.burst?.end();
    if (this.state.shots.length) void this.send();
    else this.become(READY);
  }

  /** Sends what was taken; a refusal leaves it where it is. */
  async send(): Promise<void> {
    const { state, studio } = this;
    if (state.kind !== "holding" && state.kind !== "offered") return;
    const { label, author, shots } = state;
    this.become({ kind: "sending", label, author, shots });
    const before = studio.get().state?.model ?? "";
    try {
      const { step, kept, sent, dropped } = await studio.teach(
        label,
        author,
        shots.map(({ jpeg }) => jpeg),
      );
      const pictures = new Map(kept.map((file, index) => [file, shots[sent[index] ?? -1]?.url ?? ""]));
      const shown = new Set(pictures.values());
      for (const { url } of shots) if (!shown.has(url)) URL.revokeObjectURL(url);
      const full = shots.length >= MOST;
      this.become({ kind: "taught", label, author, step, pictures, collapsed: dropped, full, before });
    } catch (error) {
      const problem = asProblem(error, "service-down");
      const why = problem.cause ? "the studio does not answer." : problem.message;
      this.become({ kind: "offered", label, author, shots, why });
    }
  }

  /** Forgets frames that were taken, or the pictures of those that were taught. */
  drop(): void {
    const { state } = this;
    if (state.kind === "offered") for (const { url } of state.shots) URL.revokeObjectURL(url);
    if (state.kind === "taught") for (const url of state.pictures.values()) URL.revokeObjectURL(url);
    if (state.kind === "offered" || state.kind === "taught") this.become(READY);
  }

  private taken(jpeg: Blob): void {
    if (this.state.kind !== "holding") return;
    const shots = [...this.state.shots, { jpeg, url: URL.createObjectURL(jpeg) }];
    this.become({ ...this.state, shots });
    if (shots.length >= MOST) this.release();
  }

  /** Nobody let the button go: what was taken is offered, and goes nowhere by itself. */
  private interrupt(why: string): void {
    if (this.state.kind !== "holding") return;
    this.burst?.end();
    const { label, author, shots } = this.state;
    this.become(shots.length ? { kind: "offered", label, author, shots, why } : READY);
  }

  private become(state: TeachState): void {
    this.state = state;
    for (const draw of this.drawn) draw();
  }
}
