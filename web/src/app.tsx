import { useEffect, useRef, useState, useSyncExternalStore } from "react";
import { Drawer } from "./drawer";
import { Icon } from "./icons";
import { findPlaces, Readout } from "./readout";
import type { Session } from "./session";
import { Stage } from "./stage";

/** One screen: the picture, the words, two charts, and a drawer with everything else. */
export function App({ session }: { session: Session }) {
  const view = useSyncExternalStore(session.store.subscribe, session.store.get);
  const [open, setOpen] = useState(false);
  const [paused, setPaused] = useState(false);
  const page = useRef<HTMLElement>(null);
  const readout = useRef<Readout | null>(null);

  useEffect(() => {
    if (!page.current) return undefined;
    const made = new Readout(session, findPlaces(page.current));
    readout.current = made;
    return () => made.close();
  }, [session]);

  useEffect(() => {
    if (readout.current) readout.current.paused = paused;
  }, [paused]);

  const toggleDrawer = (): void => {
    if (open) page.current?.querySelector<HTMLElement>("[data-testid=drawer-toggle]")?.focus({ preventScroll: true });
    setOpen(!open);
  };
  useKeys({
    " ": () => session.toggleFreeze(),
    o: () => page.current?.querySelector<HTMLElement>("[data-testid=choose]")?.click(),
    p: () => setPaused(!paused),
    d: toggleDrawer,
    ...(open && { Escape: toggleDrawer }),
  });

  return (
    <main ref={page} className="page" data-drawer={open}>
      <h1 className="hidden">What is it?</h1>
      <Stage session={session} view={view} drawerOpen={open} toggleDrawer={toggleDrawer} />
      <section className="said" data-testid="room" aria-label="What it is">
        <ul className="words" data-testid="words" data-answer="" data-model="" />
        <p className="none" data-testid="none" data-lit="false">
          none of these
        </p>
        <p className="hidden" data-testid="announcement" aria-live="polite" />
      </section>
      <section className="charts" aria-label="The last 30 seconds">
        <p className="caption">
          <span className="name">
            seen<span className="wide"> in 30 s</span>
          </span>
          <span className="numbers">
            <span>
              <b data-testid="fps" /> a second
            </span>
            <span>
              <b className="count" data-testid="dropped" /> dropped
            </span>
          </span>
          <span className="note" data-testid="seen-note" />
          <button
            type="button"
            className="round"
            title="Pause the charts"
            data-testid="pause-charts"
            aria-pressed={paused}
            onClick={() => setPaused(!paused)}
          >
            <Icon name={paused ? "play" : "freeze"} />
            <span className="hidden">Pause the charts</span>
          </button>
        </p>
        <div className="chart" data-testid="seen-chart" role="img" aria-label="Probability of each label" />
        <p className="caption last">
          <span className="name">
            ms<span className="wide"> an answer</span>
          </span>
          <span className="numbers">
            <span>
              P50 <b data-testid="p50" />
            </span>
            <span>
              P95 <b data-testid="p95" />
            </span>
            <span>
              P99 <b data-testid="p99" />
            </span>
          </span>
          <span className="note" data-testid="time-note" />
        </p>
        <div className="chart" data-testid="time-chart" role="img" aria-label="Time of each answer, by part" />
      </section>
      <Drawer session={session} view={view} open={open} close={toggleDrawer} />
    </main>
  );
}

/** Single keys, except where they mean something else: in a field, or on a button that space presses. */
function useKeys(actions: Readonly<Record<string, () => void>>): void {
  const current = useRef(actions);
  current.current = actions;
  useEffect(() => {
    const pressed = (event: KeyboardEvent): void => {
      const { key, target } = event;
      const busy = target instanceof Element && target.closest("input, select, textarea, button, summary, a");
      if (event.ctrlKey || event.metaKey || event.altKey || (busy && key !== "Escape")) return;
      const action = current.current[key];
      if (!action) return;
      event.preventDefault();
      action();
    };
    document.addEventListener("keydown", pressed);
    return () => document.removeEventListener("keydown", pressed);
  }, []);
}
