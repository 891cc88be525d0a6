import { useEffect, useRef, useState } from "react";
import { type History, PARTS, WINDOW } from "../results/history";
import type { Session } from "../session/session";
import type { SessionState } from "../session/state";
import { chartTheme, useThemeKey } from "./chart-theme";
import { SeenChart, TimeChart } from "./charts";
import { Icon } from "./icons";
import { milliseconds, useFrames, useNumbers } from "./use-session";

const CALM_MS = 1000; // between two drawings of the charts where less motion is wanted

interface Props {
  session: Session;
  state: SessionState;
  paused: boolean;
  togglePaused: () => void;
}

interface Charts {
  seen: SeenChart;
  time: TimeChart;
  history: History;
  reduced: boolean;
  width: number;
}

/** Two charts of the last half minute, and the numbers over them. */
export function Readings({ session, state, paused, togglePaused }: Props) {
  const seen = useRef<HTMLDivElement>(null);
  const time = useRef<HTMLDivElement>(null);
  const charts = useRef<Charts | null>(null);
  const [seenNote, setSeenNote] = useState("");
  const [timeNote, setTimeNote] = useState("");
  const themeKey = useThemeKey();
  const numbers = useNumbers(session);
  const silent = numbers === null || Number.isNaN(numbers.p50); // no answer in the window
  const p95 = numbers?.p95 ?? 0;

  // biome-ignore lint/correctness/useExhaustiveDependencies: the key stands for what chartTheme() reads
  useEffect(() => {
    const make = (history: History): void => {
      if (!seen.current || !time.current) return;
      close(charts.current);
      const theme = chartTheme();
      const made = {
        seen: new SeenChart(seen.current, history, theme),
        time: new TimeChart(time.current, history, theme),
        history,
        reduced: theme.reduced,
        width: Math.max(200, seen.current.clientWidth),
      };
      made.seen.onHover = (row) => setSeenNote(note(row, history.labels, (value) => `${(value * 100).toFixed(0)} %`));
      made.time.onHover = (row) => setTimeNote(note(row, PARTS, (value) => `${value.toFixed(1)} ms`));
      charts.current = made;
      drawn.current = 0;
    };
    const end = session.listen({ labels: make, answer: () => undefined });
    return () => {
      end();
      close(charts.current);
      charts.current = null;
    };
  }, [session, themeKey]);

  const drawn = useRef(0); // ms, as performance.now()
  const odd = useRef(false);
  const { kind } = state.picture;
  useFrames((now) => {
    const made = charts.current;
    if (!made) return;
    // A chart moves a pixel at a time: drawing more often than that shows nothing. They take turns.
    const due = made.reduced ? CALM_MS : Math.max(16, (WINDOW * 1000) / made.width / 2);
    const held = paused || (kind !== "live" && kind !== "still");
    if (drawn.current > 0 && (held || now - drawn.current < due)) return;
    const both = made.reduced || drawn.current === 0;
    drawn.current = now;
    odd.current = !odd.current;
    if (odd.current || both) made.seen.draw(made.history, now / 1000);
    if (!odd.current || both) made.time.draw(made.history, now / 1000, p95);
  });

  return (
    <section className="charts" aria-label="The last 30 seconds">
      <p className="caption">
        <span className="name">
          seen<span className="wide"> in 30 s</span>
        </span>
        <span className="numbers">
          <span>
            <b data-testid="fps">{silent ? "" : numbers.fps.toFixed(1)}</b> a second
          </span>
          <span>
            <b className="count" data-testid="dropped">
              {silent ? "" : numbers.dropped}
            </b>{" "}
            dropped
          </span>
        </span>
        <span className="note">{seenNote}</span>
        <button
          type="button"
          className="round"
          title="Pause the charts"
          data-testid="pause-charts"
          aria-pressed={paused}
          onClick={togglePaused}
        >
          <Icon name={paused ? "play" : "freeze"} />
          <span className="hidden">Pause the charts</span>
        </button>
      </p>
      <div ref={seen} className="chart" data-testid="seen-chart" role="img" aria-label="Probability of each label" />
      <p className="caption last">
        <span className="name">
          ms<span className="wide"> an answer</span>
        </span>
        <span className="numbers">
          {(["p50", "p95", "p99"] as const).map((name) => (
            <span key={name}>
              {name.toUpperCase()} <b data-testid={name}>{silent ? "" : milliseconds(numbers[name])}</b>
            </span>
          ))}
        </span>
        <span className="note">{timeNote}</span>
      </p>
      <div ref={time} className="chart" data-testid="time-chart" role="img" aria-label="Time of each answer, by part" />
    </section>
  );
}

function close(charts: Charts | null): void {
  charts?.seen.close();
  charts?.time.close();
}

/** What stands over a chart while a pointer is on it: the largest five. */
function note(
  row: { ago: number; values: number[] } | null,
  names: readonly string[],
  format: (value: number) => string,
): string {
  if (!row) return "";
  const values = names.map((name, index) => ({ name, value: row.values[index] ?? Number.NaN }));
  const largest = [...values].sort((one, other) => other.value - one.value).slice(0, 5);
  const kept = values.filter((each) => largest.includes(each)).map((each) => `${each.name} ${format(each.value)}`);
  return `${row.ago.toFixed(1)} s ago: ${kept.join(" · ")}`;
}
