import type { View } from "./view";

/** How far the model has come. */
export function Loading({ view: { loaded, toLoad } }: { view: View }) {
  return (
    <label className="progress">
      <span>Loading the model{toLoad > 0 && `, ${megabytes(loaded)} of ${megabytes(toLoad)}`}</span>
      <progress data-testid="device-progress" value={loaded} max={toLoad || 1} />
    </label>
  );
}

export function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
