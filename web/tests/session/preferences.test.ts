import { beforeEach, expect, test } from "vitest";
import { prefer, preferences } from "../../src/session/preferences";

beforeEach(() => localStorage.clear());

test("the first visit asks the server, and mirrors as the camera suggests", () => {
  expect(preferences()).toEqual({ mode: "server", mirror: null, camera: "", shortcuts: true });
});

test("camera, mirror, mode and keys are remembered", () => {
  prefer({ mode: "device", camera: "c" });
  prefer({ mirror: false, shortcuts: false });
  expect(preferences()).toEqual({ mode: "device", mirror: false, camera: "c", shortcuts: false });
});

test.each(["no JSON", "null", '{"mode": "moon", "mirror": 3, "camera": [], "shortcuts": "yes"}'])(
  "what makes no sense is passed over: %s",
  (kept) => {
    localStorage.setItem("preferences", kept);
    expect(preferences()).toEqual({ mode: "server", mirror: null, camera: "", shortcuts: true });
  },
);
