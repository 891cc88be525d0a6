import type { View } from "./view";

/** How far the model has come. */
export function Loading({ view: { loaded, toLoad } }: { view: View }) {
  return (
    <label className="progress">
      <span>
        <span>Loading the model</span>
        {toLoad > 0 && (
          <span>
            {(loaded / 1e6).toFixed(1)} of {megabytes(toLoad)}
          </span>
        )}
      </span>
      <progress data-testid="device-progress" value={loaded} max={toLoad || 1} />
    </label>
  );
}

export function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
