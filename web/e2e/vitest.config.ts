import { defineConfig } from "vitest/config";

/** Tests of the built page in a real browser; `tests/e2e/test_firefox.py` starts the service and runs them. */
export default defineConfig({
  test: { root: import.meta.dirname, include: ["*.test.ts"], testTimeout: 90_000, hookTimeout: 60_000 },
});
