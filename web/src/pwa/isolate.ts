/** Registers the service worker, and loads the page again where it is not isolated without it. */

const RELOADED = "reloaded for isolation"; // in sessionStorage, so that there is one try a tab
const ACTIVE_MS = 5000; // for a slow connection; the page goes on without isolation then

/** Resolves to whether to go on: false where the page is about to be loaded again. Never rejects. */
export async function isolate(): Promise<boolean> {
  try {
    const registration = await navigator.serviceWorker.register("service-worker.js");
    if (globalThis.crossOriginIsolated) {
      sessionStorage.removeItem(RELOADED);
      return true;
    }
    if (sessionStorage.getItem(RELOADED)) return true; // it did not help: a reload that went past the worker, say
    await Promise.race([navigator.serviceWorker.ready, new Promise((resolve) => setTimeout(resolve, ACTIVE_MS))]);
    if (!registration.active) return true;
    sessionStorage.setItem(RELOADED, "yes");
  } catch {
    return true; // no service workers or no storage here: coarser clocks, and a connection each time
  }
  location.reload();
  return false;
}
