import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Cropper } from "../../src/camera/cropper";
import { HereWorker } from "../workers";

const context = { canvas: { width: 224 }, fillRect: vi.fn(), drawImage: vi.fn() };
const bitmap = () => ({ width: 4, height: 4, close: vi.fn() });
const picture = () => bitmap() as ReturnType<typeof bitmap> & ImageBitmap;

function made(crop: () => Promise<unknown>): { cropper: Cropper; worker: HereWorker } {
  const worker = new HereWorker(crop);
  return { cropper: new Cropper(worker as unknown as Worker), worker };
}

beforeEach(() => {
  vi.clearAllMocks();
  vi.stubGlobal("createImageBitmap", async () => bitmap());
  vi.spyOn(HTMLCanvasElement.prototype, "getContext").mockReturnValue(context as never);
});
afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

test("a frame is made by the worker, and the picture is closed", async () => {
  const jpeg = new ArrayBuffer(3);
  const { cropper } = made(async () => ({ bitmap: bitmap(), jpeg }));
  const given = picture();
  await expect(cropper.crop(given, 224, 7, 0.9)).resolves.toMatchObject({ jpeg, at: 7 });
  expect(given.close).toHaveBeenCalled();
  expect(context.drawImage).not.toHaveBeenCalled();
});

test("where a worker fails, the frame that it had and all others are made on the main thread", async () => {
  const { cropper, worker } = made(() => new Promise(() => undefined));
  const first = cropper.crop(picture(), 224, 0, null);
  worker.onerror({ message: "OffscreenCanvas is not defined" });
  await expect(first).resolves.toMatchObject({ jpeg: null });
  await expect(cropper.crop(picture(), 224, 0, null)).resolves.toMatchObject({ jpeg: null });
  expect(context.drawImage).toHaveBeenCalledTimes(2);
  expect(worker.terminated).toBe(true);
});

test.each([
  ["RangeError: Out of memory", "low-memory"],
  ["TypeError: odd", "picture-failed"],
])("%s is called %s: only what is about memory is called that", async (message, code) => {
  const { cropper } = made(async () => {
    throw new Error(message);
  });
  await expect(cropper.crop(picture(), 224, 0, 0.9)).rejects.toMatchObject({ code });
});

test("closed, it answers what was asked and what is asked later", async () => {
  const { cropper } = made(() => new Promise(() => undefined));
  const asked = cropper.crop(picture(), 224, 0, null);
  cropper.close();
  await expect(asked).rejects.toMatchObject({ code: "closed" });
  await expect(cropper.crop(picture(), 224, 0, null)).rejects.toMatchObject({ code: "closed" });
});
