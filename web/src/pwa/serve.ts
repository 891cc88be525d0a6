/** What the service worker answers, and from where. */

/** Paths of the built files; vite.config.ts puts them here. */
export const NAMES: readonly string[] = "__NAMES__".split("|");

/** Not ours; what never changes, first from the store; what may change, first from the host. */
export type Source = "past" | "cache" | "network";

/** @param scope address of the site's folder, with a slash at the end */
export function sourceOf(request: Pick<Request, "method" | "url">, scope: string): Source {
  if (request.method !== "GET" || !request.url.startsWith(scope)) return "past";
  const path = request.url.slice(scope.length);
  if (path.startsWith("assets/")) return "cache"; // named by their content
  // The page itself keeps these, with the manifest last: kept here, it would be there before the weights that it names.
  if (path === "model/manifest.json" || (path.startsWith("model/") && /\.(onnx|png)$/.test(path))) return "past";
  return "network";
}

/** Rejects where neither the host nor the store has it. */
export async function cached(
  request: Request,
  store: Pick<Cache, "match" | "put">,
  first: "cache" | "network",
): Promise<Response> {
  const kept = first === "cache" ? await store.match(request) : undefined;
  if (kept) return kept;
  try {
    const response = await fetch(request);
    if (response.ok && response.type === "basic") {
      await store.put(request, response.clone()).catch(() => undefined); // no room: then not offline
    }
    return response;
  } catch (error) {
    const older = await store.match(request, { ignoreSearch: true });
    if (older) return older;
    throw error;
  }
}

/** The same with the headers that isolate a page and its workers: fine clocks, and memory that threads may share. */
export function isolated(response: Response): Response {
  if (response.type === "opaqueredirect" || response.status === 0) return response; // can't be copied
  const headers = new Headers(response.headers);
  headers.set("Cross-Origin-Opener-Policy", "same-origin");
  headers.set("Cross-Origin-Embedder-Policy", "require-corp");
  headers.set("Cross-Origin-Resource-Policy", "same-origin");
  const empty = [204, 205, 304].includes(response.status); // these must have no body
  const { status, statusText } = response;
  return new Response(empty ? null : response.body, { status, statusText, headers });
}
