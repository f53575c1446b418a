"""Heat maps of texts on terminals with many, few or no colors."""

import io
import re
from collections.abc import Callable

import pytest
from rich.console import Console

from charrnn.console import heat_map


@pytest.fixture
def rendered(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Return a function that prints activities on a terminal and returns its output."""

    def show(text: str, values: list[float], colors: str | None, width: int = 20) -> str:
        file = io.StringIO()
        console = Console(
            file=file,
            force_terminal=colors is not None,
            color_system=colors,  # type: ignore[arg-type]
            width=width,
        )
        monkeypatch.setattr(heat_map, "stdout_console", lambda: console)
        heat_map.print_activity(text, values)
        return file.getvalue()

    return show


def test_a_terminal_without_colors_shows_a_bar_below_each_character(
    rendered: Callable[..., str],
) -> None:
    assert rendered("abc\nd", [-1, 0, 1, 0.5, -0.5], None) == "abc↵\n▁▅█▇\nd\n▃\n"


def test_a_terminal_with_16_colors_shows_bars(rendered: Callable[..., str]) -> None:
    assert "▅" in rendered("a", [0], "standard")


@pytest.mark.parametrize("colors", ["256", "truecolor"])
def test_high_low_and_zero_activity_have_different_backgrounds(
    colors: str, rendered: Callable[..., str]
) -> None:
    on, off, neutral = (rendered("a", [value], colors) for value in (1, -1, 0))
    assert len({on, off, neutral}) == 3
    for output in (on, off, neutral):
        assert "48;" in output
        assert "38;" in output  # the text color is set too, so the theme does not matter


def test_each_shade_covers_two_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    console = Console(file=io.StringIO(), width=20)
    monkeypatch.setattr(heat_map, "stdout_console", lambda: console)
    heat_map.print_surprise("abcdefg", [0, 1.9, 2, 4, 6, 8, 40])
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue() == "abcdefg\n▁▂▂▃▅▆█\n"
    colors = [heat_map._shade_surprise(bits)[0] for bits in (0, 1.9, 2, 3.9, 10, 40)]
    assert [len({*colors[:2]}), len({*colors[2:4]}), len({*colors[4:]}), len({*colors})] == [
        *(1, 1, 1),
        3,
    ]


def test_long_lines_wrap_at_the_width_of_the_terminal(rendered: Callable[..., str]) -> None:
    lines = rendered("x" * 25 + "\n" + "漢" * 5, [0] * 31, None, width=11).splitlines()
    assert lines[::2] == ["x" * 10, "x" * 10, "x" * 5 + "↵", "漢" * 5]
    assert lines[-1] == "▅" * 10


def test_control_characters_are_shown_as_symbols(rendered: Callable[..., str]) -> None:
    output = rendered("\x1b\t[red]", [0] * 7, "truecolor")
    assert re.sub(r"\x1b\[[0-9;]*m", "", output) == "␛→[red]\n"
