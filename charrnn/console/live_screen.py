"""The live screen of a training run: progress, loss chart and the latest sample."""

import time

from rich.console import Console, Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from charrnn.console.chart import draw_chart
from charrnn.console.text import format_duration, format_loss, make_printable
from charrnn.numerics.information import nats_to_bits
from charrnn.runs.curves import Point, Series, read_curves, visible_loss_range
from charrnn.training.events import Evaluated, Started, Step

_MAX_POINTS = 300  # about as many points of the training loss are drawn
_STEPS_PER_POINT = 10  # if the last step is not known yet
_REDRAW_SECONDS = 1.0  # between two drawings of the chart
_MAX_CHART_ROWS, _MIN_CHART_ROWS = 14, 7
_OTHER_ROWS = 11  # rows of the screen below the chart: progress, sample and one empty line
_SAMPLE_LINES = 5


class LiveScreen:
    """The lines at the bottom of a terminal while a network is trained.

    `network` names it if the run trains several.
    """

    def __init__(self, console: Console, network: str = "") -> None:
        self._console = console
        self._network = network
        self._train_points: list[Point] = []
        self._held_out_points: list[Point] = []
        self._baseline_bits: float | None = None
        self._loss_sum, self._loss_count = 0.0, 0
        self._chart: tuple[float, RenderableType] | None = None
        self._preview: tuple[int, str] | None = None

    def load_history(self, event: Started) -> None:
        """Load the curves that the run has recorded so far."""
        for series in read_curves([event.run]).series:
            points = self._train_points if series.kind == "train" else self._held_out_points
            points += [point for point in series.points if point[0] <= event.step]
        if event.config.baseline is not None:
            self._baseline_bits = nats_to_bits(event.config.baseline)

    def add_step(self, event: Step) -> RenderableType:
        """Add the loss of a step; return the updated screen."""
        self._loss_sum, self._loss_count = self._loss_sum + event.train_loss, self._loss_count + 1
        if self._loss_count >= (event.horizon or _MAX_POINTS * _STEPS_PER_POINT) / _MAX_POINTS:
            self._train_points.append((event.step, nats_to_bits(self._loss_sum / self._loss_count)))
            self._loss_sum, self._loss_count = 0.0, 0
        return Group(
            *_render_progress(event, self._network),
            Text(),
            self.render_loss_chart(),
            *self._render_sample(),
        )

    def add_evaluation(self, event: Evaluated) -> None:
        """Add the loss and the sample of an evaluation."""
        if event.val_loss is not None:
            self._held_out_points.append((event.step, nats_to_bits(event.val_loss)))
        self._preview = event.step, event.preview
        self._chart = None

    def render_loss_chart(self) -> RenderableType:
        """Return the chart of the losses, as high as the terminal allows."""
        height = min(_MAX_CHART_ROWS, self._console.height - _OTHER_ROWS)
        if height < _MIN_CHART_ROWS or not (self._train_points or self._held_out_points):
            return Text()
        now = time.monotonic()
        if self._chart is None or now - self._chart[0] >= _REDRAW_SECONDS:
            self._chart = now, self._draw_losses(height)
        return self._chart[1]

    def _draw_losses(self, height: int) -> RenderableType:
        series = [
            Series("train", tuple(self._train_points)),
            Series("held out", tuple(self._held_out_points), "held out"),
        ]
        if self._baseline_bits is not None:
            last_step = max(x for line in series for x, _ in line.points)
            ends = ((0.0, self._baseline_bits), (last_step, self._baseline_bits))
            series.append(Series("5-gram", ends, "baseline"))
        low, high = visible_loss_range(series)
        return draw_chart(
            series,
            x_name="step",
            y_name="loss (bits per character)",
            low=low,
            high=high,
            width=self._console.width,
            height=height,
        )

    def _render_sample(self) -> list[Text]:
        if self._preview is None:
            return []
        step, preview = self._preview
        lines = preview.strip("\n").split("\n")[:_SAMPLE_LINES]
        heading = Text(f"text generated at step {step:,}:", style="dim")
        return [heading] + [
            Text("    " + make_printable(line), no_wrap=True, overflow="ellipsis") for line in lines
        ]


def format_progress(event: Step) -> str:
    """Return the epoch, step, loss and learning rate of a run in one line."""
    total = f"/{event.horizon:,}" if event.horizon else ""
    return (
        f"epoch {event.epoch:z.2f}  step {event.step:,}{total}  "
        f"loss {format_loss(event.train_loss)}  lr {event.learning_rate:.1e}"
    )


def format_speed(event: Step) -> str:
    """Return the speed of a run and the remaining time."""
    left = "" if event.seconds_left is None else f"  {format_duration(event.seconds_left)} left"
    return f"{event.characters_per_second:,.0f} char/s{left}"


def _render_progress(event: Step, network: str) -> list[RenderableType]:
    completed = 0.0
    if event.seconds_left is not None:
        completed = event.seconds / max(1e-9, event.seconds + event.seconds_left)
    row = Table.grid(padding=(0, 2))
    row.add_row(
        ProgressBar(total=1.0, completed=completed, width=36),
        Text(f"{completed:.0%}"),
        *([Text(network)] if network else []),
        Text(format_speed(event)),
    )
    return [row, Text(format_progress(event), overflow="ellipsis", no_wrap=True)]
