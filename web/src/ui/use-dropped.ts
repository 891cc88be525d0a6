import { useEffect, useState } from "react";
import type { Session } from "../session/session";

/** Pictures that are dropped or pasted anywhere on the page. Returns whether one hangs over it. */
export function useDropped(session: Session): boolean {
  const [over, setOver] = useState(false);
  useEffect(() => {
    const end = new AbortController();
    const hear = (event: Event): void => {
      if (event instanceof DragEvent) {
        event.preventDefault();
        setOver(event.type === "dragover" || (event.type === "dragleave" && event.relatedTarget !== null));
      }
      const data = event instanceof DragEvent ? event.dataTransfer : (event as ClipboardEvent).clipboardData;
      const [file] = event.type === "drop" || event.type === "paste" ? (data?.files ?? []) : [];
      if (file) session.show(file);
    };
    for (const kind of ["dragover", "dragleave", "drop", "paste"]) {
      document.addEventListener(kind, hear, { signal: end.signal });
    }
    return () => end.abort();
  }, [session]);
  return over;
}
