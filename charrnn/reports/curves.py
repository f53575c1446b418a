"""The losses of runs: on the terminal, or as a picture."""

from pathlib import Path

from charrnn.console.chart import print_curves
from charrnn.files import replace_file
from charrnn.reports.plots import draw_curves, image_format
from charrnn.runs.curves import Axis, LossUnit, read_curves
from charrnn.runs.run import Run


def show_curves(runs: list[Run], axis: Axis, unit: LossUnit, out: Path | None) -> None:
    """Draw the losses of runs: as a picture if `out` names one, else on the terminal."""
    drawn = read_curves(runs, axis, unit)
    if out:
        replace_file(out, draw_curves(drawn, image_format(out)))
    else:
        print_curves(drawn)
