// live.js: the stream of /v1/live, and the honest word about whether it still comes.
import { parseJson } from "/assets/api.js";
import { span } from "/assets/format.js";

const SILENT_MS = 3500;       // an event is due every second; after this long without one the server counts as lost
const STALE_MS = 15_000;      // a stream open but silent this long may hang on a dead peer: it is opened anew
const HIDDEN_MS = 60_000;     // a page unseen for so long gives its connection back: a browser has six for one server
const RETRY_MS = [500, 1000, 2000, 3000]; // waits before each new try, the last one for all that follow

// Calls onStatus(status) for each event, onState("live" | "lost" | "paused", text of how long) when that
// changes, and at least once a second while lost.
export class Live {
  constructor(onStatus, onState) {
    this.onStatus = onStatus;
    this.onState = onState;
    this.source = null;
    this.paused = false;
    this.retries = 0;
    this.retryTimer = null;
    this.openedAt = performance.now();
    this.startedAt = null;
    this.heardAt = null; // performance.now() of the last event; null before the first
  }

  start() {
    this.startedAt = performance.now();
    this.open();
    setInterval(() => this.watch(), 500);
    addEventListener("online", () => { if (!this.paused) this.open(); });
    document.addEventListener("visibilitychange", () => this.see());
    // The reader leaves: a stream that is cut by that is no news.
    addEventListener("pagehide", () => this.close());
    addEventListener("pageshow", (event) => { if (event.persisted) this.open(); });
  }

  close() {
    clearTimeout(this.retryTimer);
    this.retryTimer = null;
    this.source?.close();
    this.source = null;
  }

  open() {
    this.close();
    const source = new EventSource("/v1/live");
    this.source = source;
    this.openedAt = performance.now();
    source.addEventListener("status", (event) => this.hear(event.data));
    source.addEventListener("error", () => {
      if (this.source !== source) return;
      this.close();
      this.retryTimer = setTimeout(() => this.open(), RETRY_MS[Math.min(this.retries, RETRY_MS.length - 1)]);
      this.retries++;
    });
  }

  see() {
    clearTimeout(this.hiddenTimer);
    if (document.hidden) {
      this.hiddenTimer = setTimeout(() => this.pause(), HIDDEN_MS);
    } else if (this.paused) {
      this.paused = false;
      this.heardAt = null;
      this.startedAt = performance.now();
      this.open();
    }
  }

  pause() {
    this.paused = true;
    this.close();
    this.onState("paused", "");
  }

  hear(data) {
    const status = parseJson(data);
    this.heardAt = performance.now();
    this.retries = 0;
    this.onState("live", "");
    this.onStatus(status);
  }

  watch() {
    if (this.paused) return;
    const now = performance.now();
    const silent = now - (this.heardAt ?? this.startedAt);
    if (silent < SILENT_MS) return;
    this.onState("lost", span(silent));
    if (this.source !== null && now - Math.max(this.openedAt, this.heardAt ?? 0) > STALE_MS) this.open();
  }
}
