"""Line charts on a terminal, drawn with braille characters of 2 x 4 dots."""

import math
from collections.abc import Sequence

from rich.text import Text

from charrnn.console.output import stdout_console
from charrnn.runs.curves import Curves, Point, Series

ROWS = 20
"""Rows of a chart that is printed alone."""

# Colors that every terminal has and that are readable on black and on white.
_STYLE_OF_KIND = {"train": "magenta", "held out": "bold red", "baseline": "green"}
_STYLES_OF_SEVERAL_RUNS = ("magenta", "bold red", "green", "bold magenta", "red", "bold green")
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
_BLANK_BRAILLE = 0x2800
_LABEL_WIDTH = 7  # characters


def draw_chart(
    series: Sequence[Series],
    *,
    x_name: str,
    y_name: str,
    low: float,
    high: float,
    width: int,
    height: int,
    logarithmic: bool = False,
) -> Text:
    """Return a line chart of `height` rows and `width` characters, including axes and legend.

    `low` and `high` are the limits of the y axis. With `logarithmic`, both axes are logarithmic,
    and points with a value of zero or below are left out.
    """
    lines = [_to_logarithms(line) for line in series] if logarithmic else list(series)
    lines = [line for line in lines if line.points]
    if not lines:
        return Text("there is no data to plot yet")
    if logarithmic:
        low, high = math.log10(low), math.log10(high)
    xs = [x for line in lines for x, _ in line.points]
    left, right = min(xs), max(xs)
    columns, rows = max(10, width - _LABEL_WIDTH - 1), max(3, height - 3)
    canvas = _Canvas(columns, rows, (left, right), (low, high))
    styles = _choose_styles(lines)
    for line in sorted(lines, key=lambda line: line.kind != "baseline"):
        canvas.plot_line(line.points, styles[line.name], dotted=line.kind == "baseline")
    result = Text(no_wrap=True)
    for line in lines:
        result.append("━ ", styles[line.name]).append(f"{line.name}   ")
    result.append("\n").append(f"{y_name}\n", "dim")
    y_ticks = (
        _choose_log_ticks(low, high) if logarithmic else choose_ticks(low, high, max(2, rows // 2))
    )
    labels = {canvas.find_row(y): _format_tick(y, logarithmic) for y in y_ticks}
    for row in range(rows):
        label = labels.get(row, "")
        result.append(f"{label:>{_LABEL_WIDTH}}").append("┤" if label else "│", "dim")
        result.append_text(canvas.render_row(row)).append("\n")
    result.append_text(_draw_x_axis(columns, left, right, x_name, logarithmic))
    return result


def print_curves(curves: Curves) -> None:
    """Print loss curves as a chart as wide as the terminal."""
    console = stdout_console()
    console.print(
        draw_chart(
            [*curves.series, *curves.baselines],
            x_name=curves.x_name,
            y_name=curves.y_name,
            low=curves.low,
            high=curves.high,
            width=console.width,
            height=ROWS,
        )
    )


class _Canvas:
    """A grid of braille dots on which lines are plotted."""

    def __init__(
        self, columns: int, rows: int, x_bounds: tuple[float, float], y_bounds: tuple[float, float]
    ) -> None:
        self._columns, self._rows = columns, rows
        self._x_bounds, self._y_bounds = x_bounds, y_bounds
        self._cells: dict[tuple[int, int], tuple[int, str]] = {}

    def find_row(self, y: float) -> int:
        """Return the row of characters that contains the value `y`."""
        return int(self._to_dot_row(y)) // 4

    def plot_line(self, points: Sequence[Point], style: str, dotted: bool) -> None:
        """Plot a line through points that are ordered by x."""
        dots = [(self._to_dot_column(x), self._to_dot_row(y)) for x, y in points]
        for (x0, y0), (x1, y1) in zip(dots, [*dots[1:], dots[-1]], strict=True):
            steps = max(1, math.ceil(max(abs(x1 - x0), abs(y1 - y0))))
            for step in range(steps + 1):
                x, y = x0 + (x1 - x0) * step / steps, y0 + (y1 - y0) * step / steps
                if not dotted or round(x) % 4 == 0:
                    self._set_dot(round(x), round(y), style)

    def render_row(self, row: int) -> Text:
        """Return one row of the canvas as characters."""
        line = Text()
        for column in range(self._columns):
            dots, style = self._cells.get((column, row), (0, ""))
            line.append(chr(_BLANK_BRAILLE + dots) if dots else " ", style)
        return line

    def _set_dot(self, x: int, y: int, style: str) -> None:
        if 0 <= x < 2 * self._columns and 0 <= y < 4 * self._rows:
            cell = x // 2, y // 4
            dots, _ = self._cells.get(cell, (0, ""))
            self._cells[cell] = dots | _DOTS[y % 4][x % 2], style

    def _to_dot_column(self, x: float) -> float:
        low, high = self._x_bounds
        return (x - low) / ((high - low) or 1) * (2 * self._columns - 1)

    def _to_dot_row(self, y: float) -> float:
        low, high = self._y_bounds
        return (high - y) / ((high - low) or 1) * (4 * self._rows - 1)


def _draw_x_axis(columns: int, left: float, right: float, x_name: str, logarithmic: bool) -> Text:
    """Return the x axis: its line, tick labels and name."""
    line, labels = ["─"] * columns, [" "] * (columns + _LABEL_WIDTH + 1)
    labels[-len(x_name) :] = x_name
    max_ticks = columns // 10
    for x in (
        _choose_log_ticks(left, right) if logarithmic else choose_ticks(left, right, max_ticks)
    ):
        column = round((x - left) / ((right - left) or 1) * (columns - 1))
        label = _format_tick(x, logarithmic)
        start = max(_LABEL_WIDTH, _LABEL_WIDTH + 1 + column - len(label) // 2)
        surroundings = labels[start - 1 : start + len(label) + 1]
        if len(surroundings) >= len(label) + 1 and not "".join(surroundings).strip():
            line[column] = "┬"
            labels[start : start + len(label)] = label
    text = Text(" " * _LABEL_WIDTH).append("└" + "".join(line) + "\n", "dim")
    return text.append("".join(labels))


def _choose_styles(series: Sequence[Series]) -> dict[str, str]:
    if len([line for line in series if line.kind != "baseline"]) <= 2:
        return {line.name: _STYLE_OF_KIND[line.kind] for line in series}
    return {
        line.name: _STYLES_OF_SEVERAL_RUNS[index % len(_STYLES_OF_SEVERAL_RUNS)]
        for index, line in enumerate(series)
    }


def _choose_log_ticks(low: float, high: float) -> list[float]:
    """Return the base-10 logarithms of round numbers, from `low` to `high` (logarithms too).

    The numbers are powers of ten, and also 2 and 5 times these if the range is small.
    """
    factors = (1,) if high - low > 2 else (1, 2, 5)
    logarithms = [
        exponent + math.log10(factor)
        for exponent in range(math.floor(low), math.ceil(high) + 1)
        for factor in factors
    ]
    return [logarithm for logarithm in logarithms if low <= logarithm <= high]


def _to_logarithms(line: Series) -> Series:
    points = [(math.log10(x), math.log10(y)) for x, y in line.points if x > 0 and y > 0]
    return Series(line.name, tuple(points), line.kind)


def _format_tick(value: float, logarithmic: bool) -> str:
    if logarithmic:
        value = 10**value
        return f"{value:z,.0f}" if value >= 1 else f"{value:.2g}"
    if abs(value) >= 1_000_000:
        return f"{value / 1e6:g}M"
    return f"{value:z,.0f}" if value == int(value) and abs(value) >= 10 else f"{value:zg}"


def choose_ticks(low: float, high: float, max_ticks: int) -> list[float]:
    """Return evenly spaced round numbers from `low` to `high`, at most `max_ticks`."""
    if not high > low:
        return [low]
    step = 10.0 ** math.floor(math.log10((high - low) / max_ticks))
    while True:
        for factor in (1, 2, 5):
            first = math.ceil(low / (factor * step) - 1e-9)
            last = math.floor(high / (factor * step) + 1e-9)
            if last - first + 1 <= max_ticks:
                return [round(n * factor * step, 12) for n in range(first, last + 1)]
        step *= 10
