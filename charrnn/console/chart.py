"""Line charts on a terminal, in braille: two dots by four to a character."""

import math
from collections.abc import Sequence

from rich.text import Text

from charrnn.console.output import results
from charrnn.runs.curves import Curves, Point, Series

ROWS = 20
"""Of a chart that stands alone: a terminal is wider than high."""

# Of the eight colours of every terminal those that can be read on black and on white.
_STYLES = {"train": "magenta", "held out": "bold red", "baseline": "green"}
_MORE = ("magenta", "bold red", "green", "bold magenta", "red", "bold green")
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
_BLANK = 0x2800
_LABEL = 7  # characters of the labels at the left


def chart(
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
    """Return lines drawn in `height` rows of `width` characters, axes and legend included.

    `low` and `high` bound what is shown of y. With `logarithmic` both axes are, and points at zero
    or below are left out.
    """
    scaled = [
        Series(each.name, tuple(_log(point) for point in each.points if min(point) > 0), each.kind)
        if logarithmic
        else each
        for each in series
    ]
    scaled = [each for each in scaled if each.points]
    if not scaled:
        return Text("nothing to draw yet")
    if logarithmic:
        low, high = math.log10(low), math.log10(high)
    xs = [x for each in scaled for x, _ in each.points]
    left, right = min(xs), max(xs)
    columns, rows = max(10, width - _LABEL - 1), max(3, height - 3)
    canvas = _Canvas(columns, rows, (left, right), (low, high))
    styles = _styles(scaled)
    for each in sorted(scaled, key=lambda each: each.kind != "baseline"):
        canvas.plot_line(each.points, styles[each.name], dotted=each.kind == "baseline")
    result = Text(no_wrap=True)
    for each in scaled:
        result.append("━ ", styles[each.name]).append(f"{each.name}   ")
    result.append("\n").append(f"{y_name}\n", "dim")
    places = _powers(low, high) if logarithmic else ticks(low, high, max(2, rows // 2))
    labels = {canvas.row(y): _number(y, logarithmic) for y in places}
    for row in range(rows):
        label = labels.get(row, "")
        result.append(f"{label:>{_LABEL}}").append("┤" if label else "│", "dim")
        result.append_text(canvas.text(row)).append("\n")
    result.append_text(_below(columns, left, right, x_name, logarithmic))
    return result


def print_curves(drawn: Curves) -> None:
    """Print losses as a chart as wide as the terminal."""
    console = results()
    console.print(
        chart(
            [*drawn.series, *drawn.baselines],
            x_name=drawn.x_name,
            y_name=drawn.y_name,
            low=drawn.low,
            high=drawn.high,
            width=console.width,
            height=ROWS,
        )
    )


class _Canvas:
    """Dots that lines are drawn with."""

    def __init__(
        self, columns: int, rows: int, x_bounds: tuple[float, float], y_bounds: tuple[float, float]
    ) -> None:
        self._columns, self._rows = columns, rows
        self._x_bounds, self._y_bounds = x_bounds, y_bounds
        self._cells: dict[tuple[int, int], tuple[int, str]] = {}

    def row(self, y: float) -> int:
        """Return the row of characters that a value is in."""
        return int(self._down(y)) // 4

    def plot_line(self, points: Sequence[Point], style: str, dotted: bool) -> None:
        """Plot a line through points, in the order of x."""
        places = [(self._across(x), self._down(y)) for x, y in points]
        for (x0, y0), (x1, y1) in zip(places, [*places[1:], places[-1]], strict=True):
            steps = max(1, math.ceil(max(abs(x1 - x0), abs(y1 - y0))))
            for step in range(steps + 1):
                x, y = x0 + (x1 - x0) * step / steps, y0 + (y1 - y0) * step / steps
                if not dotted or round(x) % 4 == 0:
                    self._dot(round(x), round(y), style)

    def text(self, row: int) -> Text:
        """Return one row of characters."""
        line = Text()
        for column in range(self._columns):
            dots, style = self._cells.get((column, row), (0, ""))
            line.append(chr(_BLANK + dots) if dots else " ", style)
        return line

    def _dot(self, x: int, y: int, style: str) -> None:
        if 0 <= x < 2 * self._columns and 0 <= y < 4 * self._rows:
            place = x // 2, y // 4
            dots, _ = self._cells.get(place, (0, ""))
            self._cells[place] = dots | _DOTS[y % 4][x % 2], style

    def _across(self, x: float) -> float:
        low, high = self._x_bounds
        return (x - low) / ((high - low) or 1) * (2 * self._columns - 1)

    def _down(self, y: float) -> float:
        low, high = self._y_bounds
        return (high - y) / ((high - low) or 1) * (4 * self._rows - 1)


def _below(columns: int, left: float, right: float, x_name: str, logarithmic: bool) -> Text:
    """Return the axis at the foot: its line, its numbers and its name."""
    line, numbers = ["─"] * columns, [" "] * (columns + _LABEL + 1)
    numbers[-len(x_name) :] = x_name
    most = columns // 10
    for x in _powers(left, right) if logarithmic else ticks(left, right, most):
        column = round((x - left) / ((right - left) or 1) * (columns - 1))
        label = _number(x, logarithmic)
        first = max(_LABEL, _LABEL + 1 + column - len(label) // 2)
        around = numbers[first - 1 : first + len(label) + 1]
        if len(around) >= len(label) + 1 and not "".join(around).strip():
            line[column] = "┬"
            numbers[first : first + len(label)] = label
    text = Text(" " * _LABEL).append("└" + "".join(line) + "\n", "dim")
    return text.append("".join(numbers))


def _styles(series: Sequence[Series]) -> dict[str, str]:
    if len([each for each in series if each.kind != "baseline"]) <= 2:
        return {each.name: _STYLES[each.kind] for each in series}
    return {each.name: _MORE[place % len(_MORE)] for place, each in enumerate(series)}


def _powers(low: float, high: float) -> list[float]:
    """Return the logarithms of round numbers between two: powers of ten, if there are several."""
    factors = (1,) if high - low > 2 else (1, 2, 5)
    found = [
        exponent + math.log10(factor)
        for exponent in range(math.floor(low), math.ceil(high) + 1)
        for factor in factors
    ]
    return [each for each in found if low <= each <= high]


def _log(point: Point) -> Point:
    x, y = point
    return math.log10(x), math.log10(y)


def _number(value: float, logarithmic: bool) -> str:
    if logarithmic:
        value = 10**value
        return f"{value:,.0f}" if value >= 1 else f"{value:.2g}"
    if abs(value) >= 1_000_000:
        return f"{value / 1e6:g}M"
    return f"{value:,.0f}" if value == int(value) and abs(value) >= 10 else f"{value:g}"


def ticks(low: float, high: float, most: int) -> list[float]:
    """Return at most so many round numbers between two bounds, evenly spaced."""
    if not high > low:
        return [low]
    step = 10.0 ** math.floor(math.log10((high - low) / most))
    while True:
        for factor in (1, 2, 5):
            first = math.ceil(low / (factor * step) - 1e-9)
            last = math.floor(high / (factor * step) + 1e-9)
            if last - first + 1 <= most:
                return [round(n * factor * step, 12) for n in range(first, last + 1)]
        step *= 10
