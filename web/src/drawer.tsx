import { type RefObject, useEffect, useRef, useState } from "react";
import type { Mode } from "./answers";
import { rememberKey } from "./api";
import { PARTS } from "./history";
import { Icon } from "./icons";
import { Loading, megabytes } from "./loading";
import { Model } from "./model";
import type { Session } from "./session";
import { STANDALONE } from "./source";
import { mirrored, type View } from "./view";

interface Props {
  session: Session;
  view: View;
  open: boolean;
  close: () => void;
}

const MODES: [Mode, string][] = [
  ["server", "Server"],
  ["device", "This device"],
  ["both", "Both"],
];

/** Everything that is not needed to point and look. */
export function Drawer({ session, view, open, close }: Props) {
  const title = useRef<HTMLHeadingElement>(null);
  const key = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (open) (key.current ?? title.current)?.focus({ preventScroll: true });
  }, [open]);
  const keyNeeded = view.answerProblem?.code === "key-needed";
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
        <button type="button" className="round" onClick={close}>
          <Icon name="close" />
          <span className="hidden">Close</span>
        </button>
      </header>
      {keyNeeded && <Key session={session} field={key} />}
      <Answering session={session} view={view} open={open} />
      <CameraChoice session={session} view={view} />
      <h3>Where the time goes</h3>
      <dl className="facts">
        {PARTS.map((part) => (
          <div key={part} className="fact">
            <dt>
              <span className="swatch" data-of={part} />
              {part}
            </dt>
            <dd data-testid={`part-${part}`}>–</dd>
          </div>
        ))}
      </dl>
      <p className="quietly after">Medians of the last 30 seconds.</p>
      <p className="after">
        <button type="button" className="action soft" data-testid="download-csv" onClick={() => download(session)}>
          Download as CSV
        </button>
      </p>
      {view.manifest && <Model manifest={view.manifest} />}
      <h3>Keys</h3>
      <p className="quietly">
        <kbd>space</kbd> freezes and goes on, <kbd>o</kbd> opens a picture, <kbd>p</kbd> pauses the charts, <kbd>d</kbd>{" "}
        opens and closes this. A picture can also be dropped or pasted.
      </p>
    </aside>
  );
}

function Answering({ session, view, open }: Omit<Props, "close">) {
  const bytes = useDeviceBytes(view);
  const { mode, loading } = view;
  const wanted = mode !== "server";
  return (
    <>
      {!STANDALONE && (
        <fieldset className="switch after">
          <legend className="hidden">Who answers</legend>
          {MODES.map(([value, name]) => (
            <label key={value}>
              <input
                type="radio"
                name="mode"
                value={value}
                data-testid={`mode-${value}`}
                checked={mode === value}
                onChange={() => void session.use(value)}
              />
              {name}
            </label>
          ))}
        </fieldset>
      )}
      <p className="quietly after" data-testid="privacy">
        {privacy(view)}
      </p>
      {wanted && loading === "none" && (
        <p className="after">
          <button
            type="button"
            className="action"
            data-testid="device-load"
            disabled={bytes === 0}
            onClick={() => void session.loadDevice()}
          >
            Load the model, {megabytes(bytes)}
          </button>
        </p>
      )}
      {wanted && open && loading === "loading" && (
        <div className="after">
          <Loading view={view} />
        </div>
      )}
      <p className="row" hidden={mode !== "both"}>
        <span>Server and device agree</span>
        <b data-testid="agreement">–</b>
      </p>
    </>
  );
}

/** Where the pictures go, now. */
function privacy({ mode, loading }: View): string {
  const service = `Pictures go to ${location.host}, which keeps none.`;
  if (mode === "server") return service;
  if (mode === "both") return loading === "ready" ? `${service} This device looks at them, too.` : service;
  if (loading === "ready" || STANDALONE) return "Pictures never leave this tab.";
  return `Once the model is loaded, pictures never leave this tab. Until then they go to ${location.host}, which keeps none.`;
}

/** What loading the model onto this device takes; 0 until that is known. */
function useDeviceBytes({ manifest, mode }: View): number {
  const [bytes, setBytes] = useState(0);
  useEffect(() => {
    if (!manifest || mode === "server") return undefined;
    let wanted = true;
    void import("./inference/device").then(({ deviceBytes }) => wanted && setBytes(deviceBytes(manifest)));
    return () => {
      wanted = false;
    };
  }, [manifest, mode]);
  return bytes;
}

function CameraChoice({ session, view }: { session: Session; view: View }) {
  const { cameras, camera } = view;
  if (!cameras.length) return null;
  return (
    <>
      <h3>Camera</h3>
      <div className="row">
        <select
          aria-label="Camera"
          data-testid="camera-select"
          value={camera}
          onChange={(event) => session.startCamera({ deviceId: event.target.value })}
        >
          {cameras.map((each, place) => (
            <option key={each.deviceId} value={each.deviceId}>
              {each.label || `Camera ${place + 1}`}
            </option>
          ))}
        </select>
      </div>
      <label className="row">
        <span>Show it like a mirror</span>
        <input
          type="checkbox"
          data-testid="mirror"
          checked={mirrored(view)}
          onChange={(event) => session.store.set({ mirror: event.target.checked })}
        />
      </label>
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
        rememberKey(String(new FormData(event.currentTarget).get("key")).trim());
        session.again();
      }}
    >
      <input
        ref={field}
        name="key"
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
