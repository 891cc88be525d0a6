import { useEffect, useRef, useState } from "react";
import type { Session } from "../session/session";
import { asProblem } from "../shared/problem";
import type { StudioState } from "../studio/contract";
import type { Studio } from "../studio/studio";
import { Announcer } from "../ui/announcer";
import { IconButton } from "../ui/icons";
import { useStore } from "../ui/use-session";
import { Draft } from "./draft";
import { HoldButton } from "./hold-button";
import { jobSaid, Keeping } from "./keeping";
import { type Choice, LabelChoice, meant, nameOf, plural } from "./label-choice";
import { Shots } from "./shots";
import { Steps } from "./steps";
import type { Teaching, TeachState } from "./teaching";
import "./teach.css";

const LOCKED = "To teach, open the address that `make run` has printed.";
const AWAY = "The studio does not answer. It is asked again, and goes on by itself.";

interface Props {
  session: Session;
  studio: Studio;
  teaching: Teaching;
  close: () => void;
}

/** Shows the model something new, and says what came of it. */
export function Teach({ session, studio, teaching, close }: Props) {
  const { access, state, away } = useStore(studio);
  const title = useRef<HTMLHeadingElement>(null);
  useEffect(() => title.current?.focus({ preventScroll: true }), []);
  useEffect(() => teaching.begin(), [teaching]);
  return (
    <aside id="teach" className="teach" data-testid="teach" data-access={access} aria-label="Teach">
      <header>
        <h2 ref={title} tabIndex={-1}>
          Teach
        </h2>
        <IconButton className="round" icon="close" label="Close" data-testid="teach-close" onClick={close} />
      </header>
      {access === "locked" && <p data-testid="locked">{LOCKED}</p>}
      {away && (
        <p role="alert" data-testid="away">
          {AWAY}
        </p>
      )}
      {access === "open" && state && <Desk session={session} studio={studio} teaching={teaching} state={state} />}
    </aside>
  );
}

function Desk({ session, studio, teaching, state }: Omit<Props, "close"> & { state: StudioState }) {
  const teach = useStore(teaching);
  const { picture } = useStore(session);
  const [choice, choose] = useState<Choice>({ name: "", typed: false });
  const [author, setAuthor] = useState("");
  const [refused, setRefused] = useState(""); // why the last wish was not granted
  const { labels, job, steps, busy } = state;

  const taughtLabel = teach.kind === "taught" ? teach.label : "";
  const isLearning = learning(teach, state); // until then the list may lack a label that is new
  const label = meant(choice, labels) || (isLearning && choice.name === taughtLabel ? taughtLabel : "");
  useEffect(() => {
    if (taughtLabel) choose({ name: taughtLabel, typed: false });
  }, [taughtLabel]);

  const act = (wish: Promise<unknown>): void => {
    setRefused("");
    wish
      .then((left) => setRefused(typeof left === "string" ? left : ""))
      .catch((error) => setRefused(asProblem(error, "service-down").message));
  };
  const undo = (step: number, files?: readonly string[]): void => act(studio.undo(step, files));
  const why =
    (job?.state === "running" && "Wait until it is kept") ||
    busy ||
    (picture.kind !== "live" && "The camera is needed") ||
    (!label && "Pick what it is") ||
    (!state.author && !author.trim() && "Say who takes the photos") ||
    (teach.kind === "offered" && "Decide about the frames first") ||
    "";

  return (
    <>
      <div className="desk">
        <LabelChoice labels={labels} choice={choice} choose={choose} />
        {!state.author && (
          <label className="row">
            <span>Photos by</span>
            <input
              type="text"
              placeholder="your name"
              autoComplete="name"
              data-testid="author"
              value={author}
              onChange={({ target }) => setAuthor(target.value)}
            />
          </label>
        )}
        <Shots teach={teach} teaching={teaching} state={state} learning={isLearning} undo={undo} />
        {refused && (
          <p role="alert" data-testid="refused">
            {refused}
          </p>
        )}
        {job && <Keeping job={job} cancel={() => act(studio.cancel())} />}
        <Draft state={state} keep={() => act(studio.keep())} />
        <Steps steps={steps} undo={undo} />
      </div>
      <footer>
        <HoldButton
          on={teach.kind === "holding"}
          ready={!why && teach.kind !== "sending"}
          begin={() => teaching.hold(label, state.author ? "" : author.trim())}
          end={() => teaching.release()}
        >
          {(latched) => holdText(teach, why, nameOf(label, labels), latched)}
        </HoldButton>
      </footer>
      <Spoken text={spokenOf(teach, state)} />
    </>
  );
}

function holdText(teach: TeachState, why: string, name: string, latched: boolean) {
  if (teach.kind === "holding") {
    return (
      <>
        {plural(teach.shots.length, "frame")} <small>{latched ? "press to stop" : "let go to teach"}</small>
      </>
    );
  }
  if (teach.kind === "sending") return "Sending…";
  if (why) return why;
  return (
    <>
      Hold to teach <b>{name}</b>
    </>
  );
}

/** Whether what was taught last is not in the model that answers yet. */
function learning(teach: TeachState, { model, why_no_draft }: StudioState): boolean {
  return teach.kind === "taught" && teach.before === model && !why_no_draft;
}

function spokenOf(teach: TeachState, state: StudioState): string {
  if (teach.kind === "holding") return plural(teach.shots.length, "frame");
  if (teach.kind === "sending" || learning(teach, state)) return "learning";
  if (teach.kind === "offered") return ""; // an alert says it
  if (state.job?.state === "running") return jobSaid(state.job);
  if (teach.kind === "taught") return state.why_no_draft || (state.draft ? "draft answers" : "undone");
  return state.job ? jobSaid(state.job) : "";
}

/** Told to a screen reader, and not too often. */
function Spoken({ text }: { text: string }) {
  const [spoken, setSpoken] = useState("");
  const [announcer] = useState(() => new Announcer(setSpoken));
  useEffect(() => {
    if (text) announcer.say(text);
  }, [announcer, text]);
  useEffect(() => () => announcer.close(), [announcer]);
  return (
    <p className="hidden" aria-live="polite" data-testid="teach-announcement">
      {spoken}
    </p>
  );
}
