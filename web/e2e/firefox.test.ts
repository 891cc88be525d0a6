/** The page in a stock Firefox, over WebDriver BiDi: live, a still, the device, and what goes wrong. */

import { join } from "node:path";
import puppeteer, { type Browser, type Page } from "puppeteer-core";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";

const { FIREFOX = "firefox-esr", SERVICE = "" } = process.env;
const PATIENCE_MS = 60_000;
const PICTURE = join(import.meta.dirname, "../src/camera/examples/2-plant.jpg");

// Its fake camera shows colours that change; it asks nobody for leave where `disabled` is true.
const CAMERA = { "media.navigator.streams.fake": true, "media.navigator.permission.disabled": true };
const DENIED = { "media.navigator.streams.fake": true, "permissions.default.camera": 2 };
// Nothing of the browser's own goes out to the network.
const QUIET = {
  "app.update.enabled": false,
  "browser.safebrowsing.downloads.enabled": false,
  "network.captive-portal-service.enabled": false,
};

const open = (preferences: Record<string, unknown>): Promise<Browser> =>
  puppeteer.launch({
    browser: "firefox",
    executablePath: FIREFOX,
    headless: true,
    extraPrefsFirefox: { ...QUIET, ...preferences },
  });

let browser: Browser;
let page: Page;
const said: string[] = [];

beforeAll(async () => {
  browser = await open(CAMERA);
});
afterAll(() => browser.close());
afterEach(() => page.close());

async function visit(by = browser, before = ""): Promise<void> {
  page = await by.newPage();
  said.length = 0;
  page.on("pageerror", (error) => said.push(String(error)));
  await page.evaluateOnNewDocument(`try { localStorage.clear(); } catch {} ${before}`); // the page remembers who answers
  await page.goto(SERVICE);
}

const attribute = (name: string, which: string): Promise<string> =>
  page.$eval(`[data-testid=${name}]`, (element, key) => element.getAttribute(key) ?? "", which);
const text = (name: string): Promise<string> =>
  page.$eval(`[data-testid=${name}]`, (element) => element.textContent ?? "");
const click = (name: string): Promise<void> =>
  page.$eval(`[data-testid=${name}]`, (element) => (element as HTMLElement).click());

async function until(what: () => Promise<unknown>, expected: unknown): Promise<void> {
  await expect.poll(what, { timeout: PATIENCE_MS, interval: 200 }).toEqual(expected);
}

const state = (expected: string): Promise<void> => until(() => attribute("stage", "data-state"), expected);
const problem = (expected: string): Promise<void> => until(() => attribute("stage", "data-problem"), expected);
const numbers = async (): Promise<boolean> => Number(await text("fps")) > 0 && Number(await text("p50")) > 0;

async function showPicture(): Promise<void> {
  const input = await page.$("[data-testid=file]");
  await (input as unknown as { uploadFile(path: string): Promise<void> }).uploadFile(PICTURE);
  await state("still");
}

test("live: the camera is shown, and answers come from the service", async () => {
  await visit();
  await state("live");
  await until(numbers, true);
  expect(await attribute("words", "data-model")).not.toBe("");
  expect(said).toEqual([]);
});

test("live: answers come from this device", async () => {
  await visit();
  await state("live");
  await click("mode-device");
  await click("device-load");
  await until(() => text("privacy"), "Pictures never leave this tab.");
  await until(numbers, true);
  expect(await page.evaluate("crossOriginIsolated")).toBe(true);
  expect(said).toEqual([]);
});

test("live: the evidence is switched on and off with a key", async () => {
  await visit();
  await state("live");
  await page.keyboard.press("e");
  await until(async () => (await page.$$("[data-testid=evidence]")).length, 1);
  await until(numbers, true);
  await page.keyboard.press("e");
  await until(async () => (await page.$$("[data-testid=evidence]")).length, 0);
});

test("live: frozen, the camera is let go, and comes back", async () => {
  await visit();
  await state("live");
  await click("freeze");
  await state("frozen");
  await click("freeze");
  await state("live");
});

test("still: a picture is answered in place of the camera", async () => {
  await visit();
  await state("live");
  await showPicture();
  await until(async () => (await text("p50")) !== "", true);
  await click("freeze");
  await state("live");
});

test("still: a picture of the gallery is answered where the camera is denied", async () => {
  const denying = await open(DENIED);
  try {
    await visit(denying);
    await problem("camera-denied");
    await until(async () => (await page.$$(".problem .gallery button")).length > 0, true);
    await page.$eval(".problem .gallery button", (button) => (button as HTMLElement).click());
    await state("still");
    await until(async () => (await text("p50")) !== "", true);
  } finally {
    await page.close();
    await denying.close();
    await visit(); // for afterEach
  }
});

test("problem: without a camera a picture can be shown", async () => {
  await visit(
    browser,
    "navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('', 'NotFoundError'); };",
  );
  await problem("camera-missing");
  await showPicture();
  await problem("");
});

test("problem: a service that is gone is told of, and the picture goes on", async () => {
  await visit(browser, GONE);
  await until(numbers, true);
  await page.evaluate("window.gone = true; window.sockets.forEach((socket) => socket.close())");
  await until(async () => ["service-down", "socket-lost"].includes(await attribute("stage", "data-problem")), true);
  await state("live");
  await page.evaluate("window.gone = false");
  await problem("");
});

const GONE = `
window.sockets = [];
const Socket = WebSocket, ask = fetch;
window.WebSocket = class extends Socket {
  constructor(url, ...rest) { super(window.gone ? url.replace("/stream", "/nowhere") : url, ...rest); window.sockets.push(this); }
};
window.fetch = (...given) => window.gone ? Promise.reject(new TypeError("gone")) : ask(...given);
`;

test("problem: where no worker can prepare frames, answers come all the same", async () => {
  await visit(browser, NO_CROP_WORKER);
  await state("live");
  await until(numbers, true);
});

const NO_CROP_WORKER = `
const Made = Worker;
window.Worker = class extends Made {
  constructor(url, options) { super(options?.name === "crop" ? "/nowhere.js" : url, options); }
};
`;

test("problem: what is no picture is refused with a sentence", async () => {
  await visit();
  await state("live");
  const input = await page.$("[data-testid=file]");
  await (input as unknown as { uploadFile(path: string): Promise<void> }).uploadFile(
    join(import.meta.dirname, "vitest.config.ts"),
  );
  await problem("not-a-picture");
});
