/** Everything that can go wrong, in words for the person in front of the page: a sentence, and one way out. */

/** What the button of a problem does; `ui/stage.tsx` does it. */
export type Remedy = "camera" | "choose" | "answers" | "server" | "device" | "key" | "reload";

interface Words {
  sentence: string;
  button: string;
  remedy: Remedy;
  /** Whether it takes the picture's place (there is none), or stands under a picture that goes on. */
  place: "picture" | "under";
}

export const TABLE = {
  "camera-missing": {
    sentence: "No camera was found. Plug one in and it starts by itself, or show a picture instead.",
    button: "Choose a picture",
    remedy: "choose",
    place: "picture",
  },
  "camera-denied": {
    sentence: "This page may not use the camera. Allow it beside the address, or drop a picture here.",
    button: "Ask again",
    remedy: "camera",
    place: "picture",
  },
  "camera-withdrawn": {
    sentence: "The camera was taken away from this page. Allow it again beside the address.",
    button: "Ask again",
    remedy: "camera",
    place: "picture",
  },
  "camera-busy": {
    sentence: "Another program is using the camera. Close it there, then try again.",
    button: "Try again",
    remedy: "camera",
    place: "picture",
  },
  "camera-lost": {
    sentence: "The camera is gone: unplugged, or switched off.",
    button: "Start again",
    remedy: "camera",
    place: "picture",
  },
  "camera-silent": {
    sentence: "The camera sends no pictures. It may be covered by a switch, or still waking up.",
    button: "Start again",
    remedy: "camera",
    place: "under",
  },
  "insecure-origin": {
    sentence:
      "Browsers give a camera only to secure pages. Open this one over https or as localhost, or show a picture.",
    button: "Choose a picture",
    remedy: "choose",
    place: "picture",
  },
  "not-a-picture": {
    sentence: "This is no picture that can be shown. JPEG, PNG and WebP work.",
    button: "Choose another",
    remedy: "choose",
    place: "picture",
  },
  "picture-failed": {
    sentence: "This browser could not prepare the picture for the model.",
    button: "Try again",
    remedy: "camera",
    place: "under",
  },
  "service-down": {
    sentence: "The service does not answer. It is asked again, and goes on by itself.",
    button: "Ask now",
    remedy: "answers",
    place: "under",
  },
  "service-slow": {
    sentence: "Answers take long: the service or the way to it is slow.",
    button: "Use this device",
    remedy: "device",
    place: "under",
  },
  "service-refused": {
    sentence: "The service does not take these pictures.",
    button: "Ask again",
    remedy: "answers",
    place: "under",
  },
  overloaded: {
    sentence: "The service has more to do than it can. It is asked less often until there is room.",
    button: "Use this device",
    remedy: "device",
    place: "under",
  },
  "socket-lost": {
    sentence: "The live connection broke. Pictures go one by one until it is back.",
    button: "Connect now",
    remedy: "answers",
    place: "under",
  },
  "model-unavailable": {
    sentence: "There is no model yet. Answers begin by themselves once there is one.",
    button: "Look again",
    remedy: "answers",
    place: "under",
  },
  "key-needed": {
    sentence: "This service asks for a key.",
    button: "Enter the key",
    remedy: "key",
    place: "under",
  },
  "device-failed": {
    sentence: "The model does not run on this device.",
    button: "Use the server",
    remedy: "server",
    place: "under",
  },
  "device-download": {
    sentence: "The model did not arrive whole. Check the connection.",
    button: "Load it again",
    remedy: "device",
    place: "under",
  },
  "device-golden": {
    sentence: "This device gets other numbers than the model's makers did, so its answers are not shown.",
    button: "Use the server",
    remedy: "server",
    place: "under",
  },
  "page-outdated": {
    sentence: "A part of this page did not arrive. It may have been renewed meanwhile.",
    button: "Load it again",
    remedy: "reload",
    place: "under",
  },
  "low-memory": {
    sentence: "There is not enough memory here. Close other tabs or programs.",
    button: "Try again",
    remedy: "answers",
    place: "under",
  },
  closed: {
    sentence: "It was stopped.",
    button: "Start again",
    remedy: "answers",
    place: "under",
  },
} as const satisfies Record<string, Words>;

export type Code = keyof typeof TABLE;

/** Something that the person in front of the page should know; `detail` is for whoever looks closer. */
export class Problem extends Error {
  readonly code: Code;
  /** s */
  readonly retryAfter: number | undefined;

  constructor(code: Code, detail = "", retryAfter?: number, options?: ErrorOptions) {
    super(detail || TABLE[code].sentence, options);
    this.name = "Problem";
    this.code = code;
    this.retryAfter = retryAfter;
  }

  get words(): Words {
    return TABLE[this.code];
  }
}

/** Any error as a problem; what is none already becomes `otherwise`. */
export function asProblem(error: unknown, otherwise: Code): Problem {
  if (error instanceof Problem) return error;
  const detail = error instanceof Error ? error.message : String(error);
  return new Problem(otherwise, detail, undefined, { cause: error });
}
