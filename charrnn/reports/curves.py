"""The loss curves of runs, on the terminal or as an image file."""

from pathlib import Path

from charrnn.console.chart import print_curves
from charrnn.files import replace_file
from charrnn.reports.plots import draw_curves, find_image_format
from charrnn.runs.curves import Axis, LossUnit, read_curves
from charrnn.runs.run import Run


def show_curves(runs: list[Run], axis: Axis, unit: LossUnit, out: Path | None) -> None:
    """Draw the loss curves of runs to the image file `out`, or else on the terminal."""
    loss_curves = read_curves(runs, axis, unit)
    if out:
        replace_file(out, draw_curves(loss_curves, find_image_format(out)))
    else:
        print_curves(loss_curves)
