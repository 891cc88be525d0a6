import { lazy, Suspense, useEffect, useRef, useState } from "react";
import { type Doubted, useAnswer, Wrong } from "./feedback/wrong";
import type { Session } from "./session/session";
import { request } from "./shared/api";
import { feedbackUrl } from "./shared/endpoints";
import { sendWrong } from "./studio/review";
import { Studio } from "./studio/studio";
import { Teach } from "./teach/teach";
import { Teaching } from "./teach/teaching";
import { Drawer } from "./ui/drawer";
import { useKeys } from "./ui/keys";
import { Readings } from "./ui/readings";
import { Stage } from "./ui/stage";
import { useStore } from "./ui/use-session";
import { Words } from "./ui/words";

const Review = lazy(() => import("./review/review")); // for who has a studio alone

const KEPT = `This one picture is sent to ${location.host}, which keeps it, for others to learn from.`;

/** To a service that keeps such pictures. */
async function sendFeedback(form: FormData): Promise<void> {
  await request(feedbackUrl(), { method: "POST", body: form });
}

/** One screen: the picture, the words, two charts or the teaching, and a drawer with everything else. */
export function App({ session }: { session: Session }) {
  const state = useStore(session);
  const [studio] = useState(() => new Studio());
  const [teaching] = useState(() => new Teaching(session, studio)); // frames outlive the view that took them
  const { access: known, state: taught } = useStore(studio);
  const { draft, model } = taught ?? {};
  const [open, setOpen] = useState(false);
  const [teachOpen, setTeachOpen] = useState(false);
  const [reviewing, setReviewing] = useState(false);
  const [doubted, setDoubted] = useState<Doubted | null>(null);
  const answer = useAnswer(session);
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
  const openReview = (): void => {
    setTeachOpen(false);
    setReviewing(true);
  };
  const toStudio = there && known === "open";
  const toService = state.kind === "answering" && state.feedback === true;
  const doubt = (): void => {
    if (answer.current) setDoubted({ answer: answer.current, photo: session.photo() });
    else session.notice("There is no answer yet.");
  };
  const keys = {
    " ": () => session.toggleFreeze(),
    o: () => file.current?.click(),
    e: () => session.setExplain(!state.explain),
    p: () => setPaused(!paused),
    d: toggleDrawer,
    ...(there && { t: toggleTeach }),
    ...(toStudio && { r: openReview }),
    ...((toStudio || toService) && { w: doubt }),
    ...((open || teachOpen) && { Escape: open ? toggleDrawer : toggleTeach }),
  };
  useKeys(reviewing || doubted ? {} : keys, state.shortcuts);

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
        review={toStudio ? openReview : null}
        wrong={toStudio || toService ? doubt : null}
      />
      <Words session={session} draft={draft?.version} />
      {there && teachOpen ? (
        <Teach session={session} studio={studio} teaching={teaching} close={toggleTeach} />
      ) : (
        <Readings session={session} state={state} paused={paused} togglePaused={() => setPaused(!paused)} />
      )}
      <Drawer session={session} state={state} open={open} close={toggleDrawer} />
      {reviewing && (
        <Suspense>
          <Review session={session} studio={studio} close={() => setReviewing(false)} />
        </Suspense>
      )}
      {doubted && (
        <Wrong
          doubted={doubted}
          told={toStudio ? "This one picture goes to the studio, for Review." : KEPT}
          send={toStudio ? sendWrong : sendFeedback}
          close={(sent) => {
            setDoubted(null);
            if (sent) session.notice(toStudio ? "Thanks: it waits in Review." : "Thanks: it was sent.");
          }}
        />
      )}
    </main>
  );
}
