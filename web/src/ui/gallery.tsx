import { EXAMPLES, type Example, fetchExample } from "../camera/examples";
import type { Session } from "../session/session";

/** A few pictures to tap, for who has no camera or does not want to use it yet. */
export function Gallery({ session, labels }: { session: Session; labels: readonly string[] }) {
  const shown = EXAMPLES.filter(({ label }) => labels.includes(label));
  if (!shown.length) return null;
  const show = async (example: Example): Promise<void> => {
    try {
      session.show(await fetchExample(example));
    } catch {
      session.notice("The picture did not arrive.");
    }
  };
  return (
    <ul className="gallery" aria-label="Pictures to try" data-testid="gallery">
      {shown.map((example) => (
        <li key={example.url}>
          <button type="button" title={`${example.label}: ${example.title}`} onClick={() => void show(example)}>
            <img src={example.url} alt={`${example.label}: ${example.title}`} draggable="false" />
          </button>
        </li>
      ))}
    </ul>
  );
}

/** Who made the pictures, and what may be done with them. */
export function GallerySources() {
  return (
    <ul className="sources">
      {EXAMPLES.map(({ url, title, author, licence, source }) => (
        <li key={url}>
          {title}: {author}, {licence}, from {source}
        </li>
      ))}
    </ul>
  );
}
