import { type ReactNode, useLayoutEffect, useRef } from "react";

interface Props {
  label: string;
  className: string;
  close: () => void;
  children: ReactNode;
}

/** Lies over everything else, which can't be reached meanwhile; Escape closes it, the focus returns. */
export function Modal({ label, className, close, children, ...given }: Props & { "data-testid": string }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useLayoutEffect(() => {
    const shown = dialog.current;
    shown?.showModal();
    shown?.querySelector<HTMLElement>(":checked")?.focus(); // of several, what is picked already
    return () => shown?.close(); // before it is gone, which gives the focus back
  }, []);
  return (
    <dialog
      ref={dialog}
      className={className}
      aria-label={label}
      onCancel={(event) => {
        event.preventDefault(); // who has opened it closes it
        event.stopPropagation(); // React's goes on to the one that it lies in
        close();
      }}
      {...given}
    >
      {children}
    </dialog>
  );
}
