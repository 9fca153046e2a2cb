// format.js: numbers and times as people read them. A count is a BigInt everywhere; times are milliseconds since 1970, UTC.
const grouped = new Intl.NumberFormat("en");
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const MINUTE = 60_000;

export const STEP_MS = { minute: MINUTE, hour: 60 * MINUTE, day: 24 * 60 * MINUTE };

export function count(value) {
  return grouped.format(value);
}

export function clicks(value) {
  return `${count(value)} ${value === 1n || value === 1 ? "click" : "clicks"}`;
}

// For axes, where room is short and nobody copies from.
export function compact(value) {
  return short.format(value);
}

// "62.4%", exact to the digit shown (rounded half up) for any size of count; a small part is not called zero, nor a large one all.
export function share(part, whole) {
  if (whole === 0n || part === 0n) return "0%";
  const tenths = (part * 2000n + whole) / (whole * 2n);
  if (tenths === 0n) return "< 0.1%";
  if (tenths === 1000n && part !== whole) return "> 99.9%";
  return `${tenths / 10n}.${tenths % 10n}%`;
}

export function day(ms) {
  return new Date(ms).toISOString().slice(0, 10);
}

export function clock(ms) {
  return new Date(ms).toISOString().slice(11, 19);
}

// "2026-11-24 07:52", as a person writes it.
export function minute(ms) {
  return new Date(ms).toISOString().slice(0, 16).replace("T", " ");
}

// "2026-11-24T07:52:00Z", as the API takes it.
export function rfc3339(ms) {
  return new Date(ms).toISOString().replace(".000Z", "Z");
}

export function bucket(ms, step) {
  return step === "day" ? day(ms) : minute(ms);
}

// "a", "a or b", "a, b or c".
export function either(values) {
  return values.length < 2 ? values.join("") : `${values.slice(0, -1).join(", ")} or ${values.at(-1)}`;
}

export function shortened(text, length) {
  return text.length <= length ? text : `${text.slice(0, length - 1)}…`;
}

export function parseTime(text) {
  const ms = text === null || text === undefined ? NaN : Date.parse(text);
  return Number.isNaN(ms) ? null : ms;
}

// "17 s", "4 min 05 s", "2 h 13 min", "3,271 d 04 h": two units, the larger without padding.
export function span(ms) {
  if (ms < 0) return `-${span(-ms)}`;
  const s = Math.floor(ms / 1000);
  const two = (n) => String(n).padStart(2, "0");
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${two(s % 60)} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${two(Math.floor(s / 60) % 60)} min`;
  return `${count(Math.floor(s / 86400))} d ${two(Math.floor(s / 3600) % 24)} h`;
}

export function windowName(minutes) {
  if (minutes % 60 === 0) return minutes === 60 ? "1 hour" : `${minutes / 60} hours`;
  return minutes === 1 ? "1 minute" : `${minutes} minutes`;
}
