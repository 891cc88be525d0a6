import { useEffect, useRef, useState } from "react";
import type { Session } from "./session/session";
import { Studio } from "./studio/studio";
import { Teach } from "./teach/teach";
import { Teaching } from "./teach/teaching";
import { Drawer } from "./ui/drawer";
import { useKeys } from "./ui/keys";
import { Readings } from "./ui/readings";
import { Stage } from "./ui/stage";
import { useStore } from "./ui/use-session";
import { Words } from "./ui/words";

/** One screen: the picture, the words, two charts or the teaching, and a drawer with everything else. */
export function App({ session }: { session: Session }) {
  const state = useStore(session);
  const [studio] = useState(() => new Studio());
  const [teaching] = useState(() => new Teaching(session, studio)); // frames outlive the view that took them
  const { draft, model } = useStore(studio).state ?? {};
  const [open, setOpen] = useState(false);
  const [teachOpen, setTeachOpen] = useState(false);
  const [paused, setPaused] = useState(false);
  const file = useRef<HTMLInputElement>(null);
  const drawerButton = useRef<HTMLButtonElement>(null);
  const teachButton = useRef<HTMLButtonElement>(null);
  const access = state.kind === "answering" ? state.studio : "none";

  const there = access !== "none";
  // biome-ignore lint/correctness/useExhaustiveDependencies: how it begins; the studio itself tells what changes later
  useEffect(() => (there ? studio.begin(access === "open") : undefined), [studio, there]);
  useEffect(() => {
    if (model) session.serves(model);
  }, [session, model]);

  const toggleDrawer = (): void => {
    if (open) drawerButton.current?.focus({ preventScroll: true });
    setOpen(!open);
  };
  const toggleTeach = (): void => {
    if (teachOpen) teachButton.current?.focus({ preventScroll: true });
    setTeachOpen(!teachOpen);
  };
  const keys = {
    " ": () => session.toggleFreeze(),
    o: () => file.current?.click(),
    e: () => session.setExplain(!state.explain),
    p: () => setPaused(!paused),
    d: toggleDrawer,
    ...(there && { t: toggleTeach }),
    ...((open || teachOpen) && { Escape: open ? toggleDrawer : toggleTeach }),
  };
  useKeys(keys, state.shortcuts);

  return (
    <main className="page" data-drawer={open} data-teach={there && teachOpen}>
      <h1 className="hidden">What is it?</h1>
      <Stage
        session={session}
        state={state}
        file={file}
        drawerButton={drawerButton}
        drawerOpen={open}
        toggleDrawer={toggleDrawer}
        teach={there ? { button: teachButton, open: teachOpen, toggle: toggleTeach } : null}
      />
      <Words session={session} draft={draft?.version} />
      {there && teachOpen ? (
        <Teach session={session} studio={studio} teaching={teaching} close={toggleTeach} />
      ) : (
        <Readings session={session} state={state} paused={paused} togglePaused={() => setPaused(!paused)} />
      )}
      <Drawer session={session} state={state} open={open} close={toggleDrawer} />
    </main>
  );
}
