import { useEffect, useRef } from "react";
import { WINDOW } from "../results/history";
import type { Session } from "../session/session";
import type { SessionState } from "../session/state";
import { chartTheme, reducedMotion, useThemeKey } from "./chart-theme";
import { type Chart, seenChart, timeChart } from "./charts";
import { IconButton } from "./icons";
import { milliseconds, useFrames, useNumbers } from "./use-session";

const CALM_MS = 1000; // between two drawings of the charts where less motion is wanted

interface Props {
  session: Session;
  state: SessionState;
  paused: boolean;
  togglePaused: () => void;
}

/** Two charts of the last half minute, and the numbers over them. */
export function Readings({ session, state, paused, togglePaused }: Props) {
  const seen = useRef<HTMLDivElement>(null);
  const time = useRef<HTMLDivElement>(null);
  const charts = useRef<Chart[]>([]);
  const drawn = useRef(0); // ms, as performance.now(); 0: not since they were made
  const themeKey = useThemeKey();
  const numbers = useNumbers(session);
  const silent = numbers === null || Number.isNaN(numbers.p50); // no answer in the window

  // biome-ignore lint/correctness/useExhaustiveDependencies: the key stands for what chartTheme() reads
  useEffect(() => {
    const close = (): void => {
      for (const chart of charts.current) chart.close();
      charts.current = [];
    };
    const make = ({ labels }: { labels: readonly string[] }): void => {
      close();
      if (!seen.current || !time.current) return;
      const theme = chartTheme();
      charts.current = [seenChart(seen.current, labels, theme), timeChart(time.current, theme)];
      drawn.current = 0;
    };
    const end = session.listen({ labels: make, answer: () => undefined });
    return () => {
      end();
      close();
    };
  }, [session, themeKey]);

  const { kind } = state.picture;
  useFrames((now) => {
    // A chart moves a pixel at a time: drawing more often than that shows nothing.
    const due = reducedMotion() ? CALM_MS : (WINDOW * 1000) / Math.max(200, seen.current?.clientWidth ?? 0);
    const held = paused || (kind !== "live" && kind !== "still");
    if (!charts.current.length || (drawn.current > 0 && (held || now - drawn.current < due))) return;
    drawn.current = now;
    const rows = session.seen.since(now / 1000);
    for (const chart of charts.current) chart.draw(rows, now / 1000);
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
            <b data-testid="dropped">{silent ? "" : numbers.dropped}</b> dropped
          </span>
        </span>
        <IconButton
          className="round"
          icon={paused ? "play" : "freeze"}
          label="Pause the charts"
          data-testid="pause-charts"
          aria-pressed={paused}
          onClick={togglePaused}
        />
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
      </p>
      <div ref={time} className="chart" data-testid="time-chart" role="img" aria-label="Time of each answer, by part" />
    </section>
  );
}
