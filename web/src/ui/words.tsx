import { useEffect, useRef, useState } from "react";
import { rejection } from "../results/rejection";
import type { Session } from "../session/session";
import { Announcer } from "./announcer";
import { chartTheme, useThemeKey } from "./chart-theme";
import { WordPainter } from "./word-painter";

const REASON_MS = 400; // between two changes of the reason; faster ones can't be read

/** What counts as recognised: null for none of these, undefined where nothing was seen. */
interface Recognised {
  label: string | null | undefined;
  /** why it is none of these, where a word is likely all the same */
  reason: string;
}

const NOTHING: Recognised = { label: undefined, reason: "" };

interface Props {
  session: Session;
  /** version of a model that was taught in the page and is not kept yet */
  draft?: string | undefined;
}

/** The words, each as strong as the model is sure; under them what it is where it is none of them, and why. */
export function Words({ session, draft }: Props) {
  const room = useRef<HTMLElement>(null);
  const list = useRef<HTMLUListElement>(null);
  const none = useRef<HTMLParagraphElement>(null);
  const painter = useRef<WordPainter | null>(null);
  const [{ label, reason }, setRecognised] = useState(NOTHING);
  const [model, setModel] = useState(""); // whose answer is shown
  const [spoken, setSpoken] = useState("");
  const themeKey = useThemeKey();

  useEffect(() => {
    if (!room.current || !list.current || !none.current) return undefined;
    const made = new WordPainter(room.current, list.current, none.current);
    painter.current = made;
    const announcer = new Announcer(setSpoken);
    let shown = NOTHING;
    let shownAt = Number.NEGATIVE_INFINITY;
    const end = session.listen({
      labels: ({ labels }) => made.setLabels(labels),
      answer: (answer, latched) => {
        made.show(answer, latched);
        setModel(answer.model);
        announcer.say(latched ?? "none of these");
        const now = performance.now();
        if (latched === shown.label && now - shownAt < REASON_MS) return;
        shownAt = now;
        shown = { label: latched, reason: latched === null ? rejection(answer) : "" };
        setRecognised(shown);
      },
    });
    const quiet = session.subscribe(() => {
      if (session.get().picture.kind !== "failed" || shown === NOTHING) return;
      shown = NOTHING;
      made.clear();
      announcer.say("no picture");
      setRecognised(NOTHING);
    });
    return () => {
      end();
      quiet();
      announcer.close();
      made.close();
    };
  }, [session]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: the key stands for what chartTheme() reads
  useEffect(() => painter.current?.setPaper(chartTheme().paper), [themeKey]);

  return (
    <section ref={room} className="said" aria-label="What it is">
      <ul ref={list} className="words" data-testid="words" data-answer="" data-model="" />
      <div className="under">
        <p ref={none} className="none" data-testid="none" data-lit={label === null}>
          none of these{reason && <span className="reason">: {reason}</span>}
        </p>
        {draft && model === draft && (
          <p className="draft" data-testid="draft">
            draft
          </p>
        )}
      </div>
      <p className="hidden" data-testid="announcement" aria-live="polite">
        {spoken}
      </p>
    </section>
  );
}
