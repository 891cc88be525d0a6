/** What an error of the runtime means for the person in front of the page. */

import { asProblem, Problem } from "../../shared/problem";

// How browsers and the runtime say it: V8, JavaScriptCore and SpiderMonkey, C++, the runtime's own allocator.
const NO_MEMORY =
  /out of memory|bad_alloc|failed to allocate|could not allocate|allocation failed|memory access out of/i;

export function problemOf(error: unknown): Problem {
  const problem = asProblem(error, "device-failed");
  if (problem.code !== "device-failed" || !NO_MEMORY.test(problem.message)) return problem;
  return new Problem("low-memory", problem.message, undefined, { cause: error });
}
