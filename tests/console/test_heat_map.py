"""Texts coloured by numbers, on terminals of every kind."""

import io
import re
from collections.abc import Callable

import pytest
from rich.console import Console

from charrnn.console import heat_map


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Print by activity on a terminal with these colours; return all that it would be sent."""

    def show(text: str, values: list[float], colours: str | None, width: int = 20) -> str:
        file = io.StringIO()
        console = Console(
            file=file,
            force_terminal=colours is not None,
            color_system=colours,  # type: ignore[arg-type]
            width=width,
        )
        monkeypatch.setattr(heat_map, "results", lambda: console)
        heat_map.print_activity(text, values)
        return file.getvalue()

    return show


def test_without_colours_each_character_has_a_bar_below(shown: Callable[..., str]) -> None:
    assert shown("abc\nd", [-1, 0, 1, 0.5, -0.5], None) == "abc↵\n▁▅█▇\nd\n▃\n"


def test_sixteen_colours_are_too_few_for_shades(shown: Callable[..., str]) -> None:
    assert "▅" in shown("a", [0], "standard")


@pytest.mark.parametrize("colours", ["256", "truecolor"])
def test_on_off_and_nothing_have_each_a_background_of_its_own(
    colours: str, shown: Callable[..., str]
) -> None:
    on, off, neutral = (shown("a", [value], colours) for value in (1, -1, 0))
    assert len({on, off, neutral}) == 3
    for each in (on, off, neutral):
        assert "48;" in each
        assert "38;" in each  # ink of its own too, whatever the theme


def test_a_shade_is_two_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    console = Console(file=io.StringIO(), width=20)
    monkeypatch.setattr(heat_map, "results", lambda: console)
    heat_map.print_surprise("abcdefg", [0, 1.9, 2, 4, 6, 8, 40])
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue() == "abcdefg\n▁▂▂▃▅▆█\n"
    colours = [heat_map._surprise(bits)[0] for bits in (0, 1.9, 2, 3.9, 10, 40)]
    assert [len({*colours[:2]}), len({*colours[2:4]}), len({*colours[4:]}), len({*colours})] == [
        *(1, 1, 1),
        3,
    ]


def test_long_lines_are_folded_where_the_terminal_ends(shown: Callable[..., str]) -> None:
    lines = shown("x" * 25 + "\n" + "漢" * 5, [0] * 31, None, width=11).splitlines()
    assert lines[::2] == ["x" * 10, "x" * 10, "x" * 5 + "↵", "漢" * 5]
    assert lines[-1] == "▅" * 10


def test_what_could_drive_the_terminal_is_shown_as_a_symbol(shown: Callable[..., str]) -> None:
    sent = shown("\x1b\t[red]", [0] * 7, "truecolor")
    assert re.sub(r"\x1b\[[0-9;]*m", "", sent) == "␛→[red]\n"
