// address.js: the view is the address, whole, so that it can be sent: ?filter=12&window=60&ad=ad001&step=minute&range=24h, or
// with region in place of filter, and with from and to in place of range.
import { STEP_MS, rfc3339 } from "/assets/format.js";

export const POINTS_MAX = 10080; // of one series
export const WINDOW_MAX = 1440;
export const AD_ID_BYTES_MAX = 128;
const FILTER_ID_MAX = 999_999_999;
const HOUR = STEP_MS.hour;
export const RANGE_MS = { "1h": HOUR, "6h": 6 * HOUR, "24h": 24 * HOUR, "7d": 168 * HOUR, "30d": 720 * HOUR, "365d": 8760 * HOUR };

const DEFAULTS = { filter: 0, region: null, window: 60, ad: null, step: "minute", range: "1h", from: null, to: null };

export function validWindow(text) {
  const minutes = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  return minutes >= 1 && minutes <= WINDOW_MAX ? minutes : null;
}

export function validAd(text) {
  const length = new TextEncoder().encode(text).length;
  return length >= 1 && length <= AD_ID_BYTES_MAX;
}

// "0012" is 12; 0 is all clicks.
export function validFilter(text) {
  const id = /^\d{1,32}$/.test(text) ? Number(text) : FILTER_ID_MAX + 1;
  return id <= FILTER_ID_MAX ? id : null;
}

// Which clicks the view counts, as parameters of a question.
export function choiceOf(view) {
  if (view.region !== null) return { region: view.region };
  return view.filter === 0 ? {} : { filter: view.filter };
}

// The same view with the finest step, not finer than the wanted one, whose points fit into one series.
export function fitted(view) {
  const length = view.range === "fixed" ? view.to - view.from : RANGE_MS[view.range];
  const steps = ["minute", "hour", "day"];
  let at = steps.indexOf(view.step);
  while (at < 2 && length / STEP_MS[steps[at]] > POINTS_MAX) at++;
  return { ...view, step: steps[at] };
}

function readTime(text) {
  const ms = Date.parse(text);
  return Number.isNaN(ms) || ms < 0 ? null : Math.floor(ms / STEP_MS.minute) * STEP_MS.minute;
}

// What the search part asks for; `problems` are sentences about what was not understood and replaced.
export function readView(search) {
  const asked = new URLSearchParams(search);
  const view = { ...DEFAULTS };
  const problems = [];
  const refuse = (name, expected) => problems.push(`${name}=${asked.get(name).slice(0, 40)} in the address is not ${expected}.`);

  if (asked.has("filter")) {
    const id = validFilter(asked.get("filter"));
    if (id === null) refuse("filter", "a filter's number");
    else view.filter = id;
    if (asked.has("region")) problems.push("The address has a filter and a region; the region is left out.");
  } else if (asked.get("region")) {
    view.region = asked.get("region");
  }
  if (asked.has("window")) {
    const minutes = validWindow(asked.get("window"));
    if (minutes === null) refuse("window", "a number of minutes from 1 to 1440");
    else view.window = minutes;
  }
  if (asked.has("ad")) {
    if (validAd(asked.get("ad"))) view.ad = asked.get("ad");
    else refuse("ad", "an ad id of 1 to 128 bytes");
  }
  if (asked.has("step")) {
    if (Object.hasOwn(STEP_MS, asked.get("step"))) view.step = asked.get("step");
    else refuse("step", "minute, hour or day");
  }
  if (asked.has("from") || asked.has("to")) {
    const from = readTime(asked.get("from"));
    const to = readTime(asked.get("to"));
    if (from !== null && to !== null && from < to && to - from <= POINTS_MAX * STEP_MS.day) {
      Object.assign(view, { range: "fixed", from, to });
    } else {
      problems.push("from and to in the address are not two times in RFC 3339, the earlier one first.");
    }
  } else if (asked.has("range")) {
    if (Object.hasOwn(RANGE_MS, asked.get("range"))) view.range = asked.get("range");
    else refuse("range", Object.keys(RANGE_MS).join(", "));
  }
  return { view: fitted(view), problems };
}

export function writeView(view) {
  const parts = [...Object.entries(choiceOf(view)), ["window", view.window]];
  if (view.ad !== null) parts.push(["ad", view.ad]);
  parts.push(["step", view.step]);
  if (view.range === "fixed") parts.push(["from", rfc3339(view.from)], ["to", rfc3339(view.to)]);
  else parts.push(["range", view.range]);
  // Colons may stand in a query; unescaped they can be read.
  return "?" + parts.map(([name, value]) => `${name}=${encodeURIComponent(value).replaceAll("%3A", ":")}`).join("&");
}
