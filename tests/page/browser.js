// browser.js: Debian's Chromium, cut off from everything but this machine, with a protocol of all that it should not do.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { chromium } from "playwright-core";
import { ROOT } from "./server.js";

const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync", "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"];
export const PICTURES = process.env.TALLY_PICTURES ?? path.join(ROOT, "build-logs/page");

export function launch() {
  return chromium.launch({ executablePath: CHROMIUM, headless: true, args: FLAGS });
}

// A page in a time zone that is not UTC. `allowed`: patterns of console errors that the test itself provokes.
export async function openPage(browser, address, options = {}) {
  const context = await browser.newContext({
    viewport: { width: options.width ?? 1440, height: 900 },
    colorScheme: options.colours ?? "light",
    reducedMotion: "reduce",
    timezoneId: "America/New_York",
    locale: "de-DE",
    acceptDownloads: true,
    permissions: ["clipboard-read", "clipboard-write"],
  });
  const page = await context.newPage();
  const origin = new URL(address).origin;
  const problems = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) problems.push(`${message.text()} (${message.location().url})`);
  });
  page.on("pageerror", (error) => problems.push(error.stack));
  page.on("request", (request) => {
    if (new URL(request.url()).origin !== origin && !request.url().startsWith("blob:" + origin)) problems.push(`request to ${request.url()}`);
  });
  await page.goto(address);
  return {
    page,
    // Ends the page. Whatever went wrong on it fails the test.
    async close(allowed = []) {
      await context.close();
      assert.deepEqual(problems.filter((problem) => !allowed.some((pattern) => pattern.test(problem))), []);
    },
  };
}

// A dialog belongs to the window: it is pictured without what lies below.
export async function picture(page, name, { fullPage = true } = {}) {
  fs.mkdirSync(PICTURES, { recursive: true });
  await page.screenshot({ path: path.join(PICTURES, `${name}.png`), fullPage });
}

// The rows of a table as they stand on the screen.
export function rowsOf(page, selector) {
  return page.$$eval(`${selector} tbody tr`, (rows) => rows.map((row) => [...row.children].map((cell) => cell.textContent.trim())));
}

// RFC 4180.
export function parseCsv(text) {
  const rows = [[]];
  for (const [, quoted, plain, end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n|$)/g)) {
    rows.at(-1).push(quoted !== undefined ? quoted.replaceAll('""', '"') : plain);
    if (end === "\r\n") rows.push([]);
  }
  return rows.filter((row) => row.length > 1);
}

export const grouped = (n) => new Intl.NumberFormat("en").format(n);
