import { useEffect, useState } from "react";
import { fetchCard, type Manifest } from "../shared/api";
import { Markdown } from "./markdown";

interface Share {
  value: number;
  low: number;
  high: number;
  n: number;
}

/** A figure of the manifest's metrics, whose shape is the pipeline's own; null where it is not there. */
export function share(metrics: unknown, ...path: string[]): Share | null {
  let at = metrics;
  for (const name of path) at = (at as Record<string, unknown> | null | undefined)?.[name];
  const found = at as Partial<Share> | null | undefined;
  const numbers = [found?.value, found?.low, found?.high, found?.n];
  return numbers.every((number) => typeof number === "number") ? (found as Share) : null;
}

function told(found: Share | null): string {
  if (!found) return "not measured";
  const percent = (part: number): string => (part * 100).toFixed(1);
  const { value, low, high, n } = found;
  return `${percent(value)} % (${percent(low)} to ${percent(high)}, ${n} pictures)`;
}

/** Which model, when and from what, how good; and its card. */
export function Model({ manifest }: { manifest: Manifest }) {
  const { version, created, labels, lineage, metrics, variants } = manifest;
  const variant = "int8" in variants ? "int8" : "fp32"; // what the service prefers
  const elsewhere = share(metrics, "elsewhere", "variants", variant, "served_accuracy");
  const test = share(metrics, "test", variant, "served_accuracy");
  const facts: [string, string][] = [
    ["right, on pictures from elsewhere", told(elsewhere)],
    ["right, on the test split", told(test)],
    ["version", version],
    ["trained", new Date(created).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" })],
    ["tells apart", labels.join(", ")],
    ["code", `${lineage.git_commit.slice(0, 10)}${lineage.git_dirty ? ", changed" : ""}`],
    ["data", lineage.data_hash.slice(0, 10)],
    ["run", lineage.mlflow_run_id.slice(0, 10)],
    ["took over from", lineage.parent ?? "none"],
  ];
  return (
    <section aria-label="The model">
      <h3>Which model</h3>
      <dl className="facts" data-testid="model">
        {facts.map(([name, value]) => (
          <div key={name} className="fact">
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      {elsewhere && test && (
        <p className="quietly after">
          The test split's pictures come from the same sources as those of training, so its figure is higher than what
          you will see.
        </p>
      )}
      <Card key={version} />
    </section>
  );
}

function Card() {
  const [open, setOpen] = useState(false);
  const [text, setText] = useState("");
  useEffect(() => {
    if (!open) return undefined;
    const end = new AbortController();
    fetchCard(end.signal).then(setText, () => {
      if (!end.signal.aborted) setText("The card could not be fetched. Close and open it to try again.");
    });
    return () => end.abort();
  }, [open]);
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary data-testid="card-toggle">Model card</summary>
      <div className="card" data-testid="card">
        <Markdown text={text} />
      </div>
    </details>
  );
}
