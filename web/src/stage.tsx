import { type RefObject, useEffect, useRef, useState } from "react";
import { Icon } from "./icons";
import { Loading } from "./loading";
import { flipped } from "./picture";
import type { Problem } from "./problems";
import type { Session } from "./session";
import { STANDALONE } from "./source";
import { mirrored, type View } from "./view";

interface Props {
  session: Session;
  view: View;
  drawerOpen: boolean;
  toggleDrawer: () => void;
}

/** The picture, what is wrong with it, and the few buttons that belong to it. */
export function Stage({ session, view, drawerOpen, toggleDrawer }: Props) {
  const video = useRef<HTMLVideoElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const file = useRef<HTMLInputElement>(null);
  const stage = useRef<HTMLElement>(null);
  const dropping = useDropped(session);
  useSquare(stage, video);
  const { state, facesUser, cameras } = view;
  const problem = view.pictureProblem ?? view.answerProblem;

  useEffect(() => {
    if (video.current && canvas.current) return session.begin(video.current, canvas.current);
    return undefined;
  }, [session]);

  const choose = (): void => file.current?.click();
  const act = ({ code, words: { way } }: Problem): void => {
    if (way === "choose") choose();
    else if (way === "camera" || view.pictureProblem) session.startCamera();
    else if (STANDALONE || way === "answers") session.again();
    else if (way === "server") void session.use("server");
    else if (way === "device" && code === "device-download") void session.loadDevice();
    else {
      if (way === "device") void session.use("device");
      if (!drawerOpen) toggleDrawer();
    }
  };

  return (
    <section
      ref={stage}
      className="stage"
      aria-label="The picture"
      data-testid="stage"
      data-state={state}
      data-problem={problem?.code ?? ""}
      data-mirrored={mirrored(view) && state !== "still"}
      data-dropping={dropping}
    >
      {state === "starting" && <p className="waiting">Allow the camera, then point it at something.</p>}
      <video ref={video} muted playsInline aria-label="What the camera sees" />
      <canvas ref={canvas} />
      <div className="square" hidden />
      {problem && (
        <div className="problem" role="alert" data-place={problem.words.place}>
          <p data-testid="problem">{problem.words.sentence}</p>
          {(problem.words.way !== "key" || !drawerOpen) && (
            <button type="button" className="action" data-testid="problem-action" onClick={() => act(problem)}>
              {STANDALONE && problem.words.way === "server" ? "Try again" : problem.words.button}
            </button>
          )}
        </div>
      )}
      {view.loading === "loading" && !drawerOpen && !problem && (
        <div className="loading">
          <Loading view={view} />
        </div>
      )}
      <p className="notice" role="status" data-testid="notice">
        {view.notice}
      </p>
      <div className="buttons">
        <Freeze session={session} view={view} />
        <button type="button" data-testid="choose" title="Choose a picture" onClick={choose}>
          <Icon name="picture" />
          <span className="hidden">Choose a picture</span>
        </button>
        {cameras.length > 1 && (
          <button
            type="button"
            data-testid="flip"
            title="The other camera"
            onClick={() => session.startCamera(next(view) ?? { facing: flipped(facesUser) })}
          >
            <Icon name="flip" />
            <span className="hidden">The other camera</span>
          </button>
        )}
        <button
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

function Freeze({ session, view: { state } }: { session: Session; view: View }) {
  const live = state === "live" || state === "starting";
  const name = live ? "Freeze the picture" : "Back to the camera";
  return (
    <button
      type="button"
      data-testid="freeze"
      title={name}
      disabled={state === "starting"}
      onClick={() => session.toggleFreeze()}
    >
      <Icon name={live ? "freeze" : state === "frozen" ? "play" : "camera"} />
      <span className="hidden">{name}</span>
    </button>
  );
}

/** The camera after the one that is on, where their ids are known; a phone's two cameras are told by their side. */
function next({ cameras, camera }: View): { deviceId: string } | null {
  if (cameras.length === 2 && matchMedia("(pointer: coarse)").matches) return null;
  const place = cameras.findIndex((each) => each.deviceId === camera);
  const following = cameras[(place + 1) % cameras.length];
  return following ? { deviceId: following.deviceId } : null;
}

/** Pictures that are dropped or pasted anywhere on the page. Returns whether one hangs over it. */
function useDropped(session: Session): boolean {
  const [over, setOver] = useState(false);
  useEffect(() => {
    const end = new AbortController();
    const { signal } = end;
    const take = (files: FileList | undefined): void => {
      const [first] = files ?? [];
      if (first) session.show(first);
    };
    document.addEventListener("paste", (event) => take(event.clipboardData?.files), { signal });
    document.addEventListener(
      "dragover",
      (event) => {
        event.preventDefault();
        setOver(true);
      },
      { signal },
    );
    document.addEventListener("dragleave", (event) => event.relatedTarget ?? setOver(false), { signal });
    document.addEventListener(
      "drop",
      (event) => {
        event.preventDefault();
        setOver(false);
        take(event.dataTransfer?.files);
      },
      { signal },
    );
    return () => end.abort();
  }, [session]);
  return over;
}

/** Marks the square that the model sees, where the stage shows more of the picture than that. */
function useSquare(stage: RefObject<HTMLElement | null>, video: RefObject<HTMLVideoElement | null>): void {
  useEffect(() => {
    const element = stage.current;
    const square = element?.querySelector<HTMLElement>(".square");
    const picture = video.current;
    if (!element || !square || !picture) return undefined;
    const mark = (): void => {
      const { clientWidth: width, clientHeight: height } = element;
      const { videoWidth, videoHeight } = picture;
      const scale = Math.max(width / videoWidth, height / videoHeight);
      const side = scale * Math.min(videoWidth, videoHeight);
      square.hidden = !(videoWidth > 0 && side <= height + 1 && side < width - 8);
    };
    const resized = new ResizeObserver(mark);
    resized.observe(element);
    picture.addEventListener("resize", mark);
    return () => {
      resized.disconnect();
      picture.removeEventListener("resize", mark);
    };
  }, [stage, video]);
}
