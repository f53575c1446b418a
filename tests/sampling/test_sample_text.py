from hypothesis import given
from hypothesis import strategies as st

from charrnn.config.sampling import SampleConfig
from charrnn.sampling.sample_text import SampleText


@given(
    text=st.text("ab", max_size=30),
    stop=st.text("ab", min_size=1, max_size=5),
    size=st.integers(1, 9),
)
def test_text_added_in_pieces_ends_before_the_stop_text(text: str, stop: str, size: int) -> None:
    sample, displayed = SampleText("", SampleConfig(stop=stop), False), ""
    for first in range(0, len(text), size):
        if not sample.has_ended:
            displayed += sample.add(text[first : first + size])
    if stop in text:
        assert sample.has_ended
        assert displayed == text[: text.index(stop)]
    else:
        assert not sample.has_ended
        assert displayed + sample.pending == text
        suffixes = [text[len(text) - length :] for length in range(min(len(stop), len(text) + 1))]
        assert sample.pending == max(
            (suffix for suffix in suffixes if stop.startswith(suffix)), key=len
        )


def test_without_stop_text_nothing_is_pending() -> None:
    sample = SampleText("", SampleConfig(), False)
    assert sample.add("ab") == "ab"
    assert not sample.pending
