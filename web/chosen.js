// chosen.js: which clicks the view counts: all, a stored filter's, or those of some countries. It knows the choice's name and
// words, and says in one line when there is no such filter.
import { AnswerError, filterOf, tryFilter } from "/assets/api.js";
import { choiceOf } from "/assets/address.js";
import { byId, say, setHidden, setText } from "/assets/dom.js";
import { minute, parseTime, shortened } from "/assets/format.js";
import { wordsOf } from "/assets/words.js";

const WORDS_MAX = 240; // a filter may have hundreds of values; the server has them all
const REFUSED = ["unknown-filter", "bad-filter"];

export class Chosen {
  // `onOpen()`: the reader wants to choose; `onAll()`: wants all clicks again.
  constructor({ onOpen, onAll }) {
    this.choice = {};
    this.known = true;    // the server has answered about it
    this.refused = false; // there is no such filter
    this.words = null;
    this.abort = new AbortController();
    this.buttons = [...document.querySelectorAll("button.picker")];
    for (const button of this.buttons) button.addEventListener("click", () => onOpen());
    byId("filter-all").addEventListener("click", () => onAll());
  }

  get all() {
    return Object.keys(this.choice).length === 0;
  }

  // "filter 12", for titles; "" for all clicks.
  get name() {
    if (this.choice.region !== undefined) return `region ${this.choice.region}`;
    return this.all ? "" : `filter ${this.choice.filter}`;
  }

  // "filter 12: clicks from USA, ..."
  get sentence() {
    if (this.all) return "all clicks";
    return this.words === null ? this.name : `${this.name}: ${shortened(this.words, WORDS_MAX)}`;
  }

  // A part of a file's name.
  get fileName() {
    if (this.all) return "";
    return `-${this.name.replaceAll("!", "not-").replace(/[^A-Za-z0-9]+/g, "-")}`;
  }

  show(view) {
    const choice = choiceOf(view);
    if (JSON.stringify(choice) === JSON.stringify(this.choice)) return;
    this.abort.abort();
    this.abort = new AbortController();
    Object.assign(this, { choice, known: Object.keys(choice).length === 0, refused: false, words: null });
    if (choice.region !== undefined) this.words = wordsOf({ region: choice.region, ip: "", user_id: "" });
    this.write();
    this.refresh();
  }

  // Until the server has said what it is.
  async refresh() {
    if (this.known || this.refused) return;
    const { signal } = this.abort;
    try {
      if (this.choice.region !== undefined) await tryFilter(this.choice, signal);
      else this.words = (await filterOf(this.choice.filter, signal)).words;
      if (signal.aborted) return;
      this.known = true;
      this.write();
    } catch (error) {
      if (!(error instanceof AnswerError) && error.name !== "AbortError") throw error;
      if (!signal.aborted) this.refuse(error);
    }
  }

  // True: the error is that there are no such clicks, which is said in one place for the whole page.
  refuse(error) {
    if (!REFUSED.includes(error.kind)) return false;
    this.refused = true;
    this.write(`No numbers are shown for ${this.name}: ${error.problem.detail}.`);
    return true;
  }

  write(refusal = null) {
    for (const button of this.buttons) setText(button, shortened(this.sentence, WORDS_MAX));
    if (this.all) delete document.documentElement.dataset.filtered;
    else document.documentElement.dataset.filtered = "true";
    say(byId("filter-refused"), refusal);
    setHidden(byId("filter-notice"), refusal === null);
  }

  // From when an answer counts, when that is later than was asked; else null.
  cover(answer) {
    if (answer.complete !== false) return null;
    const from = `${minute(parseTime(answer.covers_from))} UTC`;
    return `Counts from ${from} on: ${this.name} did not count before. What is earlier is not covered, which does not mean 0; ` +
      `“tally recalculate --filter ${this.choice.filter}” counts it.`;
  }
}
