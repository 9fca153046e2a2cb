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

// What went wrong in words for people; `status` is 0 when there was no answer.
export class AnswerError extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

function problemText(text, response) {
  try {
    const problem = JSON.parse(text);
    if (typeof problem.detail === "string") return `${problem.title}: ${problem.detail}`;
  } catch { /* not a problem document */ }
  return `The server answered ${response.status} ${response.statusText}`;
}

async function ask(path, parameters, signal) {
  let response, text;
  try {
    response = await fetch(`${path}?${new URLSearchParams(parameters)}`, { signal, cache: "no-store" });
    text = await response.text();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new AnswerError(0, "No answer from the server");
  }
  if (!response.ok) throw new AnswerError(response.status, problemText(text, response));
  return parseJson(text);
}

export function popularAds(window, count, signal) {
  return ask("/v1/ads/popular_ads", { window, count }, signal);
}

export function series(ad, from, to, step, signal) {
  return ask(`/v1/ads/${encodeURIComponent(ad)}/series`, { from, to, step }, signal);
}

export function adCount(ad, from, to, signal) {
  return ask(`/v1/ads/${encodeURIComponent(ad)}/aggregated_cnt`, { from, to }, signal);
}
