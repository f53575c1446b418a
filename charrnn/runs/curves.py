"""Loss curves of runs, as series of points."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from charrnn.numerics.information import nats_to_bits
from charrnn.runs.layout import RunFolder
from charrnn.runs.metrics import read_rows

Axis = Literal["steps", "epochs", "characters", "time"]
LossUnit = Literal["bits", "nats"]
SeriesKind = Literal["train", "held out", "baseline"]
Point = tuple[float, float]

_KEYS: dict[SeriesKind, str] = {"train": "train_loss", "held out": "val_loss"}
_SECONDS = {"s": 1.0, "min": 60.0, "h": 3600.0}
_SKIPPED_START = 0.05  # fraction of a run; its steep losses would make the range too large
_MARGIN = 0.08  # fraction of the range of losses


@dataclass(frozen=True)
class Series:
    """One line of a chart: (x, y) points in the order of x."""

    name: str
    points: tuple[Point, ...]
    kind: SeriesKind = "train"


@dataclass(frozen=True)
class Curves:
    """The losses of runs on one axis.

    `baselines` are horizontal lines: the loss of a 5-gram model, for each run that records it.
    `low` and `high` are the range of losses to show, without the first steep fall.
    """

    series: tuple[Series, ...]
    baselines: tuple[Series, ...]
    x_name: str
    y_name: str
    low: float
    high: float


def read_curves(runs: Sequence[RunFolder], axis: Axis = "steps", unit: LossUnit = "bits") -> Curves:
    """Return the loss curves of runs; a run without metrics adds no curve."""
    rows_by_path = {run.path: read_rows(run.metrics_path) for run in runs}
    longest = max((rows[-1]["seconds"] for rows in rows_by_path.values() if rows), default=0.0)
    time_unit = next((name for name in ("h", "min") if longest >= 2 * _SECONDS[name]), "s")
    series: list[Series] = []
    baselines: list[Series] = []
    for run in runs:
        label = f"{run.name} " if len(runs) > 1 else ""
        rows = rows_by_path[run.path]
        for kind, key in _KEYS.items():
            points = tuple(
                (_compute_x(row, run, axis, _SECONDS[time_unit]), _convert_loss(row[key], unit))
                for row in rows
                if row.get(key) is not None
            )
            if points:
                series.append(Series(label + kind, points, kind))
        baseline = run.config.baseline
        if rows and baseline is not None:
            ends = [_compute_x(row, run, axis, _SECONDS[time_unit]) for row in (rows[0], rows[-1])]
            loss = _convert_loss(baseline, unit)
            if not any(line.points[0][1] == loss for line in baselines):
                points = tuple((x, loss) for x in ends)
                baselines.append(Series(f"{label}5-gram", points, "baseline"))
    low, high = visible_loss_range([*series, *baselines])
    names = {
        "steps": "step",
        "epochs": "epoch",
        "characters": "characters read",
        "time": f"time ({time_unit})",
    }
    return Curves(
        tuple(series), tuple(baselines), names[axis], f"loss ({unit} per character)", low, high
    )


def _convert_loss(nats: float, unit: LossUnit) -> float:
    return nats_to_bits(nats) if unit == "bits" else nats


def _compute_x(row: dict[str, Any], run: RunFolder, axis: Axis, seconds_per_unit: float) -> float:
    values: dict[Axis, float] = {
        "steps": float(row["step"]),
        "epochs": float(row["epoch"]),
        "characters": count_characters_read(row, run),
        "time": row["seconds"] / seconds_per_unit,
    }
    return values[axis]


def count_characters_read(row: dict[str, Any], run: RunFolder) -> float:
    """Return how many characters a run had read at a row of metrics."""
    training = run.config.training
    if run.config.text.documents:
        return float(row["epoch"] * (1 - training.val_fraction) * run.config.corpus.characters)
    return float(row["step"] * training.characters_per_step)


def visible_loss_range(series: list[Series]) -> tuple[float, float]:
    """Return the range of losses to show: all losses after the first fall, with a margin."""
    losses = [
        y for line in series for x, y in line.points if x >= _SKIPPED_START * line.points[-1][0]
    ]
    if not losses:
        return 0.0, 1.0
    low, high = min(losses), max(losses)
    margin = _MARGIN * (high - low) or 0.1
    return low - margin, high + margin
