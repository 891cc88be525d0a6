import { useEffect, useRef, useState } from "react";
import { fetchCard, type Manifest } from "../shared/api";

interface Figure {
  value: number;
  low: number;
  high: number;
  n: number;
}

/** What more photos of a label are expected to gain of served accuracy, 0..1; null where too few say anything. */
interface Gain {
  photos: number;
  expected: number | null;
  low: number | null;
  high: number | null;
}

/** Of the manifest's metrics, whose shape is the pipeline's own; undefined where it is not there. */
function metric<T>(metrics: unknown, ...path: string[]): T | undefined {
  let at = metrics;
  for (const name of path) at = (at as Record<string, unknown> | null | undefined)?.[name];
  return (at ?? undefined) as T | undefined;
}

function told(found: Figure | undefined): string {
  if (!found) return "not measured";
  const [value, low, high] = [found.value, found.low, found.high].map((part) => (part * 100).toFixed(1));
  return `${value} % (${low} to ${high}, ${found.n} pictures)`;
}

function gained({ expected, low, high }: Gain): string {
  if (expected === null || low === null || high === null) return "too few photos to say";
  const [by, least, most] = [expected, low, high].map((part) => {
    const points = Math.round(part * 100);
    return points > 0 ? `+${points}` : String(points || 0).replace("-", "−");
  });
  return `${by} points (${least} to ${most})`;
}

/** Which model, when and from what, how good; what more photos would bring; and its card. */
export function Model({ manifest }: { manifest: Manifest }) {
  const { version, created, labels, lineage, metrics, variants } = manifest;
  const variant = "int8" in variants ? "int8" : "fp32"; // what the service prefers
  const elsewhere = metric<Figure>(metrics, "elsewhere", "variants", variant, "served_accuracy");
  const test = metric<Figure>(metrics, "test", variant, "served_accuracy");
  const gains = Object.entries(metric<Record<string, Gain>>(metrics, "learning_curve") ?? {});
  return (
    <section aria-label="The model">
      <h3>Which model</h3>
      <Facts
        name="model"
        facts={[
          ["right, on pictures from elsewhere", told(elsewhere)],
          ["right, on the test split", told(test)],
          ["version", version],
          ["trained", new Date(created).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" })],
          ["tells apart", labels.join(", ")],
          ["code", `${lineage.git_commit.slice(0, 10)}${lineage.git_dirty ? ", changed" : ""}`],
          ["data", lineage.data_hash.slice(0, 10)],
          ["run", lineage.mlflow_run_id.slice(0, 10)],
          ["took over from", lineage.parent ?? "none"],
        ]}
      />
      {elsewhere && test && (
        <p className="quietly after">
          The test split's pictures come from the same sources as those of training, so its figure is higher than what
          you will see.
        </p>
      )}
      {gains.length > 0 && (
        <>
          <h3>What {gains[0]?.[1].photos} more photos of a label would bring</h3>
          <Facts name="gains" facts={gains.map(([label, gain]) => [label, gained(gain)])} />
          <p className="quietly after">
            More pictures from elsewhere answered right, as far as the photos that there are can tell: the likeliest
            gain, and between what it lies 95 times of 100.
          </p>
        </>
      )}
      <Card key={version} />
    </section>
  );
}

export function Facts({ name, facts }: { name: string; facts: [string, string][] }) {
  return (
    <dl className="facts" data-testid={name}>
      {facts.map(([fact, value]) => (
        <div key={fact}>
          <dt>{fact}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** As the pipeline wrote it: sanitised there, and under a policy that runs no script of it here. */
function Card() {
  const card = useRef<HTMLDivElement>(null);
  const [open, setOpen] = useState(false);
  useEffect(() => {
    if (!open) return undefined;
    const end = new AbortController();
    fetchCard(end.signal)
      .catch(({ code }) => (code === "service-refused" ? OLDER : FAILED))
      .then((html) => {
        if (card.current && !end.signal.aborted) card.current.innerHTML = html;
      });
    return () => end.abort();
  }, [open]);
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary data-testid="card-toggle">Model card</summary>
      <div ref={card} className="card" data-testid="card" />
    </details>
  );
}

const OLDER = "<p>This model was made before cards could be shown here. MODEL_CARD.md in its folder has it.</p>";
const FAILED = "<p>The card could not be fetched. Close and open it to try again.</p>";
