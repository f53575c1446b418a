"""Texts on a terminal, coloured by a number for each character; without colours, with bars below.

Every character stands on a background of its own, so that shades mean the same in light and dark
themes.
"""

from collections.abc import Callable, Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.style import Style
from rich.text import Text

from charrnn.console.output import results
from charrnn.console.text import printable

_BARS = "▁▂▃▄▅▆▇█"
_INK, _PAPER = "#1c1b19", "#f5f2ec"
_WARM = ("#fbe3d6", "#f7c4a8", "#f2a27c", "#ea7d54", "#dd5a36")
_COLD = ("#dbe6f8", "#b7cdf0", "#91b2e6", "#6b97dc", "#4a7ccf")
BITS_A_SHADE = 2

Shading = Callable[[float], tuple[str, float]]
"""Returns the background colour of a value, and the height of its bar, from 0 to 1."""


def print_activity(text: str, activity_N: Sequence[float]) -> None:
    """Print a text by the activity of a unit, from -1 (blue) to 1 (red)."""
    _print(text, activity_N, _activity)


def print_surprise(text: str, bits_N: Sequence[float]) -> None:
    """Print a text by how many bits each character surprised the model."""
    _print(text, bits_N, _surprise)


def _activity(value: float) -> tuple[str, float]:
    shade = round(abs(value) * len(_WARM))
    scale = _WARM if value > 0 else _COLD
    return (scale[shade - 1] if shade else _PAPER), (value + 1) / 2


def _surprise(bits: float) -> tuple[str, float]:
    shade = min(len(_WARM), int(bits / BITS_A_SHADE))
    return (_WARM[shade - 1] if shade else _PAPER), bits / (BITS_A_SHADE * (len(_WARM) + 1))


def _print(text: str, values_N: Sequence[float], shading: Shading) -> None:
    console = results()
    has_colours = _has_colours(console)
    for first, end in _rows(text, console.width - 1):
        characters = [_shown(each) for each in text[first:end]]
        shades = [shading(each) for each in values_N[first:end]]
        if has_colours:
            line = Text()
            for character, (colour, _) in zip(characters, shades, strict=True):
                line.append(character, Style(color=_INK, bgcolor=colour))
            console.print(line, soft_wrap=True)
        else:
            console.print(Text("".join(characters)), soft_wrap=True)
            bars = [
                _bar(height) * cell_len(character)
                for character, (_, height) in zip(characters, shades, strict=True)
            ]
            console.print(Text("".join(bars)), soft_wrap=True)


def _rows(text: str, width: int) -> list[tuple[int, int]]:
    """Return where each row of the terminal begins and ends, its line break included."""
    rows, first, used = [], 0, 0
    for place, character in enumerate(text):
        cells = cell_len(_shown(character))
        if used + cells > width and place > first:
            rows.append((first, place))
            first, used = place, 0
        used += cells
        if character == "\n":
            rows.append((first, place + 1))
            first, used = place + 1, 0
    return rows if first == len(text) else [*rows, (first, len(text))]


def _shown(character: str) -> str:
    return {"\n": "↵", "\t": "→"}.get(character) or printable(character)


def _bar(height: float) -> str:
    return _BARS[min(len(_BARS) - 1, int(max(0.0, height) * len(_BARS)))]


def _has_colours(console: Console) -> bool:
    # Of the sixteen colours of an old terminal none are shades of one another.
    return console.color_system in ("256", "truecolor", "windows") and not console.no_color
