"""The loss curves of runs, on the terminal or as an image file."""

import itertools
from pathlib import Path

from charrnn.console.chart import print_curves
from charrnn.errors import ConfigError
from charrnn.files import replace_file
from charrnn.reports.plots import draw_curves, find_image_format
from charrnn.runs.curves import Axis, LossUnit, read_curves
from charrnn.runs.run import Run
from charrnn.runs.teachers import list_kept_teachers


def show_curves(runs: list[Run], axis: Axis, unit: LossUnit, out: Path | None) -> None:
    """Draw the loss curves of runs to the image file `out`, or else on the terminal.

    While only the teachers of a run have losses, their curves are drawn. Raises `ConfigError` for a
    model file, which has no losses of steps.
    """
    for run in runs:
        if run.path.is_file():
            raise ConfigError(
                f"{run.path} is a model file and has no curves to plot",
                "give the run that it was exported from",
                "plot its memory with --memory",
            )
    started = [
        [run] if run.metrics_path.exists() else list_kept_teachers(run) or [run] for run in runs
    ]
    loss_curves = read_curves(list(itertools.chain(*started)), axis, unit)
    if out:
        replace_file(out, draw_curves(loss_curves, find_image_format(out)))
    else:
        print_curves(loss_curves)
