import pytest

from charrnn.config.parsing import parse_duration
from charrnn.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("10m", 600), ("1h30m", 5400), ("1h", 3600), ("0.5s", 0.5)],
)
def test_durations_are_parsed(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "0m", "ten", "-5s", "5d", "5m1h"])
def test_invalid_durations_are_errors(text: str) -> None:
    with pytest.raises(ConfigError, match="is not a duration: write 90s, 10m or 1h30m"):
        parse_duration(text)
