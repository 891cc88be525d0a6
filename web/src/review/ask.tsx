import { type ReactNode, useState } from "react";
import type { Action, Given, Item, Label } from "../studio/contract";
import { type Choice, LabelChoice, meant, nameOf, plural } from "../teach/label-choice";
import { Modal } from "../ui/modal";
import { known } from "./names";

export type Asked = Extract<Action, "relabel" | "describe" | "forget">;

interface Props {
  action: Asked;
  items: readonly Item[];
  labels: readonly Label[];
  close: () => void;
  decide: (given: Given) => void;
}

/** What a decision needs to know before it is carried out. */
export function Ask({ action, items, labels, close, decide }: Props) {
  const of = plural(items.length, "photo");
  const [choice, choose] = useState<Choice>({ name: suggested(items, labels), typed: false });
  const [author, setAuthor] = useState(same(items, "author"));
  const [licence, setLicence] = useState(same(items, "licence"));
  const [why, setWhy] = useState("");
  const label = meant(choice, labels);
  const [title, ready, given]: [string, boolean, Given] = {
    relabel: [`What ${items.length > 1 ? `these ${of} show` : "it shows"}`, label !== "", { label }],
    describe: [
      `Author and licence of ${of}`,
      Boolean(author.trim() || licence.trim()),
      { author: author.trim(), licence: licence.trim() },
    ],
    forget: [`Forget ${of}`, why.trim() !== "", { why: why.trim() }],
  }[action] as [string, boolean, Given];
  return (
    <Modal label={title} className="asking ask" close={close} data-testid="ask">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (ready) decide(given);
        }}
      >
        <h2>{title}</h2>
        {action === "relabel" && <LabelChoice labels={labels} choice={choice} choose={choose} />}
        {action === "describe" && (
          <>
            <Field name="author" value={author} change={setAuthor}>
              Author
            </Field>
            <Field name="licence" value={licence} change={setLicence}>
              Licence
            </Field>
          </>
        )}
        {action === "forget" && (
          <>
            <p>
              It leaves every folder, cache and store that can be reached, models that learnt from it are marked, and it
              can't come back. <b>This can't be undone.</b>
            </p>
            <Field name="why" value={why} change={setWhy}>
              Why, for the receipt
            </Field>
          </>
        )}
        <p className="ways">
          <button type="button" className="action soft" data-testid="ask-cancel" onClick={close}>
            Cancel
          </button>
          <button type="submit" className="action" disabled={!ready} data-testid="ask-do">
            {action === "relabel" && `Label as ${nameOf(label, labels) || "…"}`}
            {action === "describe" && "Fill in"}
            {action === "forget" && `Forget ${of} for good`}
          </button>
        </p>
      </form>
    </Modal>
  );
}

interface FieldProps {
  name: string;
  value: string;
  change: (value: string) => void;
  children: ReactNode;
}

function Field({ name, value, change, children }: FieldProps) {
  return (
    <label className="field">
      {children}
      <input
        type="text"
        data-testid={`ask-${name}`}
        autoComplete="off"
        maxLength={300}
        value={value}
        onChange={({ target }) => change(target.value)}
      />
    </label>
  );
}

/** The label that was said of a picture that was sent in, or that the model thinks of; "" where they differ. */
function suggested(items: readonly Item[], labels: readonly Label[]): string {
  const none = labels.find((each) => each.none)?.name ?? "";
  const names = new Set(
    items.map(({ file, label, thinks }) => (file ? (thinks ? thinks.label || none : "") : label || none)),
  );
  return names.size === 1 ? ([...names][0] ?? "") : "";
}

function same(items: readonly Item[], key: "author" | "licence"): string {
  const values = new Set(items.map((item) => known(item[key])));
  return values.size === 1 ? ([...values][0] ?? "") : "";
}
