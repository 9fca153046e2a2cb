// make.js: the form that makes a filter. It says in words what the filter will match and from when it covers, and shows what is
// wrong at the field where it was written.
import { AnswerError, filtersAfter, makeFilter, tryFilter } from "/assets/api.js";
import { validFilter } from "/assets/address.js";
import { byId, say, setHidden, setText } from "/assets/dom.js";
import { minute, parseTime } from "/assets/format.js";
import { byCountryOnly, wordsOf } from "/assets/words.js";

const FIELDS = ["filter_id", "region", "ip", "user_id", "ranked"];
const LISTS = ["region", "ip", "user_id"];
const PAGE = 500;
const CONFLICTS = ["filter-exists", "filter-deleted"];

const input = (field) => byId(`make-${field}`);

// The first number from `id` on that no standing filter has. A deleted filter's stays taken, which the server says when asked.
async function freeFrom(id, signal) {
  for (;;) {
    const { filters } = await filtersAfter(id - 1, PAGE, signal);
    for (const filter of filters) {
      if (filter.filter_id !== id) return id;
      id++;
    }
    if (filters.length === 0) return id;
  }
}

// From when a filter covers that exists, or whose parts other filters count already.
function coverText(coversFrom) {
  const from = parseTime(coversFrom);
  return from === null ? "It covers every click since the journal began." : `It covers from ${minute(from)} UTC on; clicks of before are not in its counts.`;
}

// What stands in which field, or null: nowhere.
function fieldOf(error) {
  if (error.kind === "bad-filter") return error.problem.field ?? null;
  if (CONFLICTS.includes(error.kind)) return "filter_id";
  return error.kind === "filters-full" && /ranked/.test(error.problem.title) ? "ranked" : null;
}

export class Make {
  // `onUse(id)`: the reader wants to see the clicks of the filter that was made.
  constructor({ onUse }) {
    this.dialog = byId("make");
    this.standing = 0; // filters, by the last word of the server
    this.made = null;
    this.abort = new AbortController();
    byId("make-close").addEventListener("click", () => this.dialog.close());
    this.dialog.addEventListener("close", () => this.abort.abort());
    byId("make-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
    input("filter_id").addEventListener("input", () => {
      this.suggested = false;
      this.showFlaw("filter_id", null);
    });
    for (const field of LISTS) {
      input(field).addEventListener("input", () => {
        this.showFlaw(field, null);
        this.explain();
      });
      input(field).addEventListener("change", () => this.check());
    }
    byId("made-use").addEventListener("click", () => {
      this.dialog.close();
      onUse(this.made.filter_id);
    });
    byId("made-another").addEventListener("click", () => this.begin());
  }

  open() {
    this.abort = new AbortController();
    this.dialog.showModal();
    this.begin();
  }

  begin() {
    byId("make-form").reset();
    setHidden(byId("make-form"), false);
    setHidden(byId("made"), true);
    for (const field of FIELDS) this.showFlaw(field, null);
    say(byId("make-error"), null);
    this.explain();
    this.suggest(this.standing + 1);
    input("region").focus();
  }

  texts() {
    return Object.fromEntries(LISTS.map((field) => [field, input(field).value.trim()]));
  }

  showFlaw(field, text) {
    if (text === null) input(field).removeAttribute("aria-invalid");
    else input(field).setAttribute("aria-invalid", "true");
    say(byId(`make-${field}-error`), text);
  }

  // A number that the reader has written stays.
  async suggest(id) {
    this.suggested = true;
    try {
      const free = await freeFrom(id, this.abort.signal);
      if (this.suggested) input("filter_id").value = free;
    } catch (error) {
      if (!(error instanceof AnswerError) && error.name !== "AbortError") throw error; // then the reader writes one
    }
  }

  // What can be said without asking.
  explain() {
    const texts = this.texts(), words = wordsOf(texts);
    setText(byId("make-words"), words === null ? "What it will match is not clear yet." : `It will match ${words}.`);
    setText(byId("make-covers"), byCountryOnly(texts) ? "It will cover every click since the journal began: all are counted by country already."
      : "It will cover from about the moment when it is made; clicks of before can be counted afterwards.");
  }

  // The server reads the three fields as if such clicks were asked for; nothing is made.
  async check() {
    const texts = this.texts();
    this.checking?.abort();
    this.checking = new AbortController();
    const signal = AbortSignal.any([this.checking.signal, this.abort.signal]);
    try {
      const answer = await tryFilter(texts, signal);
      if (!byCountryOnly(texts)) setText(byId("make-covers"), `Other filters count its parts already. ${coverText(answer.covers_from)}`);
    } catch (error) {
      if (!(error instanceof AnswerError) && error.name !== "AbortError") throw error;
      if (signal.aborted) return;
      if (error.kind === "bad-filter" && LISTS.includes(error.problem.field)) this.showFlaw(error.problem.field, error.problem.detail);
      if (error.kind === "needs-filter" && this.suggested) input("filter_id").value = error.problem.filter.filter_id;
    }
  }

  async submit() {
    if (this.busy) return;
    this.checking?.abort(); // what is answered now is the last word
    for (const field of FIELDS) this.showFlaw(field, null);
    say(byId("make-error"), null);
    const id = validFilter(input("filter_id").value.trim());
    if (id === null || id === 0) {
      this.refuse("filter_id", "filter_id is a number from 1 to 999999999");
      return;
    }
    this.busy = true;
    try {
      this.show(await makeFilter({ filter_id: id, ...this.texts(), ranked: input("ranked").checked }));
    } catch (error) {
      if (!(error instanceof AnswerError)) throw error;
      this.refuse(fieldOf(error), error.problem.detail ?? error.message);
      if (CONFLICTS.includes(error.kind) && this.suggested) this.suggest(id + 1);
    } finally {
      this.busy = false;
    }
  }

  refuse(field, text) {
    if (field === null) say(byId("make-error"), text);
    else this.showFlaw(field, text);
    input(field ?? "filter_id").focus();
  }

  show(filter) {
    this.made = filter;
    setHidden(byId("make-form"), true);
    setHidden(byId("made"), false);
    setText(byId("made-title"), `Filter ${filter.filter_id} is ready`);
    setText(byId("made-words"), `It matches ${filter.words}.`);
    setText(byId("made-covers"), coverText(filter.covers_from));
    setHidden(byId("made-earlier"), filter.covers_from === null);
    setText(byId("made-command"), `tally recalculate --filter ${filter.filter_id} --url ${location.origin}`);
    byId("made-use").focus();
  }
}
