"""The loss curves of runs, on the terminal or as an image file."""

import itertools
from pathlib import Path

from charrnn.console.chart import print_curves
from charrnn.files import replace_file
from charrnn.reports.plots import draw_curves, find_image_format
from charrnn.runs.curves import Axis, LossUnit, read_curves
from charrnn.runs.run import Run
from charrnn.runs.teachers import list_kept_teachers


def show_curves(runs: list[Run], axis: Axis, unit: LossUnit, out: Path | None) -> None:
    """Draw the loss curves of runs to the image file `out`, or else on the terminal.

    While only the teachers of a run have losses, their curves are drawn.
    """
    started = [
        [run] if run.metrics_path.exists() else list_kept_teachers(run) or [run] for run in runs
    ]
    loss_curves = read_curves(list(itertools.chain(*started)), axis, unit)
    if out:
        replace_file(out, draw_curves(loss_curves, find_image_format(out)))
    else:
        print_curves(loss_curves)
