import { type CSSProperties, type RefObject, useEffect, useRef } from "react";
import { flipped } from "../camera/picture-source";
import type { Session } from "../session/session";
import { mirrored, problemOf, type SessionState } from "../session/state";
import { STANDALONE } from "../shared/endpoints";
import type { Problem } from "../shared/problem";
import { EvidenceOverlay } from "./evidence";
import { Gallery } from "./gallery";
import { Icon } from "./icons";
import { Loading } from "./loading";
import { useDropped } from "./use-dropped";
import { useSquare } from "./use-square";

interface Props {
  session: Session;
  state: SessionState;
  file: RefObject<HTMLInputElement | null>;
  drawerButton: RefObject<HTMLButtonElement | null>;
  drawerOpen: boolean;
  toggleDrawer: () => void;
}

/** The picture, what is wrong with it, and the few buttons that belong to it. */
export function Stage({ session, state, file, drawerButton, drawerOpen, toggleDrawer }: Props) {
  const video = useRef<HTMLVideoElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const stage = useRef<HTMLElement>(null);
  const dropping = useDropped(session);
  const { picture, explain } = state;
  const still = picture.kind === "frozen" || picture.kind === "still";
  const { side, within } = useSquare(stage, video, canvas, still);
  const problem = problemOf(state);
  const instead = problem?.words.place === "picture";
  const local = state.kind === "answering" ? state.local : null;
  const labels = state.kind === "answering" ? state.manifest.labels : [];

  useEffect(() => {
    if (video.current && canvas.current) return session.begin(video.current, canvas.current);
    return undefined;
  }, [session]);

  const act = (found: Problem): void => {
    const { remedy } = found.words;
    if (remedy === "choose") file.current?.click();
    else if (remedy === "reload") location.reload();
    else if (remedy === "camera" || picture.kind === "failed") session.startCamera();
    else if (STANDALONE || remedy === "answers") session.again();
    else if (remedy === "server") void session.use("server");
    else if (remedy === "device" && found.code === "device-download") void session.loadLocal();
    else {
      if (remedy === "device") void session.use("device");
      if (!drawerOpen) toggleDrawer();
    }
  };

  return (
    <section
      ref={stage}
      className="stage"
      aria-label="The picture"
      data-testid="stage"
      data-state={picture.kind === "failed" ? "problem" : picture.kind}
      data-problem={problem?.code ?? ""}
      data-mirrored={mirrored(state) && picture.kind !== "still"}
      data-dropping={dropping}
      style={{ "--side": `${side}px` } as CSSProperties}
    >
      {picture.kind === "starting" && (
        <div className="waiting">
          <p>Allow the camera, then point it at something.</p>
          <Gallery session={session} labels={labels} />
        </div>
      )}
      <video ref={video} muted playsInline aria-label="What the camera sees" />
      <canvas ref={canvas} className="held" />
      <div className="square" hidden={!within} />
      {explain && side > 0 && picture.kind !== "failed" && <EvidenceOverlay session={session} />}
      {problem && (
        <div className="problem" role="alert" data-place={problem.words.place}>
          <p data-testid="problem">{problem.words.sentence}</p>
          {(problem.words.remedy !== "key" || !drawerOpen) && (
            <button type="button" className="action" data-testid="problem-action" onClick={() => act(problem)}>
              {STANDALONE && problem.words.remedy === "server" ? "Try again" : problem.words.button}
            </button>
          )}
          {instead && <Gallery session={session} labels={labels} />}
        </div>
      )}
      {local?.kind === "loading" && !drawerOpen && !problem && (
        <div className="loading">
          <Loading local={local} />
        </div>
      )}
      <p className="notice" role="status" data-testid="notice">
        {state.notice}
      </p>
      <Buttons
        session={session}
        state={state}
        choose={() => file.current?.click()}
        drawerButton={drawerButton}
        drawerOpen={drawerOpen}
        toggleDrawer={toggleDrawer}
      />
      <input
        ref={file}
        type="file"
        accept="image/*"
        hidden
        data-testid="file"
        onChange={(event) => {
          const [chosen] = event.target.files ?? [];
          if (chosen) session.show(chosen);
          event.target.value = "";
        }}
      />
    </section>
  );
}

function Buttons({
  session,
  state,
  choose,
  drawerButton,
  drawerOpen,
  toggleDrawer,
}: Omit<Props, "file"> & { choose: () => void }) {
  const { cameras, explain, facesUser, picture } = state;
  const live = picture.kind === "live" || picture.kind === "starting";
  const freeze = live ? "Freeze the picture" : "Back to the camera";
  return (
    <div className="buttons">
      <button
        type="button"
        data-testid="freeze"
        title={freeze}
        disabled={picture.kind === "starting"}
        onClick={() => session.toggleFreeze()}
      >
        <Icon name={live ? "freeze" : picture.kind === "frozen" ? "play" : "camera"} />
        <span className="hidden">{freeze}</span>
      </button>
      <button type="button" data-testid="choose" title="Choose a picture" onClick={choose}>
        <Icon name="picture" />
        <span className="hidden">Choose a picture</span>
      </button>
      <button
        type="button"
        data-testid="explain"
        title="Show why"
        aria-pressed={explain}
        onClick={() => session.setExplain(!explain)}
      >
        <Icon name="why" />
        <span className="hidden">Show where in the picture it sees that</span>
      </button>
      {cameras.length > 1 && (
        <button
          type="button"
          data-testid="flip"
          title="The other camera"
          onClick={() => session.startCamera(next(state) ?? { facing: flipped(facesUser) })}
        >
          <Icon name="flip" />
          <span className="hidden">The other camera</span>
        </button>
      )}
      <button
        ref={drawerButton}
        type="button"
        className="last"
        data-testid="drawer-toggle"
        title="Settings and the model"
        aria-expanded={drawerOpen}
        aria-controls="drawer"
        onClick={toggleDrawer}
      >
        <Icon name={drawerOpen ? "close" : "more"} />
        <span className="hidden">Settings and the model</span>
      </button>
    </div>
  );
}

/** The camera after the one that is on, where their ids are known; a phone's two cameras are told by their side. */
function next({ cameras, camera }: SessionState): { deviceId: string } | null {
  if (cameras.length === 2 && matchMedia("(pointer: coarse)").matches) return null;
  const place = cameras.findIndex((each) => each.deviceId === camera);
  const following = cameras[(place + 1) % cameras.length];
  return following ? { deviceId: following.deviceId } : null;
}
