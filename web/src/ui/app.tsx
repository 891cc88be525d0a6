import { useRef, useState } from "react";
import type { Session } from "../session/session";
import { Drawer } from "./drawer";
import { useKeys } from "./keys";
import { Readings } from "./readings";
import { Stage } from "./stage";
import { useSession } from "./use-session";
import { Words } from "./words";

/** One screen: the picture, the words, two charts, and a drawer with everything else. */
export function App({ session }: { session: Session }) {
  const state = useSession(session);
  const [open, setOpen] = useState(false);
  const [paused, setPaused] = useState(false);
  const file = useRef<HTMLInputElement>(null);
  const drawerButton = useRef<HTMLButtonElement>(null);

  const toggleDrawer = (): void => {
    if (open) drawerButton.current?.focus({ preventScroll: true });
    setOpen(!open);
  };
  const keys = {
    " ": () => session.toggleFreeze(),
    o: () => file.current?.click(),
    e: () => session.setExplain(!state.explain),
    p: () => setPaused(!paused),
    d: toggleDrawer,
    ...(open && { Escape: toggleDrawer }),
  };
  useKeys(keys, state.shortcuts);

  return (
    <main className="page" data-drawer={open}>
      <h1 className="hidden">What is it?</h1>
      <Stage
        session={session}
        state={state}
        file={file}
        drawerButton={drawerButton}
        drawerOpen={open}
        toggleDrawer={toggleDrawer}
      />
      <Words session={session} />
      <Readings session={session} state={state} paused={paused} togglePaused={() => setPaused(!paused)} />
      <Drawer session={session} state={state} open={open} close={toggleDrawer} />
    </main>
  );
}
