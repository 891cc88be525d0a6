import type { LabelMeasured, StudioState } from "../studio/contract";
import { plural } from "./label-choice";

/** What is known of the model that has learnt what was taught, and the way to keep it. */
export function Draft({ state, keep }: { state: StudioState; keep: () => void }) {
  const { draft, why_no_draft, job } = state;
  if (!draft) {
    return why_no_draft ? (
      <p className="after" data-testid="no-draft">
        {why_no_draft}
      </p>
    ) : null;
  }
  const { measured } = draft;
  const news = measured?.labels.filter(({ verdict }) => verdict !== "not proven") ?? [];
  const others = measured?.labels.filter(({ verdict }) => verdict === "not proven") ?? [];
  return (
    <section aria-label="The draft" data-testid="draft-known">
      <h3>The draft</h3>
      <p>
        {plural(draft.new, "photo")} more than the model that was kept
        {draft.gone > 0 && `, ${draft.gone} fewer`}. {measured?.said ?? "How good it is, is being measured."}
      </p>
      <Labels of={news} />
      {others.length > 0 && (
        <details>
          <summary>The other labels</summary>
          <Labels of={others} />
        </details>
      )}
      {job?.state !== "running" && (
        <p className="after">
          <button type="button" className="action soft" data-testid="keep" onClick={keep}>
            Keep
          </button>{" "}
          <span className="quietly">trains on all photos, measures, and decides; some minutes.</span>
        </p>
      )}
    </section>
  );
}

function Labels({ of }: { of: readonly LabelMeasured[] }) {
  return (
    <ul className="plain">
      {of.map(({ label, verdict, said }) => (
        <li key={label} data-verdict={verdict}>
          {said}
        </li>
      ))}
    </ul>
  );
}
