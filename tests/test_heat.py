"""Texts coloured by numbers, on terminals of every kind."""

import io
from collections.abc import Callable

import pytest
from rich.console import Console

from charrnn.console import heat


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
        monkeypatch.setattr(heat, "results", lambda: console)
        heat.print_activity(text, values)
        return file.getvalue()

    return show


def test_without_colours_each_character_has_a_bar_below(shown: Callable[..., str]) -> None:
    assert shown("abc\nd", [-1, 0, 1, 0.5, -0.5], None) == "abc↵\n▁▅█▇\nd\n▃\n"


def test_sixteen_colours_are_too_few_for_shades(shown: Callable[..., str]) -> None:
    assert "▅" in shown("a", [0], "standard")


@pytest.mark.parametrize("colours", ["256", "truecolor"])
def test_warm_is_on_cold_is_off_and_nothing_is_as_the_terminal_has_it(
    colours: str, shown: Callable[..., str]
) -> None:
    on, off, neutral = (shown("a", [value], colours) for value in (1, -1, 0))
    assert neutral == "a\n"
    assert len({on, off, neutral}) == 3
    assert "48;" in on
    assert "38;" in on  # ink on a background of its own, whatever the theme
    assert "48;" in off


def test_long_lines_are_folded_where_the_terminal_ends(shown: Callable[..., str]) -> None:
    lines = shown("x" * 25 + "\n" + "漢" * 5, [0] * 31, None, width=11).splitlines()
    assert lines[::2] == ["x" * 10, "x" * 10, "x" * 5 + "↵", "漢" * 5]
    assert lines[-1] == "▅" * 10


def test_what_could_drive_the_terminal_is_shown_as_a_symbol(shown: Callable[..., str]) -> None:
    assert shown("\x1b\t[red]", [0] * 7, "truecolor") == "␛→[red]\n"
