/** LiteRT.js with its XNNPACK kernels, in a worker as ours is, with the same network in its own format. */

import { loadAndCompile, loadLiteRt, Tensor } from "@litertjs/core";
import type { Setup } from "./messages";
import { serve } from "./serve";

// It loads its script as a classic worker would; a worker that is a module has to do that by hand.
Object.assign(self, {
  importScripts: (url: string): void => {
    const request = new XMLHttpRequest();
    request.open("GET", url, false);
    request.send();
    // biome-ignore lint/security/noGlobalEval: of a file of the package, on the benchmark's own page
    // biome-ignore lint/complexity/noCommaOperator: in the global scope
    (0, eval)(request.responseText);
  },
});

serve(async ({ model, threads, size }: Extract<Setup, { model: string }>) => {
  await loadLiteRt(new URL("litert_wasm_internal.js", self.location.href).href);
  const compiled = await loadAndCompile(model, { accelerator: "wasm" });
  return {
    ready: { threads },
    run: async (rgb) => {
      const input = new Tensor(rgb as Uint8Array<ArrayBuffer>, [1, size, size, 3]);
      const [logits, ...maps] = await compiled.run(input);
      const data = (await logits?.data()) as Float32Array;
      for (const each of [input, logits, ...maps]) each?.delete();
      return data;
    },
  };
});
