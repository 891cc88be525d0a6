/** What `scripts/bench_web` calls in the browser: frames through our worker and through TensorFlow.js's, in turn. */

import type { Manifest } from "../src/api";
import { createDevice } from "../src/inference/device";
import type { Inference } from "../src/inference/inference";
import type { FromPeer, Setup, ToPeer } from "./messages";
import type { Style } from "./network";

const WARM = 10; // frames before any is counted

interface Spent {
  /** ms of each frame, from handing over a bitmap to the answer */
  rounds: number[];
  /** from the first frame to the last answer */
  seconds: number;
}

type Identify = (bitmap: ImageBitmap) => Promise<unknown>;

interface Contender {
  about: object;
  identify: Identify;
  close: () => void;
}

async function ours(manifest: Manifest, threads: number): Promise<Contender & { device: Inference }> {
  const device = createDevice(manifest, { threads });
  const begun = performance.now();
  await device.start(new AbortController().signal);
  return {
    device,
    about: { threads, started_ms: performance.now() - begun },
    identify: (bitmap) => device.identify({ bitmap, capture: 0, at: performance.now() }),
    close: () => device.close(),
  };
}

async function peer(setup: Setup): Promise<Contender> {
  const worker = new Worker(new URL("./peer.worker.ts", import.meta.url), { type: "module", name: "peer" });
  const ask = (message: ToPeer, transfer: Transferable[]): Promise<FromPeer> =>
    new Promise((resolve, reject) => {
      worker.onerror = (event) => reject(new Error(event.message));
      worker.onmessage = ({ data }: MessageEvent<FromPeer>) =>
        "error" in data ? reject(new Error(data.error)) : resolve(data);
      worker.postMessage(message, transfer);
    });
  const set = await ask({ setup }, []);
  return {
    about: "ready" in set ? set.ready : {},
    identify: (bitmap) => ask({ bitmap }, [bitmap]),
    close: () => worker.terminate(),
  };
}

async function run(contender: Contender, picture: ImageBitmap, seconds: number): Promise<Spent> {
  for (let frame = 0; frame < WARM; frame++) await contender.identify(await createImageBitmap(picture));
  const rounds: number[] = [];
  const begun = performance.now();
  let now = begun;
  while (now - begun < seconds * 1000) {
    const bitmap = await createImageBitmap(picture);
    const handed = performance.now();
    await contender.identify(bitmap);
    now = performance.now();
    rounds.push(now - handed);
  }
  return { rounds, seconds: (now - begun) / 1000 };
}

async function open(url: string): Promise<ImageBitmap> {
  const blob = await (await fetch(url)).blob();
  return createImageBitmap(blob, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
}

const bench = {
  isolated: crossOriginIsolated,
  cores: navigator.hardwareConcurrency,

  async speed(who: "ours" | Style, manifest: Manifest, picture: string, threads: number, seconds: number) {
    const [size, classes] = [manifest.input.size, manifest.labels.length];
    const contender = await (who === "ours" ? ours(manifest, threads) : peer({ style: who, threads, size, classes }));
    try {
      return { about: contender.about, ...(await run(contender, await open(picture), seconds)) };
    } finally {
      contender.close();
    }
  },

  /** What our worker says of pictures of the model's size. */
  async answers(manifest: Manifest, pictures: string[], threads: number) {
    const { device, close } = await ours(manifest, threads);
    try {
      const found = [];
      for (const url of pictures) {
        const { label, probabilities } = await device.identify({ bitmap: await open(url), capture: 0, at: 0 });
        found.push({ label, probabilities: Array.from(probabilities) });
      }
      return found;
    } finally {
      close();
    }
  },
};

declare global {
  interface Window {
    bench: typeof bench;
  }
}
window.bench = bench;
