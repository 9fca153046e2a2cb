// sparkline.js: a small line without axes, drawn as SVG; the numbers stand beside it.
const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 120, HEIGHT = 24;

function part(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

// At most `points` sums of neighbours, the first one of fewer when they don't divide. null: not covered; so is a sum of nothing else.
export function condensed(counts, points) {
  const size = Math.ceil(counts.length / points);
  const sums = [];
  for (let end = counts.length; end > 0; end -= size) sums.unshift(counts.slice(Math.max(0, end - size), end).reduce((a, b) => (b === null ? a : a + b), null));
  return sums;
}

// `values`: numbers, oldest first, after those that are null. `lit`: how many of the last belong to the window that is ranked.
export function sparkline(values, lit, label) {
  const svg = part("svg", { class: "sparkline", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label, preserveAspectRatio: "none" });
  const highest = Math.max(1, ...values);
  const x = (i) => (values.length < 2 ? WIDTH : (i * (WIDTH - 2)) / (values.length - 1) + 1);
  const y = (value) => HEIGHT - 2 - (value * (HEIGHT - 4)) / highest;
  if (lit < values.length) {
    const from = x(Math.max(0, values.length - lit - 0.5));
    svg.append(part("rect", { class: "lit", x: from.toFixed(1), y: 0, width: (WIDTH - from).toFixed(1), height: HEIGHT }));
  }
  const first = values.findIndex((value) => value !== null);
  if (first !== 0) {
    const width = first < 0 ? WIDTH : x(first);
    svg.append(part("rect", { class: "uncovered", x: 0, y: 0, width: width.toFixed(1), height: HEIGHT }));
  }
  if (first < 0) return svg;
  const points = values.map((value, i) => `${x(i).toFixed(1)},${y(value).toFixed(1)}`).slice(first);
  svg.append(part("polygon", { class: "area", points: `${x(first).toFixed(1)},${HEIGHT} ${points.join(" ")} ${WIDTH - 1},${HEIGHT}` }));
  svg.append(part("polyline", { class: "line", points: points.join(" ") }));
  return svg;
}
