/** What the page shows that changes seldom. */

import type { Mode } from "./answers";
import type { Manifest } from "./api";
import type { Problem } from "./problems";
import { STANDALONE } from "./source";

export type State = "starting" | "live" | "frozen" | "still" | "problem";

export interface View {
  state: State;
  /** there is no picture, or no fresh one */
  pictureProblem: Problem | null;
  /** there are no answers, or poor ones; the picture goes on */
  answerProblem: Problem | null;
  notice: string;
  manifest: Manifest | null;
  /** who is asked, once it can answer */
  mode: Mode;
  /** of the model on this device */
  loading: "none" | "loading" | "ready";
  /** bytes that have come, and in all */
  loaded: number;
  toLoad: number;
  cameras: readonly MediaDeviceInfo[];
  /** deviceId of the one that is on */
  camera: string;
  facesUser: boolean;
  /** as it was chosen; null: as the camera's side suggests */
  mirror: boolean | null;
}

export const FIRST_VIEW: View = {
  state: "starting",
  pictureProblem: null,
  answerProblem: null,
  notice: "",
  manifest: null,
  mode: STANDALONE ? "device" : "server",
  loading: "none",
  loaded: 0,
  toLoad: 0,
  cameras: [],
  camera: "",
  facesUser: true,
  mirror: null,
};

/** Whether the camera's picture is shown like a mirror. */
export function mirrored({ mirror, facesUser }: View): boolean {
  return mirror ?? facesUser;
}
