from charrnn.config.counts import format_count


def test_one_is_singular() -> None:
    assert format_count(1, "character") == "1 character"
    assert format_count(0, "character") == "0 characters"
    assert format_count(2000, "NUL character") == "2,000 NUL characters"
    assert format_count(2, "process") == "2 processes"
