import { useEffect, useRef, useState } from "react";
import { asProblem } from "../shared/problem";
import type { Item, Label } from "../studio/contract";
import { evidence, photoUrl } from "../studio/review";
import { nameOf } from "../teach/label-choice";
import { EvidencePainter } from "../ui/evidence-painter";
import { colourOf } from "../ui/labels";
import { KIND_NAMES, known, thought } from "./names";

const SIDE = 960; // px
const SMALL = 320;

interface Props {
  item: Item;
  labels: readonly Label[];
  /** whether where the model sees its label lies over the picture */
  explain: boolean;
  toggleExplain: () => void;
}

/** The photo that has the focus: larger, what is said of it, and why it is here. */
export function Detail({ item, labels, explain, toggleExplain }: Props) {
  const { label, why, author, licence } = item;
  const others = [...new Set(why.map(({ other }) => other).filter((other) => other !== null))];
  return (
    <section className="looked" aria-label="The photo" data-testid="looked" data-item={item.id}>
      <div className="pictures">
        <figure data-explain={explain}>
          <img src={photoUrl(item, SIDE)} alt={`Labelled ${nameOf(label, labels) || "none of these"}`} />
          {explain && <Evidence key={item.id} item={item} />}
        </figure>
        {others.map((file) => (
          <figure key={file}>
            <img src={photoUrl({ id: "", file }, SMALL)} alt={`It is compared with ${file}`} />
          </figure>
        ))}
      </div>
      <div className="said-of">
        <p data-testid="labelled">
          labelled <b>{nameOf(label, labels) || "none of these"}</b>
        </p>
        {item.thinks && (
          <p data-testid="thinks">
            without it the model says <b>{thought(item, labels)}</b>
          </p>
        )}
        <ul data-testid="why">
          {why.map(({ kind, said }) => (
            <li key={`${kind} ${said}`} data-kind={kind}>
              <b>{KIND_NAMES[kind]}</b> {said}
            </li>
          ))}
        </ul>
        <p className="quietly">
          {item.file ?? "not among the photos yet"}
          {[known(author), known(licence)].map((each) => each && ` · ${each}`)}
        </p>
        <button type="button" className="link" aria-pressed={explain} data-testid="evidence-of" onClick={toggleExplain}>
          Show where <kbd>e</kbd>
        </button>
      </div>
    </section>
  );
}

/** Lies over the square that the model sees. */
function Evidence({ item }: { item: Item }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [said, setSaid] = useState("");
  const names = item.thinks?.labels;
  useEffect(() => {
    const ended = new AbortController();
    evidence(item.id, ended.signal)
      .then((found) => {
        if (!canvas.current || ended.signal.aborted) return;
        const painter = new EvidencePainter(canvas.current);
        const place = Math.max(0, names?.indexOf(found.label) ?? 0);
        painter.set(found, colourOf(place, names?.length ?? 1, "#000000", 1));
        painter.paint(0, true);
        setSaid(found.label);
      })
      .catch((error) => {
        const { code, message } = asProblem(error, "service-down");
        if (code !== "closed") setSaid(message);
      });
    return () => ended.abort();
  }, [item.id, names]);
  return (
    <>
      <canvas ref={canvas} data-testid="evidence-map" data-said={said} />
      {said && <figcaption>{said}</figcaption>}
    </>
  );
}
