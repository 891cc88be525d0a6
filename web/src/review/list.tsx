import { type KeyboardEvent, type MouseEvent, memo, type RefObject, useEffect, useLayoutEffect, useState } from "react";
import type { Item, Label } from "../studio/contract";
import { photoUrl } from "../studio/review";
import { nameOf } from "../teach/label-choice";
import { KIND_NAMES } from "./names";
import type { Queue, QueueView } from "./queue";
import { moveTo, toggle } from "./selection";

const ROW = 92; // px, as the style sheet has it
const WIDTH = 300; // px that an item needs
const MORE = 4; // rows above and below what is seen
const SIDE = 160; // px of a thumbnail

interface Props {
  queue: Queue;
  view: QueueView;
  labels: readonly Label[];
  box: RefObject<HTMLDivElement | null>;
}

/** All that is to be looked at, of which only what is seen is drawn. */
export function List({ queue, view, labels, box }: Props) {
  const { items, selection } = view;
  const total = view.total ?? 0;
  const [{ top, width, height }, setPlace] = useState({ top: 0, width: 0, height: 0 });
  const columns = Math.max(1, Math.floor(width / WIDTH));
  const first = Math.max(0, Math.floor(top / ROW) - MORE) * columns;
  const end = (Math.ceil((top + height) / ROW) + MORE) * columns;
  const focused = items.findIndex(({ id }) => id === selection.focus);

  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return undefined;
    const measure = (): void =>
      setPlace({ top: element.scrollTop, width: element.clientWidth, height: element.clientHeight });
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    element.addEventListener("scroll", measure, { passive: true });
    return () => {
      observer.disconnect();
      element.removeEventListener("scroll", measure);
    };
  }, [box]);
  useEffect(() => void queue.reach(end), [queue, end]);
  useLayoutEffect(() => {
    const element = box.current;
    if (!element || focused < 0) return;
    const above = Math.floor(focused / columns) * ROW;
    const { scrollTop, clientHeight } = element;
    if (above < scrollTop) element.scrollTop = above;
    else if (above + ROW > scrollTop + clientHeight) element.scrollTop = above + ROW - clientHeight;
  }, [box, focused, columns]);

  const pressed = async (event: KeyboardEvent): Promise<void> => {
    const { key, shiftKey, ctrlKey, metaKey } = event;
    const page = Math.max(1, Math.floor(height / ROW)) * columns;
    const ways: Readonly<Record<string, number>> = {
      ArrowDown: columns,
      ArrowUp: -columns,
      ArrowRight: 1,
      ArrowLeft: -1,
      PageDown: page,
      PageUp: -page,
      Home: Number.NEGATIVE_INFINITY,
      End: Number.POSITIVE_INFINITY,
    };
    const way = ways[key];
    const all = key === "a" && (ctrlKey || metaKey);
    if (way === undefined && key !== " " && !all) return;
    event.preventDefault();
    if (all || key === "End") await queue.reach(Number.POSITIVE_INFINITY);
    queue.select((now, ids) => {
      if (all) return { ...now, chosen: new Set(ids) };
      if (way === undefined) return toggle(now, now.focus);
      return moveTo(now, ids, ids.indexOf(now.focus) + way, shiftKey);
    });
  };
  const clicked = ({ target, shiftKey, ctrlKey, metaKey }: MouseEvent): void => {
    const id = target instanceof Element ? (target.closest<HTMLElement>("[data-item]")?.dataset["item"] ?? "") : "";
    if (!id) return;
    box.current?.focus({ preventScroll: true });
    const mark = ctrlKey || metaKey || (target instanceof Element && target.closest(".mark") !== null);
    queue.select((now, ids) => (mark ? toggle(now, id) : moveTo(now, ids, ids.indexOf(id), shiftKey)));
  };

  return (
    <div
      ref={box}
      className="list scroll"
      role="listbox"
      tabIndex={0}
      aria-multiselectable
      aria-label="Photos to look at, the worst first"
      aria-activedescendant={focused >= first && focused < end ? `item-${selection.focus}` : undefined}
      data-testid="queue"
      onKeyDown={(event) => void pressed(event)}
      onClick={clicked}
    >
      <div role="presentation" style={{ height: Math.ceil(total / columns) * ROW }}>
        {items.slice(first, end).map((item, index) => (
          <Cell
            key={item.id}
            item={item}
            labels={labels}
            place={first + index}
            columns={columns}
            total={total}
            focused={item.id === selection.focus}
            chosen={selection.chosen.has(item.id)}
          />
        ))}
      </div>
    </div>
  );
}

interface CellProps {
  item: Item;
  labels: readonly Label[];
  place: number;
  columns: number;
  total: number;
  focused: boolean;
  chosen: boolean;
}

const Cell = memo(({ item, labels, place, columns, total, focused, chosen }: CellProps) => {
  const [worst, ...others] = item.why;
  return (
    // The list keeps the focus and hears the keys: it tells which of these is meant.
    <div
      id={`item-${item.id}`}
      role="option"
      tabIndex={-1}
      className="item"
      aria-selected={chosen}
      aria-setsize={total}
      aria-posinset={place + 1}
      data-item={item.id}
      data-file={item.file ?? ""}
      data-focus={focused}
      style={{
        width: `${100 / columns}%`,
        translate: `${(place % columns) * 100}% ${Math.floor(place / columns) * ROW}px`,
      }}
      onMouseDown={(event) => event.preventDefault()}
    >
      <img src={photoUrl(item, SIDE)} alt="" loading="lazy" decoding="async" draggable="false" />
      <span>
        <b>{nameOf(item.label, labels) || "none of these"}</b>
        <small>
          {worst && KIND_NAMES[worst.kind]}
          {others.length > 0 && `, ${others.length} more`}
        </small>
        <small className="clipped">{worst?.said}</small>
      </span>
      <span className="mark" aria-hidden="true" />
    </div>
  );
});
