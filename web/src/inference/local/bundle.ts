/** What a device takes of a bundle: one variant and the golden frames. */

import type { Manifest } from "../../shared/api";
import { fileUrl } from "../../shared/endpoints";
import { Problem } from "../../shared/problem";
import type { Asset } from "./messages";
import { RUNTIME_SENT_BYTES } from "./runtime";

export const VARIANT = "fp32"; // int8 is slower than it in WebAssembly

/** Throws a Problem where the manifest does not list the file. */
export function assetOf(manifest: Manifest, name: string): Asset {
  const entry = manifest.files?.[name];
  if (!entry) throw new Problem("model-unavailable", `the manifest does not list ${name}`);
  return { url: fileUrl(name, entry.sha256), sha256: entry.sha256, bytes: entry.bytes };
}

/** The network first. Throws a Problem where the bundle has nothing for browsers. */
export function assetsOf(manifest: Manifest): [Asset, ...Asset[]] {
  const variant = manifest.variants[VARIANT];
  if (!variant) throw new Problem("model-unavailable", `the model has no variant ${VARIANT}`);
  return [assetOf(manifest, variant.file), ...manifest.golden.map(({ file }) => assetOf(manifest, file))];
}

/** Bytes to fetch before the first answer: model, golden frames, and the runtime as it is sent. */
export function deviceBytes(manifest: Manifest): number {
  const model = manifest.variants[VARIANT]?.file;
  const names = [...(model ? [model] : []), ...manifest.golden.map(({ file }) => file)];
  return names.reduce((sum, name) => sum + (manifest.files?.[name]?.bytes ?? 0), RUNTIME_SENT_BYTES);
}
