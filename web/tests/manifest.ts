/** A manifest as the service gives it, with what the page reads of one. */

import type { Manifest } from "../src/shared/api";

export function manifestOf(changed: Record<string, unknown> = {}): Manifest {
  return {
    version: "m-1",
    created: "2026-11-25T12:00:00Z",
    labels: ["art", "plant", "text"],
    input: { size: 224 },
    variants: { fp32: { file: "model.onnx", threshold: 0.5, temperature: 1 } },
    golden: [],
    golden_tolerance: 0.05,
    files: { "model.onnx": { sha256: "a".repeat(64), bytes: 13_000_000 } },
    lineage: { git_commit: "0123456789abcdef", git_dirty: false, data_hash: "d", mlflow_run_id: "r", parent: null },
    metrics: {},
    ...changed,
  } as unknown as Manifest;
}
