"""Heat maps of texts on a terminal: one value per character, as a background color or a bar.

Every character has an explicit text color and background, so that shades look the same in light
and dark themes. Terminals without enough colors show bars below the text.
"""

from collections.abc import Callable, Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.style import Style
from rich.text import Text

from charrnn.console.output import stdout_console
from charrnn.console.text import can_encode, make_printable

_BAR_SYMBOLS, _ASCII_BAR_SYMBOLS = "▁▂▃▄▅▆▇█", "12345678"
_TEXT_COLOR, _NEUTRAL = "#1c1b19", "#f5f2ec"
_RED_SHADES = ("#fbe3d6", "#f7c4a8", "#f2a27c", "#ea7d54", "#dd5a36")
_BLUE_SHADES = ("#dbe6f8", "#b7cdf0", "#91b2e6", "#6b97dc", "#4a7ccf")
BITS_PER_SHADE = 2

Shading = Callable[[float], tuple[str, float]]
"""Maps a value to its background color and the height of its bar, from 0 to 1."""


def print_activity(text: str, activity_N: Sequence[float]) -> None:
    """Print a text, colored by the activity of a unit after each character: -1 blue, 1 red."""
    _print_heat_map(text, activity_N, _shade_activity)


def print_surprise(text: str, bits_N: Sequence[float]) -> None:
    """Print a text, colored by the loss of each character in bits."""
    _print_heat_map(text, bits_N, _shade_surprise)


def _shade_activity(value: float) -> tuple[str, float]:
    shade = round(abs(value) * len(_RED_SHADES))
    scale = _RED_SHADES if value > 0 else _BLUE_SHADES
    return (scale[shade - 1] if shade else _NEUTRAL), (value + 1) / 2


def _shade_surprise(bits: float) -> tuple[str, float]:
    shade = min(len(_RED_SHADES), int(bits / BITS_PER_SHADE))
    return (_RED_SHADES[shade - 1] if shade else _NEUTRAL), bits / (
        BITS_PER_SHADE * (len(_RED_SHADES) + 1)
    )


def _print_heat_map(text: str, values_N: Sequence[float], shading: Shading) -> None:
    console = stdout_console()
    has_colors = _has_enough_colors(console)
    can_draw_bars = can_encode(_BAR_SYMBOLS, console.encoding)
    bar_symbols = _BAR_SYMBOLS if can_draw_bars else _ASCII_BAR_SYMBOLS
    for start, end in _split_rows(text, console.width - 1):
        characters = [_replace_invisible(character) for character in text[start:end]]
        shades = [shading(value) for value in values_N[start:end]]
        if has_colors:
            line = Text()
            for character, (color, _) in zip(characters, shades, strict=True):
                line.append(character, Style(color=_TEXT_COLOR, bgcolor=color))
            console.print(line, soft_wrap=True)
        else:
            console.print(Text("".join(characters)), soft_wrap=True)
            bars = [
                _draw_bar(height, bar_symbols) * cell_len(character)
                for character, (_, height) in zip(characters, shades, strict=True)
            ]
            console.print(Text("".join(bars)), soft_wrap=True)


def _split_rows(text: str, width: int) -> list[tuple[int, int]]:
    """Return the start and end of each terminal row, including its line break."""
    rows, start, used = [], 0, 0
    for index, character in enumerate(text):
        cells = cell_len(_replace_invisible(character))
        if used + cells > width and index > start:
            rows.append((start, index))
            start, used = index, 0
        used += cells
        if character == "\n":
            rows.append((start, index + 1))
            start, used = index + 1, 0
    return rows if start == len(text) else [*rows, (start, len(text))]


def _replace_invisible(character: str) -> str:
    return {"\n": "↵", "\t": "→"}.get(character) or make_printable(character)


def _draw_bar(height: float, symbols: str) -> str:
    return symbols[min(len(symbols) - 1, int(max(0.0, height) * len(symbols)))]


def _has_enough_colors(console: Console) -> bool:
    # The 16 colors of old terminals contain no shades of one color.
    return console.color_system in ("256", "truecolor", "windows") and not console.no_color
