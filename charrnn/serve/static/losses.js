// Rows of metrics of runs as series of points for a chart.

import { natsToBits } from "./format.js";

const SKIPPED_START = 0.05; // fraction of a run; its steep losses would make the range too large
const MARGIN = 0.08; // fraction of the range of losses

const AXES = {
  steps: { name: "step", read: (row) => row.step },
  epochs: { name: "epoch (one pass over the training text)", read: (row) => row.epoch },
  characters: { name: "characters read", read: (row) => row.characters },
  time: { name: "training time (minutes)", read: (row) => row.seconds / 60 },
};

export const nameAxis = (axis) => AXES[axis].name;

// Return the series of losses of a run: held-out, training and 5-gram. `color` is a number.
export function listLosses(run, color, axis, unit) {
  const convert = unit === "bits" ? natsToBits : (nats) => nats;
  const read = (row) => AXES[axis].read(row);
  const collect = (key) => run.rows.filter((row) => Number.isFinite(row[key]))
    .map((row) => [read(row), convert(row[key])]);
  const series = [
    { kind: "held-out", points: collect("val_loss") },
    { kind: "training", points: collect("train_loss") },
  ];
  if (run.baseline !== null && run.rows.length) {
    const ends = [run.rows[0], run.rows.at(-1)];
    series.push({ kind: "5-gram", points: ends.map((row) => [read(row), convert(run.baseline)]) });
  }
  return series.filter(({ points }) => points.length).map((line) => ({ ...line, run: run.run, color }));
}

// Return [low, high] of all losses after the first steep fall, with a margin.
export function visibleRange(series) {
  const losses = series.flatMap(({ points }) => {
    const start = SKIPPED_START * points.at(-1)[0];
    return points.filter(([x]) => x >= start).map(([, y]) => y);
  });
  if (!losses.length) return [0, 1];
  const low = losses.reduce((a, b) => Math.min(a, b)), high = losses.reduce((a, b) => Math.max(a, b));
  const margin = MARGIN * (high - low) || 0.1;
  return [low - margin, high + margin];
}

// Return one series of another column of the rows, such as the learning rate.
export function listColumn(run, key, axis) {
  const points = run.rows.filter((row) => Number.isFinite(row[key]))
    .map((row) => [AXES[axis].read(row), row[key]]);
  return points.length ? [{ kind: "held-out", run: run.run, color: 0, points }] : [];
}
