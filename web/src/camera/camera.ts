/** The camera: opened, named, lost and let go. */

import { Problem } from "../shared/problem";

export interface Wish {
  deviceId?: string;
  /** the side of a phone; a camera that is not there is no matter */
  facing?: "user" | "environment";
}

export interface Opened {
  deviceId: string;
  /** the camera looks at whoever looks at the page, so that a preview like a mirror is what people expect */
  facesUser: boolean;
}

// More shows nothing that the model would see, and costs time with each frame; less looks poor on a large screen.
const SIZE = { width: { ideal: 1280 }, height: { ideal: 720 } };
const RATE = { ideal: 30 }; // frames a second

export class Camera {
  private readonly video: HTMLVideoElement;
  private readonly onLost: (problem: Problem) => void;
  private stream: MediaStream | null = null;
  private turn = 0; // of the last open or stop: an answer to an older one is not wanted any more

  /** @param onLost called when a camera that was open ends by itself */
  constructor(video: HTMLVideoElement, onLost: (problem: Problem) => void) {
    this.video = video;
    this.onLost = onLost;
  }

  get running(): boolean {
    return this.stream?.active ?? false;
  }

  /** Shows a camera in the video. Rejects with a Problem; "closed" where stop() came first. */
  async open(wish: Wish): Promise<Opened> {
    this.stop();
    const turn = this.turn;
    if (!window.isSecureContext) throw new Problem("insecure-origin");
    if (!navigator.mediaDevices?.getUserMedia) throw new Problem("camera-missing", "the browser has no camera access");
    const stream = await ask(wish);
    if (turn !== this.turn) {
      halt(stream);
      throw new Problem("closed");
    }
    this.stream = stream;
    const [track] = stream.getVideoTracks();
    if (!track) throw new Problem("camera-missing");
    track.onended = () => void this.lost(stream);
    this.video.srcObject = stream;
    await this.video.play().catch(() => undefined); // a later stop interrupts it, and says so
    const settings = track.getSettings();
    return { deviceId: settings.deviceId ?? "", facesUser: settings.facingMode !== "environment" };
  }

  /** Lets the camera go: its light goes out. */
  stop(): void {
    this.turn++;
    if (this.stream) halt(this.stream);
    this.stream = null;
    this.video.srcObject = null;
  }

  private async lost(stream: MediaStream): Promise<void> {
    if (stream !== this.stream) return;
    this.stop();
    const turn = this.turn;
    const right = await permission();
    const withdrawn = right === "denied" || right === "prompt";
    if (turn === this.turn) this.onLost(new Problem(withdrawn ? "camera-withdrawn" : "camera-lost"));
  }
}

/** The cameras; their names are empty until one was allowed. */
export async function cameras(): Promise<MediaDeviceInfo[]> {
  const devices = (await navigator.mediaDevices?.enumerateDevices?.().catch(() => [])) ?? [];
  return devices.filter((device) => device.kind === "videoinput" && device.deviceId !== "");
}

/** Calls back when cameras come or go, or the right to use them does. Returns what ends that. */
export function watchCameras(changed: () => void): () => void {
  const end = new AbortController();
  navigator.mediaDevices?.addEventListener?.("devicechange", changed, { signal: end.signal });
  navigator.permissions
    ?.query({ name: "camera" as PermissionName })
    .then((status) => status.addEventListener("change", changed, { signal: end.signal }))
    .catch(() => undefined); // a browser that can't tell
  return () => end.abort();
}

/** Whether the camera may be used; undefined where the browser can't tell. */
export async function permission(): Promise<PermissionState | undefined> {
  const status = await navigator.permissions?.query({ name: "camera" as PermissionName }).catch(() => null);
  return status?.state;
}

async function ask(wish: Wish): Promise<MediaStream> {
  const video: MediaTrackConstraints = { ...SIZE, frameRate: RATE };
  if (wish.deviceId) video.deviceId = { exact: wish.deviceId };
  else if (wish.facing) video.facingMode = { ideal: wish.facing };
  try {
    return await navigator.mediaDevices.getUserMedia({ video, audio: false });
  } catch (error) {
    const name = error instanceof DOMException ? error.name : "";
    if (wish.deviceId && (name === "OverconstrainedError" || name === "NotFoundError")) return ask({}); // it is gone
    throw problemOf(name, error);
  }
}

function problemOf(name: string, cause: unknown): Problem {
  const detail = cause instanceof Error ? cause.message : "";
  if (name === "NotAllowedError" || name === "SecurityError") return new Problem("camera-denied", detail);
  if (name === "NotReadableError" || name === "AbortError") return new Problem("camera-busy", detail);
  return new Problem("camera-missing", detail);
}

function halt(stream: MediaStream): void {
  for (const track of stream.getTracks()) {
    track.onended = null;
    track.stop();
  }
}
