import { useEffect, useRef, useState } from "react";
import type { Session } from "../session/session";
import { type Action, KINDS } from "../studio/contract";
import type { Studio } from "../studio/studio";
import { plural } from "../teach/label-choice";
import { Steps } from "../teach/steps";
import { IconButton } from "../ui/icons";
import { useKeys } from "../ui/keys";
import { Modal } from "../ui/modal";
import { useStore } from "../ui/use-session";
import { Ask, type Asked } from "./ask";
import { Detail } from "./detail";
import { List } from "./list";
import { ACTIONS, KIND_NAMES } from "./names";
import { Queue } from "./queue";
import "./review.css";

interface Props {
  session: Session;
  studio: Studio;
  close: () => void;
}

/** The photos that a person should look at, the worst first, and what can be done about them. */
export default function Review({ session, studio, close }: Props) {
  const [queue] = useState(() => new Queue(studio));
  const view = useStore(queue);
  const { state } = useStore(studio);
  const { shortcuts } = useStore(session);
  const [asked, setAsked] = useState<Asked | null>(null);
  const [explain, setExplain] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  const labels = state?.labels ?? [];
  const { items, total, selection, refused, done, compared } = view;
  const { chosen } = selection;
  const item = items.find(({ id }) => id === selection.focus);
  const kinds = KINDS.filter((kind) => items.some(({ why }) => why.some((each) => each.kind === kind)));

  useEffect(() => queue.begin(), [queue]);
  const back = (): void => box.current?.focus({ preventScroll: true }); // where the keys are heard
  useEffect(back, []);

  const act = (action: Action): void => {
    back();
    if (!queue.meant.length) return;
    if (action === "relabel" || action === "describe" || action === "forget") setAsked(action);
    else void queue.decide(action);
  };
  const undo = (step?: number): void => {
    back();
    void queue.undo(step);
  };
  const keys = {
    ...Object.fromEntries(ACTIONS.map(({ action, key }) => [key, () => act(action)])),
    z: () => undo(),
    e: () => setExplain(!explain),
    r: close,
  };
  useKeys(asked ? {} : keys, shortcuts);

  return (
    <Modal label="Review" className="review" close={close} data-testid="review">
      <header>
        <h2>Review</h2>
        <p className="quietly" data-testid="total">
          {total === null ? "looking through the photos…" : `${plural(total, "photo")} to look at`}
        </p>
        {chosen.size > 0 && (
          <button
            type="button"
            className="chosen"
            data-testid="choose-none"
            aria-label={`${chosen.size} chosen: choose none`}
            onClick={() => {
              back();
              queue.select((now) => ({ ...now, chosen: new Set() }));
            }}
          >
            {chosen.size} chosen ✕
          </button>
        )}
        <IconButton className="round" icon="close" label="Close" data-testid="review-close" onClick={close} />
      </header>
      <fieldset className="kinds scroll" aria-label="Choose all of a kind">
        {kinds.map((kind) => (
          <button
            key={kind}
            type="button"
            data-testid={`all-${kind}`}
            onClick={() => {
              back();
              void queue.selectKind(kind);
            }}
          >
            all: {KIND_NAMES[kind]}
          </button>
        ))}
      </fieldset>
      <List queue={queue} view={view} labels={labels} box={box} />
      <div className="side scroll">
        {item && <Detail item={item} labels={labels} explain={explain} toggleExplain={() => setExplain(!explain)} />}
        {total === 0 && <p data-testid="nothing">There is nothing to look at. What is taught or sent in comes here.</p>}
        <div className="came" aria-live="polite">
          {done && <p data-testid="done">{done}</p>}
          {compared && (
            <p data-testid="compared" data-verdict={compared === "measuring" ? "" : compared.verdict}>
              {compared === "measuring" ? "What that has brought is being measured…" : compared.said}
            </p>
          )}
        </div>
        {refused && (
          <p role="alert" data-testid="review-refused">
            {refused}
          </p>
        )}
        <details>
          <summary>What was done</summary>
          <Steps steps={state?.steps ?? []} undo={undo} />
        </details>
      </div>
      <footer>
        {ACTIONS.map(({ action, key, name }) => (
          <button
            key={action}
            type="button"
            data-testid={`do-${action}`}
            aria-keyshortcuts={key}
            disabled={!item}
            onClick={() => act(action)}
          >
            {name} <kbd>{key}</kbd>
          </button>
        ))}
        <button type="button" data-testid="do-undo" aria-keyshortcuts="z" onClick={() => undo()}>
          Undo <kbd>z</kbd>
        </button>
      </footer>
      {asked && (
        <Ask
          action={asked}
          items={queue.meant}
          labels={labels}
          close={() => setAsked(null)}
          decide={(given) => {
            setAsked(null);
            void queue.decide(asked, given);
          }}
        />
      )}
    </Modal>
  );
}
