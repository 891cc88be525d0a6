/** What both ways of getting an answer have in common. */

import type { Answer, Frame } from "../shared/answer";
import type { Manifest } from "../shared/api";
import type { Problem } from "../shared/problem";

/** Bytes that have come, and bytes in all. */
export type Progress = (done: number, total: number) => void;

export interface Inference {
  /** Resolves once it can answer (device: model fetched, golden frames reproduced). Rejects with a Problem. */
  start(signal: AbortSignal, progress?: Progress): Promise<void>;
  /** Frames that may be under way at once; the caller drops others. */
  readonly maxInFlight: number;
  /** Closes the frame. Rejects with a Problem. */
  identify(frame: Frame): Promise<Answer>;
  /** Ends its worker or socket; a pending identify rejects with a Problem of code "closed". */
  close(): void;
}

/** The service, as it is asked. */
export interface Remote extends Inference {
  /** Told why pictures go one by one, and null while the socket is open; the answers go on either way. */
  onTrouble: (problem: Problem | null) => void;
  /** The service has another model. */
  adopt(manifest: Pick<Manifest, "labels">): void;
  /** Whether answers are to come with evidence. */
  setExplain(explain: boolean): void;
  /** Nothing will be asked for a while: gives the connection back, until something is. */
  rest(): void;
  /** Connects now rather than when it is due: after a sleep, or because someone pressed the button. */
  reconnect(): void;
}
