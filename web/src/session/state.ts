/** What the page is doing, as one value, and how each event changes it. Nothing here has an effect. */

import type { Opened } from "../camera/camera";
import type { PictureState } from "../camera/picture-source";
import type { Mode } from "../inference/router";
import type { Manifest, Served } from "../shared/api";
import { STANDALONE } from "../shared/endpoints";
import { Problem } from "../shared/problem";
import type { Preferences } from "./preferences";

/** The model on this device. */
export type LocalState =
  | { readonly kind: "absent" }
  /** bytes that have come, and in all; `replacing`: an older one answers meanwhile */
  | { readonly kind: "loading"; readonly done: number; readonly total: number; readonly replacing: boolean }
  | { readonly kind: "ready" }
  | { readonly kind: "failed"; readonly problem: Problem };

interface Always {
  readonly picture: PictureState;
  /** who is to answer, once it can */
  readonly mode: Mode;
  /** whether the evidence lies over the picture */
  readonly explain: boolean;
  readonly cameras: readonly MediaDeviceInfo[];
  /** deviceId of the one that is on */
  readonly camera: string;
  readonly facesUser: boolean;
  /** as it was chosen; null: as the camera's side suggests */
  readonly mirror: boolean | null;
  /** whether single keys do something */
  readonly shortcuts: boolean;
  /** one quiet line */
  readonly notice: string;
  /** why the last request got no answer */
  readonly requestError: Problem | null;
}

/** Which model answers is not known yet. */
export type Seeking = Always & { readonly kind: "seeking" };

export type Answering = Always & {
  readonly kind: "answering";
  readonly manifest: Manifest;
  /** whether photos and models can be changed from the page */
  readonly studio: Served["studio"];
  /** whether the service keeps pictures that are sent in as wrong */
  readonly feedback?: boolean;
  readonly local: LocalState;
  /** why answers come in a poorer way than they might */
  readonly connectionError: Problem | null;
  /** why they come late */
  readonly slow: Problem | null;
};

export type SessionState = Seeking | Answering;

export type SessionEvent =
  | { kind: "picture"; picture: PictureState }
  | { kind: "cameras"; cameras: readonly MediaDeviceInfo[] }
  | { kind: "opened"; camera: Opened }
  | { kind: "manifest"; served: Served }
  | { kind: "request-failed"; problem: Problem }
  | { kind: "answered" }
  | { kind: "connection"; problem: Problem | null }
  | { kind: "pace"; slow: Problem | null }
  | { kind: "mode"; mode: Mode }
  | { kind: "local-loading" }
  | { kind: "local-progress"; done: number; total: number }
  | { kind: "local-ready" }
  | { kind: "local-failed"; problem: Problem }
  | { kind: "explain"; explain: boolean }
  | { kind: "mirror"; mirror: boolean }
  | { kind: "shortcuts"; shortcuts: boolean }
  | { kind: "notice"; text: string };

export function initial(preferences: Preferences): Seeking {
  return {
    kind: "seeking",
    picture: { kind: "starting" },
    mode: STANDALONE ? "device" : preferences.mode,
    explain: false,
    cameras: [],
    camera: "",
    facesUser: true,
    mirror: preferences.mirror,
    shortcuts: preferences.shortcuts,
    notice: "",
    requestError: null,
  };
}

/** The state after the event; the same one where nothing changes. */
export function reduce(state: SessionState, event: SessionEvent): SessionState {
  switch (event.kind) {
    case "picture":
      return { ...state, picture: event.picture };
    case "cameras":
      return { ...state, cameras: event.cameras };
    case "opened":
      return { ...state, camera: event.camera.deviceId, facesUser: event.camera.facesUser };
    case "manifest":
      return adopted(state, event.served);
    case "request-failed":
      return { ...state, requestError: event.problem };
    case "answered":
      return state.requestError ? { ...state, requestError: null } : state;
    case "explain":
      return { ...state, explain: event.explain };
    case "mirror":
      return { ...state, mirror: event.mirror };
    case "shortcuts":
      return { ...state, shortcuts: event.shortcuts };
    case "notice":
      return state.notice === event.text ? state : { ...state, notice: event.text };
    case "mode":
      return chosen(state, event.mode);
    default:
      return state.kind === "answering" ? answering(state, event) : state;
  }
}

function adopted(state: SessionState, served: Served): Answering {
  const known = { ...served, requestError: null };
  if (state.kind === "answering") return { ...state, ...known };
  return { ...state, ...known, kind: "answering", local: { kind: "absent" }, connectionError: null, slow: null };
}

/** What was wrong with the way of answering before says nothing about the new one. */
function chosen(state: SessionState, mode: Mode): SessionState {
  const next = { ...state, mode, requestError: null };
  if (next.kind === "seeking") return next;
  const keep = mode !== "server" && next.local.kind !== "failed";
  return { ...next, slow: null, local: keep ? next.local : { kind: "absent" } };
}

type AnsweringEvent = Extract<SessionEvent, { kind: "connection" | "pace" | `local-${string}` }>;

function answering(state: Answering, event: AnsweringEvent): Answering {
  const { local } = state;
  switch (event.kind) {
    case "connection":
      return state.connectionError === event.problem ? state : { ...state, connectionError: event.problem };
    case "pace":
      return state.slow === event.slow ? state : { ...state, slow: event.slow };
    case "local-loading": {
      const replacing = local.kind === "ready" || (local.kind === "loading" && local.replacing);
      return { ...state, requestError: null, local: { kind: "loading", done: 0, total: 0, replacing } };
    }
    case "local-progress":
      if (local.kind !== "loading") return state;
      return { ...state, local: { ...local, done: event.done, total: event.total } };
    case "local-ready":
      return { ...state, local: { kind: "ready" } };
    case "local-failed":
      return { ...state, local: { kind: "failed", problem: event.problem } };
  }
}

const SILENT = new Problem("camera-silent");

/** What is wrong, the worst first; null where nothing is. */
export function problemOf(state: SessionState): Problem | null {
  const { picture } = state;
  if (picture.kind === "failed") return picture.problem;
  if (picture.kind === "live" && picture.silent) return SILENT;
  return answerProblemOf(state);
}

/** What is wrong with the answers; the picture goes on. */
export function answerProblemOf(state: SessionState): Problem | null {
  if (state.requestError || state.kind === "seeking") return state.requestError;
  const { local, connectionError, slow } = state;
  return (local.kind === "failed" ? local.problem : null) ?? connectionError ?? slow;
}

/** Whether a model on this device answers. */
export function answersHere(state: SessionState): boolean {
  if (state.kind === "seeking") return false;
  return state.local.kind === "ready" || (state.local.kind === "loading" && state.local.replacing);
}

/** Whether the camera's picture is shown like a mirror. */
export function mirrored({ mirror, facesUser }: SessionState): boolean {
  return mirror ?? facesUser;
}
