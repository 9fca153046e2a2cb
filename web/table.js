// table.js: a table of numbers that can be copied and saved. What is on the screen, what is copied and what is saved are
// three writings of the same rows.
import { make, setText } from "/assets/dom.js";

function csvField(text) {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

// RFC 4180.
export function csvOf(columns, rows) {
  const lines = [columns.map((column) => column.name), ...rows.map((row) => columns.map((column) => column.raw(row)))];
  return lines.map((line) => line.map(csvField).join(",") + "\r\n").join("");
}

function tsvOf(columns, rows) {
  const lines = [columns.map((column) => column.name), ...rows.map((row) => columns.map((column) => column.raw(row)))];
  return lines.map((line) => line.join("\t") + "\n").join("");
}

// navigator.clipboard exists only on https and on localhost; the other way works from everywhere.
async function copyText(text) {
  if (navigator.clipboard !== undefined) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch { /* not allowed: the other way */ }
  }
  const area = make("textarea", { class: "off-screen", "aria-hidden": "true" });
  area.value = text;
  const focused = document.activeElement;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  focused?.focus();
  return done;
}

function save(name, text) {
  const url = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  make("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

// Columns: { title, name (in CSV), raw(row) -> text for CSV, show(row) -> text on the screen, number: bool,
//            fill(cell, row) in place of show for a cell of elements; without `name` it is on the screen only }.
// `keyOf(row)`: rows with the same key keep their element, so that what the reader has selected or focused stays.
export class Table {
  constructor(host, { caption, columns, keyOf, fileName, label }) {
    this.columns = columns;
    this.saved = columns.filter((column) => column.name !== undefined);
    this.keyOf = keyOf;
    this.fileName = fileName;
    this.rows = [];
    this.elements = new Map();
    this.caption = make("caption", {}, caption);
    const heads = columns.map((column) => make("th", { scope: "col", class: column.number ? "number" : null }, column.title));
    this.body = make("tbody");
    const table = make("table", {}, this.caption, make("thead", {}, make("tr", {}, ...heads)), this.body);
    this.copyButton = make("button", { type: "button", class: "quiet", "aria-label": `Copy the table: ${label}` }, "Copy");
    this.saveButton = make("button", { type: "button", class: "quiet", "aria-label": `Save the table as CSV: ${label}` }, "Save CSV");
    this.said = make("span", { class: "muted small", role: "status" });
    // Scrollable, so it must be reachable and scrolled by keyboard too.
    this.box = make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label }, table);
    host.append(this.box, make("div", { class: "tools" }, this.copyButton, this.saveButton, this.said));
    this.copyButton.addEventListener("click", async () => {
      const rows = this.rows.length;
      this.tell((await copyText(tsvOf(this.saved, this.rows))) ? `${rows} rows copied` : "the browser refused to copy");
    });
    this.saveButton.addEventListener("click", () => save(this.fileName(), csvOf(this.saved, this.rows)));
  }

  tell(text) {
    this.said.textContent = text;
    clearTimeout(this.saidTimer);
    this.saidTimer = setTimeout(() => { this.said.textContent = ""; }, 4000);
  }

  setCaption(text) {
    setText(this.caption, text);
  }

  set(rows) {
    this.rows = rows;
    const before = this.elements;
    this.elements = new Map();
    for (const row of rows) {
      const key = this.keyOf(row);
      const element = before.get(key) ?? this.makeRow();
      before.delete(key);
      this.elements.set(key, element);
      this.fillRow(element, row);
    }
    for (const gone of before.values()) gone.remove();
    let at = this.body.firstElementChild;
    for (const element of this.elements.values()) {
      if (element === at) at = at.nextElementSibling;
      else this.body.insertBefore(element, at);
    }
  }

  makeRow() {
    return make("tr", {}, ...this.columns.map((column) =>
      make(column.head ? "th" : "td", { scope: column.head ? "row" : null, class: column.number ? "number" : column.class ?? null })));
  }

  fillRow(element, row) {
    this.columns.forEach((column, index) => {
      const cell = element.children[index];
      if (column.fill !== undefined) column.fill(cell, row);
      else setText(cell, column.show(row));
      if (column.mark !== undefined) cell.dataset.mark = column.mark(row);
    });
  }
}
