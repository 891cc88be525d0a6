import { defaultClientConditions, defineConfig } from "vite";
import { RUNTIME } from "../runtime";

export default defineConfig({
  root: import.meta.dirname,
  base: "./",
  resolve: { alias: RUNTIME, conditions: ["onnxruntime-web-use-extern-wasm", ...defaultClientConditions] },
  worker: { format: "es" },
  build: {
    target: "es2022",
    assetsInlineLimit: 0,
    reportCompressedSize: false,
    chunkSizeWarningLimit: 2000,
    minify: false, // TensorFlow.js starts its threads from the text of a function, which has to stand by itself
  },
});
