import pytest

from charrnn.data.progress import (
    CHUNK,
    ProgressReporter,
    Reading,
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


def test_a_reporter_raises_and_records_the_error_of_its_callback() -> None:
    error = OSError(5, "a fault", "a file")

    def fail(reading: Reading) -> None:
        raise error

    reporter = ProgressReporter(fail)
    assert not reporter.failed
    with pytest.raises(OSError, match="a fault") as raised:
        reporter(Reading("encoding novel", 1, 2))
    assert raised.value is error
    assert reporter.failed


def test_a_reporter_without_a_callback_does_nothing() -> None:
    reporter = ProgressReporter(None)
    reporter(Reading("encoding novel", 1, 2))
    assert not reporter.failed
