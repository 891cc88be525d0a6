import type { Label } from "../studio/contract";

const FEW = 9; // sittings that are worth their number

/** A label's name: one that is there, or a new one that was typed. */
export interface Choice {
  readonly name: string;
  readonly typed: boolean;
}

interface Props {
  labels: readonly Label[];
  choice: Choice;
  choose: (choice: Choice) => void;
}

/** What the frames are of: a label that is there, none of them, or a new one. */
export function LabelChoice({ labels, choice, choose }: Props) {
  return (
    <fieldset className="choice" data-testid="labels">
      <legend className="hidden">What it is</legend>
      <input
        type="text"
        placeholder="something new"
        aria-label="A new label"
        data-testid="new-label"
        autoCapitalize="none"
        autoComplete="off"
        maxLength={60}
        value={choice.typed ? choice.name : ""}
        onChange={({ target }) => choose({ name: target.value, typed: true })}
      />
      {labels.map(({ name, photos, sittings, none }) => (
        <label key={name}>
          <input
            type="radio"
            name="label"
            value={name}
            data-testid={`label-${name}`}
            checked={!choice.typed && name === choice.name}
            onChange={() => choose({ name, typed: false })}
          />
          <b>{nameOf(name, labels)}</b>
          {/* many sittings, or those of what is none of these, say nothing */}
          <small>{none || sittings > FEW ? photos : `${photos} in ${plural(sittings, "sitting")}`}</small>
        </label>
      ))}
    </fieldset>
  );
}

/** The label that is meant: one that is there, in whatever case it was typed, or a new one; "" where it is gone. */
export function meant({ name, typed }: Choice, labels: readonly Label[]): string {
  const wanted = name.trim().toLowerCase();
  const known = labels.find((each) =>
    [each.name, nameOf(each.name, labels)].some((one) => one.toLowerCase() === wanted),
  );
  return known?.name ?? (typed ? name.trim() : "");
}

/** As the page says it. */
export function nameOf(name: string, labels: readonly Label[]): string {
  return labels.some((each) => each.name === name && each.none) ? "none of these" : name;
}

export function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
