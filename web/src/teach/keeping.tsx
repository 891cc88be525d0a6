import { useEffect, useRef, useState } from "react";
import type { Job } from "../studio/contract";
import { plural } from "./label-choice";

const OUTCOMES = {
  promoted: "Kept: this is the model now.",
  "already champion": "Nothing new came of it: the model stays as it is.",
  refused: "Not kept: it did not pass. The photos stay, and the draft goes on.",
} as const;

/** In a sentence. */
export function jobSaid({ state, stage, outcome, why }: Job): string {
  if (state === "running") return `Keeping: ${stage || "it begins"}`;
  if (state === "cancelled") return "Keeping was cancelled. The draft goes on.";
  if (state === "failed") return `Keeping failed: ${why}`;
  return outcome ? OUTCOMES[outcome] : "Done.";
}

/** The run behind Keep: how far it is, and what came of it. */
export function Keeping({ job, cancel }: { job: Job; cancel: () => void }) {
  const { state, stage, stages, line, epoch, seconds_left, reasons, git } = job;
  const place = stages.indexOf(stage);
  const section = useRef<HTMLElement>(null);
  const shown = useRef(state === "running" ? "" : state); // an old run's end is no news
  useEffect(() => {
    if (shown.current !== state) section.current?.scrollIntoView?.({ block: "nearest" });
    shown.current = state;
  }, [state]);
  return (
    <section ref={section} aria-label="Keeping" data-testid="job" data-state={state} data-outcome={job.outcome ?? ""}>
      <p className="after">{jobSaid(job)}</p>
      {state === "running" && (
        <>
          <progress value={Math.max(0, place)} max={stages.length || 1} aria-label="Stages done" />
          <p className="quietly">
            {[
              place >= 0 && `stage ${place + 1} of ${stages.length}`,
              epoch && `epoch ${epoch[0]} of ${epoch[1]}`,
              seconds_left !== null && `${duration(seconds_left)} to go`,
              line,
            ]
              .filter(Boolean)
              .join(", ")}
          </p>
          <button type="button" className="link" data-testid="cancel" onClick={cancel}>
            Cancel
          </button>
        </>
      )}
      {reasons.length > 0 && (
        <ul className="plain">
          {reasons.map((reason) => (
            <li key={reason}>{reason}</li>
          ))}
        </ul>
      )}
      {state === "done" && git.length > 0 && <Commands commands={git.join("\n")} />}
    </section>
  );
}

function Commands({ commands }: { commands: string }) {
  const [copied, setCopied] = useState(false);
  const copy = async (): Promise<void> => {
    await navigator.clipboard?.writeText(commands);
    setCopied(true);
  };
  return (
    <>
      <p className="quietly after">Nothing is committed yet. These commands record it:</p>
      <pre data-testid="git">{commands}</pre>
      <button type="button" className="link" onClick={() => void copy().catch(() => undefined)}>
        {copied ? "Copied" : "Copy"}
      </button>
    </>
  );
}

function duration(seconds: number): string {
  return seconds < 90 ? `${Math.round(seconds)} s` : plural(Math.round(seconds / 60), "minute");
}
