import { expect, test } from "vitest";
import { History, percentiles } from "../../src/results/history";
import type { Answer } from "../../src/shared/answer";

const LABELS = ["art", "plant, green", "text"];

function answer(total: number, label: string | null = "art", dropped = 0): Answer {
  const timing = { capture: 1, network: 2, queue: 0, decode: 0.5, inference: total - 3.5, total };
  return {
    label,
    labels: LABELS,
    probabilities: Float32Array.of(0.5, 0.25, 0.25),
    score: 0.9,
    threshold: 0.5,
    evidence: null,
    model: "m",
    timing,
    dropped,
  };
}

test("frames a second, percentiles, drops and agreement of the last half minute", () => {
  const history = new History(LABELS);
  history.add(0, answer(500, "art", 7), true); // too old to count
  for (let frame = 1; frame <= 100; frame++)
    history.add(40 + frame / 25, answer(frame + 4, "art", frame % 2), frame % 4 === 0);
  const numbers = history.numbers(44);
  expect(Math.abs(numbers.fps - 25)).toBeLessThan(1);
  expect([numbers.p50, numbers.p95, numbers.p99]).toEqual([54, 99, 103]);
  expect(numbers.dropped).toBe(50);
  expect(numbers.agreement).toBe(0.25);
  expect(numbers.parts.slice(0, 4)).toEqual([1, 2, 0, 0.5]);
});

test("nothing seen yet has no percentiles and no rate", () => {
  const numbers = new History(LABELS).numbers(1);
  expect(numbers).toMatchObject({ fps: 0, p50: Number.NaN, p99: Number.NaN, dropped: 0, agreement: Number.NaN });
});

test("the rate falls to nothing when answers stop", () => {
  const history = new History(LABELS);
  for (let frame = 0; frame < 60; frame++) history.add(frame / 30, answer(5), null);
  expect(history.numbers(2).fps).toBeGreaterThan(25);
  expect(history.numbers(10).fps).toBe(0);
});

test("the table that is downloaded", () => {
  const history = new History(LABELS);
  history.add(1, answer(10, "plant, green", 2), null);
  history.add(2, answer(20, null), true);
  const [head, first, second] = history.csv(2).split("\r\n");
  expect(head).toBe(
    'time_s,capture_ms,network_ms,queue_ms,decode_ms,inference_ms,total_ms,dropped,agrees,answer,p(art),"p(plant, green)",p(text)',
  );
  expect(first).toBe('-1,1,2,0,0.5,6.5,10,2,,"plant, green",0.5,0.25,0.25');
  expect(second).toBe("0,1,2,0,0.5,16.5,20,0,1,,0.5,0.25,0.25");
});

test("what is older than the half minute that the charts show is not shown, and no more is kept than is needed", () => {
  const history = new History(LABELS);
  for (let frame = 0; frame < 2000; frame++) history.add(frame / 20, answer(5), null);
  expect(history.since(100).every(({ at }) => at >= 70)).toBe(true);
  expect(history.since(100)).toHaveLength(600);
  expect(history.csv(100).trim().split("\r\n")).toHaveLength(1801);
});

test("percentiles by the nearest rank: half of 1 to 100 are not above 50; of none there are none", () => {
  const numbers = Array.from({ length: 100 }, (_, index) => 100 - index);
  expect(percentiles(numbers, 50, 95, 99, 100)).toEqual([50, 95, 99, 100]);
  expect(percentiles([7], 0, 50, 99)).toEqual([7, 7, 7]);
  expect(percentiles([], 50)).toEqual([Number.NaN]);
  expect(numbers[0]).toBe(100);
});
