/** What `scripts/bench/web` calls in the browser: frames through our workers and through others, in turn. */

import { LocalInference } from "../src/inference/local/local-inference";
import type { Manifest } from "../src/shared/api";
import { fileUrl } from "../src/shared/endpoints";
import type { FromPeer, Setup, ToPeer } from "./messages";
import type { Style } from "./network";

type Who = "ours" | "newest" | "litert" | Style;

const WARM_MS = 4000; // before any frame is counted: engines go on compiling while they run

interface Spent {
  /** ms of each frame, from handing over a bitmap to the answer */
  rounds: number[];
  /** from the first frame to the last answer */
  seconds: number;
}

type Identify = (bitmap: ImageBitmap) => Promise<unknown>;

interface Contender {
  about: object;
  /** frames that it takes at once */
  maxInFlight: number;
  identify: Identify;
  close: () => void;
}

async function ours(manifest: Manifest, workers: number): Promise<Contender & { device: LocalInference }> {
  const device = new LocalInference(manifest, { workers });
  const begun = performance.now();
  await device.start(new AbortController().signal);
  const started = performance.now() - begun;
  while (device.maxInFlight < workers) await new Promise((resolve) => setTimeout(resolve, 50));
  return {
    device,
    about: { started_ms: started },
    maxInFlight: workers,
    identify: (bitmap) => device.identify({ bitmap, capture: 0, at: performance.now() }),
    close: () => device.close(),
  };
}

function tensorflow(style: Style, threads: number, manifest: Manifest): Promise<Contender> {
  const worker = new Worker(new URL("./peer.worker.ts", import.meta.url), { type: "module", name: "peer" });
  return peer(worker, { style, threads, size: manifest.input.size, classes: manifest.labels.length });
}

function newest(threads: number, manifest: Manifest): Promise<Contender> {
  const worker = new Worker(new URL("./newest.worker.ts", import.meta.url), { type: "module", name: "newest" });
  const model = fileUrl(manifest.variants["fp32"]?.file ?? "", "");
  return peer(worker, { model, threads, size: manifest.input.size });
}

function litert(manifest: Manifest): Promise<Contender> {
  const worker = new Worker(new URL("./litert.worker.ts", import.meta.url), { type: "module", name: "litert" });
  return peer(worker, { model: new URL("model.tflite", document.baseURI).href, threads: 1, size: manifest.input.size });
}

/** Workers of one thread each, as ours are. */
async function several(workers: number, make: () => Promise<Contender>): Promise<Contender> {
  const made = await Promise.all(Array.from({ length: workers }, make));
  const free = [...made];
  return {
    about: made[0]?.about ?? {},
    maxInFlight: workers,
    identify: async (bitmap) => {
      const one = free.pop();
      if (!one) throw new Error("more frames than workers");
      try {
        return await one.identify(bitmap);
      } finally {
        free.push(one);
      }
    },
    close: () => {
      for (const each of made) each.close();
    },
  };
}

async function peer(worker: Worker, setup: Setup): Promise<Contender> {
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
    maxInFlight: 1,
    identify: (bitmap) => ask({ bitmap }, [bitmap]),
    close: () => worker.terminate(),
  };
}

async function run(contender: Contender, picture: ImageBitmap, seconds: number): Promise<Spent> {
  const first = performance.now();
  while (performance.now() - first < WARM_MS) await contender.identify(await createImageBitmap(picture));
  const rounds: number[] = [];
  const begun = performance.now();
  const stream = async (): Promise<void> => {
    while (performance.now() - begun < seconds * 1000) {
      const bitmap = await createImageBitmap(picture);
      const handed = performance.now();
      await contender.identify(bitmap);
      rounds.push(performance.now() - handed);
    }
  };
  await Promise.all(Array.from({ length: contender.maxInFlight }, stream));
  return { rounds, seconds: (performance.now() - begun) / 1000 };
}

function contend(who: Who, manifest: Manifest, threads: number): Promise<Contender> {
  if (who === "ours") return ours(manifest, threads);
  if (who === "litert") return several(threads, () => litert(manifest));
  return who === "newest" ? newest(threads, manifest) : tensorflow(who, threads, manifest);
}

async function open(url: string): Promise<ImageBitmap> {
  const blob = await (await fetch(url)).blob();
  return createImageBitmap(blob, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
}

const bench = {
  isolated: crossOriginIsolated,
  cores: navigator.hardwareConcurrency,

  async speed(who: Who, manifest: Manifest, picture: string, threads: number, seconds: number) {
    const contender = await contend(who, manifest, threads);
    try {
      return { about: contender.about, ...(await run(contender, await open(picture), seconds)) };
    } finally {
      contender.close();
    }
  },

  /** What our worker says of pictures of the model's size. */
  async answers(manifest: Manifest, pictures: string[]) {
    const { device, close } = await ours(manifest, 1);
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
