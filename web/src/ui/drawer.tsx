import { type ReactNode, type RefObject, useEffect, useRef } from "react";
import { PARTS } from "../results/history";
import type { Session } from "../session/session";
import { answerProblemOf, mirrored, type SessionState } from "../session/state";
import { rememberKey } from "../shared/api";
import { STANDALONE } from "../shared/endpoints";
import { Answering } from "./answering";
import { Gallery, GallerySources } from "./gallery";
import { IconButton } from "./icons";
import { Model } from "./model";
import { share } from "./share";
import { milliseconds, useNumbers } from "./use-session";

interface Props {
  session: Session;
  state: SessionState;
  open: boolean;
  close: () => void;
}

/** Everything that is not needed to point and look. */
export function Drawer({ session, state, open, close }: Props) {
  const title = useRef<HTMLHeadingElement>(null);
  const key = useRef<HTMLInputElement>(null);
  const numbers = useNumbers(session, open);
  useEffect(() => {
    if (open) (key.current ?? title.current)?.focus({ preventScroll: true });
  }, [open]);
  const keyNeeded = answerProblemOf(state)?.code === "key-needed";
  const manifest = state.kind === "answering" ? state.manifest : null;
  return (
    <aside
      id="drawer"
      className="drawer"
      data-testid="drawer"
      aria-label="Settings and the model"
      inert={!open}
      data-open={open}
    >
      <header>
        <h2 ref={title} tabIndex={-1}>
          {STANDALONE ? "On this device" : "Who answers"}
        </h2>
        <IconButton className="round" icon="close" label="Close" onClick={close} />
      </header>
      {keyNeeded && <Key session={session} field={key} />}
      <Answering session={session} state={state} open={open} agreement={numbers?.agreement ?? Number.NaN} />
      <CameraChoice session={session} state={state} />
      <h3>Where the time goes</h3>
      <dl className="facts">
        {PARTS.map((part, place) => (
          <div key={part}>
            <dt>
              <span className="swatch" style={{ background: `var(--${part})` }} />
              {part}
            </dt>
            <dd data-testid={`part-${part}`}>{milliseconds(numbers?.parts[place] ?? Number.NaN) || "–"} ms</dd>
          </div>
        ))}
      </dl>
      <button type="button" className="action soft after" data-testid="download-csv" onClick={() => download(session)}>
        Download as CSV
      </button>
      {manifest && <Model manifest={manifest} />}
      {manifest && open && (
        <>
          <h3>Pictures to try</h3>
          <Gallery session={session} labels={manifest.labels} />
          <details>
            <summary>Where they are from</summary>
            <GallerySources />
          </details>
        </>
      )}
      <h3>Keys</h3>
      <p className="quietly">
        <kbd>space</kbd> freezes and goes on, <kbd>e</kbd> shows why, <kbd>o</kbd> opens a picture, <kbd>p</kbd> pauses
        the charts, <kbd>d</kbd> opens and closes this.
        {state.kind === "answering" && state.studio !== "none" && (
          <>
            {" "}
            <kbd>t</kbd> teaches, <kbd>r</kbd> reviews the photos, <kbd>w</kbd> says that the answer is wrong.
          </>
        )}{" "}
        A picture can also be dropped or pasted.
      </p>
      <Check name="shortcuts" checked={state.shortcuts} change={(on) => session.setShortcuts(on)}>
        Use these keys
      </Check>
      <button
        type="button"
        className="action soft after"
        data-testid="share"
        onClick={async () => session.notice(await share())}
      >
        Share this page
      </button>
    </aside>
  );
}

interface CheckProps {
  name: string;
  checked: boolean;
  change: (checked: boolean) => void;
  children: ReactNode;
}

function Check({ name, checked, change, children }: CheckProps) {
  return (
    <label className="row">
      <span>{children}</span>
      <input type="checkbox" data-testid={name} checked={checked} onChange={({ target }) => change(target.checked)} />
    </label>
  );
}

function CameraChoice({ session, state }: Pick<Props, "session" | "state">) {
  const { cameras, camera } = state;
  if (!cameras.length) return null;
  return (
    <>
      <h3>Camera</h3>
      <div className="row">
        <select
          aria-label="Camera"
          data-testid="camera-select"
          value={camera}
          onChange={({ target }) => session.startCamera({ deviceId: target.value })}
        >
          {cameras.map(({ deviceId, label }, place) => (
            <option key={deviceId} value={deviceId}>
              {label || `Camera ${place + 1}`}
            </option>
          ))}
        </select>
      </div>
      <Check name="mirror" checked={mirrored(state)} change={(on) => session.setMirror(on)}>
        Show it like a mirror
      </Check>
      <p className="quietly">The model sees the picture as it is, never mirrored.</p>
    </>
  );
}

function Key({ session, field }: { session: Session; field: RefObject<HTMLInputElement | null> }) {
  return (
    <form
      className="row"
      onSubmit={(event) => {
        event.preventDefault();
        rememberKey(field.current?.value.trim() ?? "");
        session.again();
      }}
    >
      <input
        ref={field}
        type="password"
        aria-label="Key of this service"
        placeholder="Key"
        required
        data-testid="key"
      />
      <button type="submit" className="action">
        Use it
      </button>
    </form>
  );
}

function download(session: Session): void {
  const text = session.seen.csv(performance.now() / 1000);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  link.download = "seen.csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
