/** The browser's storage, where it may be used; elsewhere what is stored lasts as long as the page. */

type Kind = "localStorage" | "sessionStorage";

const memory = new Map<string, string>();

/** What was stored, or null. A browser that blocks storage throws at the mere sight of it. */
export function recall(kind: Kind, key: string): string | null {
  const kept = memory.get(`${kind} ${key}`);
  if (kept !== undefined) return kept;
  try {
    return window[kind].getItem(key);
  } catch {
    return null;
  }
}

export function remember(kind: Kind, key: string, value: string): void {
  try {
    window[kind].setItem(key, value);
    memory.delete(`${kind} ${key}`);
  } catch {
    memory.set(`${kind} ${key}`, value);
  }
}
