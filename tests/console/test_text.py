import pytest

from charrnn.console.text import duration, nats, printable


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("\x1b[31mred", "␛[31mred"),
        ("a\rb\x07\x7f", "a␍b␇␡"),
        ("\x9b2J", "�2J"),
        ("abc\u202edef\u2066", "abc�def�"),
        ("tab\tand\nline", "tab\tand\nline"),
        ("café 漢字 👩\u200d🚀", "café 漢字 👩\u200d🚀"),
    ],
)
def test_nothing_written_can_drive_the_terminal(hostile: str, shown: str) -> None:
    assert printable(hostile) == shown


def test_losses_are_shown_in_both_units() -> None:
    assert nats(1.0) == "1.0000 nats = 1.4427 bits"


@pytest.mark.parametrize(
    ("seconds", "shown"), [(41.6, "42s"), (59.7, "1m 00s"), (312, "5m 12s"), (7390, "2h 03m")]
)
def test_durations_are_short(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown
