import contextlib

import pytest

from charrnn.data.progress import (
    CHUNK,
    ProgressCallback,
    Reading,
    errors_passed_on,
    throttled,
)


def test_a_throttled_callback_is_called_at_most_once_per_chunk() -> None:
    reported = list[int]()
    report = throttled(lambda reading: reported.append(reading.done))
    for done in range(0, 10 * CHUNK + 1, CHUNK // 4):
        report(Reading("encoding novel", done, 10 * CHUNK))
    assert 8 <= len(reported) <= 10
    steps = [after - before for before, after in zip([0, *reported], reported, strict=False)]
    assert min(steps) > CHUNK


def test_without_a_callback_nothing_is_called() -> None:
    throttled(None)(Reading("encoding novel", 5 * CHUNK, 10 * CHUNK))


def test_an_error_of_a_callback_is_passed_on_unchanged() -> None:
    error = OSError(5, "a fault", "a file")

    def fail(reading: Reading) -> None:
        raise error

    def handle_own_errors(report: ProgressCallback | None) -> None:
        assert report
        with contextlib.suppress(OSError):
            report(Reading("encoding novel", 1, 2))

    with pytest.raises(OSError, match="a fault") as raised, errors_passed_on(fail) as report:
        handle_own_errors(report)
    assert raised.value is error


def test_errors_of_the_block_itself_are_not_changed() -> None:
    with pytest.raises(KeyError), errors_passed_on(lambda reading: None):
        raise KeyError
