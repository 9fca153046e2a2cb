// server.js: the program under test as a process on a directory of its own.
import { spawn } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");
export const BINARY = path.resolve(process.env.TALLY_BINARY ?? path.join(ROOT, "build/tally"));
const SECONDS_MAX = 60;

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

// Asks until the answer is true, and gives it.
export async function until(what, ask, seconds = SECONDS_MAX) {
  const deadline = Date.now() + seconds * 1000;
  let problem = "";
  for (;;) {
    try {
      const answer = await ask();
      if (answer) return answer;
    } catch (error) {
      problem = `: ${error.message}`;
    }
    if (Date.now() > deadline) throw new Error(`not within ${seconds} s: ${what}${problem}`);
    await sleep(50);
  }
}

export class Server {
  constructor(settings = ["--segment-size", "4MiB"]) {
    this.settings = settings;
    this.directory = fs.mkdtempSync(path.join(os.tmpdir(), "tally-page-"));
    this.port = 0;
    this.log = "";
  }

  async start() {
    const settings = ["--data", path.join(this.directory, "data"), "--listen", `127.0.0.1:${this.port}`, ...this.settings];
    this.log = "";
    this.process = spawn(BINARY, ["serve", ...settings], { stdio: ["ignore", "ignore", "pipe"] });
    this.process.on("error", (error) => { this.log += error.message; });
    this.process.stderr.on("data", (bytes) => { this.log += bytes; });
    this.url = await until("listening", () => {
      if (this.process.exitCode !== null || this.process.pid === undefined) throw new Error(this.log);
      return /"event":"listening","url":"([^"]+)"/.exec(this.log)?.[1];
    });
    this.port = Number(new URL(this.url).port); // the next start takes the same one
    await until("ready", async () => (await fetch(`${this.url}/readyz`)).ok);
  }

  signal(name) {
    this.process.kill(name);
  }

  async end(signal = "SIGKILL") {
    if (this.process === undefined || this.process.exitCode !== null || this.process.signalCode !== null) return;
    const ended = new Promise((done) => this.process.once("exit", done));
    this.process.kill("SIGCONT");
    this.process.kill(signal);
    await ended;
  }

  async remove() {
    await this.end();
    fs.rmSync(this.directory, { recursive: true, force: true });
  }

  async send(clicks) {
    const body = clicks.map((click) => (typeof click === "string" ? click : JSON.stringify(click)) + "\n").join("");
    const answer = await fetch(`${this.url}/v1/clicks`, { method: "POST", body, headers: { "Content-Type": "application/x-ndjson" } });
    return answer.json();
  }

  async ask(question) {
    const answer = await fetch(this.url + question);
    if (!answer.ok) throw new Error(`${question}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  }

  // Once questions see all that was accepted.
  settled() {
    return until("nothing pending", async () => {
      const status = await this.ask("/v1/status");
      return status.totals.pending === 0 && status;
    });
  }
}
