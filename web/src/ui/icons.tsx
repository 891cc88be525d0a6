import type { ComponentProps } from "react";

/** Drawn here, so that no icon library is needed: 24 px, lines in the colour of the text. */

const PATHS = {
  freeze: "M9 5v14M15 5v14",
  play: "M8 5.5v13l11-6.5z",
  picture: "M4 5h16v14H4zM4 16l5-5 4 4 3-3 4 4M15.5 9.5h.01",
  flip: "M4 12a8 8 0 0 1 14-5.3M20 12a8 8 0 0 1-14 5.3M18 3v4h-4M6 21v-4h4",
  more: "M4 7h16M4 12h16M4 17h10",
  close: "M6 6l12 12M18 6L6 18",
  camera: "M4 8h3l2-2.5h6L17 8h3v11H4zM12 16.5a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7z",
  why: "M12 4v2.5M12 17.5V20M4 12h2.5M17.5 12H20M12 15a3 3 0 1 0 0-6 3 3 0 0 0 0 6z",
  review: "M4 6l1.5 1.5L8.5 5M4 12l1.5 1.5L8.5 11M4 18l1.5 1.5L8.5 17M12 6.5h8M12 12.5h8M12 18.5h8",
  teach: "M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5M12 8.5v7M8.5 12h7",
} as const;

function Icon({ name }: { name: keyof typeof PATHS }) {
  return (
    <svg className="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}

/** A button that shows an icon alone, with its name for pointers and readers. */
export function IconButton({
  icon,
  label,
  ...given
}: ComponentProps<"button"> & { icon: keyof typeof PATHS; label: string }) {
  return (
    <button type="button" title={label} aria-label={label} {...given}>
      <Icon name={icon} />
    </button>
  );
}
