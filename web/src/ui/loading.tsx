import type { LocalState } from "../session/state";

/** How far the model has come. */
export function Loading({ local }: { local: Extract<LocalState, { kind: "loading" }> }) {
  const { done, total } = local;
  return (
    <label className="progress">
      <span>
        <span>Loading the model</span>
        {total > 0 && (
          <span>
            {(done / 1e6).toFixed(1)} of {megabytes(total)}
          </span>
        )}
      </span>
      <progress data-testid="device-progress" value={done} max={total || 1} />
    </label>
  );
}

export function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
