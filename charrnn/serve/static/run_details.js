// The selected run: progress, learning rate, speed, generated texts and settings.

import { getBlob, runPath } from "./api.js";
import { Chart } from "./chart.js";
import { saveBlob } from "./clipboard.js";
import { create, find, setText, toSentence } from "./dom.js";
import { formatCount, formatDuration, formatLoss, natsToBits } from "./format.js";
import { readKey } from "./key.js";
import { listColumn, nameAxis } from "./losses.js";
import { formatTick } from "./ticks.js";

export class RunDetails {
  constructor() {
    this.run = null;
    this.shown = {}; // what the lists contain, so that they change only if their content does
    const format = (unit) => (x, entries) => entries.map(({ point }) => (
      `${formatTick(point[0])}: ${formatTick(point[1])}${unit}`)).join();
    this.rateChart = new Chart(find("rate-chart"), find("rate-readout"), { height: 170, formatReadout: format("") });
    this.speedChart = new Chart(find("speed-chart"), find("speed-readout"),
      { height: 170, formatReadout: format(" characters per second") });
    find("report-link").addEventListener("click", (event) => this.openReport(event));
  }

  // Show an object of GET /v1/runs/{run}; `axis` is the x axis of the charts.
  show(run, axis) {
    this.run = run;
    find("run-details").hidden = false;
    setText(find("run-name"), run.run);
    find("report-link").href = `${runPath(run.run)}/report`;
    this.showProgress(run);
    const xName = nameAxis(axis);
    showColumn(this.rateChart, run, "learning_rate", axis, xName);
    showColumn(this.speedChart, run, "characters_per_second", axis, xName);
    this.showPreviews(run);
    this.showSettings(run);
  }

  hide() {
    this.run = null;
    find("run-details").hidden = true;
  }

  showProgress(run) {
    const row = run.last_row, step = row?.step ?? run.step ?? 0;
    const bar = find("run-progress");
    bar.hidden = !run.is_training || !run.total_steps;
    bar.max = run.total_steps || 1;
    bar.value = Math.min(step, bar.max);
    const facts = [];
    if (run.is_training) {
      const total = run.total_steps ? ` of ${formatCount(run.total_steps)}` : "";
      facts.push(`Training: step ${formatCount(step)}${total}`);
      if (run.seconds_left !== null) facts.push(`about ${formatDuration(run.seconds_left)} left`);
    } else {
      facts.push(`Not training. Step ${formatCount(step)}`);
    }
    if (row) facts.push(`${formatDuration(row.seconds)} of training`, `epoch ${row.epoch.toFixed(2)}`);
    const best = run.val_loss === null ? "It has no held-out loss."
      : `Best held-out loss: ${formatLoss(natsToBits(run.val_loss))} bits per character`
        + ` (${formatLoss(run.val_loss)} nats), at step ${formatCount(run.best_step)}.`;
    setText(find("run-state"), `${facts.join(", ")}. ${best}`);
  }

  showPreviews(run) {
    const newest = run.previews.at(-1);
    const signature = JSON.stringify([run.run, run.previews.length, newest?.step]);
    if (this.shown.previews === signature) return;
    this.shown.previews = signature;
    const items = run.previews.toReversed().map(({ step, val_loss: loss, text }) => {
      const bits = loss === null ? "" : `, held-out loss ${formatLoss(natsToBits(loss), 2)} bits`;
      return create("article", {},
        create("p", { className: "faint", textContent: `Step ${formatCount(step)}${bits}` }),
        create("pre", { textContent: text }));
    });
    find("previews").replaceChildren(...items);
    find("previews").hidden = !items.length;
    find("no-previews").hidden = items.length > 0;
  }

  showSettings(run) {
    const signature = JSON.stringify(run.settings);
    if (this.shown.settings === signature) return;
    this.shown.settings = signature;
    find("run-settings").replaceChildren(...run.settings.map(([name, value]) => create("tr", {},
      create("th", { scope: "row", textContent: name }),
      create("td", { className: "wrap", textContent: value }))));
  }

  // A link cannot send the key: with a key, save the report as a file.
  async openReport(event) {
    if (!readKey()) return;
    event.preventDefault();
    const { run } = this.run;
    setText(find("runs-status"), "The server prepares the report.");
    try {
      saveBlob(await getBlob(`${runPath(run)}/report`), `${run}.html`);
      setText(find("runs-status"), "The report is saved as a file.");
    } catch (error) {
      setText(find("runs-error"), toSentence("No report", error.message));
    }
  }
}

function showColumn(chart, run, key, axis, xName) {
  const series = listColumn(run, key, axis);
  const values = series.flatMap(({ points }) => points.map(([, y]) => y));
  const high = values.reduce((a, b) => Math.max(a, b), 0) || 1;
  const last = values.length ? ` The last value is ${formatTick(values.at(-1))}.` : "";
  const label = `Chart: ${key.replaceAll("_", " ")} of ${run.run}.${last} The arrow keys show the values.`;
  chart.show({ series, xName, yName: "", range: [0, 1.08 * high], label });
}
