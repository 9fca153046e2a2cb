// api.js: questions to the server that this page came from. Every count in an answer is exact, however large.

// A JavaScript number is exact up to 2^53 only, so integers of 16 digits and more become strings before JSON.parse can round
// them. Strings are matched as a whole and stay as they are. `exact` takes either.
export function parseJson(text) {
  if (!/\d{16}/.test(text)) return JSON.parse(text);
  return JSON.parse(text.replace(/"(?:[^"\\]|\\.)*"|-?\d{16,}(?![\d.eE])/g, (token) => (token[0] === '"' ? token : `"${token}"`)));
}

export function exact(value) {
  return BigInt(value);
}

// What went wrong in words for people; `status` is 0 when there was no answer. `problem`: the members of the problem document,
// none if there was no such; `kind`: the last part of its type, "unknown-filter".
export class AnswerError extends Error {
  constructor(status, text, problem = {}) {
    super(text);
    this.status = status;
    this.problem = problem;
    this.kind = String(problem.type ?? "").split(":").at(-1);
  }
}

function refusal(text, response) {
  try {
    const problem = parseJson(text);
    if (typeof problem.detail === "string") return new AnswerError(response.status, `${problem.title}: ${problem.detail}`, problem);
  } catch { /* not a problem document */ }
  return new AnswerError(response.status, `The server answered ${response.status} ${response.statusText}`);
}

async function request(address, options) {
  let response, text;
  try {
    response = await fetch(address, { ...options, cache: "no-store" });
    text = await response.text();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new AnswerError(0, "No answer from the server");
  }
  if (!response.ok) throw refusal(text, response);
  return parseJson(text);
}

function ask(path, parameters, signal) {
  return request(`${path}?${new URLSearchParams(parameters)}`, { signal });
}

// `choice`: which clicks are counted, as parameters: {}, {filter} or {region}.
export function popularAds(choice, window, count, signal) {
  return ask("/v1/ads/popular_ads", { ...choice, window, count }, signal);
}

export function series(choice, ad, from, to, step, signal) {
  return ask(`/v1/ads/${encodeURIComponent(ad)}/series`, { ...choice, from, to, step }, signal);
}

export function adCount(choice, ad, from, to, signal) {
  return ask(`/v1/ads/${encodeURIComponent(ad)}/aggregated_cnt`, { ...choice, from, to }, signal);
}

export function filterOf(id, signal) {
  return ask(`/v1/filters/${id}`, {}, signal);
}

// The filters with a higher id than `cursor`: { filters, next_cursor }.
export function filtersAfter(cursor, limit, signal) {
  return ask("/v1/filters", { cursor, limit }, signal);
}

// Has the server read a filter that need not exist: the cheapest question about such clicks, whose answer says from when it
// would cover them. Refused as bad-filter (what is wrong, and where) or needs-filter (nothing is wrong, nobody counts it yet).
export function tryFilter(texts, signal) {
  const given = Object.entries(texts).filter(([, text]) => text !== ""); // left out: any; the server refuses an empty one
  return ask("/v1/ads/-/aggregated_cnt", { ...Object.fromEntries(given), last: 1 }, signal);
}

export function makeFilter(definition) {
  return request("/v1/filters", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(definition) });
}
