import { useEffect, useState } from "react";
import type { Session } from "../session/session";

/** Pictures that are dropped or pasted anywhere on the page. Returns whether one hangs over it. */
export function useDropped(session: Session): boolean {
  const [over, setOver] = useState(false);
  useEffect(() => {
    const end = new AbortController();
    const { signal } = end;
    const take = (files: FileList | undefined): void => {
      const [first] = files ?? [];
      if (first) session.show(first);
    };
    document.addEventListener("paste", (event) => take(event.clipboardData?.files), { signal });
    document.addEventListener(
      "dragover",
      (event) => {
        event.preventDefault();
        setOver(true);
      },
      { signal },
    );
    document.addEventListener("dragleave", (event) => event.relatedTarget ?? setOver(false), { signal });
    document.addEventListener(
      "drop",
      (event) => {
        event.preventDefault();
        setOver(false);
        take(event.dataTransfer?.files);
      },
      { signal },
    );
    return () => end.abort();
  }, [session]);
  return over;
}
