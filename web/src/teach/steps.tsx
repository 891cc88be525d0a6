import type { Step } from "../studio/contract";

/** What was done, the newest first, in this tab and in others; each can be taken back. */
export function Steps({ steps, undo }: { steps: readonly Step[]; undo: (step: number) => void }) {
  if (!steps.length) return null;
  return (
    <section aria-label="History">
      <h3>History</h3>
      <ol className="steps" data-testid="steps">
        {steps.map(({ step, at, said, undoable, undone }) => (
          <li key={step} data-step={step} data-undone={undone}>
            <time dateTime={at}>{when(at)}</time>
            <span>{said}</span>
            {undoable && !undone && (
              <button
                type="button"
                className="link"
                data-testid={`undo-${step}`}
                aria-label={`Undo: ${said}`}
                onClick={() => undo(step)}
              >
                Undo
              </button>
            )}
          </li>
        ))}
      </ol>
    </section>
  );
}

function when(at: string): string {
  const date = new Date(at);
  const today = date.toDateString() === new Date().toDateString();
  return today
    ? date.toLocaleTimeString(undefined, { timeStyle: "short" })
    : date.toLocaleDateString(undefined, { dateStyle: "short" });
}
