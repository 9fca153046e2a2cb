// main.js: the page's wiring, read top-down: the address gives the view, the stream gives the state of the server, and both
// tell the panels.
import { Ad } from "/assets/ad.js";
import { choiceOf, fitted, readView, validAd, validWindow, writeView } from "/assets/address.js";
import { exact } from "/assets/api.js";
import { Choose } from "/assets/choose.js";
import { Chosen } from "/assets/chosen.js";
import { byId, say, setHidden, setText } from "/assets/dom.js";
import { clock, count, day, parseTime, span, STEP_MS } from "/assets/format.js";
import { Live } from "/assets/live.js";
import { Make } from "/assets/make.js";
import { Partitions } from "/assets/partitions.js";
import { Rate } from "/assets/rate.js";
import { Top } from "/assets/top.js";
import { Totals } from "/assets/totals.js";

const ASK_EVERY_MS = 2000; // the rankings and series, while their answers change
const ASK_SHARE = 10;      // and never more than a tenth of the time, however slow the answers are

let view;
let newest; // event time up to which clicks were seen, in ms; null: none; undefined: not known yet
const panels = [new Totals(), new Partitions(), new Rate()];
const chosen = new Chosen({ onOpen: () => choose.open(choiceOf(view)), onAll: () => go(chosenAs({})) });
const choose = new Choose({
  linkTo: (choice) => writeView({ ...view, ...chosenAs(choice) }),
  onChoose: (choice) => go(chosenAs(choice)),
  onMake: () => make.open(),
});
const make = new Make({ onUse: (id) => go(chosenAs({ filter: id })) });
const top20 = new Top({ chosen, linkTo: (ad) => writeView({ ...view, ad }), onChoose: (ad) => go({ ad }, byId("ad-title")) });
const oneAd = new Ad({ chosen, onZoom: (from, to) => go({ range: "fixed", from, to }), onBack: () => history.back() });

// --- the view ---

// What a choice changes in the view; the other way round is choiceOf.
function chosenAs({ filter = 0, region = null }) {
  return { filter, region };
}

function showView() {
  chosen.show(view);
  document.title = [view.ad ?? "", chosen.name, "Tally"].filter((part) => part !== "").join(" - ");
  const preset = document.querySelector(`input[name=window][value="${view.window}"]`);
  for (const radio of document.querySelectorAll("input[name=window]")) radio.checked = radio === preset;
  byId("window-minutes").value = view.window;
  byId("ad-id").value = view.ad ?? byId("ad-id").value;
  for (const name of ["step", "range"]) document.querySelector(`input[name=${name}][value="${view[name]}"]`).checked = true;
  setHidden(byId("ad-fixed"), view.range !== "fixed");
  if (view.range === "fixed") {
    byId("ad-from").value = new Date(view.from).toISOString().slice(0, 16);
    byId("ad-to").value = new Date(view.to).toISOString().slice(0, 16);
  }
  track(top20.show(view));
  track(oneAd.show(view, newest));
}

// A new view by the reader's hand: an entry in the browser's history.
function go(changes, scrollTo) {
  const next = fitted({ ...view, ...changes });
  if (writeView(next) === writeView(view)) return;
  view = next;
  history.pushState(null, "", writeView(view));
  say(byId("address-notice"), null);
  showView();
  scrollTo?.scrollIntoView({ block: "nearest" });
}

function readAddress() {
  const { view: read, problems } = readView(location.search);
  view = read;
  history.replaceState(null, "", writeView(view));
  say(byId("address-notice"), problems.join(" "));
  showView();
}

function listen() {
  addEventListener("popstate", readAddress);
  for (const radio of document.querySelectorAll("input[name=window]")) radio.addEventListener("change", () => go({ window: Number(radio.value) }));
  byId("window-minutes").addEventListener("change", (event) => {
    const minutes = validWindow(event.target.value);
    if (minutes === null) event.target.reportValidity();
    else go({ window: minutes });
  });
  byId("window-form").addEventListener("submit", (event) => event.preventDefault());
  byId("ad-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const ad = byId("ad-id").value;
    if (validAd(ad)) go({ ad });
    else say(byId("ad-error"), "An ad id has 1 to 128 bytes.");
  });
  for (const radio of document.querySelectorAll("input[name=step]")) radio.addEventListener("change", () => go({ step: radio.value }));
  for (const radio of document.querySelectorAll("input[name=range]")) {
    radio.addEventListener("change", () => go(radio.value === "fixed" ? fixedNow() : { range: radio.value, from: null, to: null }));
  }
  for (const id of ["ad-from", "ad-to"]) byId(id).addEventListener("change", fixedChanged);
}

// What the chart shows now, pinned: the link then shows the same time to whoever opens it.
function fixedNow() {
  const shown = oneAd.points;
  const end = newest === null ? Date.now() : newest;
  const to = shown.length > 0 ? shown.at(-1).at + STEP_MS[oneAd.step] : (Math.floor(end / STEP_MS.minute) + 1) * STEP_MS.minute;
  return { range: "fixed", from: shown.length > 0 ? shown[0].at : to - STEP_MS.hour, to };
}

function fixedChanged() {
  const from = parseTime(`${byId("ad-from").value}Z`), to = parseTime(`${byId("ad-to").value}Z`);
  if (from === null || to === null) return; // not whole yet
  if (from >= to) say(byId("ad-error"), "The range must begin before it ends.");
  else go({ from, to });
}

// --- the server ---

function showTiles(status) {
  const watermark = parseTime(status.watermark);
  setText(byId("tile-rate"), count(Number(status.clicks_per_second)));
  setText(byId("tile-phase"), status.phase);
  setText(byId("tile-waits"), status.waits_for === null ? "takes clicks" : `takes no clicks now: ${status.waits_for}`);
  byId("tile-phase-box").dataset.waits = String(status.waits_for !== null || status.phase !== "serving");
  setText(byId("tile-watermark"), watermark === null ? "none" : clock(watermark));
  setText(byId("tile-watermark-day"), watermark === null ? "no click yet" : `${day(watermark)}, lowest of the partitions`);
  setText(byId("tile-lag"), watermark === null ? "–" : span(parseTime(status.now) - watermark));
  setText(byId("tile-pending"), count(exact(status.totals.pending)));
  setText(byId("tile-ads"), count(exact(status.ads)));
  setText(byId("tile-version"), status.version === null ? "no view yet" : `view ${count(exact(status.version))}`);
  setText(byId("clock"), clock(parseTime(status.now)));
  setText(byId("build"), `tally ${status.version_info.version}`);
}

// seen = watermark + delay: the newest event time that any partition believes.
function newestOf(status) {
  const marks = status.partitions.map((partition) => parseTime(partition.watermark)).filter((ms) => ms !== null);
  return marks.length === 0 ? null : Math.max(...marks) + Number(status.rules.delay_ms);
}

let asking = 0, askedVersion = null, askAgainAt = 0;

// Counts the questions under way. The promise says whether they were answered.
async function track(questions) {
  asking++;
  try {
    return await questions;
  } finally {
    asking--;
  }
}

async function askWhenNew(status) {
  const now = performance.now();
  const minuteOf = (ms) => (ms === null ? null : Math.floor(ms / STEP_MS.minute));
  const state = `${status.version} ${minuteOf(newest)} ${status.watermark}`;
  if (chosen.refused || asking > 0 || document.hidden || now < askAgainAt || state === askedVersion) return;
  chosen.refresh();
  const answered = await track(Promise.all([top20.refresh(), oneAd.refresh(newest)]));
  const took = performance.now() - now;
  askedVersion = answered.every(Boolean) ? state : null;
  askAgainAt = now + Math.max(ASK_EVERY_MS, took * ASK_SHARE);
}

function onStatus(status) {
  newest = newestOf(status);
  choose.standing = make.standing = Number(status.filters.standing);
  showTiles(status);
  for (const panel of panels) panel.update(status);
  askWhenNew(status);
}

// The sentence is announced once; how long it has lasted is for the eyes, or it would be read out every second.
function onState(state, howLong) {
  const lost = state === "lost";
  document.documentElement.dataset.server = state;
  byId("connection").dataset.state = state;
  setText(byId("connection-text"), { live: "live", lost: "server lost", paused: "paused while hidden" }[state]);
  say(byId("lost"), lost ? "The server is lost: nothing on this page has been updated since. Trying again." : null);
  say(byId("lost-for"), lost ? `No word for ${howLong}.` : null);
  if (!lost) return;
  askedVersion = null; // after the return everything is asked anew
}

setText(byId("host"), location.host);
listen();
readAddress();
new Live(onStatus, onState).start();
