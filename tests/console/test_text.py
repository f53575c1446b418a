import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charrnn.console.text import (
    encode_exactly,
    escape_unencodable,
    format_duration,
    format_loss,
    format_network,
    make_encodable,
    make_printable,
)


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
    assert format_loss(-1e-9) == "0.0000 nats = 0.0000 bits"


@pytest.mark.parametrize(
    ("seconds", "expected"), [(41.6, "42s"), (59.7, "1m 00s"), (312, "5m 12s"), (7390, "2h 03m")]
)
def test_durations_are_rounded_to_two_units(seconds: float, expected: str) -> None:
    assert format_duration(seconds) == expected


def test_one_layer_is_singular() -> None:
    assert format_network(1, 8, "gru") == "1 layer of 8 gru units"
    assert format_network(2, 1, "rnn") == "2 layers of 1 rnn unit"
    assert format_network(3, 512, "lstm") == "3 layers of 512 lstm units"


ENCODINGS = ["ascii", "cp1252", "cp437", "latin-1", "utf-8", "utf-16", "shift_jis", "iso2022_jp"]


@pytest.mark.parametrize("encoding", ENCODINGS)
@settings(deadline=None)
@given(text=st.text(st.characters(exclude_categories=[]), max_size=20))
def test_any_text_can_be_made_encodable(encoding: str, text: str) -> None:
    for change in (make_encodable, escape_unencodable):
        make_encodable(change(text, encoding), encoding).encode(encoding)
    encode_exactly(text).decode("utf-8", "surrogateescape")


@pytest.mark.parametrize(
    ("text", "encoding", "expected"),
    [
        ("caf\xe9 \u20ac", "cp1252", "caf\xe9 \u20ac"),
        ("caf\xe9 \u20ac", "latin-1", "caf\xe9 ?"),
        ("┤─│━└┬", "ascii", "+-|-++"),
        ("⠁⠉⣿", "cp1252", ".:*"),
        ("漢字", "ascii", "????"),  # as wide as on a terminal
        ("שלום", "cp1252", "????"),
        ("\ud800", "utf-8", "?"),
        ("“x”…", "ascii", '"x".'),
    ],
)
def test_characters_that_an_encoding_lacks_are_replaced(
    text: str, encoding: str, expected: str
) -> None:
    assert make_encodable(text, encoding) == expected


def test_characters_that_an_encoding_lacks_can_be_escaped() -> None:
    assert escape_unencodable("é א…", "cp1252") == "é \\u05d0…"
    assert escape_unencodable("é א", "utf-8") == "é א"


def test_exact_text_keeps_the_bytes_of_names_and_is_otherwise_utf_8() -> None:
    assert encode_exactly("é\udcff\ud800") == b"\xc3\xa9\xff\xef\xbf\xbd"
