/** Gives this page's address to somebody else. */

import { pageUrl } from "../shared/endpoints";

const HERE = /^(localhost|127\.|\[?::1)/;

/** By the browser's own way of sharing, else by copying. Resolves to what there is to say, or "". Never rejects. */
export async function share(url = pageUrl()): Promise<string> {
  const only = HERE.test(new URL(url).hostname) ? " It works on this computer only." : "";
  try {
    if (navigator.share && !only) {
      await navigator.share({ title: document.title, url });
      return "";
    }
    await navigator.clipboard.writeText(url);
    return `The address is copied.${only}`;
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") return ""; // thought better of it
    return `The address is ${url}`;
  }
}
