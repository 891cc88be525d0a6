/** Where the bundler finds the runtime on the device. */

import { join } from "node:path";

const DIST = join(import.meta.dirname, "node_modules/onnxruntime-web/dist");

// Of what the package holds, the part without WebGL and threads; it does not export that by name.
export const RUNTIME = [
  { find: /^onnxruntime-web$/, replacement: join(DIST, "ort.wasm-core.min.js") },
  { find: /^onnxruntime-web(?=\/)/, replacement: DIST },
];
