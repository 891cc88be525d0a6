import { act, cleanup, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, describe, expect, test, vi } from "vitest";
import { App } from "../../src/app";
import { Session } from "../../src/session/session";
import { answerOf, browser } from "../browser";
import { manifestOf } from "../manifest";
import { stateOf } from "../studio-state";

const at = (name: string): HTMLElement => screen.getByTestId(name);
let session: Session;
let sent: [string, Record<string, unknown>][];

/** The page with a still picture that was answered. @param status of what is sent */
async function page(headers: Record<string, string>, status = 204): Promise<void> {
  browser({});
  sent = [];
  const states = [stateOf()];
  vi.stubGlobal("URL", Object.assign(URL, { createObjectURL: () => "blob:1", revokeObjectURL: () => undefined }));
  vi.stubGlobal("fetch", async (input: string, init: RequestInit = {}) => {
    const { pathname } = new URL(input);
    if (pathname.endsWith("/model")) return Response.json(manifestOf(), { headers });
    if (pathname.endsWith("/state")) return states.length ? Response.json(states.pop()) : new Promise(() => undefined);
    if (!(init.body instanceof FormData)) return Response.json(answerOf());
    sent.push([pathname, Object.fromEntries(init.body)]);
    const refusal = { type: "#too-many", status, detail: "too many pictures were sent in within a minute" };
    if (status === 204) return new Response(null, { status });
    return Response.json(refusal, { status, headers: { "Content-Type": "application/problem+json" } });
  });
  session = new Session();
  render(<App session={session} />);
  await vi.waitFor(() => expect(session.get().kind).toBe("answering"));
  session.show(new Blob());
  await vi.waitFor(() => expect(at("words")).toHaveAttribute("data-answer", "plant"));
  sent.length = 0;
}

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

test("where nobody could be told, there is no button and no key", async () => {
  await page({});
  expect(screen.queryByTestId("wrong-toggle")).toBeNull();
  fireEvent.keyDown(document, { key: "w" });
  expect(screen.queryByTestId("wrong")).toBeNull();
});

test("a browser that the studio does not know can tell it nothing", async () => {
  await page({ "X-Studio": "locked" });
  expect(screen.queryByTestId("wrong-toggle")).toBeNull();
});

test("with a studio the right word goes there with the picture and the answer of that moment", async () => {
  await page({ "X-Studio": "open" });
  fireEvent.keyDown(document, { key: "w" });
  expect(at("wrong")).toHaveTextContent("It said plant. What is it?");
  expect(screen.queryByTestId("right-plant")).toBeNull();
  await act(async () => fireEvent.click(at("right-text")));
  await vi.waitFor(() => expect(screen.queryByTestId("wrong")).toBeNull());
  expect(sent).toMatchObject([["/studio/wrong", { label: "text", model: "m-1", answer: "plant", score: "0.9" }]]);
  expect(sent[0]?.[1]["picture"]).toBeInstanceOf(Blob);
  expect(at("notice")).toHaveTextContent("Thanks");
});

describe("a service that keeps such pictures", () => {
  test("is named before anything is sent, and gets that one picture alone", async () => {
    await page({ "X-Feedback": "on" });
    fireEvent.keyDown(document, { key: "w" });
    expect(at("wrong-told")).toHaveTextContent(`sent to ${location.host}, which keeps it`);
    expect(sent).toEqual([]);
    await act(async () => fireEvent.click(at("right-none")));
    await vi.waitFor(() => expect(sent.map(([path, { label }]) => [path, label])).toEqual([["/feedback", ""]]));
  });

  test("that refuses is quoted, and the picture can be sent again", async () => {
    await page({ "X-Feedback": "on" }, 429);
    fireEvent.keyDown(document, { key: "w" });
    await act(async () => fireEvent.click(at("right-none")));
    await vi.waitFor(() => expect(at("wrong-refused")).toHaveTextContent("too many pictures"));
    await act(async () => fireEvent.click(at("right-none")));
    expect(sent).toHaveLength(2);
    fireEvent.click(at("wrong-cancel"));
    expect(screen.queryByTestId("wrong")).toBeNull();
  });
});
