// ad.js: one ad's minutes, hours or days, each with its state.
import { adCount, AnswerError, exact, series } from "/assets/api.js";
import { choiceOf, RANGE_MS } from "/assets/address.js";
import { Chart, colour } from "/assets/chart.js";
import { byId, say, setHidden, setText } from "/assets/dom.js";
import { bucket, clicks, count, minute, parseTime, rfc3339, STEP_MS } from "/assets/format.js";
import { Table } from "/assets/table.js";

const NOT_COVERED = "not covered";
const HATCH_PX = 9;

// The minutes, hours or days [from, to) that the view asks for; a range like "6h" ends with the step that holds the newest
// click, which is open. null: there is no click yet that it could end with.
function rangeOf(view, newest) {
  const step = STEP_MS[view.step];
  if (view.range === "fixed") return { from: Math.floor(view.from / step) * step, to: Math.ceil(view.to / step) * step };
  if (newest === null) return null;
  const to = (Math.floor(newest / step) + 1) * step;
  return { from: Math.max(0, to - Math.max(1, Math.round(RANGE_MS[view.range] / step)) * step), to };
}

// Final is what ends at or before the mark (I7 of the answer that these marks came with).
function stateOf(end, watermark, sealedTo) {
  if (sealedTo !== null && end <= sealedTo) return "sealed";
  return watermark !== null && end <= watermark ? "closed" : "open";
}

// Steps that a filter does not cover have no count, which is not 0; the first one that it covers may be covered in part.
function pointsOf(answer, askedFrom) {
  const step = STEP_MS[answer.step], from = parseTime(answer.from);
  const watermark = parseTime(answer.watermark), sealedTo = parseTime(answer.sealed_to);
  const points = [];
  for (let at = askedFrom; !answer.complete && at < from; at += step) points.push({ at, count: null, state: NOT_COVERED });
  const coversFrom = answer.complete ? null : parseTime(answer.covers_from);
  answer.counts.forEach((n, i) => {
    const at = from + i * step;
    points.push({ at, count: exact(n), state: stateOf(at + step, watermark, sealedTo), since: coversFrom > at ? coversFrom : null });
  });
  return points;
}

function stateText(point, time) {
  return point.since ? `${point.state}, from ${time(point.since)} on` : point.state;
}

// Neighbours of one state: [{state, from, to}].
function stretches(points, step) {
  const found = [];
  for (const point of points) {
    const last = found.at(-1);
    if (last?.state === point.state) last.to = point.at + step;
    else found.push({ state: point.state, from: point.at, to: point.at + step });
  }
  return found;
}

// Like no state: here nothing was counted that could be in one.
function hatch(context, left, top, width, height) {
  context.save();
  context.beginPath();
  context.rect(left, top, width, height);
  context.clip();
  context.strokeStyle = colour("line");
  context.lineWidth = 3;
  context.beginPath();
  for (let x = left - height; x < left + width; x += HATCH_PX) {
    context.moveTo(x, top + height);
    context.lineTo(x + height, top);
  }
  context.stroke();
  context.restore();
}

export class Ad {
  // `chosen`: which clicks; `onZoom(from, to)`: the reader has drawn a range; `onBack()`: wants the one before.
  constructor({ chosen, onZoom, onBack }) {
    this.chosen = chosen;
    this.view = null;
    this.points = [];
    this.selected = -1;
    this.abort = new AbortController();
    this.chart = new Chart(byId("ad-chart"), {
      step: true,
      underlay: (context, area, dygraph) => this.shade(context, area, dygraph),
      onZoom: (from, to) => onZoom(Math.floor(from / STEP_MS.minute) * STEP_MS.minute, Math.ceil(to / STEP_MS.minute) * STEP_MS.minute),
      onReset: onBack,
      onPoint: (index) => this.read(index),
    });
    byId("ad-chart").addEventListener("keydown", (event) => this.key(event));
    byId("ad-chart").addEventListener("blur", () => this.point(-1));
    this.table = new Table(byId("ad-table"), {
      label: "Clicks of the ad",
      caption: "Clicks of the ad",
      fileName: () => `tally-${this.view.ad.replace(/[^A-Za-z0-9._-]/g, "_")}-${this.view.step}s${this.chosen.fileName}.csv`,
      keyOf: (point) => point.at,
      columns: [
        { title: "From (UTC)", name: "time", head: true, raw: (point) => rfc3339(point.at), show: (point) => bucket(point.at, this.step) },
        { title: "Clicks", name: "clicks", number: true, raw: (point) => String(point.count ?? ""), show: (point) => (point.count === null ? "–" : count(point.count)) },
        { title: "State", name: "state", class: "state", raw: (point) => stateText(point, rfc3339), show: (point) => stateText(point, minute), mark: (point) => point.state },
      ],
    });
  }

  // The view has changed. Resolves when its answer is shown (true) or there is none (false).
  show(view, newest) {
    const choice = choiceOf(view), of = JSON.stringify([view.ad, choice]);
    const wanted = JSON.stringify([of, view.step, view.range, view.from, view.to]);
    if (wanted === this.wanted) return Promise.resolve(true);
    this.wanted = wanted;
    // Nothing of another ad or filter stands under this one's name while the server is asked.
    if (of !== this.of) this.clear();
    Object.assign(this, { view, choice, of });
    this.abort.abort();
    this.abort = new AbortController();
    setHidden(byId("ad-empty"), view.ad !== null);
    if (view.ad === null) {
      setText(byId("ad-title"), "One ad");
      setText(byId("ad-when"), "\u00a0");
      say(byId("ad-error"), null);
    }
    return this.refresh(newest);
  }

  clear() {
    setHidden(byId("ad-body"), true);
    say(byId("ad-error"), null);
    say(byId("ad-cover"), null);
  }

  async refresh(newest) {
    if (this.view === null || this.view.ad === null) return true;
    const { signal } = this.abort;
    const { view, choice } = this, range = rangeOf(view, newest ?? null);
    setText(byId("ad-title"), `Ad ${view.ad}`);
    if (byId("ad-body").hidden) setText(byId("ad-when"), newest === null ? "no click yet" : "asking the server");
    if (range === null) return newest === null;
    try {
      const from = rfc3339(range.from), to = rfc3339(range.to);
      const [answer, total] = await Promise.all([series(choice, view.ad, from, to, view.step, signal), adCount(choice, view.ad, from, to, signal)]);
      if (signal.aborted) return false;
      say(byId("ad-error"), null);
      this.write(view, answer, total, range);
      return true;
    } catch (error) {
      if (!(error instanceof AnswerError) && error.name !== "AbortError") throw error;
      if (signal.aborted) return false;
      if (this.chosen.refuse(error)) {
        this.clear();
        setText(byId("ad-when"), "no numbers");
      } else if (error.status > 0) {
        say(byId("ad-error"), error.message);
      }
      return false;
    }
  }

  write(view, answer, total, asked) {
    this.step = answer.step;
    this.points = pointsOf(answer, asked.from);
    setHidden(byId("ad-body"), false);
    const range = `${minute(parseTime(total.from))} to ${minute(parseTime(total.to))} UTC`;
    const when = total.from === total.to ? NOT_COVERED : `${clicks(exact(total.count))}, ${range}, ${total.state}`;
    const named = this.chosen.all ? when : `${when}; ${this.chosen.name}`;
    setText(byId("ad-when"), when);
    say(byId("ad-cover"), this.chosen.cover(answer));
    setHidden(byId("ad-uncovered"), this.points[0]?.state !== NOT_COVERED);
    this.table.setCaption(`Clicks of ${view.ad} by ${answer.step}, the newest first: ${named}`);
    this.table.set(this.points.toReversed());
    const step = STEP_MS[this.step], from = this.points[0]?.at ?? parseTime(answer.from), to = from + this.points.length * step;
    const rows = this.points.map((point) => [point.at, point.count === null ? null : Number(point.count)]);
    if (rows.length > 0) rows.push([to, rows.at(-1)[1]]); // the last value holds to the end of its step
    byId("ad-chart").setAttribute("aria-label", `Clicks of ${view.ad} by ${answer.step}: ${named}. The table has the same numbers.`);
    this.chart.set(rows, [from, to]);
    this.read(this.selected);
  }

  shade(context, area, dygraph) {
    context.save();
    context.font = "11px system-ui, sans-serif";
    context.textBaseline = "top";
    for (const { state, from, to } of stretches(this.points, STEP_MS[this.step ?? "minute"])) {
      const left = Math.max(area.x, dygraph.toDomXCoord(from)), right = Math.min(area.x + area.w, dygraph.toDomXCoord(to));
      if (right <= left) continue;
      if (state === NOT_COVERED) {
        hatch(context, left, area.y, right - left, area.h);
      } else {
        context.fillStyle = colour(`state-${state}`);
        context.fillRect(left, area.y, right - left, area.h);
      }
      if (right - left < context.measureText(state).width + 8) continue;
      context.fillStyle = colour("muted");
      context.fillText(state, left + 4, area.y + 3);
    }
    context.restore();
  }

  key(event) {
    const last = this.points.length - 1;
    const from = this.selected < 0 ? last + 1 : this.selected;
    const to = { ArrowLeft: from - 1, ArrowRight: this.selected < 0 ? last : from + 1, Home: 0, End: last, Escape: -1 }[event.key];
    if (to === undefined || last < 0) return;
    event.preventDefault();
    this.point(to < 0 && event.key !== "Escape" ? 0 : Math.min(to, last));
  }

  point(index) {
    this.selected = index;
    this.chart.select(index);
    this.read(index);
  }

  read(index) {
    const point = index < 0 ? undefined : this.points[Math.min(index, this.points.length - 1)];
    const what = point === undefined || point.count === null ? NOT_COVERED : `${clicks(point.count)}, ${stateText(point, minute)}`;
    setText(byId("ad-readout"), point === undefined ? "\u00a0" : `${bucket(point.at, this.step)} UTC: ${what}`);
  }
}
