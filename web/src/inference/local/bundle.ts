/** What a device takes of a bundle: one variant and the golden frames. */

import { apiKey, type Manifest } from "../../shared/api";
import { fileUrl } from "../../shared/endpoints";
import { Problem } from "../../shared/problem";
import { type Asset, HEAD, MODEL } from "./files";
import type { Start } from "./inference.worker";
import { RUNTIME_SENT_BYTES } from "./runtime";

export const VARIANT = "fp32"; // int8 is slower than it in WebAssembly

/** What a worker starts with. Throws a Problem where the bundle has nothing for browsers. */
export function orderOf(manifest: Manifest): Start {
  const { golden, golden_tolerance: tolerance, input, variants } = manifest;
  const variant = variants[VARIANT];
  if (!variant) throw new Problem("model-unavailable", `the model has no variant ${VARIANT}`);
  return {
    model: assetOf(manifest, variant.file),
    golden: golden.map(({ file, probabilities, id_score }) => ({
      ...assetOf(manifest, file),
      probabilities: probabilities[VARIANT] ?? [],
      id_score: id_score[VARIANT] ?? Number.NaN,
    })),
    tolerance,
    size: input.size,
    key: apiKey(),
  };
}

function assetOf(manifest: Manifest, name: string): Asset {
  const entry = manifest.files?.[name];
  if (!entry) throw new Problem("model-unavailable", `the manifest does not list ${name}`);
  const head = name === MODEL && manifest.files?.[HEAD] ? assetOf(manifest, HEAD) : undefined;
  return { url: fileUrl(name, entry.sha256), sha256: entry.sha256, bytes: entry.bytes, head };
}

/** Bytes to fetch before the first answer: model, golden frames, and the runtime as it is sent. */
export function deviceBytes({ variants, golden, files }: Manifest): number {
  const names = [variants[VARIANT]?.file ?? "", ...golden.map(({ file }) => file)];
  return names.reduce((sum, name) => sum + (files?.[name]?.bytes ?? 0), RUNTIME_SENT_BYTES);
}
