import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Cropper, type FromCrop, type ToCrop } from "../../src/camera/cropper";

/** A worker that says what the test says. */
class FakeWorker {
  readonly sent: ToCrop[] = [];
  terminated = false;
  onmessage: (event: { data: FromCrop }) => void = () => undefined;
  onerror: (event: { message: string }) => void = () => undefined;

  postMessage(message: ToCrop): void {
    this.sent.push(message);
  }

  terminate(): void {
    this.terminated = true;
  }

  answers(): void {
    const { id } = this.sent.at(-1) as ToCrop;
    this.onmessage({ data: { id, bitmap: bitmap(), jpeg: null } });
  }
}

let workers: FakeWorker[];

const made = (): Cropper =>
  new Cropper(() => {
    workers.push(new FakeWorker());
    return workers.at(-1) as unknown as Worker;
  });
const bitmap = (): ImageBitmap => ({ width: 4, height: 4, close: vi.fn() }) as unknown as ImageBitmap;
const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve));

beforeEach(() => {
  workers = [];
  vi.stubGlobal("createImageBitmap", async () => bitmap());
});
afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

test("a worker that fails after it worked is replaced", async () => {
  const cropper = made();
  const first = cropper.crop(bitmap(), 224, 0, false);
  await settled();
  workers[0]?.answers();
  await first;
  const lost = cropper.crop(bitmap(), 224, 0, false);
  workers[0]?.onerror({ message: "odd" });
  await expect(lost).rejects.toMatchObject({ code: "picture-failed" });
  const next = cropper.crop(bitmap(), 224, 0, false);
  expect(workers).toHaveLength(2);
  workers[1]?.answers();
  await expect(next).resolves.toMatchObject({ at: 0 });
});

test("where workers can't draw, the first frame and all others are made on the main thread", async () => {
  const context = { canvas: { width: 224 }, fillRect: vi.fn(), drawImage: vi.fn() };
  vi.spyOn(HTMLCanvasElement.prototype, "getContext").mockReturnValue(context as never);
  const cropper = made();
  const first = cropper.crop(bitmap(), 224, 0, false);
  await settled();
  workers[0]?.onerror({ message: "OffscreenCanvas is not defined" });
  await expect(first).resolves.toMatchObject({ jpeg: null });
  await expect(cropper.crop(bitmap(), 224, 0, false)).resolves.toMatchObject({ jpeg: null });
  expect(workers).toHaveLength(1);
  expect(context.drawImage).toHaveBeenCalledTimes(2);
});

test("only what is about memory is called that", async () => {
  const cropper = made();
  const codes = [];
  for (const error of ["RangeError: Out of memory", "TypeError: odd"]) {
    const asked = cropper.crop(bitmap(), 224, 0, true).catch((problem: { code: string }) => problem.code);
    await settled();
    workers[0]?.onmessage({ data: { id: codes.length + 1, error } });
    codes.push(await asked);
  }
  expect(codes).toEqual(["low-memory", "picture-failed"]);
});

test("closed, it answers what was asked", async () => {
  const cropper = made();
  const asked = cropper.crop(bitmap(), 224, 0, false);
  await settled();
  cropper.close();
  await expect(asked).rejects.toMatchObject({ code: "closed" });
});
