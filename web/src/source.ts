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
  return at(STANDALONE ? "model/MODEL_CARD.md" : "model/card");
}

/** A file that the manifest lists, of just that content: with its hash the service lets it be cached for ever. */
export function fileUrl(name: string, sha256: string): string {
  const path = name.split("/").map(encodeURIComponent).join("/");
  return at(STANDALONE ? `model/${path}` : `model/${path}?sha256=${sha256}`);
}

export function identifyUrl(): string {
  return at("identify");
}

export function streamUrl(): string {
  return at("stream").replace(/^http/, "ws");
}
