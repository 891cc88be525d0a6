import type { StudioState } from "../studio/contract";
import { plural } from "./label-choice";
import type { Teaching, TeachState } from "./teaching";

const SHOWN = 24; // of frames that are not kept yet

interface Props {
  teach: TeachState;
  teaching: Teaching;
  state: StudioState;
  /** whether the model that answers does not know them yet */
  learning: boolean;
  /** takes photos of a step back */
  undo: (step: number, files?: readonly string[]) => void;
}

/** What was taken: as it comes, then as photos that can be dropped, and what is to be decided about it. */
export function Shots({ teach, teaching, state, learning, undo }: Props) {
  if (teach.kind === "ready") {
    return (
      <p className="quietly shots-line">
        Move it about while you hold: near, far, turned. Each hold is one sitting; another place makes a better one.
      </p>
    );
  }
  if (teach.kind === "taught") {
    const { step, pictures, collapsed, full } = teach;
    const known = state.steps.find((each) => each.step === step);
    const files = known ? (known.undone ? [] : (known.files ?? [])) : [...pictures.keys()];
    return (
      <>
        <p className="shots-line" data-testid="taught">
          <span>
            {files.length ? `${plural(files.length, "photo")} taught` : "All of it is taken back"}
            {collapsed > 0 && files.length > 0 && `, ${collapsed} more showed the same or nothing`}.
            {full && " A thousand frames are the most."}
            {learning && " Learning…"}
          </span>
          {files.length > 0 && (
            <button type="button" className="link" data-testid="undo-taught" onClick={() => undo(step)}>
              Undo
            </button>
          )}
        </p>
        <ul className="shots scroll" data-testid="shots">
          {files.map((file, index) => (
            <li key={file}>
              <button type="button" aria-label={`Drop photo ${index + 1}`} onClick={() => undo(step, [file])}>
                <img src={pictures.get(file)} alt="" loading="lazy" draggable="false" />
              </button>
            </li>
          ))}
        </ul>
      </>
    );
  }
  const { shots } = teach;
  return (
    <>
      {teach.kind === "offered" ? (
        <p className="shots-line" role="alert" data-testid="offered">
          <span className="whole">
            {plural(shots.length, "frame")} of {teach.label} wait here: {teach.why}
          </span>
          <button type="button" className="link" data-testid="send" onClick={() => void teaching.send()}>
            Teach them
          </button>
          <button type="button" className="link" data-testid="drop" onClick={() => teaching.drop()}>
            Drop them
          </button>
        </p>
      ) : (
        <p className="shots-line">{plural(shots.length, "frame")}</p>
      )}
      <ul className="shots scroll" data-testid="shots">
        {shots.slice(-SHOWN).map(({ url }) => (
          <li key={url}>
            <img src={url} alt="" draggable="false" />
          </li>
        ))}
      </ul>
    </>
  );
}
