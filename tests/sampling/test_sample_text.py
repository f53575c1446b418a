from hypothesis import given
from hypothesis import strategies as st

from charrnn.config.sampling import SampleConfig
from charrnn.sampling.sample_text import SampleText


@given(
    text=st.text("ab", max_size=30),
    stop=st.text("ab", min_size=1, max_size=5),
    size=st.integers(1, 9),
)
def test_text_of_any_pieces_ends_before_the_stop_text(text: str, stop: str, size: int) -> None:
    sample, shown = SampleText("", SampleConfig(stop=stop), False), ""
    for first in range(0, len(text), size):
        if not sample.ended:
            shown += sample.take(text[first : first + size])
    if stop in text:
        assert sample.ended
        assert shown == text[: text.index(stop)]
    else:
        assert not sample.ended
        assert shown + sample.held == text
        tails = [text[len(text) - length :] for length in range(min(len(stop), len(text) + 1))]
        assert sample.held == max((tail for tail in tails if stop.startswith(tail)), key=len)


def test_without_a_stop_text_all_is_shown_at_once() -> None:
    sample = SampleText("", SampleConfig(), False)
    assert sample.take("ab") == "ab"
    assert not sample.held
