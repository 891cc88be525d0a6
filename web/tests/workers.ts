/** Workers on the test's own thread: both ends hand messages over as they are, so that pictures may be made up. */

import { expose } from "comlink";

type Heard = (event: { data: unknown; origin: string }) => void;

class End {
  readonly heard = new Set<Heard>();
  other: End | null = null;

  postMessage(data: unknown): void {
    const { other } = this;
    setTimeout(() => {
      for (const hear of other?.heard ?? []) hear({ data, origin: "" });
    });
  }

  addEventListener(kind: string, hear: Heard): void {
    if (kind === "message") this.heard.add(hear);
  }

  removeEventListener(_: string, hear: Heard): void {
    this.heard.delete(hear);
  }
}

/** A worker that offers what the test gives it. */
export class HereWorker extends End {
  terminated = false;
  onerror: (event: { message: string }) => void = () => undefined;

  constructor(api: object) {
    super();
    const inside = new End();
    inside.other = this;
    this.other = inside;
    expose(api, inside as never);
  }

  terminate(): void {
    this.terminated = true;
    this.other = null;
  }
}
