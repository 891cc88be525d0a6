import { deviceBytes } from "../inference/local/bundle";
import type { Mode } from "../inference/router";
import type { Session } from "../session/session";
import { answersHere, type SessionState } from "../session/state";
import { STANDALONE } from "../shared/endpoints";
import { Loading, megabytes } from "./loading";

const MODES: [Mode, string][] = [
  ["server", "Server"],
  ["device", "This device"],
  ["both", "Both"],
];

interface Props {
  session: Session;
  state: SessionState;
  open: boolean;
  /** share of frames on which server and device said the same; NaN where none was asked of both */
  agreement: number;
}

/** Who answers, where pictures go, and the model for this device. */
export function Answering({ session, state, open, agreement }: Props) {
  const { mode } = state;
  const answering = state.kind === "answering" && mode !== "server" ? state : null;
  const local = answering?.local;
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
        {privacy(state)}
      </p>
      {answering && (local?.kind === "absent" || local?.kind === "failed") && (
        <p className="after">
          <button type="button" className="action" data-testid="device-load" onClick={() => void session.loadLocal()}>
            Load the model, {megabytes(deviceBytes(answering.manifest))}
          </button>
        </p>
      )}
      {open && local?.kind === "loading" && (
        <div className="after">
          <Loading local={local} />
        </div>
      )}
      {mode === "both" && (
        <p className="row">
          <span>Server and device agree</span>
          <b data-testid="agreement">{Number.isNaN(agreement) ? "–" : `${(agreement * 100).toFixed(0)} %`}</b>
        </p>
      )}
    </>
  );
}

/** Where the pictures go, now. */
function privacy(state: SessionState): string {
  const { mode } = state;
  const service = `Pictures go to ${location.host}, which keeps none.`;
  const here = answersHere(state);
  if (mode === "server") return service;
  if (mode === "both") return here ? `${service} This device looks at them, too.` : service;
  if (here || STANDALONE) return "Pictures never leave this tab.";
  return `Once the model is loaded, pictures never leave this tab. Until then they go to ${location.host}, which keeps none.`;
}
