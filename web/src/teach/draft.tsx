import type { StudioState } from "../studio/contract";
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
  return (
    <section aria-label="The draft" data-testid="draft-known">
      <h3>The draft</h3>
      <p>
        {plural(draft.new, "photo")} more than the model that was kept
        {draft.gone > 0 && `, ${draft.gone} fewer`}. {measured ? measured.said : "How good it is, is being measured."}
      </p>
      {measured && (
        <ul className="measured">
          {measured.labels.map(({ label, said, before, right, verdict }) => (
            <li key={label} data-verdict={verdict}>
              <span>{said}</span>
              {before !== null && right !== null && (
                <b>
                  {percent(before)} → {percent(right)} %
                </b>
              )}
            </li>
          ))}
        </ul>
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

function percent(share: number): string {
  return (share * 100).toFixed(0);
}
