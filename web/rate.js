// rate.js: clicks per second, from the events of the stream as they came.
import { exact } from "/assets/api.js";
import { Chart } from "/assets/chart.js";
import { byId, setText } from "/assets/dom.js";
import { clock, count, day, parseTime } from "/assets/format.js";
import { Table } from "/assets/table.js";

const KEPT_MS = 300_000;
const GAP_MS = 2500; // between two events: more means that we did not listen, which the line must not bridge

export class Rate {
  constructor() {
    this.samples = [];
    this.chart = new Chart(byId("rate-chart"), { onPoint: (row) => this.read(row) });
    this.table = new Table(byId("rate-table"), {
      label: "Clicks per second",
      caption: "Clicks accepted in each second, the newest first",
      fileName: () => "tally-clicks-per-second.csv",
      keyOf: (sample) => sample.now,
      columns: [
        { title: "Time (UTC)", name: "time", head: true, raw: (sample) => sample.now, show: (sample) => clock(sample.ms) },
        { title: "Clicks/s", name: "clicks_per_second", number: true, raw: (sample) => String(sample.rate), show: (sample) => count(sample.rate) },
        { title: "Accepted so far", name: "accepted", number: true, raw: (sample) => String(sample.accepted), show: (sample) => count(sample.accepted) },
      ],
    });
  }

  update(status) {
    const ms = parseTime(status.now);
    const last = this.samples.at(-1);
    if (last !== undefined && ms <= last.ms) this.samples = this.samples.filter((sample) => sample.ms < ms); // the clock went back
    this.samples.push({ ms, now: status.now, rate: Number(status.clicks_per_second), accepted: exact(status.totals.accepted) });
    while (this.samples[0].ms < ms - KEPT_MS) this.samples.shift();
    this.draw();
  }

  draw() {
    if (document.hidden) return;
    this.rows = [];
    this.samples.forEach((sample, i) => {
      const before = this.samples[i - 1];
      if (before !== undefined && sample.ms - before.ms > GAP_MS) this.rows.push([before.ms + 1, null]);
      this.rows.push([sample.ms, sample.rate]);
    });
    const end = this.samples.at(-1).ms;
    this.chart.set(this.rows, [end - KEPT_MS, end]);
    this.table.set(this.samples.toReversed());
    this.read(-1);
  }

  read(row) {
    const [ms, rate] = row >= 0 && this.rows[row]?.[1] != null ? this.rows[row] : this.rows.at(-1);
    setText(byId("rate-readout"), `${day(ms)} ${clock(ms)} UTC: ${count(rate)} clicks/s`);
  }
}
