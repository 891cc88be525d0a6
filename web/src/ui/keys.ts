import { useEffect, useRef } from "react";

/**
 * Single keys, except where they mean something else: in a field, or on a button that space presses.
 *
 * @param on whether letters and space do something; Escape always does (WCAG 2.1.4)
 */
export function useKeys(actions: Readonly<Record<string, () => void>>, on: boolean): void {
  const current = useRef(actions);
  current.current = actions;
  useEffect(() => {
    const pressed = (event: KeyboardEvent): void => {
      const { key, target } = event;
      const leaving = key === "Escape";
      const busy = target instanceof Element && target.closest("input, select, textarea, button, summary, a");
      if (event.ctrlKey || event.metaKey || event.altKey || (!leaving && (busy || !on))) return;
      const action = current.current[key];
      if (!action) return;
      event.preventDefault();
      action();
    };
    document.addEventListener("keydown", pressed);
    return () => document.removeEventListener("keydown", pressed);
  }, [on]);
}
