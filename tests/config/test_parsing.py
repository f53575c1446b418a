import pytest

from charrnn.config.parsing import parse_duration, parse_escapes, parse_temperatures
from charrnn.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("10m", 600), ("1h30m", 5400), ("1h", 3600), ("0.5s", 0.5)],
)
def test_durations_are_parsed(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "0m", "ten", "-5s", "5d", "5m1h", "1h30", "5m1.5"])
def test_invalid_durations_are_errors(text: str) -> None:
    with pytest.raises(ConfigError, match="is not a duration: write 90s, 10m or 1h30m"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "temperatures"),
    [
        ("0.8", 0.8),
        ("0", 0.0),
        ("0.5, 0.8,1.1", (0.5, 0.8, 1.1)),
        ("0,1", (0.0, 1.0)),
        ("0,0.8", (0.0, 0.8)),
        ("0,1,2", (0.0, 1.0, 2.0)),
        ("0,2", (0.0, 2.0)),
        ("0,8.0", (0.0, 8.0)),
        ("0.5,3", (0.5, 3.0)),
    ],
)
def test_temperatures_are_parsed(text: str, temperatures: float | tuple[float, ...]) -> None:
    assert parse_temperatures(text) == temperatures


@pytest.mark.parametrize(
    ("text", "meant"), [("0,8", "0.8"), ("0,3", "0.3"), ("0,85", "0.85"), ("0,05,1", "0.05")]
)
def test_a_decimal_comma_is_refused(text: str, meant: str) -> None:
    with pytest.raises(ConfigError, match=f"'{text}' is not .*: write {meant} with a point"):
        parse_temperatures(text)


@pytest.mark.parametrize("text", ["", "hot", "0.8,", "0.8;1"])
def test_a_temperature_is_a_number(text: str) -> None:
    with pytest.raises(ConfigError, match=r"is not a temperature: write a number such as 0\.8"):
        parse_temperatures(text)


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        (r"a\nb\tc\rd\fe", "a\nb\tc\rd\fe"),
        (r"\x1c\x7E\u2026\u00e9\U0001F600", "\x1c~\u2026\u00e9\U0001f600"),
        (r"\\n\\\n", "\\n\\\n"),
        (r"\x411\u00411", "A1A1"),
        (r"\'\"", "'\""),
        ("no escape", "no escape"),
        ("", ""),
    ],
)
def test_escapes_are_parsed(text: str, parsed: str) -> None:
    assert parse_escapes(text) == parsed


@pytest.mark.parametrize(
    ("text", "escape"),
    [
        (r"\q", r"\q"),
        (r"a\x1", r"\x1"),
        (r"\xg0", r"\x"),
        (r"\u12", r"\u12"),
        (r"\U0011000", r"\U0011000"),
        (r"\U00110000", r"\U00110000"),
        (r"\ud800", r"\ud800"),
        (r"\0", r"\0"),
        ("end\\", "\\ at the end of a line"),
        ("\\\n", "\\ at the end of a line"),
        ("\\é", "\\é"),
    ],
)
def test_unknown_escapes_are_errors(text: str, escape: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_escapes(text)
    assert str(caught.value).startswith(f"{escape} is not an escape that charrnn knows: write")
