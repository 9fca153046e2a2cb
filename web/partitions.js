// partitions.js: how far each partition is in event time, and why when it is not further.
import { exact } from "/assets/api.js";
import { byId } from "/assets/dom.js";
import { clock, count, day, parseTime, span } from "/assets/format.js";
import { Table } from "/assets/table.js";

const SLACK_MS = 5000; // beyond the delay: a click a second old and a tick a second later are no news

export function timeText(ms) {
  return ms === null ? "none yet" : `${day(ms)} ${clock(ms)}`;
}

// One partition in words; the first that is true.
function reason(row, status) {
  const behind = row.behind > 0n;
  if (status.phase === "replaying" && behind) return `the journal is read again: ${count(row.behind)} records to go`;
  if (status.waits_for !== null) return status.waits_for;
  if (row.watermark === null) return behind ? "its first clicks are being counted" : "no click yet";
  const delay = Number(status.rules.delay_ms);
  if (row.lag <= delay + SLACK_MS) return `${behind ? "keeping up" : "up to date"} (delay ${span(delay)})`;
  if (behind) return `${count(row.behind)} records behind: being counted`;
  return "all counted, but no newer click came; past time moves on slowly by itself";
}

function rowOf(partition, status) {
  const watermark = parseTime(partition.watermark);
  const row = {
    partition: partition.partition,
    watermark,
    watermarkText: partition.watermark ?? "",
    sealed: parseTime(partition.sealed_to),
    sealedText: partition.sealed_to ?? "",
    lag: watermark === null ? null : parseTime(status.now) - watermark,
    counted: exact(partition.counted),
    behind: exact(partition.journal_end) - exact(partition.offset),
  };
  row.reason = reason(row, status);
  return row;
}

export class Partitions {
  constructor() {
    this.table = new Table(byId("partitions-table"), {
      label: "Partitions",
      caption: "Watermark and lag of each partition",
      fileName: () => "tally-partitions.csv",
      keyOf: (row) => row.partition,
      columns: [
        { title: "Partition", name: "partition", head: true, raw: (row) => String(row.partition), show: (row) => String(row.partition) },
        { title: "Lag", name: "lag_ms", number: true, raw: (row) => (row.lag === null ? "" : String(row.lag)), show: (row) => (row.lag === null ? "–" : span(row.lag)) },
        { title: "Why", name: "why", class: "words", raw: (row) => row.reason, show: (row) => row.reason },
        { title: "Watermark (UTC)", name: "watermark", number: true, raw: (row) => row.watermarkText, show: (row) => timeText(row.watermark) },
        { title: "Sealed to (UTC)", name: "sealed_to", number: true, raw: (row) => row.sealedText, show: (row) => timeText(row.sealed) },
        { title: "Counted", name: "counted", number: true, raw: (row) => String(row.counted), show: (row) => count(row.counted) },
        { title: "Records behind", name: "records_behind", number: true, raw: (row) => String(row.behind), show: (row) => count(row.behind) },
      ],
    });
  }

  update(status) {
    this.table.set(status.partitions.map((partition) => rowOf(partition, status)));
  }
}
