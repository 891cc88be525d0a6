/** Size of the runtime and how many of it run; the workers alone load it. */

// Of onnxruntime-web's WebAssembly file; a test holds both against the installed one.
export const RUNTIME_BYTES = 10_912_730;
export const RUNTIME_SENT_BYTES = 2_200_000; // as `vite build` compresses it; gzip would be half as much again

const MOST_WORKERS = 2; // with two, a device that takes 66 ms a frame keeps up with a camera; each needs some 100 MB

/** Each answers a frame on a thread of its own: the runtime's fast kernels use one. */
export function workersFor(cores: number): number {
  return Math.max(1, Math.min(MOST_WORKERS, cores));
}
