// The view "Runs": all runs, their losses in one chart, and the selected run.

import { Chart } from "./chart.js";
import { create, find, setText, toSentence } from "./dom.js";
import { formatCount, formatLoss, natsToBits } from "./format.js";
import { listLosses, nameAxis, visibleRange } from "./losses.js";
import { RunDetails } from "./run_details.js";
import { RunTable } from "./run_table.js";
import { formatTick } from "./ticks.js";
import { TrackedRun } from "./tracked_run.js";

const POLL_MILLISECONDS = 10_000;
const MAX_FOLLOWED = 2; // event streams; a browser opens only six connections to a server
const NUM_COLORS = 6;
const DRAW_MILLISECONDS = 300; // at most one update of the charts in this time

export class RunsView {
  tracked = new Map(); // by name: runs that are drawn or selected
  drawn = new Map(); // the part of `tracked` that is drawn
  selected = null;

  constructor(catalog) {
    this.catalog = catalog;
    this.isVisible = false;
    this.table = new RunTable({
      onDraw: (name, isDrawn) => this.draw(name, isDrawn),
      onSelect: (name) => this.select(name),
    });
    this.details = new RunDetails();
    this.chart = new Chart(find("loss-chart"), find("loss-readout"), {
      height: 340, formatReadout: (x, entries) => this.formatReadout(x, entries),
    });
    catalog.addEventListener("change", () => this.onCatalog());
    for (const id of ["axis", "loss-unit"]) find(id).addEventListener("change", () => this.showAll());
    document.addEventListener("visibilitychange", () => this.setActive());
  }

  show() {
    this.isVisible = true;
    this.setActive();
  }

  hide() {
    this.isVisible = false;
    this.setActive();
  }

  get isActive() {
    return this.isVisible && document.visibilityState === "visible";
  }

  // Poll and follow runs only while the view is visible.
  setActive() {
    clearTimeout(this.pollTimer);
    if (this.isActive) this.poll();
    else for (const run of this.tracked.values()) run.stop();
  }

  async poll() {
    try {
      await this.catalog.refresh();
      setText(find("runs-error"), "");
    } catch (error) {
      setText(find("runs-error"), toSentence("The list is not up to date", error.message));
    }
    clearTimeout(this.pollTimer);
    if (this.isActive) this.pollTimer = setTimeout(() => this.poll(), POLL_MILLISECONDS);
  }

  onCatalog() {
    const { runs } = this.catalog;
    const names = new Set(runs.map((run) => run.run));
    for (const name of this.tracked.keys()) if (!names.has(name)) this.untrack(name);
    if (!names.has(this.selected)) this.selected = null;
    find("no-runs").hidden = runs.length > 0;
    if (this.selected === null && runs.length) {
      const first = runs.find((run) => run.is_training) ?? runs[0];
      this.selected = first.run;
      this.drawn.set(first.run, this.track(first.run));
    }
    this.showTable();
    if (this.isActive) this.startTracked();
  }

  track(name) {
    const used = [...this.tracked.values()].map((run) => run.color);
    const free = Array.from({ length: NUM_COLORS }, (_, color) => color);
    const color = free.find((candidate) => !used.includes(candidate)) ?? this.tracked.size % NUM_COLORS;
    if (!this.tracked.has(name)) {
      this.tracked.set(name, new TrackedRun(name, color, {
        onChange: () => this.showSoon(),
        onError: (error) => setText(find("runs-error"), error ? toSentence(name, error.message) : ""),
      }));
    }
    return this.tracked.get(name);
  }

  untrack(name) {
    this.tracked.get(name)?.stop();
    this.tracked.delete(name);
    this.drawn.delete(name);
  }

  // Read the tracked runs that are not followed, and follow as many as possible.
  startTracked() {
    const isTraining = (name) => this.catalog.findRun(name)?.is_training ?? false;
    const ordered = [...this.tracked.values()].sort((a, b) => (
      (b.name === this.selected) - (a.name === this.selected)));
    let numFollowed = ordered.filter((run) => run.isFollowing).length;
    for (const run of ordered) {
      const isOld = !run.details || run.details.is_training || isTraining(run.name);
      if (run.isFollowing || !isOld) continue;
      const follows = isTraining(run.name) && numFollowed < MAX_FOLLOWED;
      if (follows) numFollowed++;
      run.start(follows);
    }
  }

  draw(name, isDrawn) {
    if (isDrawn) this.drawn.set(name, this.track(name));
    else if (name === this.selected) this.drawn.delete(name);
    else this.untrack(name);
    this.startTracked();
    this.showAll();
  }

  select(name) {
    const previous = this.selected;
    this.selected = name;
    if (previous !== name && !this.drawn.has(previous)) this.untrack(previous);
    this.track(name);
    this.startTracked();
    this.showAll();
    if (this.tracked.get(name).details) find("run-details").scrollIntoView({ block: "nearest" });
  }

  showSoon() {
    this.showTimer ??= setTimeout(() => {
      this.showTimer = null;
      this.showAll();
    }, DRAW_MILLISECONDS);
  }

  showAll() {
    this.showTable();
    this.showChart();
    const details = this.tracked.get(this.selected)?.details;
    if (details) this.details.show(details, find("axis").value);
    else this.details.hide();
  }

  showTable() {
    const runs = this.catalog.runs.map((run) => ({ ...run, ...this.tracked.get(run.run)?.details }));
    this.table.show(runs, this.selected, this.drawn);
  }

  showChart() {
    const axis = find("axis").value, unit = find("loss-unit").value;
    const loaded = [...this.drawn.values()].filter((run) => run.details);
    const series = loaded.flatMap((run) => listLosses(run.details, run.color, axis, unit));
    const best = loaded.filter((run) => run.details.val_loss !== null).map(({ name, details }) => (
      `${name}: best held-out loss ${formatLoss(convert(details.val_loss, unit))} ${unit}.`));
    this.chart.show({
      series, xName: nameAxis(axis), yName: `loss (${unit} per character)`, range: visibleRange(series),
      label: `Chart of losses. ${best.join(" ")} The arrow keys show the values.`,
    });
    find("chart-key").replaceChildren(...loaded.map((run) => create("li", {},
      create("span", { className: `swatch c${run.color}` }), run.name)));
    find("no-curves").hidden = series.length > 0;
  }

  formatReadout(x, entries) {
    const axis = find("axis").value, unit = find("loss-unit").value;
    const byRun = new Map();
    for (const { series, point } of entries) {
      const values = byRun.get(series.run) ?? [];
      byRun.set(series.run, values);
      values.push(`${series.kind} ${formatLoss(point[1], 3)}`);
    }
    const position = axis === "steps" ? formatCount(x) : formatTick(x);
    const name = { steps: "Step", epochs: "Epoch", characters: "Characters read", time: "Minutes" }[axis];
    const runs = [...byRun].map(([run, values]) => `${run}: ${values.join(", ")}`);
    return `${name} ${position}. ${runs.join("; ")} (${unit} per character).`;
  }
}

const convert = (nats, unit) => (unit === "bits" ? natsToBits(nats) : nats);
