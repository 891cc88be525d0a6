/** Words, charts and numbers, painted from one loop at the screen's rate and outside React. */

import { Announcer } from "./announcer";
import { SeenChart, TimeChart } from "./charts";
import { type History, type Numbers, PARTS, WINDOW } from "./history";
import type { Answer } from "./inference/inference";
import { look, watchLook } from "./look";
import type { Listener, Session } from "./session";
import { Words } from "./words";

const NUMBERS_MS = 500; // between two changes of the numbers; faster ones can't be read
const CALM_MS = 1000; // between two drawings of the charts where less motion is wanted

const NUMBERS = ["fps", "p50", "p95", "p99", "dropped", "agreement"] as const;

/** The elements that it writes to; nobody else does. */
export interface Places {
  room: HTMLElement;
  words: HTMLElement;
  none: HTMLElement;
  seen: HTMLElement;
  time: HTMLElement;
  seenNote: HTMLElement;
  timeNote: HTMLElement;
  announcement: HTMLElement;
  numbers: Readonly<Record<(typeof NUMBERS)[number], HTMLElement>>;
  parts: readonly HTMLElement[];
}

/** They carry these names as data-testid. Throws where one is missing. */
export function findPlaces(page: HTMLElement): Places {
  const at = (name: string): HTMLElement => {
    const element = page.querySelector<HTMLElement>(`[data-testid="${name}"]`);
    if (!element) throw new Error(`the page has no ${name}`);
    return element;
  };
  return {
    room: at("room"),
    words: at("words"),
    none: at("none"),
    seen: at("seen-chart"),
    time: at("time-chart"),
    seenNote: at("seen-note"),
    timeNote: at("time-note"),
    announcement: at("announcement"),
    numbers: Object.fromEntries(NUMBERS.map((name) => [name, at(name)])) as Places["numbers"],
    parts: PARTS.map((part) => at(`part-${part}`)),
  };
}

export class Readout implements Listener {
  private readonly session: Session;
  private readonly places: Places;
  private readonly words: Words;
  private readonly announcer: Announcer;
  private readonly ends: (() => void)[];
  private charts: { seen: SeenChart; time: TimeChart } | null = null;
  private history: History | null = null;
  private numbers: Numbers | null = null;
  private numberedAt = 0;
  private drawnAt = 0; // ms, as performance.now()
  private odd = false;
  private frame = 0;
  private said: string | null | undefined;
  private reduced = false;
  paused = false;

  constructor(session: Session, places: Places) {
    this.session = session;
    this.places = places;
    this.words = new Words(places.room, places.words, places.none);
    this.announcer = new Announcer(places.announcement);
    this.ends = [
      session.listen(this),
      watchLook(() => this.dress()),
      session.store.subscribe(() => session.store.get().state === "problem" && this.clear()),
    ];
    this.frame = requestAnimationFrame((now) => this.paint(now));
  }

  close(): void {
    cancelAnimationFrame(this.frame);
    for (const end of this.ends) end();
    this.closeCharts();
    this.words.close();
    this.announcer.close();
  }

  labels(history: History): void {
    this.history = history;
    this.words.setLabels(history.labels);
    this.dress();
  }

  answer(answer: Answer, latched: string | null): void {
    this.words.set(answer.probabilities, answer.label, answer.model);
    if (latched === this.said) return;
    this.said = latched;
    this.words.light(latched);
    this.announcer.say(latched ?? "none of these");
  }

  private clear(): void {
    if (this.said === undefined) return;
    this.said = undefined;
    this.words.clear();
    this.announcer.say("no picture");
  }

  /** Colours of the theme. */
  private dress(): void {
    const { history, places } = this;
    if (!history) return;
    const looks = look();
    this.reduced = looks.reduced;
    this.words.setLook(looks.theme, looks.paper, looks.reduced);
    this.closeCharts();
    const seen = new SeenChart(places.seen, history, looks);
    const time = new TimeChart(places.time, history, looks);
    seen.onHover = (row) => this.note(places.seenNote, row, history.labels, (value) => `${(value * 100).toFixed(0)} %`);
    time.onHover = (row) => this.note(places.timeNote, row, PARTS, (value) => `${value.toFixed(1)} ms`);
    this.charts = { seen, time };
    if (this.drawnAt > 0) {
      seen.draw(history, this.drawnAt / 1000);
      time.draw(history, this.drawnAt / 1000, this.numbers?.p95 ?? 0);
    }
  }

  private closeCharts(): void {
    this.charts?.seen.close();
    this.charts?.time.close();
    this.charts = null;
  }

  private paint(now: number): void {
    this.frame = requestAnimationFrame((next) => this.paint(next));
    this.words.paint(now);
    const { history, charts, session } = this;
    if (!history || !charts) return;
    const seconds = now / 1000;
    if (now - this.numberedAt >= NUMBERS_MS) {
      this.numberedAt = now;
      this.numbers = history.numbers(seconds);
      this.write(this.numbers);
    }
    // A chart moves a pixel at a time: drawing more often than that shows nothing. They take turns.
    const pixel = (WINDOW * 1000) / Math.max(200, this.places.seen.clientWidth);
    const due = this.reduced ? CALM_MS : Math.max(16, pixel / 2);
    const { state } = session.store.get();
    const moving = state === "live" || state === "still";
    if (this.paused || !moving || now - this.drawnAt < due) return;
    this.drawnAt = now;
    this.odd = !this.odd;
    if (this.odd || this.reduced) charts.seen.draw(history, seconds);
    if (!this.odd || this.reduced) charts.time.draw(history, seconds, this.numbers?.p95 ?? 0);
  }

  private write(numbers: Numbers): void {
    const { numbers: places } = this.places;
    const ms = (value: number): string => (Number.isNaN(value) ? "" : value.toFixed(value < 99.95 ? 1 : 0));
    const silent = Number.isNaN(numbers.p50); // no answer in the window
    const texts = {
      fps: silent ? "" : numbers.fps.toFixed(1),
      p50: ms(numbers.p50),
      p95: ms(numbers.p95),
      p99: ms(numbers.p99),
      dropped: silent ? "" : String(numbers.dropped),
      agreement: Number.isNaN(numbers.agreement) ? "–" : `${(numbers.agreement * 100).toFixed(0)} %`,
    };
    for (const name of NUMBERS) show(places[name], texts[name]);
    for (const [place, element] of this.places.parts.entries()) {
      show(element, silent ? "–" : `${ms(numbers.parts[place] ?? Number.NaN)} ms`);
    }
  }

  private note(
    place: HTMLElement,
    row: { ago: number; values: number[] } | null,
    names: readonly string[],
    format: (value: number) => string,
  ): void {
    if (!row) {
      place.textContent = "";
      return;
    }
    const values = names.map((name, index) => ({ name, value: row.values[index] ?? Number.NaN }));
    const largest = [...values].sort((one, other) => other.value - one.value).slice(0, 5);
    const kept = values.filter((each) => largest.includes(each)).map((each) => `${each.name} ${format(each.value)}`);
    place.textContent = `${row.ago.toFixed(1)} s ago: ${kept.join(" · ")}`;
  }
}

function show(place: HTMLElement, text: string): void {
  if (place.textContent !== text) place.textContent = text;
}
