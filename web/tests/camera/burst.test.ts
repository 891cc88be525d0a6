import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Burst, sideOf } from "../../src/camera/burst";
import { Problem } from "../../src/shared/problem";

let deliver: (at: number) => void; // a frame of the camera, ms
let video: HTMLVideoElement;
const taken = vi.fn();
const failed = vi.fn();
const bitmap = { close: vi.fn() };
const crop = vi.fn();

beforeEach(() => {
  vi.clearAllMocks();
  let presented = 0;
  video = {
    videoWidth: 1280,
    videoHeight: 720,
    requestVideoFrameCallback: (callback: VideoFrameRequestCallback) => {
      deliver = (at) => callback(at, { presentedFrames: ++presented } as VideoFrameCallbackMetadata);
      return 1;
    },
    cancelVideoFrameCallback: () => {
      deliver = () => undefined;
    },
  } as unknown as HTMLVideoElement;
  vi.stubGlobal("createImageBitmap", async () => ({ close: () => undefined }));
  crop.mockReset().mockImplementation(async () => ({ bitmap, jpeg: new ArrayBuffer(3) }));
});
afterEach(() => vi.unstubAllGlobals());

const begin = () => new Burst(video, 224, { crop }, { taken, failed });
const settled = () => new Promise((resolve) => setTimeout(resolve));

/** A camera of 30 frames a second, for so long. @param from ms */
async function film(from: number, seconds: number): Promise<void> {
  for (let frame = 0; frame < seconds * 30; frame++) {
    deliver(from + (frame * 1000) / 30);
    await settled();
  }
}

test("five frames a second are taken, as JPEG of the camera's whole square", async () => {
  const burst = begin();
  await film(1000, 2);
  burst.end();
  expect(taken).toHaveBeenCalledTimes(10);
  expect(taken.mock.calls[0]?.[0]).toMatchObject({ size: 3, type: "image/jpeg" });
  expect(crop.mock.calls[0]?.slice(1)).toEqual([720, 1000, 0.92]);
  expect(bitmap.close).toHaveBeenCalledTimes(10);
});

test("after its end nothing is taken, not even what was under way", async () => {
  const burst = begin();
  deliver(0);
  burst.end();
  await film(1000, 1);
  expect(taken).not.toHaveBeenCalled();
});

test("a frame that can't be made is told", async () => {
  crop.mockRejectedValue(new Problem("low-memory"));
  begin();
  deliver(0);
  await settled();
  expect(failed.mock.calls[0]?.[0]).toMatchObject({ code: "low-memory" });
});

test.each([
  [1280, 720, 224, 720],
  [640, 480, 224, 480],
  [3840, 2160, 224, 720],
  [3840, 2160, 512, 768],
  [320, 240, 224, 240],
])("a camera of %i x %i and a model of %i px give photos of %i px, never enlarged", (width, height, input, side) => {
  expect(sideOf(width, height, input)).toBe(side);
});
