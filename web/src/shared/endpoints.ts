/** Where the model lies: at the service's addresses, or as files beside a page that has no service. */

/** A page without a service: it can only answer on the device. */
export const STANDALONE = import.meta.env.MODE === "site";

function at(path: string): string {
  return new URL(path, document.baseURI).href;
}

export function manifestUrl(): string {
  return at(STANDALONE ? "model/manifest.json" : "model");
}

export function cardUrl(): string {
  return at(STANDALONE ? "model/MODEL_CARD.html" : "model/card.html");
}

/** A file that the manifest lists, of just that content: with its hash the service lets it be cached for ever. */
export function fileUrl(name: string, sha256: string): string {
  const path = name.split("/").map(encodeURIComponent).join("/");
  return at(STANDALONE ? `model/${path}` : `model/${path}?sha256=${sha256}`);
}

export function feedbackUrl(): string {
  return at("feedback");
}

/** @param explain whether the answers are to say where in the picture their label was seen */
export function identifyUrl(explain: boolean): string {
  return at(explain ? "identify?explain=1" : "identify");
}

/** @param explain as of `identifyUrl` */
export function streamUrl(explain: boolean): string {
  return at(explain ? "stream?explain=1" : "stream").replace(/^http/, "ws");
}

/** The address of this page, without what a visit added to it. */
export function pageUrl(): string {
  return at("");
}
