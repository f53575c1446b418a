"""The loss curves of runs, on the terminal or as an image file."""

import itertools
from pathlib import Path
from typing import TYPE_CHECKING

from charrnn.config.checks import check_value
from charrnn.console.chart import print_curves
from charrnn.errors import ConfigError
from charrnn.files import replace_file
from charrnn.reports.plots import draw_curves, find_image_format, make_curves_figure
from charrnn.runs.curves import Axis, Curves, LossUnit, read_curves
from charrnn.runs.find import find_run
from charrnn.runs.run import Run
from charrnn.runs.teachers import open_kept_teachers

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def show_curves(runs: list[Run], axis: Axis, unit: LossUnit, out: Path | None) -> None:
    """Draw the loss curves of runs to the image file `out`, or else on the terminal.

    While only the teachers of a run have losses, their curves are drawn. Raises `ConfigError` for a
    model file, which has no losses of steps.
    """
    loss_curves = _read_curves(runs, axis, unit)
    if out:
        replace_file(out, draw_curves(loss_curves, find_image_format(out)))
    else:
        print_curves(loss_curves)


def plot_runs(*runs: str, x: Axis = "steps", unit: LossUnit = "bits") -> "Figure":
    """Return a matplotlib figure of the losses of runs, by default of the newest run.

    `x` is "steps", "epochs", "characters" or "time", and `unit` "bits" or "nats". Raises
    `CheckpointError` for an unknown run, and `ConfigError` without matplotlib.
    """
    check_value("x", x, Axis)
    check_value("unit", unit, LossUnit)
    opened = [find_run(name) for name in runs] if runs else [find_run(None)]
    return make_curves_figure(_read_curves(opened, x, unit))


def _read_curves(runs: list[Run], axis: Axis, unit: LossUnit) -> Curves:
    for run in runs:
        if run.path.is_file():
            raise ConfigError(
                f"{run.path} is a model file and has no curves to plot",
                "give the run that it was exported from",
                "plot its memory with --memory",
            )
    started = [
        [run] if run.metrics_path.exists() else open_kept_teachers(run)[0] or [run] for run in runs
    ]
    return read_curves(list(itertools.chain(*started)), axis, unit)
