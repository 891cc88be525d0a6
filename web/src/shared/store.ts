/** One value that React draws; what changes with every frame never passes here. */

export class Store<State, Event> {
  private state: State;
  private readonly reduce: (state: State, event: Event) => State;
  private readonly listeners = new Set<() => void>();

  /** @param reduce gives the state after an event, and the same one where nothing changes */
  constructor(state: State, reduce: (state: State, event: Event) => State) {
    this.state = state;
    this.reduce = reduce;
  }

  readonly get = (): State => this.state;

  /** Tells nobody where nothing changes. */
  dispatch(event: Event): void {
    this.reset(this.reduce(this.state, event));
  }

  reset(state: State): void {
    if (Object.is(state, this.state)) return;
    this.state = state;
    for (const listener of [...this.listeners]) listener();
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };
}
