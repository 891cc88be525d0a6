/** What the page remembers from one visit to the next, in this browser alone. */

import type { Mode } from "../inference/router";
import { recall, remember } from "../shared/storage";

const KEY = "preferences"; // in localStorage

export interface Preferences {
  readonly mode: Mode;
  /** null: as the camera's side suggests */
  readonly mirror: boolean | null;
  /** deviceId; "" where none was chosen */
  readonly camera: string;
  /** whether single keys do something */
  readonly shortcuts: boolean;
}

const FIRST: Preferences = { mode: "server", mirror: null, camera: "", shortcuts: true };

/** What was remembered, as far as it makes sense. */
export function preferences(): Preferences {
  let kept: unknown;
  try {
    kept = JSON.parse(recall("localStorage", KEY) ?? "{}");
  } catch {
    return FIRST;
  }
  const { mode, mirror, camera, shortcuts } = (kept ?? {}) as Record<string, unknown>;
  return {
    mode: mode === "device" || mode === "both" ? mode : FIRST.mode,
    mirror: typeof mirror === "boolean" ? mirror : FIRST.mirror,
    camera: typeof camera === "string" ? camera : FIRST.camera,
    shortcuts: typeof shortcuts === "boolean" ? shortcuts : FIRST.shortcuts,
  };
}

export function prefer(changed: Partial<Preferences>): void {
  remember("localStorage", KEY, JSON.stringify({ ...preferences(), ...changed }));
}
