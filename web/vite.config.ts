import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";
import react from "@vitejs/plugin-react";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";
import { RUNTIME } from "./runtime";

const SERVICE = process.env["SERVICE"] ?? "http://127.0.0.1:8000"; // what `npm run dev` asks
const ISOLATED = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
};
const COMPRESSIBLE = /\.(js|mjs|css|html|svg|json|webmanifest|wasm)$/;
const SERVICE_WORKER = "service-worker.js";
const LARGE = 2_000_000; // bytes; Brotli's highest quality takes a minute for the 11 MB of wasm

/** Puts FILE.br and FILE.gz beside every file that gains by it, for a server that has no time to compress. */
function compressed(): Plugin {
  let folder = "";
  return {
    name: "compressed",
    apply: "build",
    configResolved: (config) => {
      folder = config.build.outDir;
    },
    closeBundle: async () => {
      const names = await readdir(folder, { recursive: true });
      for (const name of names.filter((each) => COMPRESSIBLE.test(each))) {
        const path = join(folder, name);
        if (!(await stat(path)).isFile()) continue;
        const bytes = await readFile(path);
        const quality = bytes.length > LARGE ? 9 : 11;
        const br = await promisify(brotliCompress)(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: quality } });
        const gz = await promisify(gzip)(bytes, { level: 9 });
        if (br.length < bytes.length) await writeFile(`${path}.br`, br);
        if (gz.length < bytes.length) await writeFile(`${path}.gz`, gz);
      }
    },
  };
}

// The service sends this policy as a header (service/envelope.py); a static host sends none.
const POLICY = [
  "default-src 'self'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "worker-src 'self'",
  "img-src 'self' blob: data:",
  "media-src 'self' blob:",
  "connect-src 'self' blob: data:",
  "object-src 'none'",
  "base-uri 'none'",
].join("; ");

/** What a page without a service has beside the page: a policy, and a service worker that knows the built files. */
function standalone(): Plugin {
  return {
    name: "standalone",
    apply: "build",
    transformIndexHtml: () => [
      { tag: "meta", attrs: { "http-equiv": "Content-Security-Policy", content: POLICY }, injectTo: "head-prepend" },
    ],
    generateBundle: (_, bundle) => {
      const worker = bundle[SERVICE_WORKER];
      if (worker?.type !== "chunk") throw new Error(`${SERVICE_WORKER} was not built`);
      const names = Object.keys(bundle).filter((name) => name !== SERVICE_WORKER && name !== "index.html");
      worker.code = worker.code.replace("__NAMES__", names.join("|"));
    },
  };
}

export default defineConfig(({ mode }) => ({
  base: "./", // works under any path of a static host
  plugins: [react(), mode === "site" ? standalone() : compressed()],
  resolve: { alias: RUNTIME },
  worker: { format: "es" },
  build: {
    outDir: mode === "site" ? "site" : "dist",
    target: "es2022",
    assetsInlineLimit: 0, // the service's policy allows nothing inline
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    chunkSizeWarningLimit: 1000,
    ...(mode === "site" && {
      rolldownOptions: {
        input: { index: "index.html", [SERVICE_WORKER]: "src/pwa/service-worker.ts" },
        output: {
          // A service worker has to keep its name, and to lie above all that it answers for.
          entryFileNames: (chunk) => (chunk.name === SERVICE_WORKER ? "[name]" : "assets/[name]-[hash].js"),
        },
      },
    }),
  },
  server: {
    headers: ISOLATED,
    proxy: Object.fromEntries(
      ["/identify", "/model", "/readyz", "/healthz", "/stream", "/studio"].map((path) => [
        path,
        // the studio answers pages of its own origin only
        { target: SERVICE, ws: path === "/stream", changeOrigin: true, headers: { origin: SERVICE } },
      ]),
    ),
  },
  test: {
    environment: "jsdom",
    include: ["tests/**/*.test.{ts,tsx}"],
    setupFiles: ["tests/setup.ts"],
    testTimeout: 60_000,
  },
}));
