import { expect, test, vi } from "vitest";
import { FrameScheduler } from "../../src/camera/scheduler";

/** A camera that delivers when the test says so. */
function fakeVideo() {
  let next: VideoFrameRequestCallback | null = null;
  let presented = 0;
  const video = {
    requestVideoFrameCallback: (callback: VideoFrameRequestCallback) => {
      next = callback;
      return 1;
    },
    cancelVideoFrameCallback: () => {
      next = null;
    },
  } as unknown as HTMLVideoElement;
  const deliver = (count = 1): void => {
    presented += count;
    next?.(presented * 33, { presentedFrames: presented } as VideoFrameCallbackMetadata);
  };
  return { video, deliver };
}

/** Work that ends when the test says so. */
function slowWork() {
  const ends: (() => void)[] = [];
  const work = vi.fn((_at: number, _dropped: number) => new Promise<void>((resolve) => ends.push(resolve)));
  const end = async (): Promise<void> => {
    ends.shift()?.();
    await new Promise((resolve) => setTimeout(resolve));
  };
  return { work, end };
}

test("one frame is in work; of those that come meanwhile the newest goes next, and the others are counted", async () => {
  const { video, deliver } = fakeVideo();
  const { work, end } = slowWork();
  new FrameScheduler(video, work, () => 1).start();
  deliver();
  deliver();
  deliver();
  deliver();
  expect(work).toHaveBeenCalledTimes(1);
  await end();
  expect(work.mock.calls).toEqual([
    [33, 0],
    [132, 2],
  ]);
  await end();
  expect(work).toHaveBeenCalledTimes(2);
});

test("with room for two, the second goes on while the first one is in work", async () => {
  const { video, deliver } = fakeVideo();
  const { work, end } = slowWork();
  new FrameScheduler(video, work, () => 2).start();
  deliver();
  deliver();
  deliver();
  expect(work).toHaveBeenCalledTimes(2);
  await end();
  expect(work).toHaveBeenLastCalledWith(99, 0);
});

test("frames that the browser itself passed over are counted as dropped", async () => {
  const { video, deliver } = fakeVideo();
  const { work, end } = slowWork();
  new FrameScheduler(video, work, () => 1).start();
  deliver();
  await end();
  deliver(3);
  expect(work).toHaveBeenLastCalledWith(132, 2);
});

test("stopped, it works on nothing more, not even on what was there", async () => {
  const { video, deliver } = fakeVideo();
  const { work, end } = slowWork();
  const scheduler = new FrameScheduler(video, work, () => 1);
  scheduler.start();
  deliver();
  deliver();
  scheduler.stop();
  await end();
  deliver();
  expect(work).toHaveBeenCalledTimes(1);
});
