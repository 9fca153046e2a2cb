// top.js: the 20 ads with the most clicks in the window, each with a small line of its last hour or of the window.
import { AnswerError, exact, popularAds, series } from "/assets/api.js";
import { choiceOf } from "/assets/address.js";
import { byId, make, say, setText } from "/assets/dom.js";
import { count, minute, parseTime, rfc3339, STEP_MS, windowName } from "/assets/format.js";
import { condensed, sparkline } from "/assets/sparkline.js";
import { Table } from "/assets/table.js";

const COUNT = 20;
const LINE_MINUTES_MIN = 60;
const LINE_POINTS = 60;
const SIDE_BY_SIDE = 3; // questions for lines at one time: the browser has six connections, one of them for the stream

export class Top {
  // `chosen`: which clicks; `linkTo(ad)` is the address of the view with that ad; `onChoose(ad)` shows it.
  constructor({ chosen, linkTo, onChoose }) {
    this.chosen = chosen;
    this.linkTo = linkTo;
    this.onChoose = onChoose;
    this.ad = null; // that is shown beside
    this.wanted = null;
    this.window = null;
    this.lines = new Map(); // ad -> svg, of the minutes that this.linesOf names
    this.linesOf = "";
    this.abort = new AbortController();
    this.table = new Table(byId("top-table"), {
      label: "Top 20 ads",
      caption: "Ads by clicks",
      fileName: () => `tally-top-${this.window}-minutes${this.chosen.fileName}.csv`,
      keyOf: (row) => row.ad,
      columns: [
        { title: "#", name: "rank", number: true, raw: (row) => String(row.rank), show: (row) => String(row.rank) },
        { title: "Ad", name: "ad_id", head: true, raw: (row) => row.ad, fill: (cell, row) => this.fillLink(cell, row) },
        { title: "Clicks", name: "clicks", number: true, raw: (row) => String(row.clicks), show: (row) => count(row.clicks) },
        { title: "Line", class: "line", fill: (cell, row) => this.fillLine(cell, row) },
      ],
    });
    this.lineHead = byId("top-table").querySelector("th:last-child");
  }

  fillLink(cell, row) {
    let link = cell.firstElementChild;
    if (link === null) {
      link = make("a", {}, make("bdi"));
      link.addEventListener("click", (event) => {
        if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return; // a new tab
        event.preventDefault();
        this.onChoose(row.ad);
      });
      cell.append(link);
    }
    setText(link.firstElementChild, row.ad);
    const address = this.linkTo(row.ad);
    if (link.getAttribute("href") !== address) link.setAttribute("href", address);
    if ((link.getAttribute("aria-current") === "true") !== (row.ad === this.ad)) {
      if (row.ad === this.ad) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
  }

  fillLine(cell, row) {
    const line = this.lines.get(row.ad);
    if (line === cell.firstElementChild || line === undefined) return;
    cell.replaceChildren(line);
  }

  // The view has changed. Resolves when the new window's answer is shown (true) or there is none (false).
  show(view) {
    this.ad = view.ad;
    const choice = choiceOf(view), of = JSON.stringify(choice), wanted = `${view.window} ${of}`;
    if (wanted === this.wanted) {
      this.table.set(this.table.rows);
      return Promise.resolve(true);
    }
    this.wanted = wanted;
    this.window = view.window;
    // No ranking of other clicks stands under this filter's name while the server is asked.
    if (of !== JSON.stringify(this.choice ?? {})) this.clear();
    this.choice = choice;
    setText(byId("top-when"), `${windowName(this.window)}: asking the server`);
    this.abort.abort();
    this.abort = new AbortController();
    return this.refresh();
  }

  clear() {
    this.linesOf = "";
    this.lines = new Map();
    say(byId("top-error"), null);
    say(byId("top-cover"), null);
    this.table.setCaption("Ads by clicks");
    this.table.set([]);
  }

  async refresh() {
    const { signal } = this.abort;
    try {
      const answer = await popularAds(this.choice, this.window, COUNT, signal);
      if (signal.aborted) return false;
      say(byId("top-error"), null);
      this.write(answer);
      await this.refreshLines(answer, signal);
      return true;
    } catch (error) {
      if (!(error instanceof AnswerError) && error.name !== "AbortError") throw error;
      if (signal.aborted) return false;
      // Without any answer the notice at the top says all there is to say, and where there is no such filter too.
      const refused = this.chosen.refuse(error);
      if (refused || error.kind === "ranking-too-costly") {
        this.clear();
        setText(byId("top-when"), `${windowName(this.window)}: no ranking`);
      }
      if (!refused && error.status > 0) say(byId("top-error"), error.message);
      return false;
    }
  }

  write(answer) {
    const last = parseTime(answer.update_minute);
    const name = windowName(this.window);
    const cover = this.chosen.cover(answer);
    const when = last === null ? "no click yet" :
      answer.from === answer.to ? "not covered" :
      this.window === 1 ? `the minute ${minute(last)} UTC, ${answer.state}` :
        `${minute(parseTime(answer.from))} to ${minute(parseTime(answer.to))} UTC, ${answer.state}`;
    setText(byId("top-when"), `${name}: ${when}`);
    say(byId("top-cover"), cover);
    const of = this.chosen.all ? "" : `; ${this.chosen.name}`;
    this.table.setCaption(last === null ? "Ads by clicks: none yet" : `Ads by clicks in ${name}, ${when}${of}`);
    this.table.set(answer.ads.map((ad, i) => ({ rank: i + 1, ad: ad.ad_id, clicks: exact(ad.count) })));
  }

  // Only for ads that have none yet for these minutes: a new minute draws all anew.
  async refreshLines(answer, signal) {
    if (answer.to === null) return;
    const minutes = Math.max(this.window, LINE_MINUTES_MIN);
    setText(this.lineHead, minutes === 60 ? "Last 60 minutes" : `Last ${windowName(minutes)}`);
    const to = parseTime(answer.to), from = to - minutes * STEP_MS.minute;
    const linesOf = `${from} ${to}`;
    const fresh = linesOf === this.linesOf ? this.lines : new Map();
    const wanted = answer.ads.map((ad) => ad.ad_id).filter((ad) => !fresh.has(ad));
    const { choice } = this;
    const draw = async () => {
      for (let ad = wanted.shift(); ad !== undefined; ad = wanted.shift()) {
        const line = await series(choice, ad, rfc3339(Math.max(0, from)), answer.to, "minute", signal);
        const before = line.complete ? 0 : (parseTime(line.from) - Math.max(0, from)) / STEP_MS.minute; // minutes not covered
        const values = condensed([...Array(before).fill(null), ...line.counts.map(Number)], LINE_POINTS);
        const lit = Math.max(1, Math.round((this.window / minutes) * values.length));
        const most = `most in ${minutes / LINE_POINTS > 1 ? "one step" : "one minute"}: ${count(Math.max(0, ...values))}`;
        fresh.set(ad, sparkline(values, lit, before > 0 ? `${most}; not covered before ${minute(parseTime(line.from))} UTC` : most));
      }
    };
    await Promise.all(Array.from({ length: SIDE_BY_SIDE }, draw));
    if (signal.aborted) return;
    this.lines = fresh;
    this.linesOf = linesOf;
    this.table.set(this.table.rows);
  }
}
