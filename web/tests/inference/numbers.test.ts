// @vitest-environment node
import { readFile } from "node:fs/promises";
import { brotliCompressSync, constants } from "node:zlib";
import { expect, it } from "vitest";
import { difference } from "../../src/inference/local/golden";
import { dropAlpha } from "../../src/inference/local/pixels";
import { RUNTIME_BYTES, RUNTIME_SENT_BYTES, workersFor } from "../../src/inference/local/runtime";

it("the runtime is as large as the page says", async () => {
  const bytes = await readFile("node_modules/onnxruntime-web/dist/ort-wasm-simd.wasm");
  expect(bytes.length).toBe(RUNTIME_BYTES);
  const sent = brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } }).length;
  expect(Math.abs(sent - RUNTIME_SENT_BYTES)).toBeLessThan(0.01 * sent);
});

it("workers are no more than the cores or two", () => {
  expect([1, 2, 16].map(workersFor)).toEqual([1, 2, 2]);
});

it("the difference is the largest one, of a probability or of id_score", () => {
  const golden = { probabilities: [0.9, 0.1], id_score: 0.8 };
  expect(difference(golden, [0.9, 0.1], 0.8)).toBe(0);
  expect(difference(golden, [0.6, 0.4], 0.8)).toBeCloseTo(0.3);
  expect(difference(golden, [0.9, 0.1], 0.3)).toBeCloseTo(0.5);
});

it("numbers that are none, or too few, are infinitely far off", () => {
  const golden = { probabilities: [0.9, 0.1], id_score: 0.8 };
  expect(difference(golden, [Number.NaN, 0.1], 0.8)).toBe(Number.POSITIVE_INFINITY);
  expect(difference(golden, [0.9], 0.8)).toBe(Number.POSITIVE_INFINITY);
  expect(difference({ ...golden, id_score: Number.NaN }, [0.9, 0.1], 0.8)).toBe(Number.POSITIVE_INFINITY);
});

it("drops the fourth channel and nothing else", () => {
  const rgb = new Uint8Array(6);
  dropAlpha(new Uint8ClampedArray([1, 2, 3, 255, 4, 5, 6, 0]), rgb);
  expect([...rgb]).toEqual([1, 2, 3, 4, 5, 6]);
});
