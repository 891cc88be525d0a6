/** Everything that can go wrong, in words for the person in front of the page: a sentence, and one way out. */

/** By what the button does, which `ui/stage.tsx` does: its text, and the sentences that it ends. */
export const TABLE = {
  camera: {
    button: "Try again",
    "camera-denied": "This page may not use the camera. Allow it beside the address, or drop a picture here.",
    "camera-withdrawn": "The camera was taken away from this page. Allow it again beside the address.",
    "camera-busy": "Another program is using the camera. Close it there, then try again.",
    "camera-lost": "The camera is gone: unplugged, or switched off.",
    "camera-silent": "The camera sends no pictures. It may be covered by a switch, or still waking up.",
    "picture-failed": "This browser could not prepare the picture for the model.",
  },
  choose: {
    button: "Choose a picture",
    "camera-missing": "No camera was found. Plug one in and it starts by itself, or show a picture instead.",
    "insecure-origin":
      "Browsers give a camera only to secure pages: https, or localhost. A picture can be shown all the same.",
    "not-a-picture": "This is no picture that can be shown. JPEG, PNG and WebP work.",
  },
  answers: {
    button: "Ask again",
    "service-down": "The service does not answer. It is asked again, and goes on by itself.",
    "service-refused": "The service does not take these pictures.",
    "socket-lost": "The live connection broke. Pictures go one by one until it is back.",
    "model-unavailable": "There is no model yet. Answers begin by themselves once there is one.",
    "low-memory": "There is not enough memory here. Close other tabs or programs.",
    closed: "It was stopped.",
  },
  device: {
    button: "Use this device",
    "service-slow": "Answers take long: the service or the way to it is slow.",
    overloaded: "The service has more to do than it can. It is asked less often until there is room.",
  },
  server: {
    button: "Use the server",
    "device-failed": "The model does not run on this device.",
    "device-golden": "This device gets other numbers than the model's makers did, so its answers are not shown.",
  },
  load: { button: "Load it again", "device-download": "The model did not arrive whole. Check the connection." },
  key: { button: "Enter the key", "key-needed": "This service asks for a key." },
  reload: {
    button: "Load it again",
    "page-outdated": "A part of this page did not arrive. It may have been renewed meanwhile.",
  },
} as const;

export type Remedy = keyof typeof TABLE;
export type Code = { [R in Remedy]: Exclude<keyof (typeof TABLE)[R], "button"> }[Remedy];

interface Words {
  sentence: string;
  button: string;
  remedy: Remedy;
}

export const WORDS = Object.fromEntries(
  Object.entries(TABLE).flatMap(([remedy, { button, ...sentences }]) =>
    Object.entries(sentences).map(([code, sentence]) => [code, { sentence, button, remedy }]),
  ),
) as Record<Code, Words>;

/** Something that the person in front of the page should know; `detail` is for whoever looks closer. */
export class Problem extends Error {
  readonly code: Code;
  /** s */
  readonly retryAfter: number | undefined;

  constructor(code: Code, detail = "", retryAfter?: number, options?: ErrorOptions) {
    super(detail || WORDS[code].sentence, options);
    this.name = code; // all of an error that comes out of a worker is its name and its message
    this.code = code;
    this.retryAfter = retryAfter;
  }

  get words(): Words {
    return WORDS[this.code];
  }
}

/** Any error as a problem, also one that a worker threw; what is none becomes `otherwise`. */
export function asProblem(error: unknown, otherwise: Code): Problem {
  if (error instanceof Problem) return error;
  const { name, message } = error instanceof Error ? error : { name: "", message: String(error) };
  return new Problem(name in WORDS ? (name as Code) : otherwise, message, undefined, { cause: error });
}
