import { type ReactNode, useRef, useState } from "react";

const TAP_MS = 350; // a shorter press goes on by itself until the next one, for who can't hold

interface Props {
  /** whether frames are taken now */
  on: boolean;
  /** whether it does something now */
  ready: boolean;
  begin: () => void;
  end: () => void;
  /** @param latched goes on until it is pressed again */
  children: (latched: boolean) => ReactNode;
}

/** Does something while it is held, by pointer or by Space or Enter; a tap, or a screen reader's click, begins and ends it. */
export function HoldButton({ on, ready, begin, end, children }: Props) {
  const [latched, setLatched] = useState(false);
  const pressed = useRef(Number.NaN); // performance.now(), of a press that is not over

  const press = (): void => {
    if (on && latched) {
      pressed.current = Number.NaN; // this press is the one that ends it
      end();
    } else if (ready && !on) {
      pressed.current = performance.now();
      setLatched(false);
      begin();
    }
  };
  const letGo = (): void => {
    if (Number.isNaN(pressed.current)) return;
    const tapped = performance.now() - pressed.current < TAP_MS;
    pressed.current = Number.NaN;
    if (tapped) setLatched(true);
    else end();
  };
  const isKey = (key: string): boolean => key === " " || key === "Enter";

  return (
    <button
      type="button"
      className="action hold"
      data-testid="hold"
      aria-pressed={on}
      aria-disabled={!ready && !on}
      onPointerDown={({ button, currentTarget, pointerId }) => {
        if (button !== 0) return;
        currentTarget.setPointerCapture?.(pointerId); // a thumb that slides off still holds
        press();
      }}
      onLostPointerCapture={letGo}
      onPointerUp={letGo}
      onKeyDown={(event) => {
        if (!isKey(event.key)) return;
        event.preventDefault(); // no click of it, and no scrolling
        if (!event.repeat) press();
      }}
      onKeyUp={(event) => {
        if (!isKey(event.key)) return;
        event.preventDefault();
        letGo();
      }}
      onBlur={letGo}
      onClick={({ detail }) => {
        if (detail > 0) return; // a pointer's, which has been heard
        press();
        letGo();
      }}
      onContextMenu={(event) => event.preventDefault()}
    >
      {children(latched)}
    </button>
  );
}
