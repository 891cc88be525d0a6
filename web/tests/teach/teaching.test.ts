import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { MOST } from "../../src/camera/burst";
import type { Session } from "../../src/session/session";
import { Problem } from "../../src/shared/problem";
import type { Studio } from "../../src/studio/studio";
import { Teaching } from "../../src/teach/teaching";
import { manifestOf } from "../manifest";
import { stateOf } from "../studio-state";

let camera: FakeCamera;
let teaching: Teaching;
let end: () => void;
const teach = vi.fn();
const revoked = vi.fn();
const cropper = { crop: vi.fn(), close: vi.fn() };

/** A session whose camera delivers when the test says so. */
class FakeCamera {
  live: HTMLVideoElement | null;
  private presented = 0;
  private next: VideoFrameRequestCallback = () => undefined;
  private tell: () => void = () => undefined;

  constructor() {
    this.live = {
      videoWidth: 640,
      videoHeight: 480,
      requestVideoFrameCallback: (callback: VideoFrameRequestCallback) => {
        this.next = callback;
        return 1;
      },
      cancelVideoFrameCallback: () => undefined,
    } as unknown as HTMLVideoElement;
  }

  get = () => ({ kind: "answering", manifest: manifestOf() });
  subscribe = (tell: () => void) => {
    this.tell = tell;
    return () => undefined;
  };

  async frames(count: number): Promise<void> {
    for (let frame = 0; frame < count; frame++) {
      this.presented++;
      this.next(this.presented * 200, { presentedFrames: this.presented } as VideoFrameCallbackMetadata);
      await new Promise((resolve) => setTimeout(resolve));
    }
  }

  lose(): void {
    this.live = null;
    this.tell();
  }
}

beforeEach(() => {
  vi.clearAllMocks();
  let urls = 0;
  vi.stubGlobal("createImageBitmap", async () => ({ close: () => undefined }));
  Object.assign(URL, { createObjectURL: () => `blob:${urls++}`, revokeObjectURL: revoked });
  cropper.crop.mockImplementation(async () => ({ bitmap: { close: () => undefined }, jpeg: new ArrayBuffer(3) }));
  teach.mockReset().mockResolvedValue({ step: 12, kept: ["mug/1.jpg", "mug/2.jpg"], dropped: 1, sent: [0, 2] });
  camera = new FakeCamera();
  const studio = { teach, get: () => ({ state: stateOf() }) } as unknown as Studio;
  teaching = new Teaching(camera as unknown as Session, studio, () => cropper as never);
  end = teaching.begin();
});
afterEach(() => {
  end();
  vi.unstubAllGlobals();
});

/** Holds for so many frames. */
async function held(frames: number): Promise<void> {
  teaching.hold("mug", "");
  await camera.frames(frames);
}

const settled = (kind: string): Promise<void> => vi.waitFor(() => expect(teaching.get().kind).toBe(kind));

test("what was taken while it was held is sent on release, and what was kept is shown", async () => {
  await held(3);
  expect(teaching.get()).toMatchObject({ kind: "holding", shots: { length: 3 } });
  expect(teach).not.toHaveBeenCalled();
  teaching.release();
  await settled("taught");
  expect(teach.mock.calls[0]?.[2]).toHaveLength(3);
  const pictures = new Map([
    ["mug/1.jpg", "blob:0"],
    ["mug/2.jpg", "blob:2"],
  ]);
  expect(teaching.get()).toMatchObject({ step: 12, pictures, collapsed: 1, full: false, before: "m-1" });
  expect(revoked.mock.calls.flat()).toEqual(["blob:1"]);
});

test("a thousand frames are the most: then it ends by itself, and says so", async () => {
  await held(MOST);
  await settled("taught");
  expect(teach.mock.calls[0]?.[2]).toHaveLength(MOST);
  expect(teaching.get()).toMatchObject({ full: true });
});

test.each([
  ["the studio's own sentence", new Problem("service-refused", "the disk is full"), "the disk is full"],
  ["one of ours where nobody answers", new Problem("service-down", "", 0, { cause: 1 }), "the studio does not answer."],
])("frames that were refused stay, with %s, and can be sent again", async (_, problem, why) => {
  teach.mockRejectedValueOnce(problem);
  await held(2);
  teaching.release();
  await settled("offered");
  expect(teaching.get()).toMatchObject({ shots: { length: 2 }, why });
  teaching.hold("mug", ""); // not before it is decided
  expect(teaching.get().kind).toBe("offered");
  await teaching.send();
  await settled("taught");
});

test("frames of a camera that was lost while it was held are offered, not sent, and can be dropped", async () => {
  await held(2);
  camera.lose();
  expect(teaching.get()).toMatchObject({ kind: "offered", shots: { length: 2 } });
  teaching.release(); // the button is let go after that
  teaching.drop();
  expect([teaching.get().kind, teach.mock.calls.length]).toEqual(["ready", 0]);
  expect(revoked.mock.calls.flat()).toEqual(["blob:0", "blob:1"]);
});

test("a view that is closed while it is held sends nothing; what was taken waits for the next", async () => {
  await held(1);
  end();
  expect([teaching.get().kind, teach.mock.calls.length]).toEqual(["offered", 0]);
  expect(cropper.close).toHaveBeenCalled();
});

test("a frame that can't be made ends it", async () => {
  cropper.crop.mockRejectedValue(new Problem("low-memory"));
  await held(1);
  expect(teaching.get().kind).toBe("ready");
});

test("without a frame, nothing is sent; without a camera, nothing begins", async () => {
  teaching.hold("mug", "");
  teaching.release();
  camera.lose();
  teaching.hold("mug", "");
  expect([teaching.get().kind, teach.mock.calls.length]).toEqual(["ready", 0]);
});
