import numpy as np
import pytest

from charrnn.config.training import TrainConfig
from charrnn.data.vocabulary import Codes
from charrnn.training.setup import text_notes
from charrnn.training.setup.text_notes import (
    describe_repeated_text,
    describe_short_warmup,
    measure_repeated_share,
)


def random_codes(length: int, dtype: type = np.uint8) -> Codes:
    return np.random.default_rng(length).integers(0, 60, length).astype(dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32])
def test_a_copy_of_the_held_out_part_is_found_in_every_chunk(
    dtype: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_notes, "_CHUNK", 64)
    held_out = random_codes(1000, dtype)
    training = np.concatenate([random_codes(777, dtype), held_out, random_codes(333, dtype)])
    assert measure_repeated_share(training, held_out) == 1
    assert measure_repeated_share(random_codes(3001, dtype), held_out) == 0


def test_the_share_is_the_fraction_of_passages_that_occur() -> None:
    held_out = random_codes(5000)
    assert measure_repeated_share(held_out[:2500], held_out) == pytest.approx(0.5, abs=0.02)


def test_bytes_that_are_not_characters_are_not_compared() -> None:
    held_out = np.full(100, 0x0101, np.uint16)
    shifted = np.frombuffer(b"\2" + b"\1" * 100 + b"\2", np.uint16)
    assert held_out[:50].tobytes() in shifted.tobytes()
    assert measure_repeated_share(shifted, held_out) == 0


@pytest.mark.parametrize("length", [0, 1, 24])
def test_a_held_out_part_that_is_too_short_is_not_compared(length: int) -> None:
    assert measure_repeated_share(random_codes(100), random_codes(100)[:length]) == 0


def test_the_note_says_how_much_is_repeated() -> None:
    held_out = random_codes(1000)
    (whole,) = describe_repeated_text(held_out, held_out)
    assert whole.startswith("the whole held-out part also occurs word for word")
    (part,) = describe_repeated_text(held_out[:800], held_out)
    assert part.startswith("about 8")
    assert describe_repeated_text(held_out[:300], held_out) == ()


def test_a_warm_up_that_is_cut_has_a_note() -> None:
    config = TrainConfig(warmup_steps=500)
    (note,) = describe_short_warmup(config, 2000)
    assert note == (
        "the warm-up has 200 steps instead of 500, because it is at most a tenth of the 2,000 "
        "steps of the run"
    )
    assert describe_short_warmup(config, 5000) == ()
    assert describe_short_warmup(config, None) == ()
    assert describe_short_warmup(TrainConfig(), 100) == ()
