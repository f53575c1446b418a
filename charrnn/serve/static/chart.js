// A line chart in SVG. Pointing at it, or its arrow keys, show the values at one position.

import { setText } from "./dom.js";
import { formatTick, listTicks } from "./ticks.js";

const LEFT = 52, RIGHT = 12, TOP = 10, BOTTOM = 44; // pixels around the plot
const SVG = "http://www.w3.org/2000/svg";
let numCharts = 0;

function createSvg(tag, attributes = {}, text = "") {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.textContent = text;
  return element;
}

export class Chart {
  // `container` gets the chart; `readout` is the element for the values at the selected position.
  // `formatReadout(x, entries)` returns its text, where entries are {series, point: [x, y]}.
  constructor(container, readout, { height, formatReadout }) {
    Object.assign(this, { container, readout, height, formatReadout, data: null, selected: null });
    this.svg = createSvg("svg", { tabindex: "0", role: "img" });
    this.clipId = `plot-area-${++numCharts}`;
    container.append(this.svg);
    this.svg.addEventListener("pointermove", (event) => this.selectNearest(event.clientX));
    this.svg.addEventListener("pointerleave", () => this.select(null));
    this.svg.addEventListener("keydown", (event) => this.moveSelection(event));
    this.svg.addEventListener("blur", () => this.select(null));
    new ResizeObserver(() => this.draw()).observe(container);
  }

  // `data`: {series, xName, yName, range, label}. A series is {points, kind, color, run}; `range` is
  // that of y; `label` describes the chart to a screen reader.
  show(data) {
    this.data = data;
    const xs = data.series.flatMap(({ points }) => points.map(([x]) => x));
    this.xs = [...new Set(xs)].sort((a, b) => a - b);
    this.ends = new Map(); // the last x of each run
    for (const { run, points } of data.series) {
      this.ends.set(run, Math.max(points.at(-1)[0], this.ends.get(run) ?? 0));
    }
    if (this.selected !== null && !this.xs.includes(this.selected)) this.selected = null;
    this.draw();
  }

  draw() {
    const width = this.container.clientWidth;
    if (!this.data || !width) return;
    const { data, height, svg } = this;
    this.xRange = [Math.min(0, this.xs[0] ?? 0), this.xs.at(-1) || 1];
    const scale = (range, start, end) => (value) => (
      start + ((value - range[0]) / (range[1] - range[0])) * (end - start));
    this.toX = scale(this.xRange, LEFT, width - RIGHT);
    this.toY = scale(data.range, height - BOTTOM, TOP);
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.setAttribute("aria-label", data.label);
    const clip = createSvg("clipPath", { id: this.clipId });
    clip.append(createSvg("rect", {
      x: LEFT, y: TOP, width: Math.max(0, width - LEFT - RIGHT), height: height - TOP - BOTTOM }));
    this.cursor = createSvg("g", { class: "cursor" });
    const lines = createSvg("g", { "clip-path": `url(#${this.clipId})` });
    lines.append(...data.series.map((series) => this.createLine(series)));
    svg.replaceChildren(clip, ...this.createAxes(width), lines, this.cursor);
    this.select(this.selected);
  }

  createLine({ points, kind, color }) {
    const path = points.map(([x, y], k) => (
      `${k ? "L" : "M"}${this.toX(x).toFixed(1)} ${this.toY(y).toFixed(1)}`)).join("");
    if (points.length === 1) {
      const [[x, y]] = points;
      return createSvg("circle", { cx: this.toX(x), cy: this.toY(y), r: 3, class: `dot c${color}` });
    }
    return createSvg("path", { d: path, class: `series ${kind} c${color}` });
  }

  createAxes(width) {
    const { data, height } = this;
    const bottom = height - BOTTOM;
    const elements = listTicks(...data.range, Math.max(2, Math.round(height / 45))).flatMap((value) => {
      const y = this.toY(value);
      return [
        createSvg("line", { x1: LEFT, x2: width - RIGHT, y1: y, y2: y, class: "grid" }),
        createSvg("text", { x: LEFT - 8, y: y + 4, "text-anchor": "end" }, formatTick(value)),
      ];
    });
    for (const value of listTicks(...this.xRange, Math.max(2, Math.round(width / 110)))) {
      const x = this.toX(value);
      elements.push(
        createSvg("line", { x1: x, x2: x, y1: bottom, y2: bottom + 4, class: "axis" }),
        createSvg("text", { x, y: bottom + 18, "text-anchor": "middle" }, formatTick(value)));
    }
    const middleY = (TOP + bottom) / 2;
    elements.push(
      createSvg("line", { x1: LEFT, x2: width - RIGHT, y1: bottom, y2: bottom, class: "axis" }),
      createSvg("text", { x: (LEFT + width - RIGHT) / 2, y: height - 6, "text-anchor": "middle" }, data.xName),
      createSvg("text", { x: 12, y: middleY, "text-anchor": "middle",
        transform: `rotate(-90 12 ${middleY})` }, data.yName));
    return elements;
  }

  selectNearest(clientX) {
    if (!this.data || !this.xs.length) return;
    const box = this.svg.getBoundingClientRect();
    const x = clientX - box.left;
    this.select(this.xs.reduce((best, candidate) => (
      Math.abs(this.toX(candidate) - x) < Math.abs(this.toX(best) - x) ? candidate : best)));
  }

  moveSelection(event) {
    if (!this.data || !this.xs.length) return;
    const index = this.xs.indexOf(this.selected), last = this.xs.length - 1;
    const page = Math.max(1, Math.round(last / 10));
    const target = {
      ArrowRight: index + 1, ArrowLeft: index < 0 ? last : index - 1, Home: 0, End: last,
      PageDown: index + page, PageUp: index - page,
    }[event.key];
    if (target === undefined) return;
    event.preventDefault();
    this.select(this.xs[Math.max(0, Math.min(last, target))]);
  }

  // Show the values at `x`, or none if it is null.
  select(x) {
    this.selected = x;
    this.cursor?.replaceChildren();
    if (x === null || !this.data) {
      setText(this.readout, "");
      return;
    }
    const isInside = ({ points, run }) => x >= points[0][0] && x <= this.ends.get(run);
    const entries = this.data.series.filter(isInside)
      .map((series) => ({ series, point: findNearest(series.points, x) }));
    const left = this.toX(x);
    this.cursor.append(createSvg("line", { x1: left, x2: left, y1: TOP, y2: this.height - BOTTOM }));
    for (const { series, point } of entries) {
      const [cx, cy] = [this.toX(point[0]), this.toY(point[1])];
      if (series.kind === "5-gram" || cy < TOP || cy > this.height - BOTTOM) continue;
      this.cursor.append(createSvg("circle", { cx, cy, r: 4, class: `dot c${series.color}` }));
    }
    setText(this.readout, this.formatReadout(x, entries));
  }
}

// Return the point whose x is nearest.
function findNearest(points, x) {
  let low = 0, high = points.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (points[middle][0] <= x) low = middle;
    else high = middle;
  }
  return x - points[low][0] < points[high][0] - x ? points[low] : points[high];
}
