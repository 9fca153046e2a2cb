// chart.js: the one place that knows the chart library (dygraphs, a classic script that leaves `Dygraph` behind).
import { compact } from "/assets/format.js";

const HIGHEST_MIN = 4; // of the y axis: a single click is not drawn as a tower

// Its legend writes a style attribute, which the content security policy forbids; each panel has a readout of its own.
Dygraph.PLUGINS = Dygraph.PLUGINS.filter((plugin) => plugin !== Dygraph.Plugins.Legend);

const charts = new Set();
document.addEventListener("tally:colours", () => charts.forEach((chart) => chart.recolour()));

// The value that a custom property has now, as a colour that a canvas takes.
const probe = document.createElement("span");
probe.hidden = true;
document.body.append(probe);
export function colour(name) {
  probe.style.color = `var(--${name})`;
  return getComputedStyle(probe).color;
}

// Whole numbers only: half a click is not counted.
function wholeTicks(...given) {
  return Dygraph.numericTicks(...given).filter((tick) => Number.isInteger(tick.v));
}

// Of the library's own model only the drawing of a range with the mouse. Touch would keep a finger from scrolling the page
// over a chart; panning and resetting would show what the address does not say.
function mouseModel() {
  const draw = Dygraph.defaultInteractionModel.mousedown;
  return {
    mousedown: (event, dygraph, context) => { if (!event.shiftKey && !event.altKey) draw(event, dygraph, context); },
    willDestroyContextMyself: true,
  };
}

// One line of whole numbers over time. Rows: [ms, number], ascending. A number on a chart may be rounded above 2^53, where no
// pixel shows it; the table has it exact.
export class Chart {
  // step: each value holds from its time to the next one's. underlay(context, area, chart) draws behind the line.
  // onZoom(from, to) makes it zoomable; onReset is its double-click. onPoint(index or -1) as the pointer passes.
  constructor(host, { step = false, underlay = null, onZoom = null, onReset = null, onPoint = () => {} }) {
    this.host = host;
    this.dygraph = null;
    this.rows = [];
    this.options = {
      labels: ["time", "clicks"],
      labelsUTC: true,
      legend: "never",
      stepPlot: step,
      fillGraph: true,
      fillAlpha: step ? 0.22 : 0.14,
      strokeWidth: 1.5,
      includeZero: true,
      drawAxesAtZero: true,
      highlightCircleSize: step ? 0 : 3,
      axisLabelFontSize: 11,
      rightGap: 12,
      yRangePad: 0,
      axes: {
        x: { axisLabelWidth: 64, pixelsPerLabel: 80, drawGrid: false },
        y: { axisLabelWidth: 46, pixelsPerLabel: 36, axisLabelFormatter: compact, ticker: wholeTicks },
      },
      interactionModel: onZoom === null ? {} : mouseModel(),
      highlightCallback: (event, x, points, row) => onPoint(row),
      unhighlightCallback: () => onPoint(-1),
    };
    if (underlay !== null) this.options.underlayCallback = underlay;
    if (onZoom !== null) {
      // The address changes instead: the new range comes back as new rows. A reset would zoom the library alone.
      this.options.zoomCallback = (from, to) => {
        if (this.inZoom) return;
        this.inZoom = true;
        const reset = from <= this.range[0] && to >= this.range[1];
        this.dygraph.updateOptions({ dateWindow: this.range, valueRange: this.valueRange() });
        this.inZoom = false;
        if (!reset) onZoom(from, to);
      };
      this.host.addEventListener("dblclick", onReset);
    }
    new ResizeObserver(() => this.dygraph?.resize()).observe(host);
    charts.add(this);
  }

  valueRange() {
    const highest = this.rows.reduce((max, row) => Math.max(max, row[1] ?? 0), 0);
    return [0, Math.max(HIGHEST_MIN, highest * 1.12)];
  }

  colours() {
    return {
      colors: [colour("series")],
      axisLineColor: colour("axis"),
      gridLineColor: colour("grid"),
      gridLineWidth: 1,
    };
  }

  // `range`: [from, to] in ms, what the x axis spans whatever the rows.
  set(rows, range) {
    this.rows = rows;
    this.range = range;
    const file = rows.length > 0 ? rows : [[range[0], null]];
    const data = { dateWindow: range, valueRange: this.valueRange() };
    if (this.dygraph === null) {
      this.dygraph = new Dygraph(this.host, file.map(([ms, n]) => [new Date(ms), n]), { ...this.options, ...this.colours(), ...data });
    } else {
      this.dygraph.updateOptions({ file: file.map(([ms, n]) => [new Date(ms), n]), ...data });
    }
  }

  select(index) {
    if (index < 0) this.dygraph?.clearSelection();
    else this.dygraph?.setSelection(index);
  }

  recolour() {
    this.dygraph?.updateOptions(this.colours());
  }
}
