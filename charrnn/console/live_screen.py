"""The screen of a training run: how far it is, its losses as they fall, and what it writes."""

import time

from rich.console import Console, Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from charrnn.console.chart import chart
from charrnn.console.text import duration, nats, printable
from charrnn.numerics.information import nats_to_bits
from charrnn.runs.curves import Point, Series, read_curves, visible_loss_range
from charrnn.training.events import Evaluated, Started, Step

_POINTS = 300  # of the training loss, at most about so many
_STEPS_A_POINT = 10  # where the end is not known yet
_REDRAWN = 1.0  # seconds between two drawings of the chart
_TALLEST, _SMALLEST = 14, 7  # rows of the chart
_BELOW = 11  # rows of the screen that are not the chart's: progress, text and a line to spare
_WRITTEN = 5  # lines


class LiveScreen:
    """What is shown at the bottom of a terminal while a model is trained."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._train: list[Point] = []
        self._held_out: list[Point] = []
        self._level: float | None = None
        self._sum, self._count = 0.0, 0
        self._chart: tuple[float, RenderableType] | None = None
        self._preview: tuple[int, str] | None = None

    def begin(self, event: Started) -> None:
        """Take over the curves of the run so far."""
        for series in read_curves([event.run]).series:
            mine = self._train if series.kind == "train" else self._held_out
            mine += [point for point in series.points if point[0] <= event.step]
        if event.run.config.baseline is not None:
            self._level = nats_to_bits(event.run.config.baseline)

    def step(self, event: Step) -> RenderableType:
        """Take in a step; return the screen."""
        self._sum, self._count = self._sum + event.train_loss, self._count + 1
        if self._count >= (event.horizon or _POINTS * _STEPS_A_POINT) / _POINTS:
            self._train.append((event.step, nats_to_bits(self._sum / self._count)))
            self._sum, self._count = 0.0, 0
        return Group(*_progress(event), Text(), self.losses(), *self._text())

    def evaluated(self, event: Evaluated) -> None:
        """Take in an evaluation, and what was written at it."""
        self._held_out.append((event.step, nats_to_bits(event.val_loss)))
        self._preview = event.step, event.preview
        self._chart = None

    def losses(self) -> RenderableType:
        """Return the chart of the losses, as tall as the terminal allows."""
        height = min(_TALLEST, self._console.height - _BELOW)
        if height < _SMALLEST or not (self._train or self._held_out):
            return Text()
        now = time.monotonic()
        if self._chart is None or now - self._chart[0] >= _REDRAWN:
            self._chart = now, self._drawn(height)
        return self._chart[1]

    def _drawn(self, height: int) -> RenderableType:
        series = [
            Series("train", tuple(self._train)),
            Series("held out", tuple(self._held_out), "held out"),
        ]
        if self._level is not None:
            reached = max(x for each in series for x, _ in each.points)
            ends = ((0.0, self._level), (reached, self._level))
            series.append(Series("5-gram", ends, "baseline"))
        low, high = visible_loss_range(series)
        return chart(
            series,
            x_name="step",
            y_name="loss (bits per character)",
            low=low,
            high=high,
            width=self._console.width,
            height=height,
        )

    def _text(self) -> list[Text]:
        if self._preview is None:
            return []
        step, preview = self._preview
        lines = preview.strip("\n").split("\n")[:_WRITTEN]
        shown = [Text(f"it wrote at step {step:,}:", style="dim")]
        return shown + [
            Text("    " + printable(line), no_wrap=True, overflow="ellipsis") for line in lines
        ]


def progress_line(event: Step) -> str:
    """Return where a run is, in a line."""
    total = f"/{event.horizon:,}" if event.horizon else ""
    return (
        f"epoch {event.epoch:.2f}  step {event.step:,}{total}  loss {nats(event.train_loss)}  "
        f"lr {event.learning_rate:.1e}"
    )


def pace(event: Step) -> str:
    """Return how fast a run is, and how long it takes yet."""
    left = "" if event.seconds_left is None else f"  {duration(event.seconds_left)} left"
    return f"{event.characters_per_second:,.0f} char/s{left}"


def _progress(event: Step) -> list[RenderableType]:
    share = 0.0
    if event.seconds_left is not None:
        share = event.seconds / max(1e-9, event.seconds + event.seconds_left)
    row = Table.grid(padding=(0, 2))
    row.add_row(
        ProgressBar(total=1.0, completed=share, width=36), Text(f"{share:.0%}"), Text(pace(event))
    )
    return [row, Text(progress_line(event), overflow="ellipsis", no_wrap=True)]
