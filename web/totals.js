// totals.js: where every click went, and whether the sums are right. They are added up here, from the parts, so that the
// mark on the page is a second opinion and not the server's own word; that one is asked for as well.
import { exact } from "/assets/api.js";
import { byId, make, setText } from "/assets/dom.js";
import { count, share } from "/assets/format.js";
import { Table } from "/assets/table.js";

const VERDICTS = [
  ["counted", "counted", "in a minute, billed"],
  ["duplicate", "duplicate", "seen before, the same in every field"],
  ["conflict", "conflict", "seen before with other fields"],
  ["too_late", "too late", "its minute was sealed"],
  ["invalid", "invalid", "failed the second validation"],
  ["pending", "pending", "accepted, not judged yet"],
];

// Received = accepted + rejected, and so on: a name, its sum, its parts.
function laws(totals) {
  const n = (name) => exact(totals[name]);
  return [
    { id: "law-received", whole: "received", sum: n("received"), parts: [["accepted", n("accepted")], ["rejected", n("rejected")]] },
    { id: "law-accepted", whole: "accepted", sum: n("accepted"), parts: VERDICTS.map(([key, title]) => [title, n(key)]) },
  ];
}

function broken(law, vouched) {
  const off = law.sum - law.parts.reduce((sum, [, part]) => sum + part, 0n);
  if (off !== 0n) return `the parts are ${off > 0n ? `${count(off)} short` : `${count(-off)} too many`}`;
  return vouched ? null : "the server reports a violation";
}

export class Totals {
  constructor() {
    this.laws = new Map();
    this.bars = new Map();
    this.table = new Table(byId("totals-table"), {
      label: "Clicks by verdict",
      caption: "Clicks by what became of them",
      fileName: () => "tally-totals.csv",
      keyOf: (row) => row.key,
      columns: [
        { title: "Clicks that were", name: "what", head: true, raw: (row) => row.key, fill: (cell, row) => this.nameRow(cell, row), mark: (row) => row.kind },
        { title: "Clicks", name: "clicks", number: true, raw: (row) => String(row.clicks), show: (row) => count(row.clicks) },
        { title: "Share", number: true, show: (row) => share(row.clicks, row.of), mark: (row) => row.kind },
      ],
    });
    for (const [key] of VERDICTS) {
      const bar = make("span", { class: `bar ${key}` });
      this.bars.set(key, bar);
      byId("totals-share").append(bar);
    }
  }

  nameRow(cell, row) {
    if (cell.childElementCount === 0) cell.append(make("span", { class: "key", "aria-hidden": "true" }), make("span"), " ", make("small", { class: "muted" }));
    cell.children[0].className = `key ${row.key}`;
    setText(cell.children[1], row.title);
    setText(cell.children[2], row.note);
  }

  update(status) {
    const totals = status.totals;
    const vouched = { "law-received": status.conservation?.intake !== false, "law-accepted": status.conservation?.partitions !== false };
    for (const law of laws(totals)) this.showLaw(law, broken(law, vouched[law.id]));
    this.showBars(totals);
    const received = exact(totals.received), accepted = exact(totals.accepted);
    const rows = [
      { key: "received", title: "received", kind: "sum", note: "", clicks: received, of: received },
      { key: "accepted", title: "accepted", kind: "sum", note: "in the journal", clicks: accepted, of: received },
      ...VERDICTS.map(([key, title, note]) => ({ key, title, note, kind: "part", clicks: exact(totals[key]), of: accepted })),
      { key: "rejected", title: "rejected", kind: "sum", note: "", clicks: exact(totals.rejected), of: received },
      ...Object.entries(totals.rejected_by ?? {}).map(([code, n]) => ({ key: `rejected:${code}`, title: code, note: "", kind: "part", clicks: exact(n), of: received })),
    ];
    this.table.set(rows);
  }

  showLaw(law, why) {
    let element = this.laws.get(law.id);
    if (element === undefined) {
      element = make("p", { class: "law", id: law.id }, make("span", { class: "mark", "aria-hidden": "true" }), make("span", { class: "equation" }),
        make("span", { class: "verdict", role: "status" }));
      byId("totals-laws").append(element);
      this.laws.set(law.id, element);
    }
    element.dataset.holds = String(why === null);
    setText(element.children[0], why === null ? "✓" : "✗");
    this.writeEquation(element.children[1], law);
    setText(element.children[2], why === null ? "holds" : `broken: ${why}`);
  }

  // Each term: its number over its name; joined by = and +.
  writeEquation(host, law) {
    const terms = [[law.whole, law.sum], ...law.parts];
    if (host.childElementCount === 0) {
      terms.forEach(([name], i) => {
        const joint = i === 0 ? "" : i === 1 ? "= " : "+ ";
        host.append(make("span", { class: "term" }, make("span", { class: "joint" }, joint), make("b", { class: "number" }), " ", make("i", {}, name)), " ");
      });
    }
    terms.forEach(([, value], i) => setText(host.children[i].querySelector("b"), count(value)));
  }

  showBars(totals) {
    const accepted = exact(totals.accepted);
    for (const [key] of VERDICTS) {
      const tenthPermille = accepted === 0n ? 0n : (exact(totals[key]) * 10000n) / accepted;
      this.bars.get(key).style.flexGrow = String(tenthPermille);
      this.bars.get(key).hidden = exact(totals[key]) === 0n;
    }
    const said = VERDICTS.map(([key, title]) => `${title} ${share(exact(totals[key]), accepted)}`).join(", ");
    const host = byId("totals-share");
    if (host.getAttribute("aria-label") !== said) host.setAttribute("aria-label", `Shares of the accepted clicks: ${said}`);
  }
}
