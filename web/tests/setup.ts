import "@testing-library/jest-dom/vitest";

// uPlot asks for it as soon as it is imported, and jsdom has none.
if (typeof window !== "undefined") {
  window.matchMedia ??= () =>
    ({ matches: false, addEventListener: () => undefined, removeEventListener: () => undefined }) as never;
}
