/** Size and threads of the runtime; the worker alone loads it. */

// Of onnxruntime-web's WebAssembly file; a test holds both against the installed one.
export const RUNTIME_BYTES = 14_239_897;
export const RUNTIME_SENT_BYTES = 2_690_000; // as `vite build` compresses it; gzip would be half as much again

const MOST_THREADS = 4; // this network gains nothing by more, and the page needs a core as well

/** Threads share memory, which a browser allows to isolated pages only. */
export function threadsFor(cores: number, isolated: boolean): number {
  return isolated ? Math.max(1, Math.min(MOST_THREADS, cores)) : 1;
}
