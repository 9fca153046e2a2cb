// choose.js: the list of the filters, to choose one. There may be a hundred thousand: they come in pages, and no further than
// the search needs.
import { AnswerError, filtersAfter, tryFilter } from "/assets/api.js";
import { validFilter } from "/assets/address.js";
import { byId, make, say, setHidden, setText } from "/assets/dom.js";
import { count, shortened } from "/assets/format.js";

const PAGE = 500;
const SHOWN = 50;          // filters added to the list at a time
const READ_MAX = 10_000;   // filters read at a time, until the reader wants the search to go on
const KEPT_PAGES = READ_MAX / PAGE;
const WAIT_MS = 200;       // after the last key
const WORDS_MAX = 300;

// All filters by id. The first pages are kept, since every search begins with them.
class Pages {
  constructor(signal) {
    this.signal = signal;
    this.kept = [];
  }

  async *filters() {
    let cursor = 0;
    for (let at = 0; cursor !== null; at++) {
      const page = this.kept[at] ?? await filtersAfter(cursor, PAGE, this.signal);
      if (at === this.kept.length && at < KEPT_PAGES) this.kept.push(page);
      yield* page.filters;
      cursor = page.next_cursor;
    }
  }
}

// Every word that is asked for stands somewhere in the filter.
function matcher(text) {
  const wanted = text.toLowerCase().split(/\s+/).filter((word) => word !== "");
  return (filter) => {
    const all = `${filter.filter_id} ${filter.words} ${filter.region} ${filter.ip} ${filter.user_id}`.toLowerCase();
    return wanted.every((word) => all.includes(word));
  };
}

export class Choose {
  // `linkTo(choice)`: the address of the view with that choice; `onChoose(choice)` shows it; `onMake()` opens the form.
  constructor({ linkTo, onChoose, onMake }) {
    this.linkTo = linkTo;
    this.onChoose = onChoose;
    this.dialog = byId("choose");
    this.list = byId("choose-list");
    this.standing = null; // how many there are, by the last word of the server
    this.abort = new AbortController();
    byId("choose-close").addEventListener("click", () => this.dialog.close());
    this.dialog.addEventListener("close", () => this.abort.abort());
    this.dialog.addEventListener("keydown", (event) => this.key(event));
    byId("choose-text").addEventListener("input", () => this.searchSoon());
    byId("choose-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.chooseFirst();
    });
    byId("choose-more").addEventListener("click", () => this.more());
    byId("choose-make").addEventListener("click", () => {
      this.dialog.close();
      onMake();
    });
    byId("region-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.chooseRegion();
    });
  }

  open(choice) {
    this.choice = choice;
    this.abort = new AbortController();
    this.pages = new Pages(this.abort.signal);
    byId("choose-text").value = "";
    byId("region-text").value = choice.region ?? "";
    say(byId("region-error"), null);
    this.dialog.showModal();
    this.search();
  }

  take(choice) {
    this.dialog.close();
    this.onChoose(choice);
  }

  // --- the search ---

  searchSoon() {
    clearTimeout(this.timer);
    this.searched = null;
    this.timer = setTimeout(() => this.search(), WAIT_MS);
  }

  search() {
    clearTimeout(this.timer);
    const text = byId("choose-text").value.trim();
    const id = /^\d+$/.test(text) ? validFilter(text) : null;
    this.matches = matcher(text);
    this.walk = this.pages.filters();
    this.read = 0;
    this.found = new Set();
    this.list.replaceChildren();
    if (text === "") this.add({}, "All clicks", "0");
    this.searched = this.begin(id, this.walk);
    return this.searched;
  }

  // The filter of the number that was written comes first, wherever it stands in the list.
  async begin(id, walk) {
    if (id !== null && id > 0) {
      const page = await this.asked(() => filtersAfter(id - 1, 1, this.abort.signal), walk);
      if (page?.filters[0]?.filter_id === id) this.addFilter(page.filters[0]);
    }
    if (walk === this.walk) await this.more();
  }

  // Reads on until there is enough to show, or enough was read.
  async more() {
    const { walk } = this, shownTo = this.found.size + SHOWN, readTo = this.read + READ_MAX;
    let ended = false;
    setHidden(byId("choose-more"), true);
    while (!ended && this.found.size < shownTo && this.read < readTo) {
      const next = await this.asked(() => walk.next(), walk);
      if (next === null) return;
      ended = next.done;
      if (ended) break;
      this.read++;
      if (this.read % PAGE === 0) this.tell(false);
      if (this.matches(next.value)) this.addFilter(next.value);
    }
    this.tell(ended);
  }

  // The answer; null when the reader has gone on meanwhile, or the server said no (which is shown).
  async asked(question, walk) {
    try {
      const answer = await question();
      return walk === this.walk && !this.abort.signal.aborted ? answer : null;
    } catch (error) {
      if (!(error instanceof AnswerError) && error.name !== "AbortError") throw error;
      if (walk === this.walk && error.name !== "AbortError") setText(byId("choose-said"), `${error.message}.`);
      return null;
    }
  }

  tell(ended) {
    const shown = `${count(this.found.size)} ${this.found.size === 1 ? "filter" : "filters"}`;
    const of = this.standing === null ? "" : ` of ${count(Math.max(this.standing, this.read))}`;
    setText(byId("choose-said"), ended ? (this.found.size === 0 ? "No filter matches." : `${shown}.`)
      : `${shown} so far, ${count(this.read)}${of} read.`);
    setHidden(byId("choose-more"), ended);
  }

  addFilter(filter) {
    if (this.found.has(filter.filter_id)) return;
    this.found.add(filter.filter_id);
    this.add({ filter: filter.filter_id }, shortened(filter.words, WORDS_MAX), String(filter.filter_id));
  }

  add(choice, words, id) {
    const current = JSON.stringify(choice) === JSON.stringify(this.choice);
    const link = make("a", { href: this.linkTo(choice), "aria-current": current ? "true" : null },
      make("b", { class: "number" }, id), " ", make("bdi", {}, words));
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return; // a new tab
      event.preventDefault();
      this.take(choice);
    });
    this.list.append(make("li", {}, link));
  }

  // Enter in the search field takes the first that was found.
  async chooseFirst() {
    await (this.searched ?? this.search());
    this.list.querySelector("a")?.click();
  }

  // The arrow keys walk from the search field through the list.
  key(event) {
    const links = [...this.list.querySelectorAll("a")];
    const at = links.indexOf(document.activeElement);
    if (at < 0 && document.activeElement !== byId("choose-text")) return;
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, End: at < 0 ? undefined : links.length - 1, Home: at < 0 ? undefined : 0 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    if (to < 0) byId("choose-text").focus();
    else links[Math.min(to, links.length - 1)]?.focus();
  }

  // --- some countries, without a filter ---

  // The server is asked first: what is wrong is then said where it was written.
  async chooseRegion() {
    const region = byId("region-text").value.trim();
    if (region === "" || region === "*") {
      this.take({});
      return;
    }
    try {
      await tryFilter({ region }, this.abort.signal);
      this.take({ region });
    } catch (error) {
      if (!(error instanceof AnswerError) && error.name !== "AbortError") throw error;
      if (error.name === "AbortError") return;
      say(byId("region-error"), error.kind === "bad-filter" ? error.problem.detail : error.message);
      byId("region-text").focus();
    }
  }
}
