import dataclasses

from hypothesis import given
from hypothesis import strategies as st

from charrnn.config.training import Budget, TrainConfig
from charrnn.data.corpus import Corpus
from charrnn.runs.find import find_run
from charrnn.training.defaults import resolve


def of_length(characters: int) -> Corpus:
    return Corpus.from_text("a" * characters)


@given(st.integers(1, 3_000_000))
def test_every_text_gets_sizes_that_fit_it(characters: int) -> None:
    config = resolve(TrainConfig(), of_length(characters), "cpu", "float32", 2)
    assert config.batch_size
    assert config.seq_length
    assert config.batch_size * config.seq_length < max(2, int(0.9 * characters))
    assert config.epochs
    assert config.eval_every
    assert config.dropout is not None


def test_what_was_given_is_kept() -> None:
    given_config = TrainConfig(
        batch_size=3,
        seq_length=5,
        dropout=0.0,
        max_steps=7,
        eval_every=2,
        seed=9,
        output_dropout=0.1,
        weight_drop=0.2,
        weight_decay=0.0,
        loss_temperature=2.0,
    )
    resolved = resolve(given_config, of_length(5000), "cpu", "float32", 1)
    assert resolved == dataclasses.replace(
        given_config, device="cpu", precision="float32", threads=1
    )


def test_naming_one_limit_lifts_the_default_of_the_others() -> None:
    assert resolve(TrainConfig(), of_length(50_000), "cpu", "float32", 1).limits.named
    timed = resolve(TrainConfig(max_time=60.0), of_length(50_000), "cpu", "float32", 1)
    assert timed.limits == Budget(max_time=60.0)


def test_larger_texts_get_more_streams_and_no_endless_training() -> None:
    sizes = [
        resolve(TrainConfig(), of_length(n), "cpu", "float32", 1)
        for n in (20_000, 200_000, 2_000_000)
    ]
    streams = [config.batch_size or 0 for config in sizes]
    epochs = [config.epochs or 0 for config in sizes]
    assert streams == sorted(streams)
    assert streams[0] < streams[-1]
    assert epochs[-1] * int(0.9 * 2_000_000) <= 18_500_000


def test_a_megabyte_is_learnt_as_the_bundled_model_was() -> None:
    config, bard = of_length(1_115_394), find_run("bard").config
    resolved = resolve(TrainConfig(), config, "cpu", "bfloat16", bard.training.threads or 0)
    assert resolved == bard.training
