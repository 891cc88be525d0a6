import { type CSSProperties, type RefObject, useEffect, useRef, useState } from "react";
import type { Session } from "../session/session";
import { mirrored, problemOf, type SessionState } from "../session/state";
import { STANDALONE } from "../shared/endpoints";
import type { Problem } from "../shared/problem";
import { EvidenceOverlay } from "./evidence";
import { Gallery } from "./gallery";
import { IconButton } from "./icons";
import { Loading } from "./loading";
import { useDropped } from "./use-dropped";

interface Props {
  session: Session;
  state: SessionState;
  file: RefObject<HTMLInputElement | null>;
  drawerButton: RefObject<HTMLButtonElement | null>;
  drawerOpen: boolean;
  toggleDrawer: () => void;
  /** null where nothing can be taught */
  teach?: { button: RefObject<HTMLButtonElement | null>; open: boolean; toggle: () => void } | null;
  /** opens the photos to look at; null where there is no studio that knows this browser */
  review?: (() => void) | null;
  /** says that the answer is wrong; null where nobody could be told */
  wrong?: (() => void) | null;
}

/** The picture, what is wrong with it, and the few buttons that belong to it. */
export function Stage({ session, state, file, drawerButton, drawerOpen, toggleDrawer, teach, review, wrong }: Props) {
  const video = useRef<HTMLVideoElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const [ratio, setRatio] = useState(0); // width of the picture by its height; 0: there is none
  const dropping = useDropped(session);
  const { picture, explain } = state;
  const problem = problemOf(state);
  const instead = picture.kind === "failed"; // of a picture
  const local = state.kind === "answering" ? state.local : null;
  const labels = state.kind === "answering" ? state.manifest.labels : [];

  useEffect(() => {
    if (video.current && canvas.current) return session.begin(video.current, canvas.current);
    return undefined;
  }, [session]);

  const measure = (): void => {
    const { kind } = session.get().picture;
    const held = kind === "frozen" || kind === "still" ? canvas.current : null;
    const [width, height] = held
      ? [held.width, held.height]
      : [video.current?.videoWidth ?? 0, video.current?.videoHeight ?? 0];
    setRatio(kind === "failed" || !height ? 0 : width / height);
  };
  // biome-ignore lint/correctness/useExhaustiveDependencies: another picture may have another shape
  useEffect(measure, [picture]);

  const act = ({ words: { remedy } }: Problem): void => {
    if (remedy === "choose") file.current?.click();
    else if (remedy === "reload") location.reload();
    else if (instead || remedy === "camera") session.startCamera();
    else if (STANDALONE || remedy === "answers") session.again();
    else if (remedy === "server") void session.use("server");
    else if (remedy === "load") void session.loadLocal();
    else {
      if (remedy === "device") void session.use("device");
      if (!drawerOpen) toggleDrawer();
    }
  };

  return (
    <section
      className="stage"
      aria-label="The picture"
      data-testid="stage"
      data-state={instead ? "problem" : picture.kind}
      data-problem={problem?.code ?? ""}
      data-mirrored={mirrored(state) && picture.kind !== "still"}
      data-dropping={dropping}
      style={{ "--ratio": ratio } as CSSProperties}
    >
      {picture.kind === "starting" && (
        <div className="waiting">
          <p>Allow the camera, then point it at something.</p>
          <Gallery session={session} labels={labels} />
        </div>
      )}
      <video ref={video} muted playsInline aria-label="What the camera sees" onResize={measure} />
      <canvas ref={canvas} className="held" />
      {ratio > 0 && <div className="square" />}
      {ratio > 0 && explain && <EvidenceOverlay session={session} />}
      {problem && (
        <div className="problem" role="alert" data-place={instead ? "picture" : "under"}>
          <p data-testid="problem">{problem.words.sentence}</p>
          {(problem.words.remedy !== "key" || !drawerOpen) && (
            <button type="button" className="action" data-testid="problem-action" onClick={() => act(problem)}>
              {STANDALONE && problem.words.remedy === "server" ? "Try again" : problem.words.button}
            </button>
          )}
          {instead && <Gallery session={session} labels={labels} />}
        </div>
      )}
      {local?.kind === "loading" && !local.replacing && !drawerOpen && !problem && (
        <div className="problem" data-place="under">
          <Loading local={local} />
        </div>
      )}
      <p className="notice" role="status" data-testid="notice">
        {state.notice}
      </p>
      {wrong && ratio > 0 && (
        <button
          type="button"
          className="wrong-toggle"
          data-testid="wrong-toggle"
          aria-haspopup="dialog"
          onClick={wrong}
        >
          That's wrong
        </button>
      )}
      <div className="buttons">
        <Buttons session={session} state={state} file={file} />
        {teach && (
          <IconButton
            ref={teach.button}
            data-testid="teach-toggle"
            icon="teach"
            label="Teach"
            aria-expanded={teach.open}
            aria-pressed={teach.open}
            aria-controls="teach"
            onClick={teach.toggle}
          />
        )}
        {review && (
          <IconButton
            data-testid="review-toggle"
            icon="review"
            label="Review the photos"
            aria-haspopup="dialog"
            onClick={review}
          />
        )}
        <IconButton
          ref={drawerButton}
          className="last"
          data-testid="drawer-toggle"
          icon={drawerOpen ? "close" : "more"}
          label="Settings and the model"
          aria-expanded={drawerOpen}
          aria-controls="drawer"
          onClick={toggleDrawer}
        />
      </div>
    </section>
  );
}

function Buttons({ session, state, file }: Pick<Props, "session" | "state" | "file">) {
  const { cameras, camera, explain, picture } = state;
  const live = picture.kind === "live" || picture.kind === "starting";
  const next = cameras[(cameras.findIndex(({ deviceId }) => deviceId === camera) + 1) % cameras.length];
  return (
    <>
      <IconButton
        data-testid="freeze"
        icon={live ? "freeze" : picture.kind === "frozen" ? "play" : "camera"}
        label={live ? "Freeze the picture" : "Back to the camera"}
        disabled={picture.kind === "starting"}
        onClick={() => session.toggleFreeze()}
      />
      <IconButton data-testid="choose" icon="picture" label="Choose a picture" onClick={() => file.current?.click()} />
      <IconButton
        data-testid="explain"
        icon="why"
        label="Show where in the picture it sees that"
        aria-pressed={explain}
        onClick={() => session.setExplain(!explain)}
      />
      {next && cameras.length > 1 && (
        <IconButton
          data-testid="flip"
          icon="flip"
          label="The other camera"
          onClick={() => session.startCamera({ deviceId: next.deviceId })}
        />
      )}
      <input
        ref={file}
        type="file"
        accept="image/*"
        hidden
        data-testid="file"
        onChange={({ target }) => {
          const [chosen] = target.files ?? [];
          if (chosen) session.show(chosen);
          target.value = "";
        }}
      />
    </>
  );
}
