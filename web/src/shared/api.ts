/** The service's answers over HTTP; their types come from its OpenAPI document. */

import type { components } from "../api.gen";
import { cardUrl, manifestUrl } from "./endpoints";
import { Problem } from "./problem";
import { recall, remember } from "./storage";

type Schemas = components["schemas"];
export type Manifest = Schemas["Manifest"];
export type ServiceAnswer = Schemas["Answer"];
export type ServiceProblem = Schemas["ProblemDetails"];

const KEY = "key"; // in sessionStorage: it is gone with the tab

/** The API key that was entered, or "". */
export function apiKey(): string {
  return recall("sessionStorage", KEY) ?? "";
}

export function rememberKey(key: string): void {
  remember("sessionStorage", KEY, key);
}

/** fetch, with the API key where one was entered. Rejects with a Problem, also where the status is none of success. */
export async function request(url: string, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers);
  if (apiKey()) headers.set("X-API-Key", apiKey());
  let response: Response;
  try {
    response = await fetch(url, { ...init, headers });
  } catch (error) {
    if (init.signal?.aborted && init.signal.reason?.name !== "TimeoutError") throw new Problem("closed");
    throw new Problem("service-down", "", undefined, { cause: error });
  }
  if (!response.ok) throw await problemOf(response);
  return response;
}

/** What is served: a model, and whether a studio stands behind it, which knows this browser ("open") or not ("locked"). */
export interface Served {
  manifest: Manifest;
  studio: "none" | "locked" | "open";
  /** whether the service keeps pictures that are sent in as wrong */
  feedback?: boolean;
}

export async function fetchServed(signal?: AbortSignal): Promise<Served> {
  const response = await request(manifestUrl(), { cache: "no-cache", signal: signal ?? null });
  const studio = response.headers.get("X-Studio");
  return {
    manifest: (await response.json()) as Manifest,
    studio: studio === "locked" || studio === "open" ? studio : "none",
    feedback: response.headers.get("X-Feedback") === "on",
  };
}

/** The model card, as HTML without scripts. Rejects with a Problem: "service-refused" where the model has none. */
export async function fetchCard(signal?: AbortSignal): Promise<string> {
  return (await request(cardUrl(), { cache: "no-cache", signal: signal ?? null })).text();
}

/** What a problem of the service's means here; `kind` is the anchor in its `type`. */
export function translate(problem: Pick<ServiceProblem, "type" | "status" | "detail">, retryAfter?: number): Problem {
  const kind = problem.type.split("#")[1] ?? "";
  if (kind === "not-ready") return new Problem("model-unavailable", problem.detail, retryAfter);
  if (problem.status === 401) return new Problem("key-needed", problem.detail);
  if (problem.status === 503 || problem.status === 429)
    return new Problem("overloaded", problem.detail, retryAfter ?? 1);
  if (problem.status >= 500) return new Problem("service-down", problem.detail, retryAfter);
  return new Problem("service-refused", problem.detail);
}

async function problemOf(response: Response): Promise<Problem> {
  const seconds = Number.parseFloat(response.headers.get("Retry-After") ?? "");
  const retryAfter = Number.isFinite(seconds) ? seconds : undefined;
  if (response.headers.get("Content-Type")?.startsWith("application/problem+json")) {
    return translate((await response.json()) as ServiceProblem, retryAfter);
  }
  return translate({ type: "", status: response.status, detail: `status ${response.status}` }, retryAfter);
}
