import pytest

from charrnn.console.text import format_duration, format_loss, format_network, make_printable


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\x1b[31mred", "␛[31mred"),
        ("a\rb\x07\x7f", "a␍b␇␡"),
        ("\x9b2J", "�2J"),
        ("abc\u202edef\u2066", "abc�def�"),
        ("tab\tand\nline", "tab\tand\nline"),
        ("café 漢字 👩\u200d🚀", "café 漢字 👩\u200d🚀"),
    ],
)
def test_control_characters_are_replaced_with_symbols(text: str, expected: str) -> None:
    assert make_printable(text) == expected


def test_losses_are_shown_in_nats_and_bits() -> None:
    assert format_loss(1.0) == "1.0000 nats = 1.4427 bits"


@pytest.mark.parametrize(
    ("seconds", "expected"), [(41.6, "42s"), (59.7, "1m 00s"), (312, "5m 12s"), (7390, "2h 03m")]
)
def test_durations_are_rounded_to_two_units(seconds: float, expected: str) -> None:
    assert format_duration(seconds) == expected


def test_one_layer_is_singular() -> None:
    assert format_network(1, 8, "gru") == "1 layer of 8 gru units"
    assert format_network(3, 512, "lstm") == "3 layers of 512 lstm units"
