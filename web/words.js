// words.js: what a filter matches, in words, while it is being written. It splits the lists as the server does (one of a|b|c,
// none of !a|b, a backslash takes a meaning away) and leaves the values to the server, which alone knows whether they are any.
import { either } from "/assets/format.js";

// At every | that has its meaning.
function split(text) {
  const values = [""];
  for (const [part] of text.matchAll(/\\?./gs)) {
    if (part === "|") values.push("");
    else values[values.length - 1] += part;
  }
  return values.map((value) => value.trim());
}

const VALUE = /^(?:[^*\\!]|\\[|*! \\])(?:[^*\\]|\\[|*! \\])*$/s;

// { mode: "any", "one" or "none" of, values }; null: no list, as the server will say when it is asked.
function readList(text) {
  const trimmed = text.trim();
  if (trimmed === "" || trimmed === "*") return { mode: "any", values: [] };
  const mode = trimmed[0] === "!" ? "none" : "one";
  const values = split(mode === "none" ? trimmed.slice(1) : trimmed);
  if (!values.every((value) => VALUE.test(value))) return null;
  return { mode, values: values.map((value) => value.replace(/\\(.)/gs, "$1")) };
}

function regionWords({ mode, values }) {
  const names = values.map((value) => (value.toUpperCase() === "ZZZ" ? "an unknown country" : value.toUpperCase()));
  if (mode === "any") return "from any country";
  if (mode === "one") return `from ${either(names)}`;
  return `from any country but ${either(names)}${names.includes("an unknown country") ? "" : " (and from an unknown one)"}`;
}

function ipWords({ mode, values }) {
  return { any: "from any address", one: `from ${either(values)}`, none: `from any address but ${either(values)}` }[mode];
}

function userWords({ mode, values }) {
  return { any: "of any user", one: `of user ${either(values)}`, none: `of any user but ${either(values)}` }[mode];
}

// { region, ip, user_id } -> "clicks from USA, from any address, of user 111", or null when a list cannot be split.
export function wordsOf(texts) {
  const lists = [readList(texts.region), readList(texts.ip), readList(texts.user_id)];
  if (lists.includes(null)) return null;
  return `clicks ${regionWords(lists[0])}, ${ipWords(lists[1])}, ${userWords(lists[2])}`;
}

// Every click is counted by country, filter or not; by address and user only where a filter asks for it.
export function byCountryOnly(texts) {
  return [texts.ip, texts.user_id].every((text) => readList(text)?.mode === "any");
}
