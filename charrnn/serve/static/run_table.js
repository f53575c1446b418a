// The table of all runs.

import { create, find, setText } from "./dom.js";
import { describeNetwork, formatCount, formatLoss, natsToBits } from "./format.js";

export class RunTable {
  rows = new Map(); // by name: {element, cells, checkbox, button}

  // `onDraw(name, isDrawn)` and `onSelect(name)` are called when the user changes the table.
  constructor({ onDraw, onSelect }) {
    Object.assign(this, { onDraw, onSelect });
    this.body = find("runs-body");
  }

  // Update the cells in place, so that the focus and the state of the checkboxes stay.
  show(runs, selected, drawn) {
    const names = runs.map((run) => run.run);
    for (const [name, row] of this.rows) {
      if (names.includes(name)) continue;
      row.element.remove();
      this.rows.delete(name);
    }
    runs.forEach((run, index) => {
      const row = this.rows.get(run.run) ?? this.createRow(run.run);
      if (this.body.children[index] !== row.element) {
        this.body.insertBefore(row.element, this.body.children[index] ?? null);
      }
      row.checkbox.checked = drawn.has(run.run);
      row.swatch.className = `swatch ${drawn.has(run.run) ? `c${drawn.get(run.run).color}` : ""}`;
      row.button.setAttribute("aria-pressed", String(run.run === selected));
      row.element.classList.toggle("selected", run.run === selected);
      for (const [key, text] of Object.entries(describe(run))) setText(row.cells[key], text);
    });
  }

  createRow(name) {
    const checkbox = create("input", { type: "checkbox", "aria-label": `Draw ${name} in the chart` });
    const button = create("button", { type: "button", className: "link", textContent: name });
    const swatch = create("span", { className: "swatch", "aria-hidden": "true" });
    const cells = {};
    const cell = (key, className) => (cells[key] = create("td", { className }));
    const summary = cells.summary = create("span", { className: "faint narrow-only" });
    const element = create("tr", {},
      create("td", { className: "draw" }, create("label", {}, checkbox, swatch)),
      create("th", { scope: "row" }, button, summary),
      cell("bits", "figure"), cell("nats", "figure wide-only"), cell("step", "figure"),
      cell("text", "wrap wide-only"), cell("network", "wide-only"), cell("state", "wide-only"));
    checkbox.addEventListener("change", () => this.onDraw(name, checkbox.checked));
    button.addEventListener("click", () => this.onSelect(name));
    const row = { element, cells, checkbox, button, swatch };
    this.rows.set(name, row);
    return row;
  }
}

function describe(run) {
  const loss = run.val_loss ?? NaN;
  const step = run.last_row?.step ?? run.step;
  const state = describeState(run, step);
  return {
    summary: [run.corpus, describeNetwork(run), state].join(", "),
    bits: formatLoss(natsToBits(loss)),
    nats: formatLoss(loss),
    step: step === null ? "0" : formatCount(step),
    text: run.corpus,
    network: describeNetwork(run),
    state,
  };
}

function describeState(run, step) {
  const parent = run.parent ? `teacher of ${run.parent}` : "";
  if (!run.is_training) return parent || "not training";
  const percent = run.total_steps ? ` ${Math.min(100, Math.floor((100 * (step ?? 0)) / run.total_steps))}%` : "";
  return `training${percent}${parent && `, ${parent}`}`;
}
