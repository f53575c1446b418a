"""A run's losses over its training, as series that can be drawn."""

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
_FIRST_FALL = 0.05  # of a run: the loss falls steeply there, and would flatten all the rest
_HEADROOM = 0.08


@dataclass(frozen=True)
class Series:
    """One line of a picture: (x, y) points in the order of x."""

    name: str
    points: tuple[Point, ...]
    kind: SeriesKind = "train"


@dataclass(frozen=True)
class Curves:
    """Runs' losses on one axis.

    `baselines` are horizontal lines: what counting alone reaches (a 5-gram model), for each run that
    knows. `low` and `high` bound the losses worth looking at, the first steep fall left out.
    """

    series: tuple[Series, ...]
    baselines: tuple[Series, ...]
    x_name: str
    y_name: str
    low: float
    high: float


def read_curves(runs: Sequence[RunFolder], axis: Axis = "steps", unit: LossUnit = "bits") -> Curves:
    """Return the losses of runs; one that has no curve yet adds none."""
    rows_of = {run.path: read_rows(run.metrics_path) for run in runs}
    longest = max((rows[-1]["seconds"] for rows in rows_of.values() if rows), default=0.0)
    clock = next((each for each in ("h", "min") if longest >= 2 * _SECONDS[each]), "s")
    series: list[Series] = []
    baselines: list[Series] = []
    for run in runs:
        label = f"{run.path.name} " if len(runs) > 1 else ""
        rows = rows_of[run.path]
        for kind, key in _KEYS.items():
            points = tuple(
                (_place(row, run, axis, _SECONDS[clock]), _in_unit(row[key], unit))
                for row in rows
                if row.get(key) is not None
            )
            if points:
                series.append(Series(label + kind, points, kind))
        baseline = run.config.baseline
        if rows and baseline is not None:
            ends = [_place(row, run, axis, _SECONDS[clock]) for row in (rows[0], rows[-1])]
            loss = _in_unit(baseline, unit)
            level = Series(f"{label}5-gram", tuple((x, loss) for x in ends), "baseline")
            if not any(each.points[0][1] == level.points[0][1] for each in baselines):
                baselines.append(level)
    low, high = visible_loss_range([*series, *baselines])
    names = {
        "steps": "step",
        "epochs": "epoch",
        "characters": "characters read",
        "time": f"time ({clock})",
    }
    return Curves(
        tuple(series), tuple(baselines), names[axis], f"loss ({unit} per character)", low, high
    )


def _in_unit(nats: float, unit: LossUnit) -> float:
    return nats_to_bits(nats) if unit == "bits" else nats


def _place(row: dict[str, Any], run: RunFolder, axis: Axis, seconds: float) -> float:
    training = run.config.training
    batch = training.batch_size * training.seq_length
    places: dict[Axis, float] = {
        "steps": float(row["step"]),
        "epochs": float(row["epoch"]),
        "characters": float(row["step"] * batch),
        "time": row["seconds"] / seconds,
    }
    return places[axis]


def visible_loss_range(series: list[Series]) -> tuple[float, float]:
    """Return the range of losses to show: all after the first fall, with some room."""
    shown = [y for each in series for x, y in each.points if x >= _FIRST_FALL * each.points[-1][0]]
    if not shown:
        return 0.0, 1.0
    low, high = min(shown), max(shown)
    room = _HEADROOM * (high - low) or 0.1
    return low - room, high + room
