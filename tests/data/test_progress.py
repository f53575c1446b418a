from charrnn.data.progress import CHUNK, Reading, throttled


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
