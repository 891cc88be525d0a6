import { type RefObject, useEffect, useRef, useState } from "react";
import type { Session } from "../session/session";
import type { Answer } from "../shared/answer";
import { asProblem } from "../shared/problem";
import { Modal } from "../ui/modal";
import "./wrong.css";

/** What somebody says is wrong: the answer that stood there, and the picture of that moment. */
export interface Doubted {
  readonly answer: Answer;
  readonly photo: Promise<Blob>;
}

/** The newest answer that says what stands on the page; null before there is one. */
export function useAnswer(session: Session): RefObject<Answer | null> {
  const newest = useRef<Answer | null>(null);
  useEffect(
    () =>
      session.listen({
        labels: () => undefined,
        answer: (answer, latched) => {
          if (answer.label === latched || !newest.current) newest.current = answer;
        },
      }),
    [session],
  );
  return newest;
}

interface Props {
  doubted: Doubted;
  /** what is told before it is sent: who keeps the picture */
  told: string;
  /** Rejects with a Problem. */
  send: (form: FormData) => Promise<void>;
  /** @param sent whether it has arrived */
  close: (sent: boolean) => void;
}

/** Asks for the right word, and sends this one picture with it. */
export function Wrong({ doubted, told, send, close }: Props) {
  const { answer, photo } = doubted;
  const [shown, setShown] = useState("");
  const [sending, setSending] = useState(false);
  const [refused, setRefused] = useState("");
  const fail = (error: unknown): void => setRefused(asProblem(error, "picture-failed").message);

  useEffect(() => {
    let url = "";
    let gone = false;
    photo.then(
      (blob) => {
        if (gone) return;
        url = URL.createObjectURL(blob);
        setShown(url);
      },
      (error) => setRefused(asProblem(error, "picture-failed").message),
    );
    return () => {
      gone = true;
      URL.revokeObjectURL(url);
    };
  }, [photo]);

  const say = async (label: string): Promise<void> => {
    setRefused("");
    setSending(true);
    try {
      const form = new FormData();
      form.set("picture", await photo, "picture.jpg");
      const { model, score } = answer;
      for (const [key, value] of Object.entries({ label, model, answer: answer.label ?? "", score: `${score}` }))
        form.set(key, value);
      await send(form);
      close(true);
    } catch (error) {
      setSending(false);
      fail(error);
    }
  };

  return (
    <Modal label="That's wrong" className="asking" close={() => close(false)} data-testid="wrong">
      <div className="doubted">{shown && <img src={shown} alt="What it was asked about" />}</div>
      <h2>It said {answer.label ?? "none of these"}. What is it?</h2>
      <p className="quietly" data-testid="wrong-told">
        {told}
      </p>
      {refused && (
        <p role="alert" data-testid="wrong-refused">
          {refused}
        </p>
      )}
      <div className="ways words-of">
        {[...answer.labels, ""]
          .filter((label) => label !== (answer.label ?? ""))
          .map((label) => (
            <button
              key={label}
              type="button"
              className="action soft"
              data-testid={`right-${label || "none"}`}
              disabled={sending}
              onClick={() => void say(label)}
            >
              {label || "none of these"}
            </button>
          ))}
        <button type="button" className="link" data-testid="wrong-cancel" onClick={() => close(false)}>
          Cancel
        </button>
      </div>
    </Modal>
  );
}
