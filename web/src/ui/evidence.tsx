import { useEffect, useRef } from "react";
import type { Session } from "../session/session";
import { reducedMotion } from "./chart-theme";
import { EvidencePainter } from "./evidence-painter";
import { colourOf } from "./labels";
import { useFrames } from "./use-session";

/** Over the square of the picture that the model sees: where in it the label of the newest answer is. */
export function EvidenceOverlay({ session }: { session: Session }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const painter = useRef<EvidencePainter | null>(null);

  useEffect(() => {
    if (!canvas.current) return undefined;
    const made = new EvidencePainter(canvas.current);
    painter.current = made;
    let colours: string[] = [];
    return session.listen({
      // It lies on a dimmed picture, whatever the theme.
      labels: ({ labels }) => {
        colours = labels.map((_, index) => colourOf(index, labels.length, "#000000", 1));
      },
      answer: ({ label, labels, evidence }) => {
        const right = label !== null && evidence?.label === label;
        made.set(right ? evidence : null, colours[labels.indexOf(label ?? "")] ?? "#ffffff");
        if (canvas.current) canvas.current.dataset["label"] = right ? label : "";
      },
    });
  }, [session]);

  useFrames((now) => painter.current?.paint(now, reducedMotion()));
  return <canvas ref={canvas} className="evidence" data-testid="evidence" data-label="" />;
}
