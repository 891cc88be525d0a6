/** How views follow the session, and other stores. */

import { useEffect, useRef, useState, useSyncExternalStore } from "react";
import type { Numbers } from "../results/history";
import type { Session } from "../session/session";

const NUMBERS_MS = 500; // between two changes of the numbers; faster ones can't be read

interface Store<T> {
  get: () => T;
  subscribe: (draw: () => void) => () => void;
}

export function useStore<T>(store: Store<T>): T {
  return useSyncExternalStore(store.subscribe, store.get);
}

/** The numbers of the last half minute, twice a second; null while nobody looks at them. */
export function useNumbers(session: Session, wanted = true): Numbers | null {
  const [numbers, setNumbers] = useState<Numbers | null>(null);
  useEffect(() => {
    if (!wanted) return undefined;
    const look = (): void => setNumbers(session.seen.numbers(performance.now() / 1000));
    look();
    const timer = setInterval(look, NUMBERS_MS);
    return () => clearInterval(timer);
  }, [session, wanted]);
  return numbers;
}

/** Calls back with every frame of the screen; for what is painted outside React. */
export function useFrames(paint: (now: number) => void): void {
  const current = useRef(paint);
  current.current = paint;
  useEffect(() => {
    let handle = requestAnimationFrame(function next(now: number): void {
      handle = requestAnimationFrame(next);
      current.current(now);
    });
    return () => cancelAnimationFrame(handle);
  }, []);
}

/** ms, with a digit after the point where there is room for one; "" for NaN. */
export function milliseconds(value: number): string {
  return Number.isNaN(value) ? "" : value.toFixed(value < 99.95 ? 1 : 0);
}
